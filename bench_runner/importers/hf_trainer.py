"""What the Hugging Face Trainer prints and saves: dict lines, the blocks around training, `trainer_state.json`."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from bench_runner.importers.source import Source
from bench_runner.metrics import count, metric, number
from bench_runner.result import BenchmarkResult, Metric, Record
from bench_runner.spec import BenchmarkSpec, Setting

TOOL = "Hugging Face Trainer"
METRIC_KEYS: Mapping[str, str] = {
    "train_runtime": "train_runtime",
    "train_samples_per_second": "train_samples_per_second",
    "train_steps_per_second": "train_steps_per_second",
    "train_tokens_per_second": "train_tokens_per_second",
    "train_loss": "train_loss",
    "train_samples": "train_samples",
    "epoch": "epochs",
    "total_flos": "total_flos",
    "global_step": "train_steps",
    "trainable_parameters": "trainable_parameters",
    "summary_samples_per_second": "summary_samples_per_second",
}
HEADER_LINES: Mapping[str, str] = {
    "num examples": "train_samples",
    "num epochs": "num_train_epochs",
    "instantaneous batch size per device": "per_device_train_batch_size",
    "total train batch size (w. parallel, distributed & accumulation)": "global_batch_size",
    "gradient accumulation steps": "gradient_accumulation_steps",
    "total optimization steps": "max_steps",
    "number of trainable parameters": "trainable_parameters",
}
"""Lines under `***** Running training *****`, in lower case, -> names of the Trainer's own arguments."""

_DICT = re.compile(r"\{'[^{}]{1,4000}\}")
_NOT_FINITE = re.compile(r"(?<=: )(?:nan|-?inf)\b")
_ROW = re.compile(r"\s*([A-Za-z][\w .,&()]{1,70}?)\s+=\s+(\S{1,40})\s*")
_LOG_PREFIX = re.compile(r">>| - |\[rank\d+\]:")
_CLOCK = re.compile(r"(?:(\d+) days?, )?(\d+):(\d{2}):(\d{2}(?:\.\d+)?)")


@dataclass(slots=True)
class _Training:
    line: int
    settings: dict[str, float] = field(default_factory=dict)
    summary: dict[str, object] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    last_epoch: float | None = None


def read_lines(lines: Iterable[str], source: Source) -> Iterator[Record]:
    """One result a training run; lines of progress bars and of other ranks in between do no harm."""
    run: _Training | None = None
    for position, raw in enumerate(lines, 1):
        line = raw.rstrip("\r\n")
        if _begins(line, run):
            if run is not None:
                yield _result(run, source)
            run = _Training(line=position)
        for found in _DICT.findall(line):
            values = parse_dict(found)
            if values is None:
                yield source.problem(position, "a dict of the Trainer does not parse")
                continue
            if run is not None and _of_next_run(run, values):
                yield _result(run, source)
                run = None
            if run is not None or "loss" in values or "train_runtime" in values:
                run = run or _Training(line=position)
                _take(run, values)
        if run is not None and " = " in line:
            _take_row(run, line)
    if run is not None:
        yield _result(run, source)


def _begins(line: str, run: _Training | None) -> bool:
    """Every rank prints the banner: only after steps or a summary is it another run's."""
    return "***** Running training *****" in line and (run is None or bool(run.summary or run.losses))


def _of_next_run(run: _Training, values: Mapping[str, object]) -> bool:
    """A loss after the summary; a second summary is another rank's."""
    return "train_runtime" in run.summary and "loss" in values


def parse_dict(printed: str) -> dict[str, object] | None:
    """A dict as Python prints it, `nan` and `inf` as None; None when it is no such dict."""
    try:
        value = ast.literal_eval(_NOT_FINITE.sub("None", printed))
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None
    return value if isinstance(value, dict) and all(isinstance(key, str) for key in value) else None


def _take(run: _Training, values: dict[str, object]) -> None:
    if "train_runtime" in values:
        run.summary = run.summary if "train_runtime" in run.summary else {**run.summary, **values}
        return
    loss = number(values.get("loss"))
    if loss is not None:
        run.losses.append(loss)
    run.last_epoch = number(values.get("epoch")) or run.last_epoch


