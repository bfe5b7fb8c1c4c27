"""From files to the store: read, keep the original, judge against what is there, store once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection

from bench_runner.collecting import Collected, Identified, read_all
from bench_runner.importers.source import shown
from bench_runner.memory import no_cycles_sought
from bench_runner.pending import Pending
from bench_runner.plausibility.audit import alone, beside, concluded
from bench_runner.plausibility.findings import Alone, Finding, Verdict
from bench_runner.plausibility.grouping import Neighbour, neighbour
from bench_runner.result import BenchmarkResult
from bench_runner.store import originals, results
from bench_runner.store.database import Store


class Imported(Struct, frozen=True, kw_only=True):
    collected: Collected
    added: Mapping[Verdict, int]
    """New results by verdict, judged together with what is stored of the same systems and models."""
    known: int
    """Results that the store had already."""


def import_paths(
    store: Store, paths: Iterable[Path], *, measured: str | None = None, declared: Mapping[str, str | int] | None = None
) -> Imported:
    """Store the results in `paths`; what is stored already changes nothing.

    `measured` is a date and `declared` are fields of the spec for the records that state none, by whoever imports.

    Raises:
        StoreError: an original cannot be kept; nothing of this import is stored then.
    """
    found = Collected()
    records = read_all(paths, found)
    if measured is not None:
        records = ((identity, _dated(result, measured)) for identity, result in records)
    if declared:
        records = ((identity, _completed(result, declared)) for identity, result in records)
    return store_results(store, records, found)


def store_results(store: Store, records: Iterable[Identified], found: Collected) -> Imported:
    """`found` says, once all `records` are read, which files they come from."""
    with no_cycles_sought(), Pending() as pending:
        for identity, result in records:
            pending.add(identity, result)
        originals_of = _keep_originals(store, found)
        with store.write() as connection:
            if originals_of:
                connection.exec_driver_sql(_INSERT_ORIGINAL, originals_of)
            results.add_headers(connection, pending.headers.values())
            known = results.known(connection, pending.identities)
            added = _add(connection, pending, known, _judge(connection, pending, known))
        return Imported(collected=found, added=added, known=len(pending.identities) - added.total())


class _Before(NamedTuple):
    """A row that is stored already."""

    row: int
    verdicts: results.Verdicts
    alone: Alone
    neighbour: Neighbour | None


def _judge(connection: Connection, pending: Pending, known: Set[str]) -> dict[int, list[Finding]]:
    """What new rows and those before say of each other, by the place of the new row; rows before are judged anew."""
    fresh = [place for place, identity in enumerate(pending.identities) if identity not in known]
    first = len(pending.identities)
    before = [
        _Before(
            stored.row,
            results.verdicts(stored.verdict, stored.findings, stored.confirmed_by),
            alone(stored.result),
            neighbour(place, stored.result),
        )
        for place, stored in enumerate(results.of_series(connection, {pending.series[n] for n in fresh}), first)
    ]
    rows = [*(item.neighbour for item in before), *(pending.neighbours[place] for place in fresh)]
    found = beside(row for row in rows if row is not None)
    anew = (
        (item.row, item.verdicts, _verdicts(item.alone, found.pop(place, ())))
        for place, item in enumerate(before, first)
    )
    results.rejudge(connection, [(row, new) for row, old, new in anew if new != old])
    pending.neighbours.clear()
    return found


def _verdicts(own: Alone, others: Sequence[Finding]) -> results.Verdicts:
    return results.verdicts(*concluded(own, others), own.confirmed_by)


def _add(
    connection: Connection, pending: Pending, known: Set[str], found: dict[int, list[Finding]]
) -> Counter[Verdict]:
    added: Counter[Verdict] = Counter()
    places = enumerate(zip(pending.identities, pending.alone, strict=True))
    for chunk in pending.chunks():
        rows: list[tuple[object, ...]] = []
        for facts, (place, (identity, own)) in zip(chunk, places, strict=False):
            if identity not in known:
                judged = _verdicts(own, found.pop(place, ()))
                added[judged[0]] += 1
                rows.append((*facts, *judged))
        results.add(connection, rows)
    return added


_INSERT_ORIGINAL = """
INSERT OR IGNORE INTO original (sha256, name, format, size, texts_removed, file, stored_at) VALUES (?, ?, ?, ?, ?, ?, ?)
"""


def _keep_originals(store: Store, found: Collected) -> list[tuple[object, ...]]:
    """Rows for the files that are new. They are on disk before the rows that point at them."""
    with store.read() as connection:
        known = set(connection.exec_driver_sql("SELECT sha256 FROM original").scalars())
    rows: list[tuple[object, ...]] = []
    for sha, (path, form) in found.files.items():
        if sha not in known:
            name, removed = originals.keep(path, sha, form, store.originals)
            rows.append((sha, shown(Path(path.name)), form, path.stat().st_size, removed, name, results.now()))
    return rows


def _dated(result: BenchmarkResult, measured: str) -> BenchmarkResult:
    if result.provenance.date is not None:
        return result
    note = f"date {measured} declared at import, not in the source"
    return replace(result, provenance=replace(result.provenance, date=measured), notes=(*result.notes, note))


def _completed(result: BenchmarkResult, declared: Mapping[str, str | int]) -> BenchmarkResult:
    missing: dict[str, Any] = {name: value for name, value in declared.items() if getattr(result.spec, name) is None}
    if not missing:
        return result
    notes = tuple(f"{name} {value} declared at import, not in the source" for name, value in missing.items())
    return replace(result, spec=replace(result.spec, **missing), notes=(*result.notes, *notes))
