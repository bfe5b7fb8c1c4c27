"""The sources file, git repositories, and a documentation site over real HTTP."""

from __future__ import annotations

import gzip
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from knowledge_base.errors import SourceFailedError, SourcesFileError
from knowledge_base.passage import Access
from knowledge_base.sources.config import SiteSource, read_sources
from knowledge_base.sources.git import checked_out, days_of_change
from knowledge_base.sources.website import mirror

PAGE = "<html><head><title>{0}</title></head><body><main><h1 id='a'>{0}</h1><p>Text about {0} for everyone.</p></main></body></html>"


def write(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def test_a_sources_file_in_toml_and_in_yaml(tmp_path: Path) -> None:
    toml = write(
        tmp_path / "sources.toml",
        '[[source]]\nname = "wiki"\nkind = "folder"\npath = "wiki"\naccess = "engineers"\n'
        '[[source]]\nname = "lumi"\nkind = "git"\nurl = "https://example.org/x.git"\nsystems = ["lumi-g"]\n',
    )
    yaml = write(
        tmp_path / "sources.yaml",
        "articles: false\nsource:\n  - {name: docs, kind: site, url: 'https://docs.example.eu/', delay_s: 2}\n",
    )
    wiki, lumi = read_sources(toml).source
    assert (wiki.kind, wiki.access, wiki.name) == ("folder", Access.ENGINEERS, "wiki")
    assert wiki.path == tmp_path / "wiki"  # type: ignore[union-attr]
    assert (lumi.kind, lumi.systems) == ("git", ("lumi-g",))
    read = read_sources(yaml)
    assert (read.articles, read.source[0].kind) == (False, "site")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[source]]\nname = 'x'\n", "source 1"),
        ("[[source]]\nname = 'X y'\nkind = 'folder'\npath = '.'\n", "name"),
        ("[[source]]\nname = 'x'\nkind = 'git'\nurl = '--upload-pack=x'\n", "url"),
        ("[[source]]\nname = 'x'\nkind = 'git'\nurl = 'ext::sh -c x'\n", "url"),
        ("[[source]]\nname = 'x'\nkind = 'folder'\npath = '.'\nsystems = ['moon']\n", "no system of the facts: moon"),
        ("[[source]]\nname = 'x'\nkind = 'folder'\npath = '.'\nfolder = 'y'\n", "folder"),
        ("[[source]]\nname='x'\nkind='folder'\npath='.'\n[[source]]\nname='x'\nkind='folder'\npath='.'\n", "called x"),
        ("not toml", "sources.toml"),
    ],
)
def test_a_bad_sources_file_names_each_problem(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SourcesFileError, match="cannot be used") as raised:
        read_sources(write(tmp_path / "sources.toml", text))
    assert problem in str(raised.value)


def git(folder: Path, *arguments: str, day: str = "2026-01-02") -> str:
    names = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b.org",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b.org",
    }
    dates = {"GIT_AUTHOR_DATE": f"{day}T12:00:00Z", "GIT_COMMITTER_DATE": f"{day}T12:00:00Z"}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **names, **dates},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> tuple[Path, Path]:
    """A bare repository, and the work tree that pushes to it."""
    bare, work = tmp_path / "bare.git", tmp_path / "work"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git(tmp_path, "clone", "--quiet", str(bare), str(work))
    commit(work, "docs/é a.md", "# One\n\nThe first text of it.\n", day="2026-01-02")
    return bare, work


def commit(work: Path, name: str, text: str | None, *, day: str, branch: str = "main") -> str:
    git(work, "checkout", "--quiet", "-B", branch)
    file = work / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink() if text is None else file.write_text(text, encoding="utf-8")
    git(work, "add", "-A")
    git(work, "commit", "--quiet", "-m", "change", day=day)
    git(work, "push", "--quiet", "--force", "origin", branch)
    return git(work, "rev-parse", "HEAD")


def test_a_branch_is_cloned_then_pulled(repository: tuple[Path, Path], tmp_path: Path) -> None:
    bare, work = repository
    folder = tmp_path / "cache" / "docs"
    first = checked_out(str(bare), "main", folder)
    assert first == git(work, "rev-parse", "HEAD")
    second = commit(work, "docs/b.md", "# Two\n\nAnother text of it.\n", day="2026-03-04")
    assert checked_out(str(bare), "main", folder) == second
    assert days_of_change(folder) == {"docs/é a.md": "2026-01-02", "docs/b.md": "2026-03-04"}
    commit(work, "docs/b.md", None, day="2026-03-05")
    checked_out(str(bare), "main", folder)
    assert [file.name for file in (folder / "docs").iterdir()] == ["é a.md"]


