"""Checks of one row that hold for every kind of run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from bench_runner.importers.serving import FRAMEWORKS
from bench_runner.metrics import LATENCIES
from bench_runner.plausibility.findings import Finding, Values, about
from bench_runner.plausibility.hardware import accelerator_of
from bench_runner.result import BenchmarkResult

KNOWN_FRAMEWORKS = frozenset(FRAMEWORKS.values()) | {
    "accelerate",
    "axolotl",
    "deepspeed",
    "jax",
    "lightning",
    "llama.cpp",
    "megatron-lm",
    "nanotron",
    "pytorch",
    "torchtitan",
    "torchtune",
    "transformers",
    "trl",
    "triton",
}
_FOLDER_WORDS = re.compile(
    r"results?|logs?|outputs?|runs?|launch-?\d*|benchmarks?|data|tmp|scratch|home", re.IGNORECASE
)


def identity(result: BenchmarkResult, _: Values) -> Iterable[Finding] | None:
    """D12: identity comes from what was run, never from the parts of a path."""
    spec = result.spec
    return _identity(spec.framework, spec.model, spec.dataset, spec.system)


@lru_cache(maxsize=1024)
def _identity(*names: str | None) -> tuple[Finding, ...] | None:
    """`names` in the order of `_NAMED`; None when none is stated."""
    return tuple(_misread(names)) if any(name is not None for name in names) else None


_NAMED = ("framework", "model", "data set", "system")


def _misread(names: tuple[str | None, ...]) -> Iterator[Finding]:
    for what, name in zip(_NAMED, names, strict=True):
        if name is None:
            continue
        if _FOLDER_WORDS.fullmatch(name):
            yield about("D12", "invalid", f"the {what} is {name!r}, a folder's name: the path was read one part off")
        elif "/" in name and (name.startswith("/") or name.count("/") > 1):
            yield about("D12", "suspect", f"the {what} {name!r} is a path")
        elif what == "framework" and name.lower() not in KNOWN_FRAMEWORKS:
            yield about("D12", "suspect", f"the framework {name!r} is not known")
    dataset = (names[_NAMED.index("data set")] or "").lower()
    if dataset in KNOWN_FRAMEWORKS:
        yield about("D12", "invalid", f"the data set {dataset!r} is a framework: the path was read one part off")


def no_negative(_: BenchmarkResult, values: Values) -> Iterable[Finding]:
    """R5: nothing measured here can be negative; a median cannot exceed its own high percentiles."""
    ordered = _ordered(tuple(values))
    if ordered or min(values.values(), default=0.0) < 0:
        return _impossible(values, ordered)
    return ()


def _impossible(values: Values, ordered: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    for name, value in values.items():
        if value < 0 and not name.startswith(("train_loss", "last_loss", "eval_")):
            yield about("R5", "invalid", f"{name} is negative: {value:g}", name)
        for high in ordered.get(name, ()):
            limit = values[high]
            if value > limit * 1.0001:
                stem, _sep, low = name.partition("_")
                text = f"the {low} {stem} {value:g} ms exceeds its {high.removeprefix(stem)[1:]} {limit:g} ms"
                yield about("R5", "invalid", text, stem)


@lru_cache(maxsize=1024)
def _ordered(metrics: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
    """Of the metrics of a row, which cannot exceed which others."""
    found = {name: [high for high in _ABOVE.get(name, ()) if high in metrics] for name in metrics}
    return {name: above for name, above in found.items() if above}


_ABOVE = {
    f"{stem}_{low}": tuple(f"{stem}_{high}" for high in highs)
    for stem in LATENCIES
    for low, highs in (("median", ("p99", "p90", "max")), ("mean", ("max",)), ("min", ("median",)))
}


def mean_below_peak(result: BenchmarkResult, values: Values) -> Iterable[Finding] | None:
    """R7: an average cannot exceed the peak, nor power the accelerator's limit."""
    accelerator, power = accelerator_of(result.spec), values.get("power_mean")
    findings: list[Finding] = []
    looked = accelerator is not None and power is not None
    for name, mean, peak in _PEAKS:
        average, highest = values.get(mean), values.get(peak)
        if average is None or highest is None:
            continue
        looked = True
        if average > highest * 1.001:
            text = f"the average {name} {average:g} exceeds the peak {highest:g}"
            findings.append(about("R7", "invalid", text, f"{name}_mean"))
    if accelerator is not None and power is not None and power > accelerator.power_limit_w * 1.05:
        text = f"{power:g} W on average exceed the {accelerator.power_limit_w:g} W of one {accelerator.name}"
        findings.append(about("R7", "suspect", text, "power_mean"))
    return findings if looked else None


_PEAKS = (("memory", "memory_mean", "memory_peak"), ("power", "power_mean", "power_peak"))
