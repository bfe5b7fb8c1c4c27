"""How much a metric differs between repeats of the same thing: below that, a difference is none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from math import sqrt
from statistics import mean, median

from msgspec import Struct

from bench_runner.store.results import Stored

PUBLISHED = {"output_throughput": 0.039, "ttft_mean": 0.068, "tpot_mean": 0.045}
"""90th percentile of the coefficient of variation over 261 groups of near repeats, MareNostrum 5, January 2026."""
UNKNOWN = 0.10
ENOUGH_GROUPS = 20
LOWEST = 0.01


class Floor(Struct, frozen=True, kw_only=True, gc=False):
    """Relative differences up to `share` are noise."""

    share: float
    groups: int
    """Groups of repeats that it comes from; 0 when it was not measured here."""
    typical: float | None = None
    """Median of the coefficient of variation."""
    worst: float | None = None


def floors(rows: Iterable[Stored]) -> Mapping[str, Floor]:
    """By metric, from rows that differ in nothing but the context length, which does not bind short answers."""
    groups: dict[Hashable, dict[tuple[float, ...], Stored]] = defaultdict(dict)
    for row in rows:
        if row.result.state == "finished" and row.verdict != "invalid":
            groups[_near_repeat(row)][tuple(metric.value for metric in row.result.metrics)] = row
    spread: dict[str, list[float]] = defaultdict(list)
    for group in groups.values():
        if len(group) > 1:
            for name, values in _by_metric(group.values()).items():
                if len(values) > 1 and mean(values) > 0:
                    spread[name].append(variation(values))
    return {name: _floor(found) for name, found in spread.items()}


def floor_of(name: str, known: Mapping[str, Floor]) -> Floor:
    found = known.get(name)
    if found is not None and found.groups >= ENOUGH_GROUPS:
        return found
    return _ASSUMED.get(name, _UNKNOWN)


_ASSUMED = {name: Floor(share=share, groups=0) for name, share in PUBLISHED.items()}
_UNKNOWN = Floor(share=UNKNOWN, groups=0)


def variation(values: list[float]) -> float:
    """Sample standard deviation over the mean."""
    middle = mean(values)
    return sqrt(sum((value - middle) ** 2 for value in values) / (len(values) - 1)) / middle


def _floor(found: list[float]) -> Floor:
    ordered = sorted(found)
    share = ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
    return Floor(share=max(share, LOWEST), groups=len(ordered), typical=median(ordered), worst=ordered[-1])


def _near_repeat(row: Stored) -> Hashable:
    spec = row.result.spec
    where = (spec.system, spec.partition, spec.framework, spec.model, spec.dataset, spec.precision)
    return (where, spec.server_flags, spec.nodes, spec.gpus, spec.tp, spec.pp, spec.dp, spec.concurrency)


def _by_metric(rows: Iterable[Stored]) -> Mapping[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for metric in row.result.metrics:
            found[metric.name].append(metric.value)
    return found
