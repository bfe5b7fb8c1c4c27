"""Text that a page takes from another file of the same source."""

from __future__ import annotations

from pathlib import Path

MAX_INCLUDE_BYTES = 1_000_000
SNIPPET_FOLDERS = ("", "docs", "includes", "docs/includes", "snippets", "docs/snippets", "doc", "source", "docs/source")


def included_text(name: str, root: Path, page: str, folders: tuple[str, ...] = ()) -> str | None:
    """Text of the file that a page includes by `name`, or None when it is not found inside the source.

    `folders` are those that the site names for it, relative to `root`.
    """
    name = name.strip().strip("\"'")
    if not name or "\0" in name:
        return None
    beside = root / Path(page).parent
    candidates = [
        beside / name.lstrip("/"),
        *(root / folder / name.lstrip("/") for folder in (*folders, *SNIPPET_FOLDERS)),
    ]
    for candidate in candidates:
        text = _read_inside(candidate, root)
        if text is not None:
            return text
    return None


def _read_inside(file: Path, root: Path) -> str | None:
    try:
        real = file.resolve()
        if not real.is_relative_to(root.resolve()) or not real.is_file() or real.stat().st_size > MAX_INCLUDE_BYTES:
            return None
        raw = real.read_bytes()
    except (OSError, RuntimeError):  # RuntimeError: a loop of links, before Python 3.13
        return None
    return None if b"\0" in raw else raw.decode("utf-8-sig", "replace").replace("\r\n", "\n")
