"""The block of text that the serving benchmarks of vLLM and SGLang print, in logs with several, broken ones or none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from msgspec.structs import replace

from bench_runner.importers.namespace import parse_namespace
from bench_runner.importers.secrets import without_secrets
from bench_runner.importers.serving import serving_result
from bench_runner.importers.source import Source
from bench_runner.metrics import number
from bench_runner.result import BenchmarkResult

TOOL = "serving benchmark, printed block"
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LINE_NUMBER = re.compile(r"^\s*\d{1,5}:?\s+(?=\D)")
"""Slides, `cat -n` and `srun --label` number the lines."""
_HEADER = "Serving Benchmark Result ==="
_RULE = re.compile(r"={5,}\s*")
_ROW = re.compile(r"([A-Za-z0-9][^:]{0,60}?)\s*:\s+(\S{1,40})\s*")
_LATENCY = re.compile(r"(mean|median|std|min|max|p\d+(?:\.\d+)?) (ttft|tpot|itl|e2el|e2e latency) \(ms\)")
_EXCEPTION = re.compile(r"[\w.]*(?:Error|Exception)\b: ?(.{0,200})")
_STARTED = ("Starting initial single prompt test run", "Starting warmup")
_BEFORE = re.compile(
    r"(Traffic request rate|Burstiness factor|Maximum request concurrency|Max request concurrency): (\S+)"
)

LABELS = {
    "successful requests": "completed",
    "failed requests": "failed",
    "benchmark duration (s)": "duration",
    "total input tokens": "total_input_tokens",
    "total generated tokens": "total_output_tokens",
    "total generated tokens (retokenized)": "total_output_tokens_retokenized",
    "request throughput (req/s)": "request_throughput",
    "request goodput (req/s)": "request_goodput",
    "input token throughput (tok/s)": "input_throughput",
    "output token throughput (tok/s)": "output_throughput",
    "total token throughput (tok/s)": "total_token_throughput",
    "peak output token throughput (tok/s)": "max_output_tokens_per_s",
    "peak concurrent requests": "max_concurrent_requests",
    "concurrency": "concurrency",
    "accept length": "accept_length",
    "maximum request concurrency": "max_concurrency",
    "max request concurrency": "max_concurrency",
    "traffic request rate": "request_rate",
    "backend": "backend",
}
"""Printed labels, in lower case, -> names in the JSON of the same benchmark."""


@dataclass(slots=True)
class _Run:
    """What has been read of a run so far."""

    line: int
    arguments: dict[str, object] = field(default_factory=dict)
    printed: dict[str, object] = field(default_factory=dict)
    started: bool = False
    in_block: bool = False
    block_line: int = 0
    exception: str | None = None


def read(lines: Iterable[str], source: Source) -> Iterator[BenchmarkResult]:
    run: _Run | None = None
    for number_, raw in enumerate(lines, 1):
        line = _LINE_NUMBER.sub("", _ANSI.sub("", raw.rstrip("\r\n")))
        if "Namespace(" in line:
            if run is not None:
                yield from _ended(run, source)
            run = _Run(line=number_, arguments=parse_namespace(line))
        elif _HEADER in line:
            if run is not None and run.in_block:
                yield from _ended(run, source)
                run = None
            run = run or _Run(line=number_)
            run.in_block, run.block_line = True, number_
        elif run is not None and run.in_block and _RULE.fullmatch(line):
            yield _finished(run, source)
            run = None
        else:
            run = _further(run, line, number_)
    if run is not None:
        yield from _ended(run, source)


def _further(run: _Run | None, line: str, number_: int) -> _Run | None:
    """A line inside, between or outside of runs."""
    if run is None:
        begins = line.startswith(_STARTED) or _BEFORE.match(line)
        if not begins:
            return None
        run = _Run(line=number_)
    if run.in_block:
        _into_block(run, line)
    elif line.startswith(_STARTED):
        run.started = True
    elif (before := _BEFORE.match(line)) is not None:
        run.printed[before[1]] = before[2].rstrip(",")
    elif (failure := _EXCEPTION.match(line)) is not None:
        run.exception = failure[0].strip()
    return run


def _into_block(run: _Run, line: str) -> None:
    row = _ROW.fullmatch(line)
    if row is not None:
        run.printed[row[1].strip()] = row[2]


def _record(run: _Run) -> dict[str, object]:
    """Arguments and printed figures under the names of the JSON; unknown labels keep their own."""
    record: dict[str, object] = dict(run.arguments)
    for label, raw in run.printed.items():
        lower = label.lower()
        latency = _LATENCY.fullmatch(lower)
        key = f"{latency[1]}_{latency[2].replace(' ', '_')}_ms" if latency else LABELS.get(lower, label)
        value = number(raw)
        record[key] = raw if value is None else value
    return record


def _finished(run: _Run, source: Source) -> BenchmarkResult:
    result = serving_result(_record(run), source, run.block_line or run.line, tool=TOOL, tool_version=None)
    return _as_printed(result, run)


def _as_printed(result: BenchmarkResult, run: _Run) -> BenchmarkResult:
    arguments = without_secrets(run.arguments)
    flags = tuple(f"{name}={value}" for name, value in sorted(arguments.items()) if value is not None)
    original: dict[str, object] = {"arguments": arguments, "printed": run.printed}
    return replace(result, original=original, provenance=replace(result.provenance, flags=flags))


def _ended(run: _Run, source: Source) -> Iterator[BenchmarkResult]:
    """A run whose block never ended: cut off inside it, or died before it began."""
    if run.in_block and run.printed:
        result = _finished(run, source)
        if result.state == "finished":
            result = replace(result, state="partial", reason="the log ends inside the block of results")
        yield result
    elif run.started or run.exception:
        result = serving_result(_record(run), source, run.line, tool=TOOL, tool_version=None)
        why = run.exception or "the log ends after the client's first test request: the server did not answer"
        kept = tuple(item for item in result.metrics if item.name == "completed")
        yield _as_printed(replace(result, state="failed", reason=why, metrics=kept), run)
