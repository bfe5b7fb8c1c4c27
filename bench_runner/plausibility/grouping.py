"""The few figures of a row that others are held against, and which rows belong together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from operator import attrgetter

from msgspec import Struct

from bench_runner.plausibility.inference import gpus_at_work, output_tokens_per_request
from bench_runner.result import BenchmarkResult, Provenance
from bench_runner.spec import BenchmarkSpec


class Neighbour(Struct, frozen=True, kw_only=True, gc=False):
    """What is kept of a finished row until all rows are read: a tenth of it."""

    index: int
    """Of the row among all that are judged together."""
    spec: BenchmarkSpec
    provenance: Provenance
    gpus: int | None
    """Those that worked."""
    throughput: float
    ttft: float | None
    memory_mean: float | None
    memory_peak: float | None
    tokens: float | None
    """Generated tokens of a mean request."""
    measurement: int
    """Hash of all figures: the same for one measurement in two tables."""


def neighbour(index: int, result: BenchmarkResult) -> Neighbour | None:
    """None for a row without a throughput, which says nothing about others."""
    throughput, values = result.throughput, result.values
    if throughput is None:
        return None
    return Neighbour(
        index=index,
        spec=result.spec,
        provenance=result.provenance,
        gpus=gpus_at_work(result.spec),
        throughput=throughput,
        ttft=values.get("ttft_mean"),
        memory_mean=values.get("memory_mean"),
        memory_peak=values.get("memory_peak"),
        tokens=output_tokens_per_request(values),
        measurement=hash(result.metrics),
    )


Group = list[Neighbour]


def grouped(rows: Iterable[Neighbour], key: Callable[[Neighbour], Hashable]) -> list[Group]:
    """Rows by key, in their order; groups of one are left out."""
    found: dict[Hashable, Group] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return [group for group in found.values() if len(group) > 1]


def alike(rows: Iterable[Neighbour], key: Callable[[BenchmarkSpec], Hashable]) -> list[Group]:
    """As `grouped`, by what the specs of the rows say."""
    found: dict[Hashable, Group] = defaultdict(list)
    for row in rows:
        found[key(row.spec)].append(row)
    return [group for group in found.values() if len(group) > 1]


def _batch(row: Neighbour) -> Hashable:
    """What was measured together: the rows of one table, or the runs that one version of a tool wrote file by file."""
    provenance = row.provenance
    if provenance.format == "minerva-csv":
        return provenance.sha256
    return (provenance.format, provenance.tool_version)


def source(row: Neighbour) -> Hashable:
    return row.provenance.sha256


_question = attrgetter("system", "partition", "model", "dataset")


def question(row: Neighbour) -> Hashable:
    """What frameworks are compared on."""
    return _question(row.spec)


_asked = attrgetter("framework", "system", "partition", "model", "dataset", "precision", "server_flags")


def workload(row: Neighbour) -> Hashable:
    """What was asked of the system at one time, apart from how many GPUs, how many requests at once and the context."""
    return (_batch(row), _asked(row.spec))
