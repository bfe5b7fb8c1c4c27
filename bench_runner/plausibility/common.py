"""Checks of one row that hold for every kind of run."""

from __future__ import annotations

import re
from collections.abc import Iterator

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


def identity(result: BenchmarkResult, _: Values) -> Iterator[Finding] | None:
    """D12: identity comes from what was run, never from the parts of a path."""
    spec = result.spec
    named = [(what, name) for what, name in _names(result) if name is not None]
    if not named:
        return None
    return _identity(named, (spec.dataset or "").lower())


def _names(result: BenchmarkResult) -> tuple[tuple[str, str | None], ...]:
    spec = result.spec
    return (("framework", spec.framework), ("model", spec.model), ("data set", spec.dataset), ("system", spec.system))


def _identity(named: list[tuple[str, str]], dataset: str) -> Iterator[Finding]:
    for what, name in named:
        if _FOLDER_WORDS.fullmatch(name):
            yield about("D12", "invalid", f"the {what} is {name!r}, a folder's name: the path was read one part off")
        elif "/" in name and (name.startswith("/") or name.count("/") > 1):
            yield about("D12", "suspect", f"the {what} {name!r} is a path")
        elif what == "framework" and name.lower() not in KNOWN_FRAMEWORKS:
            yield about("D12", "suspect", f"the framework {name!r} is not known")
    if dataset in KNOWN_FRAMEWORKS:
        yield about("D12", "invalid", f"the data set {dataset!r} is a framework: the path was read one part off")


def no_negative(_: BenchmarkResult, values: Values) -> Iterator[Finding]:
    """R5: nothing measured here can be negative; a median cannot exceed its own high percentiles."""
    for name, value in values.items():
        if value < 0 and not name.startswith(("train_loss", "last_loss", "eval_")):
            yield about("R5", "invalid", f"{name} is negative: {value:g}", name)
    for stem, low, high, smaller, larger in _ORDERED:
        if smaller in values and larger in values and values[smaller] > values[larger] * 1.0001:
            text = f"the {low} {stem} {values[smaller]:g} ms exceeds its {high} {values[larger]:g} ms"
            yield about("R5", "invalid", text, stem)


_ORDERED = tuple(
    (stem, low, high, f"{stem}_{low}", f"{stem}_{high}")
    for stem in LATENCIES
    for low, high in (("median", "p99"), ("median", "p90"), ("mean", "max"), ("median", "max"), ("min", "median"))
)


def mean_below_peak(result: BenchmarkResult, values: Values) -> Iterator[Finding] | None:
    """R7: an average cannot exceed the peak, nor power the accelerator's limit."""
    pairs = [
        (name, values[f"{name}_mean"], values[f"{name}_peak"]) for name in ("memory", "power") if _both(name, values)
    ]
    accelerator, power = accelerator_of(result.spec), values.get("power_mean")
    if not pairs and (accelerator is None or power is None):
        return None
    findings = [
        about("R7", "invalid", f"the average {name} {mean:g} exceeds the peak {peak:g}", f"{name}_mean")
        for name, mean, peak in pairs
        if mean > peak * 1.001
    ]
    if accelerator is not None and power is not None and power > accelerator.power_limit_w * 1.05:
        limit = f"{power:g} W on average exceed the {accelerator.power_limit_w:g} W of one {accelerator.name}"
        findings.append(about("R7", "suspect", limit, "power_mean"))
    return iter(findings)


def _both(name: str, values: Values) -> bool:
    return f"{name}_mean" in values and f"{name}_peak" in values
