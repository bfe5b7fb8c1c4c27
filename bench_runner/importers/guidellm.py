"""Reports of guidellm: `benchmarks[]`, each with `metrics.<name>.{successful,errored,incomplete,total}`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from bench_runner.errors import ScanError
from bench_runner.importers.jsonscan import Buffer, Lines, Scanned, elements, load, scan_object
from bench_runner.importers.secrets import without_secrets
from bench_runner.importers.serving import model_name
from bench_runner.importers.source import Source
from bench_runner.metrics import count, metric, number, text
from bench_runner.result import BenchmarkResult, Metric, Record
from bench_runner.spec import BenchmarkSpec, Setting

RATES: Mapping[str, str] = {
    "requests_per_second": "request_throughput",
    "request_concurrency": "mean_concurrency",
    "output_tokens_per_second": "output_throughput",
    "prompt_tokens_per_second": "input_throughput",
    "tokens_per_second": "total_throughput",
}
LATENCIES: Mapping[str, tuple[str, float]] = {
    "request_latency": ("e2el", 1000.0),
    "time_to_first_token_ms": ("ttft", 1.0),
    "inter_token_latency_ms": ("itl", 1.0),
    "time_per_output_token_ms": ("tpot_with_first", 1.0),
}
"""guidellm's time per output token counts the first token in, vLLM's does not: another name, so that they never mix."""
_STATISTICS = {"mean": "mean", "median": "median", "std_dev": "std", "min": "min", "max": "max"}
_REQUESTS = frozenset({"requests", "benchmarks"})


def read(buffer: Buffer, source: Source) -> Iterator[Record]:
    lines = Lines(buffer)
    try:
        start = buffer[:65_536].find(b"{")
        report = scan_object(buffer, max(start, 0), leave=_REQUESTS)
        spans = list(elements(buffer, report.spans["benchmarks"])) if "benchmarks" in report.spans else []
    except ScanError as error:
        yield source.problem(lines.at(error.offset), error.problem)
        return
    if not spans:
        yield source.problem(1, "is no guidellm report with benchmarks in it")
    for span in spans:
        line = lines.at(span[0])
        try:
            yield _result(buffer, scan_object(buffer, span[0], leave=_REQUESTS), report, source, line)
        except ScanError as error:
            yield source.problem(line, error.problem)


def _member(buffer: Buffer, found: Scanned, name: str) -> dict[str, object]:
    """An object of the record, read even if it is large; empty when it is missing."""
    value = load(buffer, found.spans[name]) if name in found.spans else found.values.get(name)
    return value if isinstance(value, dict) else {}


def _result(buffer: Buffer, found: Scanned, report: Scanned, source: Source, line: int) -> BenchmarkResult:
    figures = _member(buffer, found, "metrics")
    config = _member(buffer, found, "config") or _member(buffer, found, "args")
    metadata = _member(buffer, report, "metadata")
    metrics = tuple(_metrics(figures, found.values))
    totals = figures.get("request_totals") or found.values.get("request_totals")
    counts = totals if isinstance(totals, dict) else {}
    completed = number(counts.get("successful"))
    failed = number(counts.get("errored"))
    for name, value in (("completed", completed), ("failed", failed)):
        if value is not None:
            metrics += (metric(name, value),)
    dead = completed == 0
    provenance = source.at(line, tool="guidellm", tool_version=text(metadata.get("guidellm_version")))
    return BenchmarkResult(
        spec=_spec(config, _member(buffer, report, "args"), _data(_member(buffer, report, "config"))),
        state="failed" if dead else "finished",
        metrics=tuple(item for item in metrics if item.name in ("completed", "failed")) if dead else metrics,
        provenance=replace(provenance, date=_first_text(found.values, "start_time")),
        original=without_secrets(
            {"metrics": figures, "config": config, "metadata": metadata, "request_totals": counts}
        ),
        reason="no request was successful" if dead else None,
        notes=_notes(number(counts.get("incomplete")), found.values.get("warnings")),
    )


def _notes(incomplete: float | None, warnings: object) -> tuple[str, ...]:
    said = [f"{incomplete:g} requests were still running at the end"] if incomplete else []
    for warning in warnings if isinstance(warnings, list) else ():
        message = text(warning.get("message")) if isinstance(warning, dict) else None
        said.extend(() if message is None else (f"guidellm: {message}",))
    return tuple(said)


def _first_text(values: Mapping[str, object], name: str) -> str | None:
    value = values.get(name)
    return None if value is None else str(value)


def _metrics(figures: Mapping[str, object], values: Mapping[str, object]) -> Iterator[Metric]:
    for key, block in figures.items():
        good = block.get("successful") if isinstance(block, dict) else None
        if not isinstance(good, dict):
            continue
        if key in RATES and (mean := number(good.get("mean"))) is not None:
            yield metric(RATES[key], mean)
        elif key in ("prompt_token_count", "output_token_count"):
            total = number(good.get("total_sum"))
            if total is not None:
                yield metric("input_tokens" if key.startswith("prompt") else "output_tokens", total)
        elif key in LATENCIES:
            yield from _latency(*LATENCIES[key], good)
    duration = number(values.get("duration"))
    if duration is not None:
        yield metric("duration", duration)


def _latency(stem: str, to_ms: float, good: Mapping[str, object]) -> Iterator[Metric]:
    for statistic, ours in _STATISTICS.items():
        value = number(good.get(statistic))
        if value is not None and (value > 0 or ours == "std"):
            yield metric(f"{stem}_{ours}", value * to_ms, unit="ms")
    percentiles = good.get("percentiles")
    p99 = number(percentiles.get("p99")) if isinstance(percentiles, dict) else None
    if p99:
        yield metric(f"{stem}_p99", p99 * to_ms, unit="ms")


def _data(config: Mapping[str, object]) -> Mapping[str, object]:
    """The data of a whole report, from 0.8 on; several at once are not told apart."""
    asked = config.get("spec")
    every = asked.get("data") if isinstance(asked, dict) else None
    return every[0] if isinstance(every, list) and len(every) == 1 and isinstance(every[0], dict) else {}


_LENGTHS = ("prompt_tokens", "prompt_tokens_stdev", "output_tokens", "output_tokens_stdev", "turns")
"""Of synthetic data: runs that differ in these are not repeats."""


def _spec(config: Mapping[str, object], arguments: Mapping[str, object], data: Mapping[str, object]) -> BenchmarkSpec:
    strategy = config.get("strategy")
    plan = strategy if isinstance(strategy, dict) else {}
    backend = config.get("backend")
    told = backend if isinstance(backend, dict) else {}
    model = told.get("model") or told.get("model_name") or arguments.get("model")
    settings: list[Setting] = [
        (f"strategy_{key}", value) for key, value in sorted(plan.items()) if isinstance(value, str | int | float | bool)
    ]
    settings += [(f"data_{key}", value) for key in _LENGTHS if isinstance(value := data.get(key), int | float)]
    streams = plan.get("streams") or plan.get("max_concurrency")
    return BenchmarkSpec(
        kind="inference",
        model=model_name(model),
        dataset=text(data.get("kind")),
        concurrency=count(streams),
        num_prompts=_limit(config.get("constraints")) or count(arguments.get("max_requests")),
        settings=tuple(sorted(settings)),
    )


def _limit(constraints: object) -> int | None:
    """The number of requests that ends the benchmark, wherever the version puts it."""
    limit = constraints.get("max_requests") if isinstance(constraints, dict) else None
    arguments = limit.get("args") if isinstance(limit, dict) else None
    for value in arguments.values() if isinstance(arguments, dict) else (limit,):
        found = value[0] if isinstance(value, list) and value else value
        if count(found) is not None:
            return count(found)
    return None
