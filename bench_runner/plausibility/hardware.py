"""Upper bounds of accelerators, and what a model's name says about its size.

Peaks are dense (not sparse) 16-bit matrix arithmetic; 8-bit runs twice as fast where the accelerator has it. They bound
from above: no run is called impossible because of a lower clock. Where a figure is in `knowledge_base/facts`
(training_recipes.yaml, `peak_bf16_tflops` and `tdp`) it is that one, and a test holds the two together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from bench_runner.spec import BenchmarkSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Accelerator:
    name: str
    peak_tflops: float
    """Dense 16-bit, one GPU as the scheduler counts it (one GCD of an MI250X)."""
    has_fp8: bool
    power_limit_w: float
    """Of what is sold as one module; an MI250X module holds two GCDs. The facts have 400 W for an A100; Leonardo's is a
    custom board whose limit is not in them, so that the bound here is higher."""
    peak_from: str


_FACTS = "training_recipes.yaml"
_UNREAD = "vendor data sheet, not read for this edition"

H100 = Accelerator(name="H100", peak_tflops=989.0, has_fp8=True, power_limit_w=700.0, peak_from=_FACTS)
GH200 = Accelerator(name="GH200", peak_tflops=989.0, has_fp8=True, power_limit_w=1000.0, peak_from=_FACTS)
H200 = Accelerator(name="H200", peak_tflops=989.0, has_fp8=True, power_limit_w=700.0, peak_from=_FACTS)
A100 = Accelerator(name="A100", peak_tflops=312.0, has_fp8=False, power_limit_w=500.0, peak_from=_FACTS)
MI250X = Accelerator(name="MI250X GCD", peak_tflops=191.5, has_fp8=False, power_limit_w=560.0, peak_from=_FACTS)
MI300A = Accelerator(name="MI300A", peak_tflops=980.6, has_fp8=True, power_limit_w=760.0, peak_from=_UNREAD)
V100 = Accelerator(name="V100", peak_tflops=125.0, has_fp8=False, power_limit_w=300.0, peak_from=_UNREAD)
ACCELERATORS = (H100, GH200, H200, A100, MI250X, MI300A, V100)

_BY_WORD: tuple[tuple[re.Pattern[str], Accelerator], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), accelerator)
    for pattern, accelerator in (
        (r"\bgh200\b|\bjupiter\b", GH200),
        (r"\bh200\b", H200),
        (r"h100|\bmarenostrum ?5\b.*\bacc\b|\bmn5\b.*\bacc\b", H100),
        (r"\bmi300a?\b", MI300A),
        (r"\bmi250x?\b|\blumi\b", MI250X),
        (r"\ba100\b|\bleonardo\b", A100),
        (r"\bv100\b", V100),
    )
)


def accelerator_of(spec: BenchmarkSpec) -> Accelerator | None:
    """From the system and partition as stated; None when they name no accelerator that we know."""
    return _named(spec.system or "", spec.partition or "")


@lru_cache(maxsize=1024)
def _named(system: str, partition: str) -> Accelerator | None:
    words = f"{system} {partition}".strip()
    return next((accelerator for pattern, accelerator in _BY_WORD if pattern.search(words)), None) if words else None


_MIXTURE = re.compile(r"\d+\s?x\s?\d+(?:\.\d+)?\s?b\b", re.IGNORECASE)
_ACTIVE = re.compile(r"[-_]a(\d+(?:\.\d+)?)b\b", re.IGNORECASE)
_SIZE = re.compile(r"(?<![\d.a-z])(\d+(?:\.\d+)?)\s?b(?![a-z0-9])", re.IGNORECASE)


@lru_cache(maxsize=1024)
def parameters(model: str | None) -> float | None:
    """Parameters by the model's name; None for mixtures written `8x7B` and for names without a size.

    >>> parameters("Llama-3.1-8B-Instruct")
    8000000000.0
    """
    if model is None or _MIXTURE.search(model):
        return None
    match = _SIZE.search(model)
    return float(match[1]) * 1e9 if match else None


@lru_cache(maxsize=1024)
def active_parameters(model: str | None) -> float | None:
    """Parameters that one token passes: of `30B-A3B` the 3B."""
    match = _ACTIVE.search(model or "")
    return float(match[1]) * 1e9 if match else parameters(model)
