"""milabench: the `.data` event lines of one benchmark, and the table that its report prints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import fmean

from msgspec.structs import replace

from bench_runner.importers.source import Source
from bench_runner.metrics import metric, number, text
from bench_runner.result import BenchmarkResult, Metric, Record, State
from bench_runner.spec import BenchmarkSpec, Setting

TOOL = "milabench"


@dataclass(slots=True)
class _Events:
    config: dict[str, object] = field(default_factory=dict)
    meta: dict[str, object] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    unit: str = ""
    memory_mb: list[float] = field(default_factory=list)
    power_w: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    gpus: set[str] = field(default_factory=set)
    return_code: float | None = None
    error: str | None = None


def read_data(lines: Iterable[str], source: Source) -> Iterator[Record]:
    """One result a file. Printed lines (`event` = line) are not kept: they may hold anything."""
    events = _Events()
    understood = 0
    for position, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield source.problem(position, f"an event is not JSON: {str(error)[:100]}")
            continue
        if not isinstance(event, dict) or "event" not in event:
            yield source.problem(position, "is no milabench event: `event` is missing")
            continue
        understood += 1
        _take(events, str(event["event"]), event.get("data"))
    if understood:
        yield _result(events, source)


def _take(events: _Events, kind: str, data: object) -> None:
    if kind == "config" and isinstance(data, dict):
        events.config = data
    elif kind == "meta" and isinstance(data, dict):
        events.meta = data
    elif kind == "start" and isinstance(data, dict):
        command = data.get("command")
        events.command = [str(word) for word in command] if isinstance(command, list) else []
    elif kind == "data" and isinstance(data, dict):
        _sample(events, data)
    elif kind == "end" and isinstance(data, dict):
        events.return_code = number(data.get("return_code"))
    elif kind == "error":
        events.error = text(data.get("type") if isinstance(data, dict) else data) or "an error event"


def _sample(events: _Events, data: Mapping[str, object]) -> None:
    rate = number(data.get("rate"))
    if rate is not None and data.get("task", "train") == "train":
        events.rates.append(rate)
        events.unit = text(data.get("units")) or events.unit
    gpus = data.get("gpudata")
    for name, sample in gpus.items() if isinstance(gpus, dict) else ():
        if not isinstance(sample, dict):
            continue
        events.gpus.add(str(name))
        memory = sample.get("memory")
        used = number(memory[0]) if isinstance(memory, list) and memory else None
        for series, value in ((events.memory_mb, used), (events.power_w, number(sample.get("power")))):
            if value is not None:
                series.append(value)
        load = number(sample.get("load"))
        events.load.extend(() if load is None else (load,))


def _result(events: _Events, source: Source) -> BenchmarkResult:
    state, reason = _state(events)
    version = events.meta.get("milabench")
    told = version if isinstance(version, dict) else {}
    provenance = replace(
        source.at(1, tool=TOOL, tool_version=text(told.get("tag"))),
        commit=text(told.get("commit")),
        date=_date(events.meta.get("date")),
        flags=tuple(events.command[1:]),
    )
    tags = events.config.get("tag")
    original = {"name": events.config.get("name"), "tag": tags, "run_name": events.config.get("run_name")}
    original |= {"rates": events.rates, "return_code": events.return_code, "pytorch": _torch(events.meta)}
    return BenchmarkResult(
        spec=_spec(events),
        state=state,
        metrics=_metrics(events) if state != "failed" else (),
        provenance=provenance,
        original=original,
        reason=reason,
    )


def _date(value: object) -> str | None:
    return None if value is None else str(value)


def _torch(meta: Mapping[str, object]) -> object:
    pytorch = meta.get("pytorch")
    return pytorch.get("torch") if isinstance(pytorch, dict) else None


def _state(events: _Events) -> tuple[State, str | None]:
    if events.error is not None:
        return "failed", events.error
    if events.return_code not in (None, 0):
        return "failed", f"ended with code {events.return_code:g}"
    if not events.rates:
        return "failed", "no rate was reported"
    if events.return_code is None:
        return "partial", "the file ends before the end event"
    return "finished", None


def _metrics(events: _Events) -> tuple[Metric, ...]:
    found = [metric("rate_mean", fmean(events.rates), unit=events.unit, how="derived")] if events.rates else []
    if events.memory_mb:
        found.append(metric("memory_peak", max(events.memory_mb) / 1024, unit="GiB"))
    if events.power_w:
        found.append(metric("power_mean", fmean(events.power_w)))
        found.append(metric("power_peak", max(events.power_w)))
    if events.load:
        found.append(metric("gpu_load_mean", fmean(events.load)))
    return tuple(found)


def _spec(events: _Events) -> BenchmarkSpec:
    tags = events.config.get("tags")
    inference = isinstance(tags, list) and "inference" in tags
    settings: list[Setting] = [
        (key, value)
        for key in ("name", "group", "max_duration", "hash")
        if isinstance(value := events.config.get(key), str | int | float)
    ]
    return BenchmarkSpec(
        kind="inference" if inference else "training",
        framework="pytorch" if "pytorch" in events.meta else None,
        model=text(events.config.get("name")),
        gpus=len(events.gpus) or None,
        settings=tuple(sorted(settings)),
    )


_HEADER = re.compile(r"\s*bench\b.*\bperf\b.*\bscore\b.*")
_SPLIT = re.compile(r"\s*\|\s*|\s+")


def read_report(lines: Iterable[str], source: Source) -> Iterator[Record]:
    """One result a row of the table; columns by name, because versions differ in them."""
    columns: list[str] | None = None
    for position, raw in enumerate(lines, 1):
        line = raw.strip()
        if _HEADER.fullmatch(line):
            columns = [name for name in _SPLIT.split(line) if name]
        elif columns is not None:
            cells = [cell for cell in _SPLIT.split(line) if cell]
            if not cells or cells[0].startswith(("=", "-", "Scores")):
                columns = None if not cells or cells[0].startswith("Scores") else columns
            elif len(cells) != len(columns):
                yield source.problem(position, f"{len(cells)} cells where the table has {len(columns)} columns")
            else:
                yield _row(dict(zip(columns, cells, strict=True)), source, position)


def _row(cells: dict[str, str], source: Source, line: int) -> BenchmarkResult:
    figures = {name: number(raw.rstrip("%")) for name, raw in cells.items()}
    fail, runs, perf = figures.get("fail"), figures.get("n"), figures.get("perf")
    failed = perf is None or perf == 0 or (fail is not None and runs is not None and 0 < runs <= fail)
    found: list[Metric] = []
    if perf is not None and not failed:
        found.append(metric("rate_mean", perf, unit=""))
    for name, unit in (("sem%", "%"), ("std%", "%"), ("peak_memory", "MiB")):
        value = figures.get(name)
        if value is not None and value >= 0 and not failed:
            found.append(metric(f"rate_{name.rstrip('%')}" if "%" in name else name, value, unit=unit))
    gpus = figures.get("ngpu")
    return BenchmarkResult(
        spec=BenchmarkSpec(kind="training", model=cells["bench"], gpus=int(gpus) if gpus else None),
        state="failed" if failed else "finished",
        metrics=tuple(found),
        provenance=source.at(line, tool=TOOL),
        original=dict(cells),
        reason=f"{cells.get('fail', '?')} of {cells.get('n', '?')} runs failed" if failed else None,
        notes=() if failed or not fail else (f"{fail:g} of {cells.get('n', '?')} runs failed",),
    )
