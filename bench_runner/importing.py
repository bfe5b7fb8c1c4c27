"""From files to the store: read, keep the original, judge against what is there, store once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench_runner.collecting import Collected, collect
from bench_runner.importers.source import shown
from bench_runner.memory import no_cycles_sought
from bench_runner.plausibility.audit import audit
from bench_runner.plausibility.findings import Judged
from bench_runner.result import BenchmarkResult
from bench_runner.store import originals, results
from bench_runner.store.database import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    collected: Collected
    added: tuple[Judged, ...]
    """New results, judged together with what is stored of the same systems and models."""

    @property
    def known(self) -> int:
        """Results that the store had already."""
        return len(self.collected.results) - len(self.added)


def import_paths(
    store: Store, paths: Iterable[Path], *, measured: str | None = None, declared: Mapping[str, str | int] | None = None
) -> Imported:
    """Store the results in `paths`; what is stored already changes nothing.

    `measured` is a date and `declared` are fields of the spec for the records that state none, by whoever imports.

    Raises:
        StoreError: an original cannot be kept; nothing of this import is stored then.
    """
    with no_cycles_sought():
        return _import(store, paths, measured, declared or {})


def _import(store: Store, paths: Iterable[Path], measured: str | None, declared: Mapping[str, str | int]) -> Imported:
    found = collect(paths)
    if measured is not None:
        found.results = [_dated(result, measured) for result in found.results]
    if declared:
        found.results = [_completed(result, declared) for result in found.results]
    return store_results(store, found)


def store_results(store: Store, found: Collected) -> Imported:
    originals_of = _keep_originals(store, found)
    with store.write() as connection:
        if originals_of:
            connection.exec_driver_sql(_INSERT_ORIGINAL, originals_of)
        known = results.known(connection, found.identities)
        fresh = {
            identity: result
            for identity, result in zip(found.identities, found.results, strict=True)
            if identity not in known
        }
        before = results.of_series(connection, {(r.spec.system, r.spec.model) for r in fresh.values()})
        judged = audit([*(stored.result for stored in before), *fresh.values()])
        results.rejudge(connection, zip(before, judged, strict=False))
        added = judged[len(before) :]
        results.add(connection, zip(fresh, added, strict=True))
    return Imported(collected=found, added=tuple(added))


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
