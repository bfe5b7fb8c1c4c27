"""Addresses of pages and sections as the generators derive them."""

from __future__ import annotations

from pathlib import Path

import pytest

from knowledge_base.anchors import anchor_of, pymdownx_slug
from knowledge_base.markdown import parse_markdown
from knowledge_base.rst import parse_rst
from knowledge_base.site import Site, section_url, site_of

TOC = "markdown_extensions:\n  - toc:\n      slugify: {}\n      separator: '{}'\n"


def test_mkdocs_folders_and_files() -> None:
    site = Site(url="https://x.eu/", docs_dir="docs")
    pages = ["docs/index.md", "docs/a/README.md", "docs/a/b c.md", "docs/p.pdf", "docs/q.html", "README.md"]
    assert [site.page_url(page) for page in pages] == [
        "https://x.eu/",
        "https://x.eu/a/",
        "https://x.eu/a/b%20c/",
        "https://x.eu/p.pdf",
        "https://x.eu/q.html",
        None,
    ]


def test_configuration_of_mkdocs(tmp_path: Path) -> None:
    slug = "!!python/object/apply:pymdownx.slugs.slugify {kwds: {case: lower}}"
    (tmp_path / "mkdocs.yml").write_text(
        "site_url: !ENV [SITE, 'https://x.eu/docs']\nuse_directory_urls: false\ndocs_dir: pages\n"
        + TOC.format(slug, "_")
    )
    (tmp_path / "pages").mkdir()
    site = site_of(tmp_path)
    assert site.page_url("pages/jobs/queue.md") == "https://x.eu/docs/jobs/queue.html"
    assert site.page_url("pages/index.md") == "https://x.eu/docs/index.html"
    assert site.slug("Où  ça, GPU?") == "où__ça_gpu"
    inside = site_of(tmp_path / "pages")
    assert inside.page_url("jobs/queue.md") == "https://x.eu/docs/jobs/queue.html"
    assert site_of(tmp_path, "https://y.eu").page_url("pages/a.md") == "https://y.eu/a.html"


@pytest.mark.parametrize("text", ["", "- a", "site_url: [", "site_url: 3", "\x00"])
def test_a_configuration_that_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "mkdocs.yml").write_text(text)
    assert site_of(tmp_path).url is None


def test_sphinx_pages_and_base(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "conf.py").write_text(
        "import os\nhtml_baseurl = 'https://x.readthedocs.io/en/latest/'\nraise Boom\n"
    )
    site = site_of(tmp_path)
    assert site.page_url("docs/jobs/index.rst") == "https://x.readthedocs.io/en/latest/jobs/index.html"
    assert site.page_url("setup.rst") is None


def test_section_addresses() -> None:
    assert section_url("https://x.eu/a/", "b-c") == "https://x.eu/a/#b-c"
    assert section_url("https://x.eu/a.pdf", "page=3") == "https://x.eu/a.pdf#page=3"
    assert section_url("https://x.eu/a/", "") == "https://x.eu/a/"
    assert section_url(None, "b") is None


def test_repeated_headings_are_numbered_as_python_markdown_does() -> None:
    taken: dict[str, int] = {}
    assert [anchor_of(text, taken) for text in ("V100_1", "V100_1", "V100", "V100")] == [
        "v100_1",
        "v100_2",
        "v100",
        "v100_3",
    ]


def test_slugs_of_pymdownx() -> None:
    assert pymdownx_slug("A & B: C", case="lower") == "a--b-c"


def test_a_repeated_heading_of_sphinx_is_reached_by_its_label() -> None:
    page = parse_rst(
        "Aaaa\n====\n\nx\n\nBbbb\n----\n\ny\n\n.. _other B:\n\nBbbb\n----\n\nz\n", root=Path(), path="p.rst"
    )
    assert [part.anchor for part in page.parts[1:]] == ["aaaa", "bbbb", "other-b"]


def test_fields_on_top_and_links_over_two_lines_leave_no_noise() -> None:
    page = parse_rst(
        ":orphan:\n:tocdepth: 2\n\nSee `the other\npage <https://x.eu>`_ and :ref:`that\none <label>`.\n",
        root=Path(),
        path="p.rst",
    )
    assert [block.text for part in page.parts for block in part.blocks] == ["See the other\npage and that\none."]


def test_blocks_of_pymdownx() -> None:
    page = parse_markdown(
        "/// warning | Limits\n    type: x\n\nOnly 48 hours.\n///\n\n/// html | div\n\nPlain.\n///\n",
        root=Path(),
        path="p.md",
    )
    assert [block.text for part in page.parts for block in part.blocks] == ["Limits:", "Only 48 hours.", "Plain."]


def test_snippets_from_the_folder_that_the_site_names(tmp_path: Path) -> None:
    (tmp_path / "mkdocs.yml").write_text(
        "markdown_extensions:\n  - pymdownx.snippets:\n      base_path: [shared/parts]\n"
    )
    (tmp_path / "shared" / "parts").mkdir(parents=True)
    (tmp_path / "shared" / "parts" / "limits.md").write_text("At most 48 hours.\n")
    page = parse_markdown('--8<-- "limits.md"\n', root=tmp_path, path="docs/p.md", site=site_of(tmp_path))
    assert [block.text for part in page.parts for block in part.blocks] == ["At most 48 hours."]
