"""Git repositories and web sites from end to end: what each passage knows, what a change costs, what a failure leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from hashing_encoder import HashingEncoder
from test_kb_index import CountingEncoder
from test_kb_sources import Site, commit, git, repository, site, source_of

from knowledge_base.index import open_index
from knowledge_base.passage import Access, Passage
from knowledge_base.sources.config import AnySource, GitSource
from knowledge_base.sources.sync import SourceReport, sync

__all__ = ["repository", "site"]

HTML = (
    "<html><head><title>{0} - Site</title></head><body><nav><a href='/'>Home</a></nav><main><h1 id='top'>{0}</h1>"
    "<p>About {0}, in a whole sentence.</p><h2 id='limits'>Limits</h2><p>{1}</p></main></body></html>"
)


class Kept:
    """An index that is kept in step with one source."""

    def __init__(self, root: Path, source: AnySource) -> None:
        self.root, self.source = root, source
        self.encoder = CountingEncoder(HashingEncoder())

    def sync(self) -> SourceReport:
        (report,) = sync([self.source], self.root / "index", self.root / "cache", self.encoder).sources
        return report

    def passages(self) -> list[Passage]:
        opened = open_index(self.root / "index")
        return sorted((opened.passages.at(row) for row in range(len(opened))), key=lambda p: (p.path, p.start))


@pytest.fixture
def guide(repository: tuple[Path, Path], tmp_path: Path) -> Kept:
    bare, work = repository
    commit(work, "mkdocs.yml", "site_name: G\nsite_url: https://docs.example.eu/guide\n", day="2026-01-02")
    commit(work, "docs/jobs/queue.md", "# Queue\n\n## On LUMI\n\nAt most two days.\n", day="2026-02-03")
    commit(work, "notes/private.md", "# Private\n\nNot of the documentation.\n", day="2026-02-04")
    source = GitSource(name="guide", kind="git", url=str(bare), paths=("docs/jobs",), access=Access.ENGINEERS)
    return Kept(tmp_path / "kept", source)


def test_a_passage_of_a_repository_knows_where_it_is_from(guide: Kept, repository: tuple[Path, Path]) -> None:
    report = guide.sync()
    head = git(repository[1], "rev-parse", "HEAD")
    assert report.record is not None
    assert (report.outcome, report.record.revision) == ("changed", head)
    (passage,) = guide.passages()
    assert passage.text == "At most two days."
    assert (passage.source, passage.path, passage.revision) == ("guide", "docs/jobs/queue.md", head)
    assert passage.url == "https://docs.example.eu/guide/jobs/queue/#on-lumi"
    assert (passage.title, passage.heading) == ("Queue", ("Queue", "On LUMI"))
    assert (passage.date, passage.access) == ("2026-02-03", Access.ENGINEERS)
    assert passage.systems == ("lumi-g",)


def test_a_commit_costs_what_it_changed(guide: Kept, repository: tuple[Path, Path]) -> None:
    guide.sync()
    assert guide.sync().outcome == "unchanged"
    commit(repository[1], "docs/jobs/new.md", "# New\n\nA page that was not there.\n", day="2026-03-04")
    embedded = guide.encoder.texts
    assert guide.sync().outcome == "changed"
    assert guide.encoder.texts - embedded == 1
    commit(repository[1], "docs/jobs/queue.md", None, day="2026-03-05")
    guide.sync()
    assert [passage.path for passage in guide.passages()] == ["docs/jobs/new.md"]


def test_a_repository_that_is_gone_leaves_what_was_read(guide: Kept, repository: tuple[Path, Path]) -> None:
    read = guide.sync().record
    repository[0].rename(repository[0].with_name("away.git"))
    report = guide.sync()
    assert (report.outcome, report.record) == ("failed", read)
    assert "git fetch" in str(report.problem)
    assert len(guide.passages()) == 1


def test_a_branch_that_is_not_there_is_named(guide: Kept) -> None:
    guide.sync()
    guide.source = guide.source.model_copy(update={"branch": "nowhere"})
    report = guide.sync()
    assert report.outcome == "failed"
    assert "nowhere" in str(report.problem)


def test_a_passage_of_a_site_opens_at_its_section(site: Site, tmp_path: Path) -> None:
    site.put("/jobs/", HTML.format("Jobs on Leonardo", "At most one day."), etag='"1"')
    site.sitemap("/jobs/", lastmod="2026-05-06T07:08:09Z")
    kept = Kept(tmp_path, source_of(site))
    assert kept.sync().outcome == "changed"
    _, limits = kept.passages()
    assert limits.text == "At most one day."
    assert limits.url == f"{site.url}/jobs/#limits"
    assert limits.heading == ("Jobs on Leonardo", "Limits")
    assert (limits.date, limits.systems, limits.access) == ("2026-05-06", ("leonardo-booster",), Access.PUBLIC)
    assert "Home" not in " ".join(passage.text for passage in kept.passages())


def test_a_site_is_asked_again_and_read_only_when_it_changed(site: Site, tmp_path: Path) -> None:
    for name in ("a", "b"):
        site.put(f"/{name}/", HTML.format(name, f"Limit of {name}."), etag=f'"{name}1"')
    site.sitemap("/a/", "/b/")
    kept = Kept(tmp_path, source_of(site))
    kept.sync()
    site.asked.clear()
    assert kept.sync().outcome == "unchanged"
    assert site.pages_asked() == [("/a/", 304), ("/b/", 304)]
    site.put("/b/", HTML.format("b", "Another limit of b."), etag='"b2"')
    embedded = kept.encoder.texts
    assert kept.sync().outcome == "changed"
    assert kept.encoder.texts - embedded == 1
    site.sitemap("/a/")
    kept.sync()
    assert {passage.path for passage in kept.passages()} == {"a/index.html"}


def test_a_site_that_goes_offline_stays_as_it_was_read(site: Site, tmp_path: Path) -> None:
    site.put("/a/", HTML.format("a", "Limit of a."))
    site.sitemap("/a/")
    kept = Kept(tmp_path, source_of(site))
    read = kept.sync().record
    site.put("/robots.txt", "", status=503)
    report = kept.sync()
    assert (report.outcome, report.record) == ("failed", read)
    assert "503" in str(report.problem)
    assert len(kept.passages()) == 2


def test_a_server_that_knows_only_dates_is_asked_by_them(site: Site, tmp_path: Path) -> None:
    site.dates["/a/"] = "Wed, 06 May 2026 07:08:09 GMT"
    site.put("/a/", HTML.format("a", "Limit of a."))
    site.sitemap("/a/")
    kept = Kept(tmp_path, source_of(site))
    kept.sync()
    site.asked.clear()
    assert kept.sync().outcome == "unchanged"
    assert site.pages_asked() == [("/a/", 304)]
