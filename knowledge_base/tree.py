"""The documents of a folder, whatever else lies in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from knowledge_base.errors import SourceMissingError

MAX_BYTES = 5_000_000
LIMITS = {
    ".md": MAX_BYTES,
    ".markdown": MAX_BYTES,
    ".rst": MAX_BYTES,
    ".html": MAX_BYTES,
    ".htm": MAX_BYTES,
    ".ipynb": 20_000_000,
    ".pdf": 50_000_000,
}
"""Bytes of the largest file that is read, by suffix; no other suffix is read."""
IGNORED_FOLDERS = frozenset(
    {"node_modules", "__pycache__", "venv", "site-packages", "_static", "_templates", "overrides", "_sources"}
)


@dataclass(frozen=True, slots=True)
class Skipped:
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class SourceFile:
    path: str
    raw: bytes

    @property
    def suffix(self) -> str:
        return Path(self.path).suffix.lower()


@dataclass(frozen=True, slots=True)
class Decoded:
    text: str
    repair: str | None
    """What had to be mended to read the text, or None."""


def read_files(source: Path) -> Iterator[SourceFile | Skipped]:
    """Every file of a known kind under `source` in the order of the paths, or why it cannot be used.

    Folders behind a symbolic link are read where they lie inside the source and were not read before.

    Raises:
        SourceMissingError: `source` is no folder.
    """
    if not source.is_dir():
        raise SourceMissingError(source)
    yield from _read_folder(source, source.resolve(), seen=set())


def _read_folder(folder: Path, root: Path, seen: set[Path], prefix: str = "") -> Iterator[SourceFile | Skipped]:
    seen.add(folder.resolve())
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Skipped(prefix or ".", f"folder cannot be read: {error.strerror}")
        return
    for entry in entries:
        path = f"{prefix}{entry.name}".encode("utf-8", "replace").decode()
        if _is_folder(entry):
            yield from _read_inner(entry, root, seen, path)
        elif Path(entry.name).suffix.lower() in LIMITS:
            yield _read_file(Path(entry.path), root, path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link onto itself
        return False


def _read_inner(entry: os.DirEntry[str], root: Path, seen: set[Path], path: str) -> Iterator[SourceFile | Skipped]:
    if entry.name.startswith(".") or entry.name in IGNORED_FOLDERS:
        return
    target = Path(entry.path).resolve()
    if target in seen:
        yield Skipped(path, "link to a folder that is read already")
    elif not target.is_relative_to(root):
        yield Skipped(path, "link to a folder outside the source")
    else:
        yield from _read_folder(Path(entry.path), root, seen, f"{path}/")


def _read_file(file: Path, root: Path, path: str) -> SourceFile | Skipped:
    try:
        if not file.resolve().is_relative_to(root):
            return Skipped(path, "link to a file outside the source")
        if not file.is_file():
            return Skipped(path, "no regular file")
        size = file.stat().st_size
        limit = LIMITS[Path(path).suffix.lower()]
        if size > limit:
            return Skipped(path, f"too big: {size / 1e6:.1f} MB, the limit is {limit / 1e6:.0f} MB")
        raw = file.read_bytes()
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        return Skipped(path, f"cannot be read: {getattr(error, 'strerror', None) or error}")
    return SourceFile(path, raw)


def decode(raw: bytes) -> Decoded | str:
    """Text of a file that should be UTF-8, another encoding taken with a note; or why it is no text."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _clean(raw.decode("utf-16", "replace"), "was UTF-16")
    if b"\0" in raw:
        return "binary, not text"
    try:
        return _clean(raw.decode("utf-8-sig"), None)
    except UnicodeDecodeError as error:
        broken = raw.decode("utf-8", "replace").count("�")
        if broken > max(20, len(raw) // 20):
            return "binary or in an unknown encoding"
        return _clean(raw.decode("cp1252", "replace"), f"not UTF-8 at byte {error.start}: read as cp1252")


def _clean(text: str, repair: str | None) -> Decoded:
    return Decoded(text.replace("\r\n", "\n").replace("\r", "\n"), repair)
