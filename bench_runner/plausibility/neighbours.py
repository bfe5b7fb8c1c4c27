"""Checks that hold rows of one group against each other: scaling, plateaus, frameworks, repeats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter, itemgetter
from statistics import median

from bench_runner.plausibility.findings import Finding, about
from bench_runner.plausibility.grouping import Group, Neighbour, alike

FLAT = 0.05
"""Throughputs closer than this are the same: the noise of repeats at the 90th percentile is 3.9 %."""
SLOWER = 0.9
SUPER_LINEAR = 1.1
OUTLIER = 0.25
"""Farther from the median of repeats than their coefficient of variation ever was (20.5 % over 261 groups)."""
CHANGED = 0.10
LONGER_ANSWERS = 1.15
OTHER_ANSWERS = 3.0

_same_parallelism = attrgetter("concurrency", "max_model_len", "tp", "pp", "dp")


def flat_scaling(rows: Group) -> Iterator[tuple[int, Finding]]:
    """D2: the same parallelism on more nodes is not faster, because the additional GPUs idle."""
    for group in alike(rows, _same_parallelism):
        known = [(nodes, row) for row in group if (nodes := row.spec.nodes) is not None]
        if len({nodes for nodes, _ in known}) < 2:
            continue
        fewest = min(known, key=_size)
        for nodes, row in known:
            if row.spec.tp is None or nodes == fewest[0]:
                continue
            here, there = row.throughput, fewest[1].throughput
            if here < there * (1 + FLAT):
                text = f"{here:g} tok/s on {nodes} nodes, {there:g} on {fewest[0]} with the same parallelism"
                yield row.index, about("D2", "suspect", f"{text}: the added GPUs do no work", "output_throughput")


_Sized = tuple[int, Neighbour]
"""A row after its nodes, its GPUs or its requests in flight."""
_size = itemgetter(0)
_same_load = attrgetter("concurrency", "max_model_len")


def scaling(rows: Group) -> Iterator[tuple[int, Finding]]:
    """D3: more GPUs must not be slower; D16: nor more than proportionally faster."""
    for group in alike(rows, _same_load):
        sized = [(gpus, row) for row in group if (gpus := row.gpus) is not None]
        if len({gpus for gpus, _ in sized}) < 2:
            continue
        sized.sort(key=_size)
        fewest = best = sized[0]
        base = fewest[1].throughput
        for gpus, same in groupby(sized, key=_size):
            members = list(same)
            if gpus > fewest[0]:
                for _, row in members:
                    if row.throughput < best[1].throughput * SLOWER:
                        yield row.index, _slower(row, gpus, best)
                    if row.throughput > base * gpus / fewest[0] * SUPER_LINEAR and base > 0:
                        text = f"{gpus} GPUs are {row.throughput / base:.1f} times as fast as {fewest[0]}"
                        yield row.index, about("D16", "suspect", f"{text}: more than proportional", "output_throughput")
            best = max(best, *members, key=_rate)


def _rate(item: _Sized) -> float:
    return item[1].throughput


def _slower(row: Neighbour, gpus: int, best: _Sized) -> Finding:
    count, other = best
    text = f"{row.throughput:g} on {gpus} GPUs, {other.throughput:g} on {count}: slower with more"
    if (row.spec.nodes or 1) > (other.spec.nodes or 1):
        text += "; suspect the network between the nodes (interface, RDMA, NCCL or RCCL settings)"
    return about("D3", "suspect", text, "output_throughput")


_same_hardware = attrgetter("max_model_len", "nodes", "gpus", "tp", "pp", "dp")


def plateau(rows: Group) -> Iterator[tuple[int, Finding]]:
    """D6: beyond the knee more requests only wait: the client's concurrency is above the server's batch limit."""
    for group in alike(rows, _same_hardware):
        loaded = [(load, row) for row in group if (load := row.spec.concurrency)]
        if len({load for load, _ in loaded}) < 2:
            continue
        ordered = sorted(loaded, key=_size)
        best = max(row.throughput for _, row in ordered)
        knee, first = next(item for item in ordered if item[1].throughput >= best * (1 - 2 * FLAT))
        before = first.ttft
        for concurrency, row in ordered:
            after = row.ttft
            if concurrency > knee and before and after and after > 3 * before:
                text = f"no faster than concurrency {knee}, but the first token takes {after:.0f} ms, not {before:.0f}"
                yield row.index, about("D6", "note", f"{text}: requests wait in the server's queue", "ttft_mean")


def frameworks_mixed(rows: Group) -> Iterator[tuple[int, Finding]]:
    """D5: rows with and without `--enforce-eager` are two things to compare."""
    is_eager = ["--enforce-eager" in row.spec.server_flags for row in rows]
    eager = {row.spec.framework for row, found in zip(rows, is_eager, strict=True) if found}
    others = {row.spec.framework for row, found in zip(rows, is_eager, strict=True) if not found}
    if not eager or not others or eager | others == eager & others:
        return
    names = ", ".join(sorted(str(name) for name in others))
    text = f"ran with --enforce-eager (no CUDA graphs), {names} beside it without: not a like comparison"
    said = about("D5", "note", text, "output_throughput")
    yield from ((row.index, said) for row, found in zip(rows, is_eager, strict=True) if found)


def answer_lengths(rows: Group) -> Iterator[tuple[int, Finding]]:
    """D8 and D9: requests/s compare only where the answers are equally long."""
    lengths: dict[str | None, list[float]] = defaultdict(list)
    for row in rows:
        if row.tokens is not None:
            lengths[row.spec.framework].append(row.tokens)
    if len(lengths) < 2:
        return
    typical = {framework: median(values) for framework, values in lengths.items()}
    for row in rows:
        if row.tokens is not None:
            others = {name: value for name, value in typical.items() if name != row.spec.framework and value}
            yield from _lengths(row.index, row.tokens, others)


def _lengths(index: int, tokens: float, others: dict[str | None, float]) -> Iterator[tuple[int, Finding]]:
    for framework, value in sorted(others.items(), key=lambda item: str(item[0])):
        ratio = tokens / value
        if ratio >= OTHER_ANSWERS:
            text = f"{tokens:.0f} generated tokens a request, {framework} {value:.0f} on the same prompts"
            yield index, about("D8", "suspect", f"{text}: another workload", "request_throughput", "output_throughput")
        elif max(ratio, 1 / ratio if ratio else 0) > LONGER_ANSWERS:
            text = f"{tokens:.0f} generated tokens a request, {framework} {value:.0f}: requests/s do not compare"
            yield index, about("D9", "note", text, "request_throughput")


def declared_memory(rows: Group) -> Iterator[tuple[int, Finding]]:
    """D11: a handful of values over a whole table, average = peak everywhere, was set and not measured."""
    stating = [row for row in rows if row.memory_mean]
    distinct = {row.memory_mean for row in stating}
    if len(stating) < 20 or len(distinct) > 5 or any(row.memory_peak not in (None, row.memory_mean) for row in stating):
        return
    text = f"{len(distinct)} different values in {len(stating)} rows, average = peak: declared, not measured"
    said = about("D11", "note", text, "memory_mean", "memory_peak")
    yield from ((row.index, said) for row in stating)


_repeat = attrgetter("nodes", "gpus", "tp", "pp", "dp", "concurrency")
"""All but the context length, which does not bind where answers are short: near repeats."""


def repeats(rows: Group) -> Iterator[tuple[int, Finding]]:
    """O1: one of several (near) repeats far from the others."""
    for group in alike(rows, _repeat):
        if len(group) < 3:
            continue
        figures = [row.throughput for row in group]
        middle = median(figures)
        for row, here in zip(group, figures, strict=True):
            if middle and abs(here / middle - 1) > OUTLIER:
                text = f"{here:g} where the median of {len(group)} repeats is {middle:g} ({here / middle - 1:+.0%})"
                yield row.index, about("O1", "suspect", text, "output_throughput")
