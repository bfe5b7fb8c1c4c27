"""The same configuration measured twice: change points, and which difference of provenance explains them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise
from statistics import median

from bench_runner.plausibility.findings import Finding, about
from bench_runner.plausibility.neighbours import CHANGED
from bench_runner.result import BenchmarkResult


def _configuration(result: BenchmarkResult) -> Hashable:
    """All that a user chooses, apart from the server's flags and versions, which are what may explain a change."""
    spec = result.spec
    where = (spec.system, spec.partition, spec.framework, spec.model, spec.dataset, spec.precision)
    return (*where, spec.nodes, spec.tp, spec.pp, spec.dp, spec.max_model_len, spec.concurrency)


def _series(result: BenchmarkResult) -> Hashable:
    spec = result.spec
    return (spec.system, spec.partition, spec.framework, spec.model, spec.dataset)


_Pair = tuple[tuple[int, BenchmarkResult], tuple[int, BenchmarkResult]]


def change_points(results: Sequence[BenchmarkResult]) -> Iterator[tuple[int, Finding]]:
    """D4: a whole series moved between two files: a note if flags or versions differ, else suspect."""
    for pairs in _pairs(results).values():
        ratios = [(after[1].throughput or 0.0) / (before[1].throughput or 1.0) for before, after in pairs]
        if len(pairs) < 2 or abs(median(ratios) - 1) < CHANGED:
            continue
        spread = (
            f"{len(pairs)} configurations of this series differ by {min(ratios) - 1:+.0%} to {max(ratios) - 1:+.0%}"
        )
        series = f"{spread} from the first file to the second"
        for (first, before), (second, after) in pairs:
            difference = explain(before, after)
            yield first, _finding(before, after, series, difference)
            yield second, _finding(after, before, series, difference)


def _pairs(results: Sequence[BenchmarkResult]) -> dict[Hashable, list[_Pair]]:
    """Results of one configuration from two files, in the order the files were given, by series and files."""
    found: dict[Hashable, dict[str, tuple[int, BenchmarkResult]]] = defaultdict(dict)
    for index, result in enumerate(results):
        if result.throughput is not None:
            found[_configuration(result)].setdefault(result.provenance.sha256, (index, result))
    pairs: dict[Hashable, list[_Pair]] = defaultdict(list)
    for by_file in found.values():
        members = list(by_file.values())
        for before, after in pairwise(members):
            if not _same_row(before[1], after[1]):
                files = (before[1].provenance.sha256, after[1].provenance.sha256)
                pairs[(_series(after[1]), files)].append((before, after))
    return pairs


def _same_row(one: BenchmarkResult, other: BenchmarkResult) -> bool:
    """The same measurement in two tables."""
    return one.metrics == other.metrics


def explain(before: BenchmarkResult, after: BenchmarkResult) -> tuple[str, ...]:
    """What differs in how the two were measured, as sentences without a stop; empty when nothing recorded does."""
    told: list[str] = []
    removed = [flag for flag in before.spec.server_flags if flag not in after.spec.server_flags]
    added = [flag for flag in after.spec.server_flags if flag not in before.spec.server_flags]
    if removed:
        told.append(f"{' '.join(removed)} only in the first")
    if added:
        told.append(f"{' '.join(added)} only in the second")
    for what in ("tool", "tool_version", "commit", "modules"):
        one, other = getattr(before.provenance, what), getattr(after.provenance, what)
        if one != other:
            told.append(f"{what} {one or 'not stated'} and {other or 'not stated'}")
    settings = set(before.spec.settings) ^ set(after.spec.settings)
    told.extend(f"setting {name}={value} in one of them" for name, value in sorted(settings, key=str))
    return tuple(told)


def _finding(here: BenchmarkResult, there: BenchmarkResult, series: str, difference: tuple[str, ...]) -> Finding:
    mine, other = here.throughput or 0.0, there.throughput or 1.0
    where = f"{there.provenance.source}:{there.provenance.line}"
    text = f"{mine:g} here is {mine / other - 1:+.0%} against {other:g} in {where}; {series}"
    why = f"; provenance differs: {'; '.join(difference)}" if difference else "; no recorded difference explains it"
    return about("D4", "note" if difference else "suspect", text + why, "output_throughput")
