"""Two configurations side by side: how they differ, whether by more than noise, and whether they compare at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from bench_runner.comparison.noise import Floor, floor_of
from bench_runner.comparison.repeats import Configuration
from bench_runner.comparison.selection import working_gpus
from bench_runner.metrics import LATENCIES
from bench_runner.names import model_name, system_id
from bench_runner.plausibility.changes import explain
from bench_runner.plausibility.inference import output_tokens_per_request
from bench_runner.plausibility.neighbours import LONGER_ANSWERS

AXES = ("system", "partition", "framework", "model", "dataset", "precision", "nodes", "gpus", "concurrency")
"""What must match for two rows to be compared; one of them at a time may be what is compared."""
SHOWN = ("output_throughput", "request_throughput", "ttft_mean", "tpot_mean", "train_tokens_per_second")


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    metric: str
    ratio: float
    """Second over first."""
    floor: Floor
    beyond_noise: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    first: Configuration
    second: Configuration
    differences: tuple[Difference, ...]
    unlike: tuple[str, ...]
    """Why it is no like-for-like comparison; empty when it is one."""
    explained: tuple[str, ...]
    """What differs in how the two were measured."""


def comparability_key(configuration: Configuration, *, without: str = "") -> Mapping[str, Hashable]:
    spec = configuration.spec
    key: dict[str, Hashable] = {
        "system": system_id(spec.system or ""),
        "partition": (spec.partition or "").lower(),
        "framework": (spec.framework or "").lower(),
        "model": model_name(spec.model or ""),
        "dataset": (spec.dataset or "").lower(),
        "precision": (spec.precision or "").lower(),
        "nodes": spec.nodes,
        "gpus": working_gpus(spec),
        "concurrency": spec.concurrency,
    }
    key.pop(without, None)
    if without == "system":
        key.pop("partition")
    return key


def compare(first: Configuration, second: Configuration, known: Mapping[str, Floor], *, axis: str = "") -> Compared:
    names = [name for name in SHOWN if name in first.figures and name in second.figures]
    return Compared(
        first=first,
        second=second,
        differences=tuple(_difference(name, first, second, known) for name in names if first.figures[name].value),
        unlike=tuple(_unlike(first, second, axis)),
        explained=explain(first.rows[0].result, second.rows[0].result),
    )


def _difference(name: str, first: Configuration, second: Configuration, known: Mapping[str, Floor]) -> Difference:
    one, two = first.figures[name], second.figures[name]
    floor = floor_of(name, known)
    apart = one.low > two.high or two.low > one.high
    ratio = two.value / one.value
    return Difference(metric=name, ratio=ratio, floor=floor, beyond_noise=apart and abs(ratio - 1) > floor.share)


def _unlike(first: Configuration, second: Configuration, axis: str) -> list[str]:
    one, two = comparability_key(first, without=axis), comparability_key(second, without=axis)
    told = [
        f"{name}: {one[name] or 'not stated'} and {two[name] or 'not stated'}" for name in one if one[name] != two[name]
    ]
    eager = ["--enforce-eager" in side.spec.server_flags for side in (first, second)]
    if eager[0] != eager[1]:
        told.append(f"D5: only the {'first' if eager[0] else 'second'} ran with --enforce-eager (no CUDA graphs)")
    tokens = [output_tokens_per_request({n: f.value for n, f in side.figures.items()}) for side in (first, second)]
    if tokens[0] and tokens[1] and max(tokens[0] / tokens[1], tokens[1] / tokens[0]) > LONGER_ANSWERS:
        told.append(f"D9: {tokens[0]:.0f} and {tokens[1]:.0f} generated tokens a request: requests/s do not compare")
    for what in ("max_model_len", "num_prompts"):
        a, b = getattr(first.spec, what), getattr(second.spec, what)
        if a != b:
            told.append(f"{what}: {a or 'not stated'} and {b or 'not stated'}")
    versions = [side.rows[0].result.provenance.tool_version for side in (first, second)]
    if versions[0] != versions[1] and ">=0.10" in versions:
        told.append("the client's default sampling differs between the two versions")
    return told


def by_axis(found: Sequence[Configuration], axis: str, known: Mapping[str, Floor]) -> list[Compared]:
    """Pairs that agree in everything else that must match: the most common value of the axis against each other one."""
    groups: dict[Hashable, dict[Hashable, Configuration]] = defaultdict(dict)
    for item in found:
        key = tuple(comparability_key(item, without=axis).items())
        value = comparability_key(item)[axis]
        held = groups[key].get(value)
        if value not in ("", None) and (held is None or _better(item, held)):
            groups[key][value] = item
    counts: dict[Hashable, int] = defaultdict(int)
    for group in groups.values():
        for value in group:
            counts[value] += 1
    pairs: list[Compared] = []
    for group in groups.values():
        ordered = sorted(group, key=lambda value: (-counts[value], str(value)))
        pairs.extend(compare(group[ordered[0]], group[other], known, axis=axis) for other in ordered[1:])
    return pairs


def _better(one: Configuration, other: Configuration) -> bool:
    """Of configurations that differ only in what need not match, the faster stands for all."""
    return (one.value("output_throughput") or 0.0) > (other.value("output_throughput") or 0.0)


def lower_is_better(metric: str) -> bool:
    stem = metric.partition("_")[0]
    return stem in LATENCIES or metric in ("duration", "train_runtime", "time_to_train") or "_per_million_" in metric
