"""Bring the index in step with all sources: only what changed is read and embedded, what fails stays as it was."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from knowledge_base.chunks import passages_of
from knowledge_base.encoder import Encoder
from knowledge_base.errors import (
    EmptySourceError,
    IndexDamagedError,
    IndexMissingError,
    IndexUnwritableError,
    SchemaMismatchError,
    SourceFailedError,
    SourceMissingError,
    SyncRunningError,
)
from knowledge_base.passage import Passage
from knowledge_base.snapshot import PassageFile, current_snapshot, read_manifest
from knowledge_base.sources.config import AnySource
from knowledge_base.sources.fetch import Fetched, Given, fetch
from knowledge_base.tree import Skipped
from knowledge_base.vectors import vector_store

RECORDS = "sources.json"
"""In a snapshot: what it was made of."""
LAST_SYNC = "sync.json"
"""Beside the snapshots: how the last sync went."""

EMPTIED = "it holds no document any more: take it out of the sources file if that is meant"

Outcome = Literal["changed", "unchanged", "failed", "removed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One source in a snapshot."""

    name: str
    fingerprint: str
    revision: str | None
    documents: int
    passages: int
    read_at: str
    """ISO 8601, UTC: when what is in the index was read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceReport:
    name: str
    outcome: Outcome
    record: Record | None
    """What the index holds of it now; None when it holds nothing."""
    problem: str | None = None
    """Why it failed; what was read before stays."""
    skipped: tuple[Skipped, ...] = ()
    repaired: tuple[Skipped, ...] = ()
    flagged: tuple[Skipped, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncReport:
    sources: tuple[SourceReport, ...]
    new_snapshot: bool
    documents: int
    passages: int
    embedded: int
    """Passages whose vectors were computed."""
    seconds: float
    finished_at: str
    """ISO 8601, UTC."""

    @property
    def failed(self) -> tuple[SourceReport, ...]:
        return tuple(source for source in self.sources if source.outcome == "failed")


class _Before:
    """The current snapshot as far as it can be used."""

    def __init__(self, index: Path) -> None:
        self.records: dict[str, Record] = {}
        self.encoder = ""
        self._file: PassageFile | None = None
        try:
            folder = current_snapshot(index)
            self.encoder = read_manifest(folder).encoder
            self._file = PassageFile(folder)  # open from now on, whatever is built meanwhile
            rows = json.loads((folder / RECORDS).read_text(encoding="utf-8"))
            self.records = {row["name"]: Record(**row) for row in rows}
        except (IndexMissingError, IndexDamagedError, SchemaMismatchError, OSError, ValueError, TypeError, KeyError):
            return

    def passages(self, names: set[str]) -> list[Passage]:
        if not names or self._file is None:
            return []
        rows = map(self._file.at, range(len(self._file)))
        return [passage for passage in rows if passage.source in names]


def sync(
    sources: Sequence[AnySource],
    index: Path,
    cache: Path,
    encoder: Encoder,
    given: Sequence[Given] = (),
    *,
    vectors_url: str | None = None,
) -> SyncReport:
    """Read what changed and make a new snapshot current, or leave the current one when nothing did.

    `cache` keeps clones and fetched pages, PostgreSQL at `vectors_url` the vectors (else files do).

    Raises:
        SyncRunningError: another one is at work on this index.
        EmptySourceError: no source gave anything, now or before.
        IndexUnwritableError: the snapshot cannot be written.
        VectorStoreError: PostgreSQL cannot be reached.
    """
    begun = time.monotonic()
    with _alone(index):
        before = _Before(index)
        fetchers: dict[str, Callable[[], Fetched]] = {s.name: _fetcher(s, cache) for s in sources}
        fetchers |= {item.name: item.fetched for item in given}
        results = [_one(name, fetcher, before.records.get(name)) for name, fetcher in fetchers.items()]
        reports = [report for report, _ in results]
        reports += [_removed(record) for name, record in before.records.items() if name not in fetchers]
        changed = (
            before.encoder != encoder.name
            or not before.records
            or any(report.outcome in {"changed", "removed"} for report in reports)
        )
        records = [report.record for report in reports if report.record]
        embedded = 0
        if changed:
            kept = {report.name for report in reports if report.record and report.outcome != "changed"}
            new = [passage for _, found in results for passage in found]
            embedded = _write(index, [*before.passages(kept), *new], encoder, records, vectors_url)
        report = SyncReport(
            sources=tuple(reports),
            new_snapshot=changed,
            documents=sum(record.documents for record in records),
            passages=sum(record.passages for record in records),
            embedded=embedded,
            seconds=time.monotonic() - begun,
            finished_at=_now(),
        )
        fresh = index / f".{LAST_SYNC}"
        fresh.write_text(json.dumps(asdict(report), indent=1), encoding="utf-8")
        fresh.replace(index / LAST_SYNC)
    return report


def last_sync(index: Path) -> dict[str, Any] | None:
    """The report of the last sync, as `minerva kb sync --json` printed it; None when there was none."""
    try:
        report: dict[str, Any] = json.loads((index / LAST_SYNC).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return report


def _fetcher(source: AnySource, cache: Path) -> Callable[[], Fetched]:
    return lambda: fetch(source, cache)


def _one(name: str, fetcher: Callable[[], Fetched], before: Record | None) -> tuple[SourceReport, list[Passage]]:
    """How a source fares, and its passages when they were read anew."""
    try:
        fetched = fetcher()
        if before and before.fingerprint == fetched.fingerprint:
            return SourceReport(name=name, outcome="unchanged", record=before), []
        reading = fetched.read()
    except (SourceFailedError, SourceMissingError, OSError) as error:
        return SourceReport(name=name, outcome="failed", record=before, problem=str(error)), []
    if before and before.documents and not reading.documents:
        return SourceReport(name=name, outcome="failed", record=before, problem=EMPTIED), []
    passages = [passage for document in reading.documents for passage in passages_of(document)]
    record = Record(
        name=name,
        fingerprint=fetched.fingerprint,
        revision=fetched.revision,
        documents=len(reading.documents),
        passages=len(passages),
        read_at=_now(),
    )
    report = SourceReport(
        name=name,
        outcome="changed",
        record=record,
        skipped=tuple(reading.skipped),
        repaired=tuple(reading.repaired),
        flagged=tuple(reading.flagged),
    )
    return report, passages


def _removed(record: Record) -> SourceReport:
    return SourceReport(name=record.name, outcome="removed", record=None)


def _write(
    index: Path, passages: list[Passage], encoder: Encoder, records: list[Record], vectors_url: str | None
) -> int:
    if not passages:
        raise EmptySourceError(index, 0)
    from knowledge_base.build import write_snapshot  # noqa: PLC0415  # half a second to import, when nothing changed

    return write_snapshot(
        index,
        passages,
        encoder,
        vector_store(vectors_url),
        documents=sum(record.documents for record in records),
        source=f"{len(records)} sources",
        files={RECORDS: json.dumps([asdict(record) for record in records], indent=1)},
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _alone(index: Path) -> Iterator[None]:
    """One sync at a time on one index; the lock goes with the process."""
    try:
        index.mkdir(parents=True, exist_ok=True)
        lock = (index / "sync.lock").open("w")
    except OSError as error:
        raise IndexUnwritableError(index, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SyncRunningError(index) from None
        yield
