"""The same configuration measured twice: change points, and which difference of provenance explains them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from itertools import pairwise
from operator import attrgetter
from statistics import median

from bench_runner.dates import measured_on
from bench_runner.plausibility.findings import Finding, about
from bench_runner.plausibility.grouping import Group, Neighbour
from bench_runner.plausibility.neighbours import CHANGED
from bench_runner.result import BenchmarkResult, Provenance

_configuration = attrgetter(
    "spec.framework",
    "spec.precision",
    "spec.nodes",
    "spec.tp",
    "spec.pp",
    "spec.dp",
    "spec.max_model_len",
    "spec.concurrency",
)
"""All that a user chooses, apart from the server's flags and versions, which are what may explain a change."""

_Pair = tuple[Neighbour, Neighbour]


def change_points(group: Group) -> Iterator[tuple[int, Finding]]:
    """D4: a whole series moved between two occasions: a note if flags or versions differ, else suspect."""
    for pairs in _pairs(group).values():
        ratios = [after.throughput / (before.throughput or 1.0) for before, after in pairs]
        if len(pairs) < 2 or abs(median(ratios) - 1) < CHANGED:
            continue
        spread = (
            f"{len(pairs)} configurations of this series differ by {min(ratios) - 1:+.0%} to {max(ratios) - 1:+.0%}"
        )
        series = f"{spread} from the first to the second"
        for before, after in pairs:
            difference = explain(before, after)
            yield before.index, _finding(before, after, series, difference)
            yield after.index, _finding(after, before, series, difference)


def _pairs(group: Group) -> dict[Hashable, list[_Pair]]:
    """Results of one configuration from two occasions, by framework and occasions."""
    if len({_occasion(row) for row in group}) < 2:
        return {}
    found: dict[Hashable, dict[Hashable, Neighbour]] = defaultdict(dict)
    for row in group:
        found[_configuration(row)].setdefault(_occasion(row), row)
    pairs: dict[Hashable, list[_Pair]] = defaultdict(list)
    for by_occasion in found.values():
        for before, after in pairwise(_in_time(by_occasion.values())):
            if before.measurement != after.measurement:
                pairs[(after.spec.framework, _occasion(before), _occasion(after))].append((before, after))
    return pairs


def _occasion(row: Neighbour) -> Hashable:
    """One file, or what was run on one day with the same software, since most tools write a file for each run."""
    known = row.provenance
    day = None if known.format == "minerva-csv" else measured_on(known.date)
    if day is None:
        return known.sha256
    software = (known.tool_version, known.commit, known.versions, known.environment, known.driver, known.modules)
    return (known.format, software, day)


def _in_time(rows: Iterable[Neighbour]) -> list[Neighbour]:
    """By their dates if all state one, else in the order the files were given."""
    dated = [(measured_on(row.provenance.date) or "", row) for row in rows]
    return [row for _, row in (sorted(dated, key=lambda item: item[0]) if all(date for date, _ in dated) else dated)]


def explain(before: BenchmarkResult | Neighbour, after: BenchmarkResult | Neighbour) -> tuple[str, ...]:
    """What differs in how the two were measured, as sentences without a stop; empty when nothing recorded does."""
    told: list[str] = []
    removed = [flag for flag in before.spec.server_flags if flag not in after.spec.server_flags]
    added = [flag for flag in after.spec.server_flags if flag not in before.spec.server_flags]
    if removed:
        told.append(f"{' '.join(removed)} only in the first")
    if added:
        told.append(f"{' '.join(added)} only in the second")
    one, other = _software(before.provenance), _software(after.provenance)
    told.extend(
        f"{what} {one.get(what) or 'not stated'} and {other.get(what) or 'not stated'}"
        for what in dict.fromkeys((*one, *other))
        if one.get(what) != other.get(what)
    )
    settings = set(before.spec.settings) ^ set(after.spec.settings)
    told.extend(f"setting {name}={value} in one of them" for name, value in sorted(settings, key=str))
    return tuple(told)


def _software(known: Provenance) -> dict[str, str | None]:
    found = {what: getattr(known, what) for what in ("tool", "tool_version", "commit", "environment", "driver")}
    return {**found, "modules": " ".join(known.modules), **dict(known.versions)}


def _finding(here: Neighbour, there: Neighbour, series: str, difference: tuple[str, ...]) -> Finding:
    mine, other = here.throughput, there.throughput or 1.0
    where = f"{there.provenance.source}:{there.provenance.line}"
    text = f"{mine:g} here is {mine / other - 1:+.0%} against {other:g} in {where}; {series}"
    why = f"; provenance differs: {'; '.join(difference)}" if difference else "; no recorded difference explains it"
    return about("D4", "note" if difference else "suspect", text + why, "output_throughput")
