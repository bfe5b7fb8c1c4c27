"""One immutable build of the index on disk, and how a new one takes the place of the old."""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowledge_base.errors import IndexDamagedError, IndexMissingError, IndexUnwritableError, SchemaMismatchError
from knowledge_base.passage import Access, Passage

SCHEMA = 1
KEPT = 2
"""Snapshots that stay after a build: the current one and the one before, for readers that open slowly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    schema: int
    encoder: str
    dimension: int
    documents: int
    passages: int
    source: str
    built_at: str
    """ISO 8601, UTC."""
    unrelated: float | None = None
    """Cosine of unrelated texts by this encoder; an earlier version did not tell."""


def read_manifest(folder: Path) -> Manifest:
    """Raises SchemaMismatchError or IndexDamagedError."""
    index = folder.parent.parent
    try:
        values = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if values.get("schema") != SCHEMA:
            raise SchemaMismatchError(index, values.get("schema"), SCHEMA)
        return Manifest(**values)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise IndexDamagedError(index, f"manifest.json: {error}") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    (folder / "manifest.json").write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")


def current_snapshot(index: Path) -> Path:
    """Raises IndexMissingError."""
    try:
        name = (index / "current").read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        raise IndexMissingError(index) from None
    folder = index / "snapshots" / name
    if not name or not folder.is_dir():
        raise IndexMissingError(index)
    return folder


@contextmanager
def building(index: Path, forget: Callable[[Path], None]) -> Iterator[Path]:
    """A folder to build in; it becomes the current snapshot when the block ends without an error.

    `forget` is called with each folder that is about to be deleted.

    Raises:
        IndexUnwritableError: no permission, no space, or something else in the way.
    """
    snapshots = index / "snapshots"
    folder: Path | None = None
    try:
        snapshots.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".building-{os.getpid()}-", dir=snapshots))
        yield folder
        _publish(index, folder, forget)
    except OSError as error:
        raise IndexUnwritableError(index, error) from error
    finally:
        if folder is not None and folder.exists():
            forget(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _publish(index: Path, folder: Path, forget: Callable[[Path], None]) -> None:
    with _locked(index):
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        final = index / "snapshots" / f"{stamp}-{folder.name.rsplit('-', 1)[-1]}"
        folder.chmod(0o755)
        folder.rename(final)
        pointer = index / "snapshots" / ".current"
        pointer.write_text(final.name, encoding="utf-8")
        pointer.replace(index / "current")
        _prune(index / "snapshots", forget)


def _prune(snapshots: Path, forget: Callable[[Path], None]) -> None:
    built = sorted(entry for entry in snapshots.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    for old in built[:-KEPT]:
        forget(old)
        shutil.rmtree(old, ignore_errors=True)
    for left in snapshots.glob(".building-*"):
        if not _is_alive(int(left.name.split("-")[1])):
            forget(left)
            shutil.rmtree(left, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _locked(index: Path) -> Iterator[None]:
    with (index / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_passages(folder: Path, passages: Sequence[Passage]) -> None:
    offsets = [0]
    with (folder / "passages.jsonl").open("wb") as file:
        for passage in passages:
            line = json.dumps(asdict(passage), ensure_ascii=False).encode("utf-8", "replace") + b"\n"
            offsets.append(offsets[-1] + file.write(line))
    np.save(folder / "offsets.npy", np.asarray(offsets, dtype=np.int64))
    (folder / "ids.txt").write_text("\n".join(passage.id for passage in passages), encoding="ascii")


class PassageFile:
    """The passages of a snapshot, each read from the file when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._offsets: NDArray[np.int64] = np.load(folder / "offsets.npy")
        with (folder / "passages.jsonl").open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        ids = (folder / "ids.txt").read_text(encoding="ascii").split("\n")
        self._row_of = {passage_id: row for row, passage_id in enumerate(ids)}
        if len(self._bytes) != self._offsets[-1] or len(ids[-1]) != len(ids[0]) or len(ids) != len(self):
            raise ValueError("passages.jsonl and ids.txt do not belong together: one of them was cut off")

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def at(self, row: int) -> Passage:
        values = json.loads(self._bytes[self._offsets[row] : self._offsets[row + 1]])
        values["heading"] = tuple(values["heading"])
        values["systems"] = tuple(values["systems"])
        values["access"] = Access(values.get("access", Access.PUBLIC))
        return Passage(**values)

    def ids(self) -> Iterator[str]:
        return iter(self._row_of)

    def row_of(self, passage_id: str) -> int | None:
        return self._row_of.get(passage_id)
