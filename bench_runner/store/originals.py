"""Original files, kept by their hash and compressed, without the prompts and answers that some of them hold."""

from __future__ import annotations

import gzip
import mmap
import os
import re
from collections.abc import Iterator
from pathlib import Path

from bench_runner.errors import ScanError, StoreError
from bench_runner.importers.jsonscan import Buffer, value_end
from bench_runner.importers.source import shown

PIECE = 1 << 20
LEVEL = 1
"""Figures compress to a third at any level; this one keeps up with the disk."""

_LISTS = ("generated_texts", "output_texts", "input_texts", "prompts", "outputs", "request_args")
_STRINGS = ("output", "prompt", "text", "raw_prompt")
"""Only where the value is a string: guidellm has statistics under these names too."""


def _member(lists: tuple[str, ...], strings: tuple[str, ...] = ()) -> re.Pattern[bytes]:
    """An escaped quote never stands before the colon of a member, so nothing inside a string is taken for one."""
    either = "|".join(lists), "|".join(strings) or "(?!)"
    return re.compile(
        rf'"(?:(?:{either[0]})"\s{{0,8}}:\s{{0,8}}(?=["\[{{])|(?:{either[1]})"\s{{0,8}}:\s{{0,8}}(?="))'.encode()
    )


TEXT_MEMBERS = {
    "vllm-serving-json": _member(_LISTS),
    "sglang-jsonl": _member(_LISTS),
    "guidellm": _member(_LISTS, _STRINGS),
    "aiperf": _member(_LISTS, _STRINGS),
}
"""Members that hold what users asked and models answered, by format; they become null."""


def keep(path: Path, sha256: str, form: str, folder: Path) -> tuple[str, int]:
    """Store the file once and durably: (name in the folder, bytes of texts left out).

    Raises:
        StoreError: the folder cannot be written.
    """
    name = f"{sha256[:2]}/{sha256}.gz"
    target = folder / name
    partial = target.with_suffix(".partial")
    removed = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as raw:
            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=LEVEL, mtime=0) as packed:
                for piece, left_out in _pieces(path, form):
                    packed.write(piece)
                    removed += left_out
            raw.flush()
            os.fsync(raw.fileno())
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"{shown(path)} cannot be kept in {folder}: {error.strerror or error}") from error
    return name, removed


def kept(folder: Path, name: str) -> bytes:
    """The original as it was kept. Raises StoreError when it is gone or damaged."""
    try:
        return gzip.decompress((folder / name).read_bytes())
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise StoreError(f"the original {name} cannot be read ({error}): restore {folder} from a backup") from error


def _pieces(path: Path, form: str) -> Iterator[tuple[bytes, int]]:
    """Pieces of what is kept, and how many bytes each stands for that are not."""
    member = TEXT_MEMBERS.get(form)
    with path.open("rb") as file:
        if member is None or path.stat().st_size == 0:
            while piece := file.read(PIECE):
                yield piece, 0
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
            yield from _without(buffer, member)


def _without(buffer: Buffer, member: re.Pattern[bytes]) -> Iterator[tuple[bytes, int]]:
    position = 0
    for match in member.finditer(buffer):
        if match.start() < position:
            continue
        try:
            end = value_end(buffer, match.end())
        except ScanError:
            end = len(buffer)  # cut off inside a text: nothing of it is kept
        for start in range(position, match.end(), PIECE):
            yield buffer[start : min(start + PIECE, match.end())], 0
        yield b"null", end - match.end()
        position = end
    for start in range(position, len(buffer), PIECE):
        yield buffer[start : start + PIECE], 0
