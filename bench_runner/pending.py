"""Results that are read and not stored yet: what others are judged by stays in memory, the rest waits on disk."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import TemporaryFile
from types import TracebackType
from typing import Self

import msgspec

from bench_runner.cells import Cells, Header
from bench_runner.plausibility.audit import alone
from bench_runner.plausibility.findings import Alone
from bench_runner.plausibility.grouping import Neighbour, neighbour
from bench_runner.result import BenchmarkResult
from bench_runner.store.results import Facts, Series, facts, now, series

AT_ONCE = 1000
"""Rows written together."""


class Pending:
    """Each list has one item a result, in the order of reading."""

    def __init__(self) -> None:
        self.identities: list[str] = []
        self.series: list[Series] = []
        self.alone: list[Alone] = []
        self.neighbours: list[Neighbour | None] = []
        self.headers: dict[str, Header] = {}
        self._stamped = now()
        self._file = TemporaryFile()  # noqa: SIM115  # closed by `__exit__`
        self._waiting: list[Facts] = []
        self._shared: dict[Series, Series] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add(self, identity: str, result: BenchmarkResult) -> None:
        its = series(result)
        self.identities.append(identity)
        self.series.append(self._shared.setdefault(its, its))
        self.alone.append(alone(result))
        self.neighbours.append(neighbour(len(self.neighbours), result))
        if isinstance(result.original, Cells):
            self.headers[result.original.header.id] = result.original.header
        self._waiting.append(facts(identity, result, self._stamped))
        if len(self._waiting) == AT_ONCE:
            self._write()

    def _write(self) -> None:
        chunk = msgspec.msgpack.encode(self._waiting)
        self._file.write(len(chunk).to_bytes(8) + chunk)
        self._waiting.clear()

    def chunks(self) -> Iterator[list[Facts]]:
        """The facts of all results, `AT_ONCE` at a time."""
        self._write()
        self._file.seek(0)
        while size := self._file.read(8):
            yield msgspec.msgpack.decode(self._file.read(int.from_bytes(size)))
