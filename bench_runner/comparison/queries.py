"""Questions over configurations: the best under limits, how it scales, what a million tokens cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from bench_runner.comparison.compare import comparability_key, lower_is_better
from bench_runner.comparison.repeats import Configuration
from bench_runner.comparison.selection import working_gpus

MILLION = 1e6
THROUGHPUTS = ("output_throughput", "train_tokens_per_second")


def throughput(configuration: Configuration) -> float | None:
    """Tokens a second that are generated or trained on."""
    for name in THROUGHPUTS:
        if value := configuration.value(name):
            return value
    return None


def best(
    found: Sequence[Configuration], metric: str, *, at_most: Mapping[str, float] | None = None, top: int = 5
) -> list[Configuration]:
    """The best by `metric` of those whose other metrics stay within limits; what was not measured fulfils none."""
    limits = at_most or {}
    fitting = [
        item
        for item in found
        if item.value(metric) is not None
        and all((value := item.value(name)) is not None and value <= limit for name, limit in limits.items())
    ]
    sign = 1 if lower_is_better(metric) else -1
    return sorted(fitting, key=lambda item: sign * (item.value(metric) or 0.0))[:top]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaled:
    configuration: Configuration
    gpus: int
    base_gpus: int
    speedup: float
    efficiency: float
    """Speed-up over the growth in GPUs; 1 is proportional."""


def scaling(found: Sequence[Configuration]) -> list[list[Scaled]]:
    """Series that differ in GPUs and nodes only, each against its fewest GPUs; the faster of equals counts."""
    series: dict[Hashable, dict[int, Configuration]] = defaultdict(dict)
    for item in found:
        gpus = working_gpus(item.spec)
        if gpus is None or throughput(item) is None:
            continue
        key = comparability_key(item, without="gpus")
        group = series[(*[pair for pair in key.items() if pair[0] != "nodes"], item.spec.server_flags)]
        if gpus not in group or (throughput(item) or 0) > (throughput(group[gpus]) or 0):
            group[gpus] = item
    return [_scaled(group) for group in series.values() if len(group) > 1]


def _scaled(group: Mapping[int, Configuration]) -> list[Scaled]:
    base_gpus = min(group)
    base = throughput(group[base_gpus]) or 1.0
    return [
        Scaled(
            configuration=group[gpus],
            gpus=gpus,
            base_gpus=base_gpus,
            speedup=(throughput(group[gpus]) or 0.0) / base,
            efficiency=(throughput(group[gpus]) or 0.0) / base * base_gpus / gpus,
        )
        for gpus in sorted(group)
    ]


class Cost(Struct, frozen=True, kw_only=True):
    """Derived, of one million tokens."""

    configuration: Configuration
    gpus: int
    """Allocated: idle ones are paid too."""
    gpu_hours: float
    kwh: float | None
    """GPU boards only, without hosts and cooling; None when power was not measured."""


def cost(configuration: Configuration) -> Cost | None:
    """None when tokens/s or the number of GPUs is not known."""
    rate = throughput(configuration)
    gpus = configuration.spec.allocated_gpus or configuration.spec.engaged_gpus
    if not rate or not gpus:
        return None
    hours = MILLION / rate / 3600
    power = configuration.value("power_mean")
    return Cost(
        configuration=configuration,
        gpus=gpus,
        gpu_hours=gpus * hours,
        kwh=None if power is None else power * gpus * hours / 1000,
    )
