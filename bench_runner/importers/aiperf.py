"""Summaries of NVIDIA AIPerf, `profile_export_aiperf.json` (schema 1.x).

https://github.com/ai-dynamo/aiperf, docs/reference/json-export-schema.md
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise

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
    window = _window_s(export)
    metrics = tuple(_metrics(export, window))
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
    """The arguments of the client, without the addresses and keys among them."""
    info = export.get("run_info")
    command = text(info.get("cli_command")) if isinstance(info, dict) else None
    try:
        words = shlex.split(command or "")
    except ValueError:
        return ()
    return tuple(
        word for before, word in pairwise(["", *words]) if _PRIVATE.isdisjoint((before, word.partition("=")[0]))
    )


_PRIVATE = frozenset({"--url", "-u", "--api-key", "--header", "-H"})


def _window_s(export: Mapping[str, object]) -> float | None:
    """Seconds that AIPerf divides by from 0.12 (schema 1.4) on; before, it divided by `benchmark_duration`."""
    try:
        schema = tuple(int(part) for part in str(export.get("schema_version")).split("."))
        begun, ended = (datetime.fromisoformat(str(export.get(name))) for name in ("start_time", "end_time"))
        seconds = (ended - begun).total_seconds()
    except (ValueError, TypeError):  # no times, or one with a time zone and one without
        return None
    return seconds if schema >= (1, 4) and seconds > 0 else None


def _metrics(export: Mapping[str, object], window_s: float | None) -> Iterator[Metric]:
    """The unit is the file's to say; figures in a unit that we cannot convert keep their own name and unit."""
    if window_s is not None:
        yield metric("duration", window_s, how="derived")
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
            if key == "benchmark_duration" and unit in _TO_S and window_s is None:
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
    kept = without_secrets(config) if isinstance(config, dict) else {}
    phase, data, named = _of_lists(kept)
    flat = dict(_flat({key: value for key, value in kept.items() if key not in _ASIDE}))
    model = flat.get("model_names") or flat.get("model") or flat.get("models") or named.get("name")
    if isinstance(model, list):
        model = model[0] if model else None
    known = {name: next((count(flat[key]) for key in keys if key in flat), None) for name, keys in SPEC_COUNTS.items()}
    lengths = ((f"{of}_{key}", value) for of, figures in _prompts(data).items() for key, value in figures.items())
    settings: list[Setting] = sorted(
        (key, value) for key, value in (*flat.items(), *lengths) if isinstance(value, str | int | float | bool)
    )
    return BenchmarkSpec(
        kind="inference",
        model=model_name(model),
        dataset=text(data.get("type")),
        concurrency=count(flat.get("concurrency") or phase.get("concurrency")),
        num_prompts=count(flat.get("request_count") or phase.get("requests")),
        tp=known["tp"],
        gpus=known["gpus"],
        nodes=known["nodes"],
        settings=tuple(settings),
    )


_ASIDE = frozenset({"artifacts", "runtime"})
"""Sections that say where the client writes and how it looks, nothing of what was measured."""
_Object = Mapping[str, object]


def _of_lists(config: _Object) -> tuple[_Object, _Object, _Object]:
    """From 0.10 on what was asked is in lists: the measured phase, the data and the model."""
    phases = _objects(config.get("phases"))
    measured = [phase for phase in phases if phase.get("kind") == "profiling"] or phases
    models = config.get("models")
    items = _objects(models.get("items")) if isinstance(models, dict) else []
    found = (measured[-1:], _objects(config.get("datasets"))[:1], items[:1])
    phase, data, named = (some[0] if some else {} for some in found)
    return phase, data, named


def _objects(value: object) -> list[_Object]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _prompts(data: _Object) -> Mapping[str, _Object]:
    """Lengths of prompts and answers as asked for: `{"isl": {"mean": 32.0}}`."""
    prompts = data.get("prompts")
    asked = prompts if isinstance(prompts, dict) else {}
    return {of: figures for of, figures in asked.items() if isinstance(figures, dict)}


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
