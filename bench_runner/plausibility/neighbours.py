"""Checks that hold results against each other: scaling, plateaus, frameworks, repeats, two points in time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from statistics import median

from bench_runner.plausibility.findings import Finding, about
from bench_runner.plausibility.inference import output_tokens_per_request
from bench_runner.result import BenchmarkResult

FLAT = 0.05
"""Throughputs closer than this are the same: the noise of repeats at the 90th percentile is 3.9 %."""
SLOWER = 0.9
SUPER_LINEAR = 1.1
OUTLIER = 0.25
"""Farther from the median of repeats than their coefficient of variation ever was (20.5 % over 261 groups)."""
CHANGED = 0.10
LONGER_ANSWERS = 1.15
OTHER_ANSWERS = 3.0

_Indexed = list[tuple[int, BenchmarkResult]]


def _groups(results: Sequence[BenchmarkResult], key: Callable[[BenchmarkResult], Hashable]) -> Iterator[_Indexed]:
    """Finished results with a throughput by key, in the order of the input; groups of one are left out."""
    found: dict[Hashable, _Indexed] = defaultdict(list)
    for index, result in enumerate(results):
        if result.throughput is not None:
            found[key(result)].append((index, result))
    yield from (group for group in found.values() if len(group) > 1)


def _batch(result: BenchmarkResult) -> Hashable:
    """What was measured together: the rows of one table, or the runs that one version of a tool wrote file by file."""
    provenance = result.provenance
    if provenance.format == "minerva-csv":
        return provenance.sha256
    return (provenance.format, provenance.tool_version)


def _workload(result: BenchmarkResult) -> tuple[Hashable, ...]:
    """What was asked of the system, apart from how many GPUs and how many requests at once."""
    spec = result.spec
    shared = (spec.system, spec.partition, spec.model, spec.dataset, spec.precision)
    return (_batch(result), spec.framework, *shared, spec.max_model_len, spec.server_flags)


def _per_request_load(result: BenchmarkResult) -> Hashable:
    return (*_workload(result), result.spec.concurrency)


def _same_parallelism(result: BenchmarkResult) -> Hashable:
    spec = result.spec
    return (_per_request_load(result), spec.tp, spec.pp, spec.dp)


def gpus_of(result: BenchmarkResult) -> int | None:
    """GPUs that worked: by the parallelism if it is stated, else those allocated."""
    return result.spec.engaged_gpus or result.spec.allocated_gpus


def flat_scaling(results: Sequence[BenchmarkResult]) -> Iterator[tuple[int, Finding]]:
    """D2: the same parallelism on more nodes is not faster, because the additional GPUs idle."""
    for group in _groups(results, _same_parallelism):
        known = [(index, result, result.spec.nodes) for index, result in group if result.spec.nodes is not None]
        fewest = min(known, key=lambda item: item[2], default=None)
        for index, result, nodes in known:
            if fewest is None or result.spec.tp is None or nodes == fewest[2]:
                continue
            here, there = result.throughput or 0.0, fewest[1].throughput or 0.0
            if here < there * (1 + FLAT):
                text = f"{here:g} tok/s on {nodes} nodes, {there:g} on {fewest[2]} with the same parallelism"
                yield index, about("D2", "suspect", f"{text}: the added GPUs do no work", "output_throughput")


def scaling(results: Sequence[BenchmarkResult]) -> Iterator[tuple[int, Finding]]:
    """D3: more GPUs must not be slower; D16: nor more than proportionally faster."""
    for group in _groups(results, _per_request_load):
        sized = [(gpus, index, result) for index, result in group if (gpus := gpus_of(result)) is not None]
        if len({gpus for gpus, _, _ in sized}) < 2:
            continue
        sized.sort(key=lambda item: item[0])
        for position, (gpus, index, result) in enumerate(sized[1:], 1):
            smaller = [(count, other.throughput or 0.0, other) for count, _, other in sized[:position] if count < gpus]
            if smaller:
                yield from _against_smaller(index, result, gpus, smaller)


def _against_smaller(
    index: int, result: BenchmarkResult, gpus: int, smaller: list[tuple[int, float, BenchmarkResult]]
) -> Iterator[tuple[int, Finding]]:
    here = result.throughput or 0.0
    count, best, other = max(smaller, key=lambda item: item[1])
    if here < best * SLOWER:
        text = f"{here:g} on {gpus} GPUs, {best:g} on {count}: slower with more"
        if (result.spec.nodes or 1) > (other.spec.nodes or 1):
            text += "; suspect the network between the nodes (interface, RDMA, NCCL or RCCL settings)"
        yield index, about("D3", "suspect", text, "output_throughput")
    fewest, base, _ = smaller[0]
    if base > 0 and here > base * gpus / fewest * SUPER_LINEAR:
        text = f"{gpus} GPUs are {here / base:.1f} times as fast as {fewest}: more than proportional"
        yield index, about("D16", "suspect", text, "output_throughput")


def _same_hardware(result: BenchmarkResult) -> Hashable:
    spec = result.spec
    return (*_workload(result), spec.nodes, spec.gpus, spec.tp, spec.pp, spec.dp)


def plateau(results: Sequence[BenchmarkResult]) -> Iterator[tuple[int, Finding]]:
    """D6: beyond the knee more requests only wait: the client's concurrency is above the server's batch limit."""
    for group in _groups(results, _same_hardware):
        ordered = sorted(
            ((result.spec.concurrency, index, result) for index, result in group if result.spec.concurrency),
            key=lambda item: item[0],
        )
        if len(ordered) < 2:
            continue
        best = max(result.throughput or 0.0 for _, _, result in ordered)
        knee = next(item for item in ordered if (item[2].throughput or 0.0) >= best * (1 - 2 * FLAT))
        before = knee[2].value("ttft_mean")
        for concurrency, index, result in ordered:
            after = result.value("ttft_mean")
            if concurrency > knee[0] and before and after and after > 3 * before:
                text = (
                    f"no faster than concurrency {knee[0]}, but the first token takes {after:.0f} ms, not {before:.0f}"
                )
                yield index, about("D6", "note", f"{text}: requests wait in the server's queue", "ttft_mean")


def _across_frameworks(result: BenchmarkResult) -> Hashable:
    spec = result.spec
    return (spec.system, spec.partition, spec.model, spec.dataset)


def frameworks_mixed(results: Sequence[BenchmarkResult]) -> Iterator[tuple[int, Finding]]:
    """D5: rows with and without `--enforce-eager` are two things to compare."""
    for group in _groups(results, _across_frameworks):
        eager = {result.spec.framework for _, result in group if "--enforce-eager" in result.spec.server_flags}
        others = {result.spec.framework for _, result in group if "--enforce-eager" not in result.spec.server_flags}
        if not eager or not others or eager | others == eager & others:
            continue
        names = ", ".join(sorted(str(name) for name in others))
        for index, result in group:
            if "--enforce-eager" in result.spec.server_flags:
                text = f"ran with --enforce-eager (no CUDA graphs), {names} beside it without: not a like comparison"
                yield index, about("D5", "note", text, "output_throughput")


def answer_lengths(results: Sequence[BenchmarkResult]) -> Iterator[tuple[int, Finding]]:
    """D8 and D9: requests/s compare only where the answers are equally long."""
    for group in _groups(results, _across_frameworks):
        lengths: dict[str | None, list[float]] = defaultdict(list)
        tokens_of: dict[int, float] = {}
        for index, result in group:
            tokens = output_tokens_per_request(result.values)
            if tokens is not None:
                tokens_of[index] = tokens
                lengths[result.spec.framework].append(tokens)
        typical = {framework: median(values) for framework, values in lengths.items()}
        for index, result in group:
            if index in tokens_of:
                others = {name: value for name, value in typical.items() if name != result.spec.framework and value}
                yield from _lengths(index, tokens_of[index], others)


def _lengths(index: int, tokens: float, others: dict[str | None, float]) -> Iterator[tuple[int, Finding]]:
    for framework, value in sorted(others.items(), key=lambda item: str(item[0])):
        ratio = tokens / value
        if ratio >= OTHER_ANSWERS:
            text = f"{tokens:.0f} generated tokens a request, {framework} {value:.0f} on the same prompts"
            yield index, about("D8", "suspect", f"{text}: another workload", "request_throughput", "output_throughput")
        elif max(ratio, 1 / ratio if ratio else 0) > LONGER_ANSWERS:
            text = f"{tokens:.0f} generated tokens a request, {framework} {value:.0f}: requests/s do not compare"
            yield index, about("D9", "note", text, "request_throughput")


def _source(result: BenchmarkResult) -> Hashable:
    return result.provenance.sha256


def declared_memory(results: Sequence[BenchmarkResult]) -> Iterator[tuple[int, Finding]]:
    """D11: a handful of values over a whole table, average = peak everywhere, was set and not measured."""
    for group in _groups(results, _source):
        rows = [
            (index, mean, result.value("memory_peak"))
            for index, result in group
            if (mean := result.value("memory_mean"))
        ]
        distinct = {mean for _, mean, _ in rows}
        if len(rows) < 20 or len(distinct) > 5 or any(peak not in (None, mean) for _, mean, peak in rows):
            continue
        text = f"{len(distinct)} different values in {len(rows)} rows, average = peak: declared, not measured"
        for index, _, _ in rows:
            yield index, about("D11", "note", text, "memory_mean", "memory_peak")


def _repeat(result: BenchmarkResult) -> Hashable:
    """All but the context length, which does not bind where answers are short: near repeats."""
    spec = result.spec
    where = (spec.system, spec.partition, spec.framework, spec.model, spec.dataset, spec.precision, spec.server_flags)
    return (_batch(result), where, spec.nodes, spec.gpus, spec.tp, spec.pp, spec.dp, spec.concurrency)


def repeats(results: Sequence[BenchmarkResult]) -> Iterator[tuple[int, Finding]]:
    """O1: one of several (near) repeats far from the others."""
    for group in _groups(results, _repeat):
        if len(group) < 3:
            continue
        middle = median(result.throughput or 0.0 for _, result in group)
        for index, result in group:
            here = result.throughput or 0.0
            if middle and abs(here / middle - 1) > OUTLIER:
                text = f"{here:g} where the median of {len(group)} repeats is {middle:g} ({here / middle - 1:+.0%})"
                yield index, about("O1", "suspect", text, "output_throughput")
