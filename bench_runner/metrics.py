"""Names, units and definitions of metrics."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache

from bench_runner.result import How, Metric

DEFINITIONS: Mapping[str, tuple[str, str]] = {
    "duration": ("s", "wall time of the measured part"),
    "completed": ("requests", "requests with an answer"),
    "failed": ("requests", "requests that ended in an error"),
    "zero_outputs": ("requests", "answers without a token"),
    "input_tokens": ("tokens", "prompt tokens of all completed requests"),
    "output_tokens": ("tokens", "generated tokens of all completed requests"),
    "output_tokens_retokenized": ("tokens", "generated tokens counted again by the client's tokenizer"),
    "request_throughput": ("req/s", "completed requests / duration"),
    "request_goodput": ("req/s", "requests within the stated latency goals / duration"),
    "input_throughput": ("tok/s", "prompt tokens / duration"),
    "output_throughput": ("tok/s", "generated tokens / duration"),
    "total_throughput": ("tok/s", "prompt and generated tokens / duration"),
    "peak_output_throughput": ("tok/s", "most generated tokens in one second"),
    "peak_concurrency": ("requests", "most requests in flight"),
    "mean_concurrency": ("requests", "requests in flight, averaged over the duration"),
    "accept_length": ("tokens", "tokens accepted per step of speculative decoding"),
    "memory_mean": ("GB", "GPU memory in use, averaged over samples and GPUs"),
    "memory_peak": ("GB", "GPU memory in use, highest"),
    "power_mean": ("W", "power of one GPU, averaged over samples and GPUs"),
    "power_peak": ("W", "power of one GPU, highest"),
    "gpu_load_mean": ("1", "share of time in which the GPU ran a kernel"),
    "train_runtime": ("s", "wall time of training"),
    "train_samples_per_second": ("samples/s", "training samples / runtime"),
    "summary_samples_per_second": ("samples/s", "the same rate as the table after training prints it again"),
    "train_steps_per_second": ("steps/s", "optimizer steps / runtime"),
    "train_tokens_per_second": ("tok/s", "training tokens / runtime"),
    "train_loss": ("1", "mean loss of training"),
    "train_samples": ("samples", "samples in the training set"),
    "train_steps": ("steps", "optimizer steps made"),
    "epochs": ("epochs", "passes over the training set"),
    "trainable_parameters": ("parameters", "parameters that training changes"),
    "total_flos": ("FLOP", "floating-point operations as the trainer estimates them"),
    "time_to_train": ("s", "from run start to run stop"),
    "recomputed_output_tokens": ("tokens", "sum over the per-request output lengths"),
    "recomputed_input_tokens": ("tokens", "sum over the per-request input lengths"),
    "recomputed_ttft_mean": ("ms", "mean over the per-request times to the first token"),
    "recomputed_itl_mean": ("ms", "mean over all single inter-token times"),
}

MOST = 2**53
"""Whole numbers from here on are not exact any more, and no count is as large."""

LATENCIES: Mapping[str, str] = {
    "ttft": "time to first token",
    "tpot": "time per output token after the first, mean of each request",
    "itl": "time between two tokens",
    "e2el": "end-to-end latency of a request",
}
"""Stems of latency metrics in ms; the statistic follows: `ttft_mean`, `ttft_median`, `ttft_std`, `ttft_p99`."""

_LATENCY_KEY = re.compile(r"(mean|median|std|min|max|p\d+(?:\.\d+)?)_(ttft|tpot|itl|e2el|e2e_latency)(?:_ms)?")


def latency_name(key: str) -> str | None:
    """`mean_e2e_latency_ms` -> `e2el_mean`; None when the key is no latency."""
    match = _LATENCY_KEY.fullmatch(key)
    if match is None:
        return None
    stem = "e2el" if match[2] == "e2e_latency" else match[2]
    return f"{stem}_{match[1]}"


@lru_cache(maxsize=4096)
def unit_of(name: str) -> str:
    """Unit of a metric of ours; empty for a foreign name."""
    if name in DEFINITIONS:
        return DEFINITIONS[name][0]
    return "ms" if name.partition("_")[0] in LATENCIES else ""


def metric(name: str, value: float, *, how: How = "measured", unit: str | None = None) -> Metric:
    return Metric(name=name, value=value, unit=unit_of(name) if unit is None else unit, how=how)


def number(value: object) -> float | None:
    """A finite number, from a number or its text; None for everything else, booleans included."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def count(value: object) -> int | None:
    """A whole number that is not negative and counts something; None for everything else."""
    found = number(value)
    return int(found) if found is not None and 0 <= found < MOST and found == int(found) else None


def text(value: object) -> str | None:
    """Text with something in it; None for everything else."""
    return value.strip() or None if isinstance(value, str) else None
