"""MLPerf training logs: `:::MLLOG {json}` lines, with the same event from every rank; and inference summaries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from msgspec.structs import replace

from bench_runner.importers.source import Source
from bench_runner.metrics import count, metric, number, text
from bench_runner.result import BenchmarkResult, Metric, Record, State
from bench_runner.spec import BenchmarkSpec, Setting

TOOL = "MLPerf logging"
MARK = ":::MLLOG"
_IDENTITY = ("submission_benchmark", "submission_platform", "submission_org", "submission_division")


@dataclass(slots=True)
class _Run:
    line: int
    settings: dict[str, object] = field(default_factory=dict)
    start_ms: float | None = None
    stop_ms: float | None = None
    status: str | None = None
    accuracy: list[float] = field(default_factory=list)
    throughput: list[float] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)


def read(lines: Iterable[str], source: Source) -> Iterator[Record]:
    """One result a `run_start`; what comes before the first belongs to it."""
    run: _Run | None = None
    for position, line in enumerate(lines, 1):
        mark = line.find(MARK)
        if mark < 0:
            continue
        try:
            event = json.loads(line[mark + len(MARK) :])
        except (ValueError, RecursionError) as error:
            yield source.problem(position, f"an MLLOG line is not JSON: {str(error)[:100]}")
            continue
        if not isinstance(event, dict) or not isinstance(event.get("key"), str):
            yield source.problem(position, "an MLLOG line has no key")
            continue
        if run is not None and run.stop_ms is not None and event["key"] in ("run_start", "init_start", "cache_clear"):
            yield _result(run, source)
            run = None
        run = run or _Run(line=position)
        _take(run, event)
    if run is not None:
        yield _result(run, source)


def _take(run: _Run, event: dict[str, object]) -> None:
    key, value = str(event["key"]), event.get("value")
    metadata = event.get("metadata")
    details = metadata if isinstance(metadata, dict) else {}
    signature = json.dumps([key, value, details], sort_keys=True, default=str)
    if signature in run.seen:
        return
    run.seen.add(signature)
    when = number(event.get("time_ms"))
    if key == "run_start":
        run.start_ms = when if run.start_ms is None else run.start_ms
    elif key == "run_stop":
        run.stop_ms = when if run.stop_ms is None else run.stop_ms
        run.status = run.status or text(details.get("status"))
    elif key == "eval_accuracy" and (accuracy := number(value)) is not None:
        run.accuracy.append(accuracy)
    elif key in ("tracked_stats", "throughput"):
        found = number(value.get("throughput") if isinstance(value, dict) else value)
        run.throughput.extend(() if found is None else (found,))
    elif event.get("event_type") == "POINT_IN_TIME" and isinstance(value, str | int | float | bool):
        run.settings.setdefault(key, value)


def _result(run: _Run, source: Source) -> BenchmarkResult:
    metrics: list[Metric] = []
    if run.start_ms is not None and run.stop_ms is not None and run.status in (None, "success"):
        metrics.append(metric("time_to_train", (run.stop_ms - run.start_ms) / 1000, how="derived"))
    if run.accuracy:
        metrics.append(metric("eval_accuracy", run.accuracy[-1], unit="1"))
    if run.throughput:
        mean = sum(run.throughput) / len(run.throughput)
        metrics.append(metric("train_samples_per_second", mean, how="derived"))
    state, reason = _state(run)
    settings: list[Setting] = [
        (key, value)
        for key, value in sorted(run.settings.items())
        if isinstance(value, str | int | float | bool) and key not in _IDENTITY
    ]
    spec = BenchmarkSpec(
        kind="training",
        system=text(run.settings.get("submission_platform")),
        model=text(run.settings.get("submission_benchmark")),
        nodes=count(run.settings.get("number_of_nodes")),
        gpus_per_node=count(run.settings.get("accelerators_per_node")),
        settings=tuple(settings),
    )
    original: dict[str, object] = {
        "settings": run.settings,
        "status": run.status,
        "start_ms": run.start_ms,
        "stop_ms": run.stop_ms,
    }
    original |= {"eval_accuracy": run.accuracy, "throughput": run.throughput}
    return BenchmarkResult(
        spec=spec,
        state=state,
        metrics=tuple(metrics),
        provenance=replace(source.at(run.line, tool=TOOL), date=_began(run)),
        original=original,
        reason=reason,
    )


def _began(run: _Run) -> str | None:
    """Seconds since 1970."""
    return None if run.start_ms is None else f"{run.start_ms / 1000:.3f}"


def _state(run: _Run) -> tuple[State, str | None]:
    if run.start_ms is None:
        return "failed", "the log has no run_start: training never began"
    if run.stop_ms is None:
        return "partial", "the log ends before run_stop"
    if run.status not in (None, "success"):
        return "failed", f"run_stop says {run.status!r}"
    return "finished", None


LONGEST_ROW = 500
_SUMMARY_ROW = re.compile(r"\s*([\w .%()<>]+?)\s*:\s+(.+?)\s*")
SUMMARY_METRICS = {
    "samples per second": ("request_throughput", 1.0),
    "completed samples per second": ("request_throughput", 1.0),
    "tokens per second": ("output_throughput", 1.0),
    "completed tokens per second": ("output_throughput", 1.0),
    "mean latency (ns)": ("e2el_mean", 1e-6),
    "99.00 percentile latency (ns)": ("e2el_p99", 1e-6),
    "mean first token latency (ns)": ("ttft_mean", 1e-6),
    "mean time to output token (ns)": ("tpot_mean", 1e-6),
}
"""Rows of `mlperf_log_summary.txt`, in lower case -> metric and factor to its unit."""


def read_summary(lines: Iterable[str], source: Source) -> Iterator[Record]:
    printed: dict[str, str] = {}
    for line in lines:
        row = _SUMMARY_ROW.fullmatch(line.rstrip()) if len(line) <= LONGEST_ROW else None
        if row is not None:
            printed.setdefault(row[1].strip(), row[2])
    metrics: dict[str, Metric] = {}
    for label, raw in printed.items():
        target, value = SUMMARY_METRICS.get(label.lower()), number(raw)
        if target is not None and value is not None and value > 0:
            metrics[target[0]] = metric(target[0], value * target[1])
    if "Result is" not in printed:
        yield source.problem(1, "is no complete MLPerf summary: the row `Result is` is missing")
        return
    valid = printed["Result is"].upper() == "VALID"
    settings: list[Setting] = [(key, printed[key]) for key in ("Mode", "Scenario") if key in printed]
    result = BenchmarkResult(
        spec=BenchmarkSpec(kind="inference", model=None, system=printed.get("SUT name"), settings=tuple(settings)),
        state="finished",
        metrics=tuple(metrics.values()),
        provenance=source.at(1, tool="MLPerf LoadGen"),
        original=dict(printed),
    )
    yield result if valid else replace(result, notes=(f"LoadGen calls the result {printed['Result is']}",))
