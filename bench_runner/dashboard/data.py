"""What the page is drawn from: one column for each thing, so that a hundred thousand rows are filtered at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from bench_runner.comparison.compare import comparability_key
from bench_runner.comparison.noise import floors
from bench_runner.comparison.queries import throughput
from bench_runner.comparison.repeats import Configuration, configurations
from bench_runner.jsontext import encoded
from bench_runner.memory import no_cycles_sought
from bench_runner.plausibility.audit import TITLES
from bench_runner.plotting import Point, points
from bench_runner.publish import without_paths
from bench_runner.store.results import Stored

DIMENSIONS: Mapping[str, str] = {
    "kind": "Kind",
    "system": "Supercomputer",
    "partition": "Partition",
    "framework": "Framework",
    "model": "Model",
    "dataset": "Data set",
    "precision": "Precision",
    "parallelism": "Parallelism",
    "gpus": "GPUs",
    "nodes": "Nodes",
    "concurrency": "Concurrency",
    "flags": "Server flags",
    "measured": "Measured",
    "verdict": "Checks",
}
"""Filters -> how the page names them."""
FIGURES = (
    "tokens_per_s",
    "low",
    "high",
    "repeats",
    "ttft_ms",
    "tpot_ms",
    "e2el_ms",
    "train_s",
    "kwh_per_mtok",
    "gpu_hours_per_mtok",
)
DIGITS = 6
OFF_LINE = ("concurrency", "measured", "verdict")
"""What may differ along a line of a picture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Both are JSON. The second is only asked for when somebody looks closer: it is as large as the first."""

    columns: bytes
    details: bytes
    """Run ids and reasons by row, in the order of the columns. `newest` in both tells whether they belong together."""


def table(rows: Sequence[Stored]) -> Table:
    """All sound and suspect configurations; what failed or is invalid is counted with its rules."""
    with no_cycles_sought():
        found = sorted(configurations(rows, floors(rows), near=True), key=_by_speed)
        return _table(rows, found, points(found))


def _table(rows: Sequence[Stored], found: Sequence[Configuration], drawn: Sequence[Point]) -> Table:
    dimensions = _dimensions(found, drawn)
    newest = max((row.row for row in rows), default=0)
    lines = zip(*(dimensions[name] for name in dimensions if name not in OFF_LINE), strict=True)
    return Table(
        columns=encoded(
            {
                "newest": newest,
                "rows": len(found),
                "dimensions": {name: _coded(column) for name, column in dimensions.items()},
                "line": _numbered(lines),
                "titles": DIMENSIONS,
                "figures": {name: _figures(drawn, name) for name in FIGURES},
                "family": _numbered(map(_family, found)),
                "results": len(rows),
                "left_out": _left_out(rows),
                "rules": TITLES,
            }
        ),
        details=encoded(
            {
                "newest": newest,
                "runs": [item.ids for item in found],
                "reasons": [[without_paths(reason) for reason in item.reasons] for item in found],
            }
        ),
    )


def _by_speed(item: Configuration) -> tuple[float, float]:
    """The page takes the first row of a kind for the fastest."""
    return (-(throughput(item) or 0.0), item.value("ttft_mean") or inf)


def _dimensions(found: Sequence[Configuration], drawn: Sequence[Point]) -> dict[str, list[Hashable]]:
    """Columns by filter, in the order of the filters."""
    columns: dict[str, list[Hashable]] = {name: [row.get(name) for row in drawn] for name in DIMENSIONS}
    columns["partition"] = [item.spec.partition for item in found]
    columns["flags"] = [" ".join(item.spec.server_flags) for item in found]
    columns["measured"] = [_month(item.rows) for item in found]
    return {name: _public(column) for name, column in columns.items()}


def _public(column: Sequence[Hashable]) -> list[Hashable]:
    """Without paths, which hold names of users and projects; each text is looked at once."""
    shown = {value: without_paths(value) for value in set(column) if isinstance(value, str)}
    return [shown[value] if isinstance(value, str) else value for value in column]


def _month(rows: Sequence[Stored]) -> str | None:
    return max((row.measured_on[:7] for row in rows if row.measured_on), default=None)


def _coded(column: Sequence[Hashable]) -> dict[str, Any]:
    """Distinct values in order, nothing first, and for each row the number of its value; no numbers if it is one."""
    named = ["" if value is None else value for value in column]
    values = sorted(set(named), key=lambda value: (value != "", isinstance(value, str), value))
    numbers = {value: number for number, value in enumerate(values)}
    return {"values": values, "codes": [numbers[value] for value in named] if len(values) > 1 else []}


def _family(item: Configuration) -> Hashable:
    """Configurations that differ in GPUs and nodes only."""
    key = comparability_key(item, without="gpus")
    return (*(value for name, value in key.items() if name != "nodes"), item.spec.server_flags)


def _numbered(column: Iterable[Hashable]) -> list[int]:
    """Equal values get equal numbers."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(value, len(numbers)) for value in column]


def _figures(drawn: Sequence[Point], name: str) -> list[float | None]:
    """Empty when no row has one."""
    column = [_short(row[name]) for row in drawn]
    return column if any(value is not None for value in column) else []


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _left_out(rows: Sequence[Stored]) -> dict[str, Any]:
    """How many rows are in no picture, and by which rules."""
    absent = [row for row in rows if row.result.state != "finished" or row.verdict == "invalid"]
    rules = Counter(finding.rule for row in absent for finding in row.findings if finding.level == "invalid")
    return {"rows": len(absent), "rules": dict(rules.most_common())}
