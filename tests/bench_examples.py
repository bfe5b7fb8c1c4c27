"""Results made up for tests of the benchmark runner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench_runner.importers.source import Source
from bench_runner.metrics import metric
from bench_runner.plausibility.findings import Finding
from bench_runner.result import BenchmarkResult, Provenance
from bench_runner.spec import BenchmarkSpec
from bench_runner.store.results import Stored

SHARED = Path(__file__).parents[1].parent / "shared"
SOURCE = Source(name="made-up", sha256="0" * 64, format="test")


def spec(**changes: Any) -> BenchmarkSpec:
    sound: dict[str, Any] = {"system": "MareNostrum5", "partition": "ACC", "framework": "vllm", "model": "Some-8B"}
    sound |= {"dataset": "sharegpt", "tp": 4, "pp": 1, "nodes": 1, "gpus_per_node": 4, "gpus": 4, "concurrency": 100}
    return BenchmarkSpec(**{"kind": "inference", **sound, **changes})


SOUND = {
    "duration": 100.0,
    "completed": 1000.0,
    "input_tokens": 200_000.0,
    "output_tokens": 200_000.0,
    "request_throughput": 10.0,
    "output_throughput": 2000.0,
    "total_throughput": 4000.0,
    "ttft_mean": 100.0,
    "tpot_mean": 48.0,
}
"""Little: 10 req/s x (0.1 + 199 x 0.048) s = 96.5 of 100 requests in flight."""


def result(values: dict[str, float | None] | None = None, *, file: str = "a", **changes: Any) -> BenchmarkResult:
    """A sound result; a value of None leaves the metric out."""
    given = {name: value for name, value in {**SOUND, **(values or {})}.items() if value is not None}
    made: dict[str, Any] = {"spec": spec(), "state": "finished", "original": {"file": file}}
    made["metrics"] = tuple(metric(name, value) for name, value in given.items())
    made["provenance"] = Provenance(source=file, sha256=file * 64, line=1, format="test")
    return BenchmarkResult(**{**made, **changes})


_numbers = iter(range(10**9))


def row(values: dict[str, float | None] | None = None, *, verdict: Any = "verified", **of_spec: Any) -> Stored:
    number = next(_numbers)
    return stored(result(values, spec=spec(**of_spec)), number, verdict)


def stored(made: BenchmarkResult, number: int, verdict: Any = "verified") -> Stored:
    findings = () if verdict == "verified" else (Finding(rule="D7", level="suspect", reason="no steady state"),)
    return Stored(
        id=f"{number:024x}", row=number, result=made, verdict=verdict, findings=findings, confirmed_by=(),
        measured_on=None, imported_at="2026-11-28T00:00:00+00:00",
    )  # fmt: skip
