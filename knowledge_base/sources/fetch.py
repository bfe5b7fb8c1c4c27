"""What a source is now: its fingerprint, before anything is parsed, and its documents when they are asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from knowledge_base.documents import Document, Origin, Reading, read_tree
from knowledge_base.errors import SourceFailedError
from knowledge_base.sources.config import AnySource, FolderSource, GitSource, SiteSource
from knowledge_base.sources.git import checked_out, days_of_change
from knowledge_base.sources.website import mirror
from knowledge_base.tree import IGNORED_FOLDERS, LIMITS, Skipped

_NO_TEXT = frozenset(
    {".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".ico", ".mp4", ".zip", ".gz", ".tar", ".woff", ".woff2", ".ttf"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    fingerprint: str
    """Equal as long as reading again would give the same documents."""
    revision: str | None
    read: Callable[[], Reading]


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """Documents that are no files, such as approved answers."""

    name: str
    documents: tuple[Document, ...]
    fingerprint: str

    def fetched(self) -> Fetched:
        return Fetched(fingerprint=self.fingerprint, revision=None, read=lambda: Reading(documents=[*self.documents]))


def fetch(source: AnySource, cache: Path) -> Fetched:
    """Raises SourceFailedError or SourceMissingError."""
    if isinstance(source, GitSource):
        return _repository(source, cache / source.name)
    if isinstance(source, SiteSource):
        return _site(source, cache / source.name)
    return _folder(source)


def _folder(source: FolderSource) -> Fetched:
    if not source.path.is_dir():
        raise SourceFailedError(f"no folder {source.path}")
    fingerprint = f"{source.settings_hash}:{_digest_of(source.path)}"
    return Fetched(fingerprint=fingerprint, revision=None, read=lambda: read_tree(source.path, _origin(source)))


def _origin(source: AnySource) -> Origin:
    return Origin(
        source=source.name, url=source.site_url, systems=source.systems, access=source.access, paths=source.paths
    )


def _repository(source: GitSource, folder: Path) -> Fetched:
    commit = checked_out(source.url, source.branch, folder)

    def read() -> Reading:
        dates = days_of_change(folder)
        return read_tree(folder, replace(_origin(source), revision=commit, dates=dates))

    return Fetched(fingerprint=f"{source.settings_hash}:{commit}", revision=commit, read=read)


def _site(source: SiteSource, folder: Path) -> Fetched:
    folder.mkdir(parents=True, exist_ok=True)
    mirrored = mirror(source, folder)
    origin = replace(_origin(source), urls=mirrored.urls, dates=mirrored.dates, paths=())
    content = hashlib.sha256(repr(sorted(mirrored.urls.items())).encode()).hexdigest()

    def read() -> Reading:
        reading = read_tree(folder, origin)
        reading.skipped.extend(Skipped(url, reason) for url, reason in mirrored.failed)
        return reading

    return Fetched(fingerprint=f"{source.settings_hash}:{content}:{_digest_of(folder)}", revision=None, read=read)


def _digest_of(folder: Path) -> str:
    """Of the names and contents of all files that documents may be made of, their includes and configuration too."""
    digest = hashlib.sha256()
    for file in _files(folder):
        content = _content_of(file)
        digest.update(file.relative_to(folder).as_posix().encode("utf-8", "surrogateescape"))
        digest.update(b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()


def _content_of(file: Path) -> bytes:
    """Of a file that is too large to be read only the size counts."""
    try:
        size = file.stat().st_size
        return file.read_bytes() if size <= LIMITS.get(file.suffix.lower(), 1_000_000) else str(size).encode()
    except OSError:
        return b""


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in IGNORED_FOLDERS)
        for name in sorted(names):
            file = Path(place, name)
            if file.suffix.lower() not in _NO_TEXT and name != "pages.json" and file.is_file():
                yield file
