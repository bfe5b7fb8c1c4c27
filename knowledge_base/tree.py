"""The text files of a folder, whatever else lies in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from knowledge_base.errors import SourceMissingError

SUFFIXES = (".md", ".markdown", ".rst")
MAX_BYTES = 5_000_000
IGNORED_FOLDERS = frozenset({"node_modules", "__pycache__", "venv", "site-packages"})


@dataclass(frozen=True, slots=True)
class Skipped:
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class TextFile:
    path: str
    raw: bytes
    text: str
    repair: str | None
    """What had to be mended to read the text, or None."""


def read_texts(source: Path) -> Iterator[TextFile | Skipped]:
    """Every .md and .rst file under `source` in the order of the paths, or why it cannot be used.

    Folders behind a symbolic link are read where they lie inside the source and were not read before.

    Raises:
        SourceMissingError: `source` is no folder.
    """
    if not source.is_dir():
        raise SourceMissingError(source)
    yield from _read_folder(source, source.resolve(), seen=set())


def _read_folder(folder: Path, root: Path, seen: set[Path], prefix: str = "") -> Iterator[TextFile | Skipped]:
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
        elif entry.name.lower().endswith(SUFFIXES):
            yield _read_file(Path(entry.path), root, path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link onto itself
        return False


def _read_inner(entry: os.DirEntry[str], root: Path, seen: set[Path], path: str) -> Iterator[TextFile | Skipped]:
    if entry.name.startswith(".") or entry.name in IGNORED_FOLDERS:
        return
    target = Path(entry.path).resolve()
    if target in seen:
        yield Skipped(path, "link to a folder that is read already")
    elif not target.is_relative_to(root):
        yield Skipped(path, "link to a folder outside the source")
    else:
        yield from _read_folder(Path(entry.path), root, seen, f"{path}/")


def _read_file(file: Path, root: Path, path: str) -> TextFile | Skipped:
    try:
        if not file.resolve().is_relative_to(root):
            return Skipped(path, "link to a file outside the source")
        if not file.is_file():
            return Skipped(path, "no regular file")
        size = file.stat().st_size
        if size > MAX_BYTES:
            return Skipped(path, f"too big: {size / 1e6:.1f} MB, the limit is {MAX_BYTES / 1e6:.0f} MB")
        raw = file.read_bytes()
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        return Skipped(path, f"cannot be read: {getattr(error, 'strerror', None) or error}")
    return decode(path, raw)


def decode(path: str, raw: bytes) -> TextFile | Skipped:
    """Text of a file that should be UTF-8; another encoding is taken with a note, a binary file is not taken."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _clean(path, raw, raw.decode("utf-16", "replace"), "was UTF-16")
    if b"\0" in raw:
        return Skipped(path, "binary, not text")
    try:
        return _clean(path, raw, raw.decode("utf-8-sig"), None)
    except UnicodeDecodeError as error:
        broken = raw.decode("utf-8", "replace").count("�")
        if broken > max(20, len(raw) // 20):
            return Skipped(path, "binary or in an unknown encoding")
        return _clean(path, raw, raw.decode("cp1252", "replace"), f"not UTF-8 at byte {error.start}: read as cp1252")


def _clean(path: str, raw: bytes, text: str, repair: str | None) -> TextFile:
    return TextFile(path, raw, text.replace("\r\n", "\n").replace("\r", "\n"), repair)
