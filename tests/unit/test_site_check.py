"""The comparison with a built site sees what is wrong."""

from __future__ import annotations

from pathlib import Path

from site_check import wrong_addresses

BASE = "https://docs.example.eu/"
BUILT = "<h1 id='jobs'>Jobs<a class='headerlink' href='#jobs'>¶</a></h1><h2 id='{}'>{}</h2><p>x</p>"


def site(root: Path, anchor: str, heading: str) -> tuple[int, list[str]]:
    source, built = root / "source", root / "built"
    (source / "docs").mkdir(parents=True, exist_ok=True)
    (source / "mkdocs.yml").write_text(f"site_url: {BASE}\n")
    (source / "docs" / "a.md").write_text("# Jobs\n\nText.\n\n## Time limits\n\nMore text.\n")
    (built / "a").mkdir(parents=True, exist_ok=True)
    (built / "a" / "index.html").write_text(BUILT.format(anchor, heading))
    return wrong_addresses(source, built, BASE)


def test_addresses_that_open_at_the_right_place(tmp_path: Path) -> None:
    assert site(tmp_path, "time-limits", "Time limits") == (2, [])


def test_a_missing_anchor_another_heading_and_a_missing_page(tmp_path: Path) -> None:
    assert site(tmp_path, "limits", "Time limits")[1] == ["docs/a.md > Jobs > Time limits: no #time-limits"]
    assert "is 'queues', not 'time limits'" in site(tmp_path, "time-limits", "Queues")[1][0]
    (tmp_path / "built" / "a" / "index.html").unlink()
    found, problems = wrong_addresses(tmp_path / "source", tmp_path / "built", BASE)
    assert (found, len(problems)) == (2, 2)
    assert all("no page a/" in problem for problem in problems)
