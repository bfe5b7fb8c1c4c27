"""Files and folders as a user names them -> results, problems, and what held no results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench_runner.errors import SourceError
from bench_runner.importers.source import shown
from bench_runner.reading import read_file, recognise
from bench_runner.result import BenchmarkResult, Problem, result_id

Identified = tuple[str, BenchmarkResult]
"""A result with its `result_id`."""


@dataclass(slots=True)
class Collected:
    """What was seen while reading."""

    files: dict[str, tuple[Path, str]] = field(default_factory=dict)
    """SHA-256 -> (path, format) of the files that results were read from."""
    problems: list[Problem] = field(default_factory=list)
    """Records that do not parse, and files that cannot be read or, named by themselves, hold no results."""
    skipped: list[str] = field(default_factory=list)
    """Files found in folders that hold nothing this program knows."""
    repeated: int = 0
    """Records seen before: the same file twice, or a copy of it."""


def collect(paths: Iterable[Path]) -> tuple[list[Identified], Collected]:
    """All at once, for few results."""
    found = Collected()
    return list(read_all(paths, found)), found


def read_all(paths: Iterable[Path], found: Collected) -> Iterator[Identified]:
    """Each result once; what is seen on the way is added to `found`."""
    seen: set[str] = set()
    for path, named in _files(paths):
        try:
            yield from _read(path, named, found, seen)
        except SourceError as error:
            name, _, problem = str(error).partition(": ")
            found.problems.append(Problem(source=name, line=1, what=problem))


def _files(paths: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    """Files, and whether the user named the file itself."""
    for path in paths:
        if path.is_dir():
            yield from ((inner, False) for inner in sorted(path.rglob("*")) if inner.is_file())
        else:
            yield path, True


def _read(path: Path, named: bool, found: Collected, seen: set[str]) -> Iterator[Identified]:
    form = recognise(path)
    if form is None:
        if named:
            what = "holds no results in a format that this program knows"
            found.problems.append(Problem(source=shown(path), line=1, what=what))
        else:
            found.skipped.append(shown(path))
        return
    for record in read_file(path, form):
        if isinstance(record, Problem):
            found.problems.append(record)
            continue
        identity = result_id(record)
        if identity in seen:
            found.repeated += 1
        else:
            seen.add(identity)
            found.files.setdefault(record.provenance.sha256, (path, form.name))
            yield identity, record
