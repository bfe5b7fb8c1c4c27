"""Repeats of one configuration as one figure with an interval."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from math import comb
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from bench_runner.comparison.noise import Floor, floor_of
from bench_runner.metrics import unit_of
from bench_runner.plausibility.findings import Verdict
from bench_runner.spec import BenchmarkSpec
from bench_runner.store.results import Stored

WANTED_COVERAGE = 0.95


class Figure(Struct, frozen=True, kw_only=True, gc=False):
    """A median. `low` and `high` bound it: by order statistics over repeats, or for one sample by the noise floor."""

    metric: str
    unit: str
    value: float
    low: float
    high: float
    repeats: int
    coverage: float | None
    """Probability that the interval holds the true median; None when it comes from the noise floor."""
    how: str
    """measured, declared or derived."""


class Configuration(Struct, frozen=True, kw_only=True):
    """All sound repeats of one configuration."""

    spec: BenchmarkSpec
    rows: tuple[Stored, ...]
    figures: Mapping[str, Figure]

    @property
    def verdict(self) -> Verdict:
        return "suspect" if any(row.verdict != "verified" for row in self.rows) else "verified"

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(row.id for row in self.rows)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is suspect, then what is to be said with the number; each once."""
        if not any(row.findings for row in self.rows):
            return ()
        ordered = sorted((f for row in self.rows for f in row.findings), key=lambda f: f.level == "note")
        return tuple(dict.fromkeys(f"{finding.rule}: {finding.reason}" for finding in ordered))

    def value(self, metric: str) -> float | None:
        figure = self.figures.get(metric)
        return None if figure is None else figure.value


def configurations(rows: Iterable[Stored], known: Mapping[str, Floor], *, near: bool = False) -> list[Configuration]:
    """Finished, not invalid rows by configuration. One measurement that stands in two tables counts once.

    `near`: rows that differ in the context length only are repeats too, because it does not bind short answers.
    """
    groups: dict[Hashable, dict[Hashable, Stored]] = defaultdict(dict)
    for row in rows:
        if row.result.state == "finished" and row.verdict != "invalid":
            measurement = tuple(sorted((metric.name, metric.value) for metric in row.result.metrics))
            groups[_configuration(row, near)].setdefault(measurement, row)
    return [_of(tuple(group.values()), known) for group in groups.values()]


def _configuration(row: Stored, near: bool) -> Hashable:
    settings = tuple(setting for setting in row.result.spec.settings if setting[0] != "seed")
    spec = replace(row.result.spec, settings=settings)
    return (replace(spec, max_model_len=None) if near else spec, row.result.provenance.tool_version)


def _of(rows: tuple[Stored, ...], known: Mapping[str, Floor]) -> Configuration:
    values: dict[str, list[float]] = defaultdict(list)
    how: dict[str, str] = {}
    declared = {name for row in rows for finding in row.findings if finding.rule == "D11" for name in finding.metrics}
    for row in rows:
        for metric in row.result.metrics:
            values[metric.name].append(metric.value)
            how[metric.name] = "declared" if metric.name in declared else metric.how
    figures = {
        name: _once(name, found[0], how[name], known) if len(found) == 1 else _of_repeats(name, found, how[name])
        for name, found in values.items()
    }
    return Configuration(spec=rows[0].result.spec, rows=rows, figures=figures)


def _once(name: str, value: float, how: str, known: Mapping[str, Floor]) -> Figure:
    share = floor_of(name, known).share
    low, high = value * (1 - share), value * (1 + share)
    return Figure(metric=name, unit=unit_of(name), value=value, low=low, high=high, repeats=1, coverage=None, how=how)


def _of_repeats(name: str, values: Sequence[float], how: str) -> Figure:
    low, high, coverage = median_interval(values)
    return Figure(
        metric=name,
        unit=unit_of(name),
        value=median(values),
        low=low,
        high=high,
        repeats=len(values),
        coverage=coverage,
        how=how,
    )


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Distribution-free interval of the median: the narrowest pair of order statistics with 95 % coverage.

    With fewer than six values no pair has it; then smallest and largest, with the coverage that they have.
    Source: David and Nagaraja, Order Statistics, 7.1.
    """
    ordered, n = sorted(values), len(values)
    outside = 0.0
    best = 0
    for k in range(n // 2):
        outside += comb(n, k) / 2**n
        if 1 - 2 * outside < WANTED_COVERAGE:
            break
        best = k
    outside = sum(comb(n, k) for k in range(best + 1)) / 2**n
    return ordered[best], ordered[n - 1 - best], 1 - 2 * outside
