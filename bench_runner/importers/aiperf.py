"""Summaries of NVIDIA AIPerf, `profile_export_aiperf.json` (schema 1.x).

https://github.com/ai-dynamo/aiperf, docs/reference/json-export-schema.md
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from bench_runner.importers.secrets import without_secrets
from bench_runner.importers.serving import SPEC_COUNTS, TEXTS, model_name
from bench_runner.importers.source import Source
from bench_runner.metrics import count, metric, number, text
from bench_runner.result import BenchmarkResult, Metric, Record, State
from bench_runner.spec import BenchmarkSpec, Setting

SCALARS: Mapping[str, str] = {
    "request_throughput": "request_throughput",
    "output_token_throughput": "output_throughput",
    "total_token_throughput": "total_throughput",
    "request_count": "completed",
    "error_request_count": "failed",
    "benchmark_duration": "duration",
    "total_isl": "input_tokens",
    "total_osl": "output_tokens",
    "total_output_tokens": "output_tokens",
}
LATENCIES: Mapping[str, str] = {
    "time_to_first_token": "ttft",
    "inter_token_latency": "tpot",
    "inter_chunk_latency": "itl",
    "request_latency": "e2el",
}
"""AIPerf's inter-token latency is the mean per request, which vLLM calls TPOT."""
_STATISTICS = {"avg": "mean", "p50": "median", "std": "std", "min": "min", "max": "max", "p90": "p90", "p99": "p99"}
_TO_MS = {"ms": 1.0, "s": 1000.0, "sec": 1000.0, "us": 0.001, "ns": 1e-6}
_TO_S = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 0.001}


def read(content: str, source: Source) -> Iterator[Record]:
    try:
        export = json.loads(content)
    except (ValueError, RecursionError) as error:
        yield source.problem(getattr(error, "lineno", 1), f"is not JSON: {error}")
        return
    if not isinstance(export, dict) or not ("request_latency" in export or "request_throughput" in export):
        yield source.problem(1, "is no AIPerf summary: neither `request_throughput` nor `request_latency` in it")
        return
    metrics = tuple(_metrics(export))
    state, reason = _state(export, metrics)
    provenance = replace(
        source.at(1, tool="AIPerf", tool_version=text(export.get("aiperf_version"))),
        date=text(export.get("start_time")),
        flags=_command(export),
    )
    yield BenchmarkResult(
        spec=_spec(export),
        state=state,
        metrics=metrics if state != "failed" else (),
        provenance=provenance,
        original=without_secrets({key: value for key, value in export.items() if key not in TEXTS}),
        reason=reason,
    )


def _command(export: Mapping[str, object]) -> tuple[str, ...]:
    info = export.get("run_info")
    command = text(info.get("cli_command")) if isinstance(info, dict) else None
    return tuple(command.split()) if command else ()


def _metrics(export: Mapping[str, object]) -> Iterator[Metric]:
    """The unit is the file's to say; figures in a unit that we cannot convert keep their own name and unit."""
    for key, block in export.items():
        if not isinstance(block, dict) or "unit" not in block:
            continue
        unit = str(block["unit"])
        if key in LATENCIES and unit in _TO_MS:
            for statistic, ours in _STATISTICS.items():
                value = number(block.get(statistic))
                if value is not None and (value > 0 or ours == "std"):
                    yield metric(f"{LATENCIES[key]}_{ours}", value * _TO_MS[unit])
        elif (value := number(block.get("avg"))) is not None:
            if key == "benchmark_duration" and unit in _TO_S:
                yield metric("duration", value * _TO_S[unit])
            elif key in SCALARS and key != "benchmark_duration":
                yield metric(SCALARS[key], value)
            else:
                yield metric(key, value, unit=unit)


def _state(export: Mapping[str, object], metrics: tuple[Metric, ...]) -> tuple[State, str | None]:
    values = {item.name: item.value for item in metrics}
    if values.get("completed") == 0 or values.get("output_throughput") == 0:
        return "failed", "no request was completed"
    if export.get("was_cancelled") is True:
        return "partial", "the run was cancelled"
    return "finished", None


def _spec(export: Mapping[str, object]) -> BenchmarkSpec:
    config = export.get("input_config")
    flat = dict(_flat(without_secrets(config))) if isinstance(config, dict) else {}
    model = flat.get("model_names") or flat.get("model") or flat.get("models")
    if isinstance(model, list):
        model = model[0] if model else None
    known = {name: next((count(flat[key]) for key in keys if key in flat), None) for name, keys in SPEC_COUNTS.items()}
    settings: list[Setting] = sorted(
        (key, value) for key, value in flat.items() if isinstance(value, str | int | float | bool)
    )
    return BenchmarkSpec(
        kind="inference",
        model=model_name(model),
        concurrency=count(flat.get("concurrency")),
        num_prompts=count(flat.get("request_count")),
        tp=known["tp"],
        gpus=known["gpus"],
        nodes=known["nodes"],
        settings=tuple(settings),
    )


def _flat(config: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Leaves of the configuration by their own name; the first of a name wins."""
    seen: set[str] = set()
    waiting: list[Mapping[str, object]] = [config]
    while waiting:
        for key, value in waiting.pop(0).items():
            if isinstance(value, dict):
                waiting.append(value)
            elif key not in seen:
                seen.add(key)
                yield key, value
