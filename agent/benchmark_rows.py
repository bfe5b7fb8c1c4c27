"""Stored benchmark results as rows that answer what throughput a model reaches."""

from __future__ import annotations

from pathlib import Path

from bench_runner.store.database import open_store
from bench_runner.store.results import Stored, load
from knowledge_base.rows.row import BenchmarkRow
from knowledge_base.scope import systems_named

_STATUS = {"verified": "verified", "suspect": "suspect: figures do not add up"}


def stored_rows(folder: Path) -> list[BenchmarkRow]:
    """Serving results with an output throughput, on systems of the facts; invalid ones are left out."""
    if not (folder / "benchmarks.sqlite").is_file():
        return []
    store = open_store(folder)
    try:
        with store.read() as connection:
            found = load(connection, "model IS NOT NULL AND system IS NOT NULL AND verdict != 'invalid'")
    finally:
        store.close()
    return [row for stored in found for row in _rows(stored)]


def _rows(stored: Stored) -> list[BenchmarkRow]:
    rate = stored.result.value("output_throughput")
    spec = stored.result.spec
    systems = sorted(systems_named(spec.system or ""))
    if rate is None or len(systems) != 1:
        return []
    parts = (
        spec.framework,
        f"{spec.gpus} GPUs" if spec.gpus else None,
        spec.dataset,
        f"concurrency {spec.concurrency}" if spec.concurrency else None,
        spec.precision,
    )
    row = BenchmarkRow(
        id=stored.id,
        model=spec.model or "",
        system=systems[0],
        tokens_per_s=rate,
        setting=", ".join(part for part in parts if part) or "setting not stated",
        date=stored.measured_on or f"an unknown day, imported {stored.imported_at[:10]}",
        status=_STATUS[stored.verdict],
    )
    return [row]