def test_a_rewritten_branch_and_another_branch(repository: tuple[Path, Path], tmp_path: Path) -> None:
    bare, work = repository
    folder = tmp_path / "cache" / "docs"
    checked_out(str(bare), "main", folder)
    git(work, "commit", "--quiet", "--amend", "-m", "rewritten")
    git(work, "push", "--quiet", "--force", "origin", "main")
    assert checked_out(str(bare), "main", folder) == git(work, "rev-parse", "HEAD")
    other = commit(work, "docs/c.md", "# Three\n\nOn another branch.\n", day="2026-03-04", branch="next")
    assert checked_out(str(bare), "next", folder) == other


def test_a_repository_that_cannot_be_reached_leaves_the_clone(repository: tuple[Path, Path], tmp_path: Path) -> None:
    bare, _ = repository
    folder = tmp_path / "cache" / "docs"
    checked_out(str(bare), "main", folder)
    bare.rename(tmp_path / "gone.git")
    with pytest.raises(SourceFailedError, match="git fetch"):
        checked_out(str(bare), "main", folder)
    assert (folder / "docs" / "é a.md").is_file()
    with pytest.raises(SourceFailedError, match="git clone"):
        checked_out(str(bare), "main", tmp_path / "cache" / "other")


@dataclass
class Site:
    """A site on loopback: what it serves, and what it was asked for."""

    pages: dict[str, tuple[int, str, bytes, str]] = field(default_factory=dict)
    """Status, type, body and ETag by path."""
    dates: dict[str, str] = field(default_factory=dict)
    """Last-Modified by path."""
    busy: dict[str, list[str]] = field(default_factory=dict)
    """By path, what the next answers 429 say in Retry-After."""
    asked: list[tuple[str, int]] = field(default_factory=list)
    url: str = ""

    def put(self, path: str, body: str | bytes, *, kind: str = "text/html", status: int = 200, etag: str = "") -> None:
        self.pages[path] = (status, kind, body.encode() if isinstance(body, str) else body, etag)

    def sitemap(self, *paths: str, lastmod: str = "") -> None:
        changed = f"<lastmod>{lastmod}</lastmod>" if lastmod else ""
        rows = "".join(f"<url><loc>{self.url}{path}</loc>{changed}</url>" for path in paths)
        self.put("/sitemap.xml", f'<?xml version="1.0"?><urlset>{rows}</urlset>', kind="application/xml")

    def pages_asked(self) -> list[tuple[str, int]]:
        return [(path, status) for path, status in self.asked if not path.startswith(("/robots", "/sitemap"))]


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body, etag = served.pages.get(self.path, (404, "text/plain", b"", ""))
            date = served.dates.get(self.path)
            known = (
                etag and self.headers.get("If-None-Match") == etag,
                date and self.headers.get("If-Modified-Since") == date,
            )
            if any(known):
                status, body = 304, b""
            busy = served.busy.get(self.path)
            wait = busy.pop(0) if busy else None
            status = status if wait is None else 429
            served.asked.append((self.path, status))
            self.send_response(status)
            if wait is not None:
                self.send_header("Retry-After", wait)
            self.send_header("Content-Type", kind)
            if etag:
                self.send_header("ETag", etag)
            if date:
                self.send_header("Last-Modified", date)
            if status in {301, 302}:
                self.send_header("Location", body.decode())
                body = b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def source_of(site: Site, **values: object) -> SiteSource:
    return SiteSource.model_validate({"name": "site", "kind": "site", "url": site.url + "/", "delay_s": 0, **values})


def test_a_site_is_fetched_once_and_then_asked_what_changed(site: Site, tmp_path: Path) -> None:
    site.put("/robots.txt", "User-agent: *\nDisallow: /private/\nCrawl-delay: 3\n", kind="text/plain")
    for name in ("a", "b", "private/c"):
        site.put(f"/{name}/", PAGE.format(name), etag=f'"{name}1"')
    site.sitemap("/a/", "/b/", "/private/c/", "/a/")
    pauses: list[float] = []
    first = mirror(source_of(site), tmp_path, pauses.append)
    assert first.urls == {"a/index.html": f"{site.url}/a/", "b/index.html": f"{site.url}/b/"}
    assert (first.fetched, first.failed) == (2, ())
    assert site.asked == [("/robots.txt", 200), ("/sitemap.xml", 200), ("/a/", 200), ("/b/", 200)]
    assert pauses == [3, 3, 3]

    site.asked.clear()
    site.put("/b/", PAGE.format("b anew"), etag='"b2"')
    assert mirror(source_of(site), tmp_path, pauses.append).fetched == 1
    assert site.pages_asked() == [("/a/", 304), ("/b/", 200)]
    assert "b anew" in (tmp_path / "b" / "index.html").read_text()

    site.sitemap("/a/")
    assert list(mirror(source_of(site), tmp_path, pauses.append).urls) == ["a/index.html"]
    assert not (tmp_path / "b" / "index.html").exists()


