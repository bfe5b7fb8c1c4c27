"""All checks on a set of results, and a verdict for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from typing import NamedTuple

from bench_runner.plausibility import changes, common, grouping, inference, neighbours, training
from bench_runner.plausibility.findings import Alone, Finding, Judged, RowCheck, Verdict, about
from bench_runner.plausibility.grouping import Group, Neighbour, grouped, neighbour
from bench_runner.result import BenchmarkResult, result_id
from bench_runner.spec import Kind

TITLES: Mapping[str, str] = {
    "D1": "GPUs = nodes x GPUs per node = TP x PP x DP",
    "D2": "Every allocated GPU works",
    "D3": "More GPUs are not slower (with D16: nor more than proportionally faster)",
    "D4": "A series does not move between two tables without a reason",
    "D5": "Compared rows ran in the same mode",
    "D6": "Concurrency below the knee of the throughput",
    "D7": "Little's law holds, with enough prompts",
    "D8": "Zero means not measured; answers of like length",
    "D9": "Requests/s compare at equal output length",
    "D10": "A failed run is a state, never a number",
    "D11": "What is declared is not called measured",
    "D12": "Identity never comes from a path",
    "D13": "Training tokens are conserved",
    "D14": "Global batch = micro batch x accumulation x world",
    "D15": "Trainable parameters fit the model",
    "D16": "MFU <= 1 and no super-linear scaling",
    "D17": "Every prompt was answered, with tokens",
    "R1": "Output tok/s = tokens / duration",
    "R2": "Req/s = completed requests / duration",
    "R3": "Total tok/s = all tokens / duration",
    "R4": "Totals agree with the single requests",
    "R5": "No negative figures, percentiles in order",
    "R6": "Requests fit the context",
    "R7": "Averages below peaks, power below its limit",
    "R8": "Training samples are conserved",
    "O1": "Repeats agree within their noise",
    "R0": "Something in the source confirms the figures",
}
"""Rule -> what a sound row fulfils, in the order of the report."""


_ALWAYS = (frozenset[str](),)


class _Row(NamedTuple):
    """A check of one row."""

    name: str
    check: RowCheck
    confirms: bool = False
    """A row that passes is confirmed: the figure was computed again from others."""
    trained: bool = False
    """About training: rows of inference are not looked at."""
    needs: Sequence[Set[str]] = _ALWAYS
    """Sets of metrics: a row that has none of the sets whole is not looked at, the check would say nothing of it."""


class _Set(NamedTuple):
    """A check of rows that belong together."""

    by: Callable[[Neighbour], Hashable]
    check: Callable[[Group], Iterator[tuple[int, Finding]]]
    """Yields the index of the row that a finding is about."""


_ROWS = (
    _Row("D1", inference.gpu_count),
    _Row("D2", inference.idle_gpus),
    _Row("D7", inference.little, confirms=True),
    _Row("D7", inference.enough_prompts),
    _Row("D8", inference.zero_latency),
    _Row("D10", inference.failed_run),
    _Row("D12", common.identity),
    _Row("D13", training.tokens_conserved, confirms=True, trained=True),
    _Row("D14", training.global_batch, confirms=True, trained=True),
    _Row("D15", training.trainable_parameters, trained=True),
    _Row("D16", inference.model_utilisation),
    _Row("D16", training.model_utilisation, trained=True),
    _Row("D17", inference.completed_all, needs=({"completed"},)),
    _Row("R1", inference.output_rate, confirms=True, needs=({"output_throughput", "output_tokens", "duration"},)),
    _Row("R2", inference.request_rate, confirms=True, needs=({"request_throughput", "completed", "duration"},)),
    _Row("R3", inference.total_rate, confirms=True, needs=({"total_throughput", "duration"},)),
    _Row("R4", inference.samples_agree, confirms=True, needs=[{f"recomputed_{name}"} for name in inference.SAMPLED]),
    _Row("R5", common.no_negative),
    _Row("R6", inference.within_context),
    _Row("R7", common.mean_below_peak),
    _Row("R8", training.samples_conserved, confirms=True, trained=True),
)


@lru_cache(maxsize=1024)
def _looked_at(kind: Kind, metrics: tuple[str, ...]) -> tuple[_Row, ...]:
    """The checks that can say something of a row of that kind with those metrics."""
    names = set(metrics)
    return tuple(
        row
        for row in _ROWS
        if not (row.trained and kind == "inference") and any(needed <= names for needed in row.needs)
    )


_SETS = (
    _Set(grouping.workload, neighbours.flat_scaling),
    _Set(grouping.workload, neighbours.scaling),
    _Set(grouping.question, changes.change_points),
    _Set(grouping.question, neighbours.frameworks_mixed),
    _Set(grouping.workload, neighbours.plateau),
    _Set(grouping.question, neighbours.answer_lengths),
    _Set(grouping.source, neighbours.declared_memory),
    _Set(grouping.workload, neighbours.repeats),
)


def audit(results: Sequence[BenchmarkResult]) -> list[Judged]:
    """One judgement a result, in the same order. Rows are also held against each other, so give all at once."""
    return judge((result_id(result), result) for result in results)


def judge(read: Iterable[tuple[str, BenchmarkResult]], *, figures: bool = True) -> list[Judged]:
    """As `audit`, of results with their ids as they are read.

    Without `figures` the results are kept without metrics and originals, a fifth of them: enough for a report.
    """
    identities: list[str] = []
    results: list[BenchmarkResult] = []
    owns: list[Alone] = []
    others: list[Neighbour] = []
    shared: dict[Alone, Alone] = {}
    for index, (identity, result) in enumerate(read):
        own, other = alone(result), neighbour(index, result)
        identities.append(identity)
        results.append(result if figures else _bare(result))
        owns.append(shared.setdefault(own, own))
        if other is not None:
            others.append(other)
    found = beside(others)
    others.clear()
    return [
        _judged(identity, result, own, found.pop(index, ()))
        for index, (identity, result, own) in enumerate(zip(identities, results, owns, strict=True))
    ]


def _judged(identity: str, result: BenchmarkResult, own: Alone, others: Sequence[Finding]) -> Judged:
    verdict, findings = concluded(own, others)
    return Judged(id=identity, result=result, verdict=verdict, findings=findings, confirmed_by=own.confirmed_by)


def _bare(result: BenchmarkResult) -> BenchmarkResult:
    return BenchmarkResult(spec=result.spec, state=result.state, metrics=(), provenance=result.provenance)


def alone(result: BenchmarkResult) -> Alone:
    """What the checks of one row say."""
    values = result.values
    confirmed: list[str] = []
    found: list[Finding] = []
    for name, check, confirms, _, _ in _looked_at(result.spec.kind, tuple(values)):
        said = check(result, values)
        if said is None:
            continue
        new = tuple(said)
        if new:
            found += new
        elif confirms:
            confirmed.append(name)
    return Alone(tuple(found), tuple(confirmed))


def beside(rows: Iterable[Neighbour]) -> dict[int, list[Finding]]:
    """What the checks of rows that belong together say, by the index of the row."""
    every = rows if isinstance(rows, list) else list(rows)
    groups = {by: grouped(every, by) for by in dict.fromkeys(rule.by for rule in _SETS)}
    found: dict[int, list[Finding]] = defaultdict(list)
    for rule in _SETS:
        for group in groups[rule.by]:
            for index, finding in rule.check(group):
                found[index].append(finding)
    return found


def concluded(own: Alone, others: Sequence[Finding]) -> tuple[Verdict, tuple[Finding, ...]]:
    """The verdict on a row, with all that was found."""
    found = (*own.findings, *others)
    levels = {finding.level for finding in found}
    if "invalid" in levels:
        return "invalid", found
    if "suspect" in levels:
        return "suspect", found
    if own.confirmed_by:
        return "verified", found
    return "suspect", (*found, _UNCONFIRMED)


_UNCONFIRMED = about("R0", "suspect", "the source says nothing from which a figure could be recomputed")
