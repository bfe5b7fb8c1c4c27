"""The pages of a documentation site by its sitemap, fetched politely and kept in a folder."""

from __future__ import annotations

import gzip
import json
import re
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
from protego import Protego
from selectolax.lexbor import LexborHTMLParser

from knowledge_base.errors import SourceFailedError
from knowledge_base.sources.config import SiteSource

AGENT = "minerva-helpdesk"
HEADERS = {"User-Agent": f"{AGENT}/0.1 (documentation index of a support desk)"}
TIMEOUT_S = 30
MAX_SITEMAPS = 100
MAX_REDIRECTS = 5
MAX_WAIT_S = 120
"""That a busy server may ask for (Retry-After) before a page is asked for once more."""
MAX_ANSWER = 50_000_000
"""Bytes."""
MAX_FAILED = 0.5
"""Share of the pages; when more fail, the site counts as offline."""
_TYPES = {"text/html": ".html", "application/xhtml+xml": ".html", "application/pdf": ".pdf"}


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredPage:
    path: str
    """In the folder of the pages."""
    lastmod: str | None
    """As the sitemap gave it."""
    etag: str | None
    last_modified: str | None
    """Headers of the answer, sent back with the next question (RFC 9110, section 13.1)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirrored:
    urls: dict[str, str]
    """Address by path."""
    dates: dict[str, str]
    fetched: int
    """Pages whose content came over the network this time."""
    failed: tuple[tuple[str, str], ...]
    """(address, reason); a page that was there before stays."""


def mirror(source: SiteSource, folder: Path, pause: Callable[[float], None] = time.sleep) -> Mirrored:
    """Bring `folder` in step with the site; pages that are gone from the sitemap are deleted.

    Raises:
        SourceFailedError: the site, its robots.txt or its sitemap cannot be reached, or most of its pages.
    """
    stored = _stored(folder)
    with httpx.Client(headers=HEADERS, timeout=TIMEOUT_S) as client:
        visit = _Visit(source, client, pause)
        listed = list(visit.pages())
        if not listed:
            raise SourceFailedError(f"the sitemap of {source.url} names no page that may be read")
        kept: dict[str, StoredPage] = {}
        failed: list[tuple[str, str]] = []
        fetched = 0
        for url, lastmod in listed:
            before = stored.get(url)
            try:
                page, is_new = visit.page(url, lastmod, before, folder)
            except _PageError as error:
                failed.append((url, str(error)))
                page, is_new = None if error.gone else before, False
            fetched += is_new
            if page:
                kept[url] = page
    if len(failed) > MAX_FAILED * len(listed):
        first = ": ".join(failed[0])
        raise SourceFailedError(f"{len(failed)} of {len(listed)} pages failed, the first: {first}")
    _write(folder, kept)
    dates = {page.path: page.lastmod[:10] for page in kept.values() if page.lastmod}
    urls = {page.path: url for url, page in kept.items()}
    return Mirrored(urls=urls, dates=dates, fetched=fetched, failed=tuple(failed))


class _PageError(Exception):
    def __init__(self, reason: str, *, gone: bool = False) -> None:
        super().__init__(reason)
        self.gone = gone


class _Visit:
    """One visit to a site: what robots.txt allows, and a pause between two requests."""

    def __init__(self, source: SiteSource, client: httpx.Client, pause: Callable[[float], None]) -> None:
        self._source, self._client, self._pause = source, client, pause
        parts = urlsplit(source.url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._asked = 0
        self._delay_s = source.delay_s
        self._rules = self._robots()
        self._delay_s = max(self._delay_s, float(self._rules.crawl_delay(AGENT) or 0))

    def pages(self) -> Iterator[tuple[str, str | None]]:
        """(address, lastmod) of the pages in the sitemap that may be read, each once."""
        seen: set[str] = set()
        for url, lastmod in self._listed():
            wanted = not self._source.paths or any(
                urlsplit(url).path.lstrip("/").startswith(path.strip("/")) for path in self._source.paths
            )
            if url not in seen and wanted and self._may_read(url):
                seen.add(url)
                yield url, lastmod
                if len(seen) >= self._source.max_pages:
                    return

    def page(
        self, url: str, lastmod: str | None, before: StoredPage | None, folder: Path
    ) -> tuple[StoredPage | None, bool]:
        """The page as it is stored now, and whether it came anew. Raises _PageError."""
        headers = {}
        if before and (folder / before.path).is_file():
            if lastmod and before.lastmod == lastmod:
                return before, False
            headers = {"If-None-Match": before.etag or "", "If-Modified-Since": before.last_modified or ""}
        answer, body = self._get(url, {name: value for name, value in headers.items() if value})
        if answer.status_code == httpx.codes.NOT_MODIFIED and before:
            return StoredPage(**{**asdict(before), "lastmod": lastmod}), False
        if answer.status_code != httpx.codes.OK:
            raise _PageError(f"answered {answer.status_code}", gone=answer.status_code in {404, 410})
        kind = _TYPES.get(answer.headers.get("content-type", "").split(";")[0].strip().lower())
        if kind is None:
            raise _PageError("neither HTML nor PDF", gone=True)
        path = _path_of(url, kind)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
        said = answer.headers.get
        return StoredPage(path=path, lastmod=lastmod, etag=said("etag"), last_modified=said("last-modified")), True

    def _robots(self) -> Protego:
        """RFC 9309: a missing file allows everything, a server in trouble nothing."""
        answer, body = self._reach(f"{self._origin}/robots.txt")
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise SourceFailedError(f"{self._origin}/robots.txt answered {answer.status_code}: nothing was fetched")
        return Protego.parse(body.decode("utf-8", "replace") if answer.status_code == httpx.codes.OK else "")

    def _may_read(self, url: str) -> bool:
        return url.startswith(f"{self._origin}/") and self._rules.can_fetch(url, AGENT)

    def _listed(self) -> Iterator[tuple[str, str | None]]:
        named = self._source.url.endswith((".xml", ".xml.gz"))
        listed = [] if named else list(self._rules.sitemaps)
        waiting = [self._source.url] if named else listed or [f"{self._source.url.rstrip('/')}/sitemap.xml"]
        for number, url in enumerate(waiting):
            if number >= MAX_SITEMAPS:
                return
            answer, body = self._reach(url)
            if answer.status_code != httpx.codes.OK:
                raise SourceFailedError(f"the sitemap {url} answered {answer.status_code}")
            tree = LexborHTMLParser(_unzipped(body))
            waiting += [node.text().strip() for node in tree.css("sitemap > loc")]
            for node in tree.css("url"):
                address, changed = node.css_first("loc"), node.css_first("lastmod")
                if address:
                    yield address.text().strip(), (changed.text().strip() or None) if changed else None

    def _reach(self, url: str) -> tuple[httpx.Response, bytes]:
        try:
            return self._get(url, {})
        except _PageError as error:
            raise SourceFailedError(f"{url}: {error}") from error

    def _get(self, url: str, headers: dict[str, str]) -> tuple[httpx.Response, bytes]:
        """The answer after redirects, which may lead to other pages of this site only. Raises _PageError."""
        for _ in range(MAX_REDIRECTS):
            answer, body = self._ask(url, headers)
            if (wait_s := _retry_after(answer)) is not None:
                self._pause(wait_s)
                answer, body = self._ask(url, headers)
            if answer.next_request is None:
                return answer, body
            url = str(answer.next_request.url)
            if not url.startswith(f"{self._origin}/"):
                raise _PageError(f"leads to {url}, which is another site", gone=True)
        raise _PageError("leads from page to page")

    def _ask(self, url: str, headers: dict[str, str]) -> tuple[httpx.Response, bytes]:
        if self._asked:
            self._pause(self._delay_s)
        self._asked += 1
        try:
            with self._client.stream("GET", url, headers=headers) as answer:
                body = b""
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > MAX_ANSWER:
                        break
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise _PageError(str(error) or type(error).__name__) from error
        if len(body) > MAX_ANSWER:
            raise _PageError(f"larger than {MAX_ANSWER / 1e6:.0f} MB")
        return answer, body


def _retry_after(answer: httpx.Response) -> float | None:
    """Seconds that a busy server asks for (RFC 9110, section 10.2.3); None when it does not, or for too long."""
    said = answer.headers.get("retry-after", "")
    busy = answer.status_code in {httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE}
    return float(said) if busy and said.isdigit() and int(said) <= MAX_WAIT_S else None


def _unzipped(body: bytes) -> str:
    if body.startswith(b"\x1f\x8b"):
        try:
            body = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, MAX_ANSWER)
        except (zlib.error, gzip.BadGzipFile) as error:
            raise SourceFailedError(f"a compressed sitemap is broken: {error}") from error
    return body.decode("utf-8", "replace")


def _path_of(url: str, kind: str) -> str:
    """`jobs/queue/index.html`: the address as a path that stays inside the folder."""
    parts = urlsplit(url)
    names = [re.sub(r"[^\w.-]+", "-", unquote(name)).strip(".") for name in parts.path.split("/")]
    path = "/".join(name[:100] for name in names[:-1] if name)
    last = names[-1] or "index"
    if parts.query:
        last += "-" + re.sub(r"[^\w.-]+", "-", parts.query)[:60]
    last = last if last.lower().endswith(kind) else last + kind
    return f"{path}/{last}".lstrip("/")


def _stored(folder: Path) -> dict[str, StoredPage]:
    """What the last visit left; nothing when it cannot be read."""
    try:
        values: dict[str, dict[str, Any]] = json.loads((folder / "pages.json").read_text(encoding="utf-8"))
        return {url: StoredPage(**page) for url, page in values.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write(folder: Path, kept: dict[str, StoredPage]) -> None:
    listed = {page.path for page in kept.values()}
    for file in [file for file in folder.rglob("*") if file.is_file()]:
        if file.relative_to(folder).as_posix() not in listed:
            file.unlink()
    text = json.dumps({url: asdict(page) for url, page in kept.items()}, indent=0)
    (folder / "pages.json.new").write_text(text, encoding="utf-8")
    (folder / "pages.json.new").replace(folder / "pages.json")