def test_a_page_whose_date_is_unchanged_is_not_asked_for(site: Site, tmp_path: Path) -> None:
    site.put("/a/", PAGE.format("a"))
    site.sitemap("/a/", lastmod="2026-02-03T00:00:00Z")
    assert mirror(source_of(site), tmp_path).dates == {"a/index.html": "2026-02-03"}
    site.asked.clear()
    mirror(source_of(site), tmp_path)
    assert site.pages_asked() == []


def test_a_busy_server_is_given_the_time_that_it_asks_for(site: Site, tmp_path: Path) -> None:
    for name in "abcd":
        site.put(f"/{name}", PAGE.format(name))
    site.sitemap("/a", "/b", "/c", "/d")
    site.busy = {"/a": ["7"], "/b": ["3600"], "/c": ["5", "5"]}
    pauses: list[float] = []
    found = mirror(source_of(site), tmp_path, pauses.append)
    assert sorted(found.urls) == ["a.html", "d.html"]
    assert [(url[-1], reason) for url, reason in found.failed] == [("b", "answered 429"), ("c", "answered 429")]
    assert site.pages_asked() == [("/a", 429), ("/a", 200), ("/b", 429), ("/c", 429), ("/c", 429), ("/d", 200)]
    assert [wait for wait in pauses if wait] == [7, 5]


def test_sitemaps_of_sitemaps_compressed_ones_and_other_hosts(site: Site, tmp_path: Path) -> None:
    site.put("/robots.txt", f"Sitemap: {site.url}/all.xml\n", kind="text/plain")
    site.put("/all.xml", f"<sitemapindex><sitemap><loc>{site.url}/one.xml.gz</loc></sitemap></sitemapindex>")
    rows = f"<urlset><url><loc>{site.url}/docs/a.html?v=1</loc></url><url><loc>https://elsewhere.eu/b</loc></url><url><loc>{site.url}/blog/c</loc></url></urlset>"
    site.put("/one.xml.gz", gzip.compress(rows.encode()))
    site.put("/docs/a.html?v=1", PAGE.format("a"))
    assert mirror(source_of(site, paths=["docs"]), tmp_path).urls == {
        "docs/a.html-v-1.html": f"{site.url}/docs/a.html?v=1"
    }


def test_single_pages_that_fail_are_named_and_stay(site: Site, tmp_path: Path) -> None:
    for name in "abcdefg":
        site.put(f"/{name}", PAGE.format(name))
    site.sitemap(*(f"/{name}" for name in "abcdefg"))
    mirror(source_of(site), tmp_path)
    site.put("/a", "", status=500)
    site.put("/b", "", status=404)
    site.put("/c", "https://elsewhere.eu/", status=302)
    found = mirror(source_of(site), tmp_path)
    assert {url.rsplit("/", 1)[1]: reason.split(",")[0] for url, reason in found.failed} == {
        "a": "answered 500",
        "b": "answered 404",
        "c": "leads to https://elsewhere.eu/",
    }
    assert sorted(found.urls) == ["a.html", "d.html", "e.html", "f.html", "g.html"]


@pytest.mark.parametrize(("path", "status"), [("/robots.txt", 503), ("/sitemap.xml", 404), ("/sitemap.xml", 500)])
def test_a_site_in_trouble_fails_as_a_whole(site: Site, tmp_path: Path, path: str, status: int) -> None:
    site.sitemap("/a")
    site.put("/a", PAGE.format("a"))
    mirror(source_of(site), tmp_path)
    site.put(path, "", status=status)
    with pytest.raises(SourceFailedError, match=str(status)):
        mirror(source_of(site), tmp_path)
    assert (tmp_path / "a.html").is_file()


def test_a_site_that_is_offline(tmp_path: Path) -> None:
    source = SiteSource(name="x", kind="site", url="http://127.0.0.1:9/")
    with pytest.raises(SourceFailedError, match="robots"):
        mirror(source, tmp_path)