def _take_row(run: _Training, line: str) -> None:
    match = _ROW.fullmatch(_LOG_PREFIX.split(line)[-1])
    if match is None:
        return
    name = HEADER_LINES.get(match[1].strip().lower())
    value = number(match[2].replace(",", ""))
    if name is not None and value is not None:
        run.settings.setdefault(name, value)
    elif match[1].strip() in METRIC_KEYS:
        clock = _CLOCK.fullmatch(match[2])
        seconds = _seconds(clock) if clock else value
        if seconds is not None:
            _take_summary(run, match[1].strip(), seconds)


def _take_summary(run: _Training, name: str, value: float) -> None:
    """The table after training repeats what the dict said; the rate of samples is kept twice, to be held together."""
    if name not in run.summary:
        run.summary[name] = value
    elif name == "train_samples_per_second":
        run.summary.setdefault("summary_samples_per_second", value)


def _seconds(clock: re.Match[str]) -> float:
    return int(clock[1] or 0) * 86_400 + int(clock[2]) * 3600 + int(clock[3]) * 60 + float(clock[4])


def _result(run: _Training, source: Source) -> BenchmarkResult:
    done = "train_runtime" in run.summary
    original = {"settings": run.settings, "summary": run.summary, "steps_logged": len(run.losses)}
    result = training_result({**run.settings, **run.summary}, source, run.line, original=original)
    metrics = result.metrics
    if not done and run.last_epoch is not None:
        metrics += (metric("epochs", run.last_epoch),)
    if not done and run.losses:
        metrics += (metric("last_loss", run.losses[-1], unit="1"),)
    reason = None if done else "the log ends before the Trainer's summary"
    return replace(result, metrics=metrics, state="finished" if done else "partial", reason=reason)


_SETTINGS = (
    "num_train_epochs",
    "per_device_train_batch_size",
    "global_batch_size",
    "gradient_accumulation_steps",
    "max_steps",
    "max_seq_length",
    "world_size",
)


def training_result(
    values: Mapping[str, object], source: Source, line: int, *, original: Mapping[str, object]
) -> BenchmarkResult:
    metrics: dict[str, Metric] = {}
    for key, raw in values.items():
        found, name = number(raw), METRIC_KEYS.get(key)
        if name is not None and found is not None:
            metrics[name] = metric(name, found, how="declared" if name == "train_samples" else "measured")
    settings: list[Setting] = [(key, found) for key in _SETTINGS if (found := number(values.get(key))) is not None]
    return BenchmarkResult(
        spec=BenchmarkSpec(kind="training", settings=tuple(sorted(settings)), gpus=count(values.get("world_size"))),
        state="finished",
        metrics=tuple(metrics.values()),
        provenance=source.at(line, tool=TOOL),
        original=original,
    )


def read_state(text: str, source: Source) -> Iterator[Record]:
    """`trainer_state.json`: the summary is the last entry of `log_history` with a runtime."""
    try:
        state = json.loads(text)
    except (ValueError, RecursionError) as error:
        yield source.problem(getattr(error, "lineno", 1), f"is not JSON: {error}")
        return
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list):
        yield source.problem(1, "is no trainer state: `log_history` is missing")
        return
    entries = [entry for entry in history if isinstance(entry, dict)]
    summary = next((entry for entry in reversed(entries) if "train_runtime" in entry), {})
    settings = {"num_train_epochs": state.get("num_train_epochs"), "max_steps": state.get("max_steps")}
    settings["per_device_train_batch_size"] = state.get("train_batch_size")
    top = {"global_step": state.get("global_step"), "epoch": state.get("epoch")}
    top["total_flos"] = state.get("total_flos")
    original = {key: value for key, value in state.items() if key != "log_history"} | {"summary": summary}
    result = training_result({**settings, **top, **summary}, source, 1, original=original)
    if not summary:
        result = replace(result, state="partial", reason="no summary in `log_history`: training had not ended")
    yield result
