"""The tables of minerva-benchmarks: 24 columns, 29 with scores, and the narrower ones of single sites.

And the table of trainings that we publish there, whose columns of figures are called `name (unit)`.
"""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from sys import intern
from typing import Any, Protocol

from msgspec.structs import asdict

from bench_runner.cells import Cells, Header
from bench_runner.importers.source import Source
from bench_runner.metrics import count, unit_of
from bench_runner.result import BenchmarkResult, Metric, Provenance, Record
from bench_runner.spec import BenchmarkSpec, split_flags

TEXT_COLUMNS: Mapping[str, str] = {
    "Supercomputer": "system",
    "Partition": "partition",
    "Model": "model",
    "Dataset/Model Type": "task",
    "Dataset": "dataset",
    "Framework": "framework",
}
COUNT_COLUMNS: Mapping[str, str] = {
    "Concurrency Level": "concurrency",
    "Number of Nodes": "nodes",
    "GPUs per Node": "gpus_per_node",
    "Total Used GPUs": "gpus",
    "Number of GPUs": "gpus",
    "Tensor": "tp",
    "Pipeline": "pp",
    "Max Model Length": "max_model_len",
}
METRIC_COLUMNS: Mapping[str, str] = {
    "GPU Memory Usage Avg (GB)": "memory_mean",
    "GPU Memory Usage Peak (GB)": "memory_peak",
    "GPU Memory Usage (GB)": "memory_mean",
    "Power Usage Avg (W)": "power_mean",
    "Power Usage Peak (W)": "power_peak",
    "Power Usage (W)": "power_mean",
    "TTFT (ms)": "ttft_mean",
    "ITL (ms)": "itl_mean",
    "TPOT (ms)": "tpot_mean",
    "Output Throughput (tokens/s)": "output_throughput",
    "Request Throughput (requests/s)": "request_throughput",
}
SCORE_COLUMNS = (
    "Latency Score",
    "Latency Score Scaled",
    "Throughput Score",
    "Energy Score (Tokens/Watt)",
    "Global Score",
)
"""They mix units: kept for export, never compared."""
_TRAINING_TEXTS = {**TEXT_COLUMNS, "Precision": "precision"}
_NAMED_FIGURE = re.compile(r"(\w+) \(([^()]*)\)")
FLAGS_COLUMN = "Additional Arguments"
TOOL_COLUMN = "Benchmark Type"
REQUIRED = ("Supercomputer", "Framework", "Model")

_LATENCIES = frozenset({"ttft_mean", "itl_mean", "tpot_mean"})
_PERFORMANCE = _LATENCIES | {"output_throughput", "request_throughput"}


class Reader(Protocol):
    """What `csv.reader` returns."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    """Where each column goes."""

    header: Header
    texts: tuple[tuple[int, str], ...]
    counts: tuple[tuple[int, str], ...]
    metrics: tuple[tuple[int, str, str], ...]
    flags: int | None
    tool: int | None
    trained: bool = False
    """Rows are trainings."""

    def column(self, place: int) -> str:
        return self.header.columns[place]


def read(lines: Iterable[str], source: Source) -> Iterator[Record]:
    rows = csv.reader(lines)
    try:
        header = tuple(name.strip().removeprefix("\ufeff") for name in next(rows, []))
    except csv.Error as error:
        yield source.problem(1, f"is not a table: {error}")
        return
    missing = [name for name in REQUIRED if name not in header]
    if missing or len(set(header)) != len(header):
        what = f"no column {missing[0]!r} in the header" if missing else "the header names a column twice"
        yield source.problem(1, what)
        return
    yield from _rows(rows, _plan(header), source)


def _rows(rows: Reader, plan: _Plan, source: Source) -> Iterator[Record]:
    flags: dict[str, tuple[str, ...]] = {}
    width = len(plan.header.columns)
    while True:
        line = rows.line_num + 1
        try:
            cells = next(rows, None)
        except csv.Error as error:
            yield source.problem(line, f"the row does not parse: {error}")
            continue
        if cells is None:
            return
        if not cells:
            continue
        if len(cells) != width:
            yield source.problem(line, f"{len(cells)} cells where the header has {width}")
            continue
        yield _row(cells, plan, source, line, flags)


def _plan(header: tuple[str, ...]) -> _Plan:
    def where(columns: Mapping[str, str]) -> tuple[tuple[int, str], ...]:
        return tuple((header.index(name), ours) for name, ours in columns.items() if name in header)

    named = [(index, match) for index, name in enumerate(header) if (match := _NAMED_FIGURE.fullmatch(name))]
    if any(match[1].startswith(("train_", "time_to_train")) for _, match in named):
        return _Plan(
            header=Header(header),
            texts=where(_TRAINING_TEXTS),
            counts=where(COUNT_COLUMNS),
            metrics=tuple((index, match[1], match[2]) for index, match in named),
            flags=header.index(FLAGS_COLUMN) if FLAGS_COLUMN in header else None,
            tool=None,
            trained=True,
        )
    return _Plan(
        header=Header(header),
        texts=where(TEXT_COLUMNS),
        counts=where(COUNT_COLUMNS),
        metrics=tuple((index, name, unit_of(name)) for index, name in where(METRIC_COLUMNS)),
        flags=header.index(FLAGS_COLUMN) if FLAGS_COLUMN in header else None,
        tool=header.index(TOOL_COLUMN) if TOOL_COLUMN in header else None,
    )


def _row(cells: list[str], plan: _Plan, source: Source, line: int, seen: dict[str, tuple[str, ...]]) -> Record:
    spec = _BLANK.copy()
    for index, name in plan.counts:
        cell = cells[index]
        spec[name] = found = _whole(cell)
        if found is None and cell:
            return source.problem(line, f"{cell!r} in column {plan.column(index)!r} is not a whole number")
    figures = _figures(cells, plan)
    if isinstance(figures, str):
        return source.problem(line, figures)
    metrics, zero, failed = figures
    for index, name in plan.texts:
        spec[name] = intern(cells[index]) or None
    raw_flags = cells[plan.flags] if plan.flags is not None else ""
    if plan.trained:
        return _training(spec, metrics, raw_flags, Cells(plan.header, cells), source.at(line))
    if raw_flags not in seen:
        seen[raw_flags] = split_flags(raw_flags)
    spec["server_flags"] = seen[raw_flags]
    return BenchmarkResult(
        spec=BenchmarkSpec(**spec),
        state="failed" if failed else "finished",
        metrics=tuple(item for item in metrics if item.name not in _PERFORMANCE) if failed else tuple(metrics),
        provenance=_provenance(cells, plan, source, line),
        original=Cells(plan.header, cells),
        not_measured=() if failed else tuple(zero),
        reason="throughput is printed as 0" if failed else None,
    )


def _training(
    spec: dict[str, Any], metrics: list[Metric], arguments: str, original: Cells, provenance: Provenance
) -> BenchmarkResult:
    try:
        words = shlex.split(arguments)
    except ValueError:
        words = arguments.split()
    pairs = (word.partition("=") for word in words if "=" in word and not word.startswith("-"))
    spec["kind"] = "training"
    spec["settings"] = tuple((name, _value(text)) for name, _, text in pairs)
    spec["server_flags"] = tuple(word for word in words if "=" not in word or word.startswith("-"))
    return BenchmarkResult(
        spec=BenchmarkSpec(**spec),
        state="finished" if metrics else "failed",
        metrics=tuple(metrics),
        provenance=provenance,
        original=original,
        reason=None if metrics else "no figure is printed",
    )


def _value(text: str) -> str | int | float | bool | None:
    """A setting as `str` wrote it."""
    if text in _WORDS:
        return _WORDS[text]
    for form in (int, float):
        try:
            return form(text)
        except ValueError:
            continue
    return text


_WORDS = {"True": True, "False": False, "None": None}
_BLANK: dict[str, Any] = asdict(BenchmarkSpec(kind="inference"))
"""All fields in their order, which makes a spec in half of the time."""

_whole = lru_cache(maxsize=4096)(count)
"""The same few numbers again and again, which are then one object."""


def _figures(cells: list[str], plan: _Plan) -> tuple[list[Metric], list[str], bool] | str:
    """Metrics, names of what was not measured, and whether the run failed; or what is wrong."""
    metrics: list[Metric] = []
    zero: list[str] = []
    failed = False
    for index, name, unit in plan.metrics:
        cell = cells[index]
        try:
            value = float(cell)
        except ValueError:
            if cell.strip():
                return f"{cell!r} in column {plan.column(index)!r} is not a number"
            continue
        if value:
            if isfinite(value):
                metrics.append(Metric(name, value, unit))
        elif name in _LATENCIES:
            zero.append(name)
        elif name == "output_throughput":
            failed = True
        else:
            metrics.append(Metric(name, value, unit))
    return metrics, zero, failed


def _provenance(cells: list[str], plan: _Plan, source: Source, line: int) -> Provenance:
    return source.at(line, tool=(intern(cells[plan.tool]) or None) if plan.tool is not None else None)
