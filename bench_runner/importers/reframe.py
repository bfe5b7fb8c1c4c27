"""Run reports of ReFrame (`data_version` 3.x and 4.x)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from bench_runner.importers.source import Source
from bench_runner.metrics import count, metric, number, text
from bench_runner.result import BenchmarkResult, Metric, Record, State
from bench_runner.spec import BenchmarkSpec, Setting

_STATES: Mapping[str, State] = {"pass": "finished", "success": "finished", "fail": "failed", "failure": "failed"}


def read(content: str, source: Source) -> Iterator[Record]:
    """One result a test case. A report is one line or many; problems name the test case instead of a line."""
    try:
        report = json.loads(content)
    except (ValueError, RecursionError) as error:
        yield source.problem(getattr(error, "lineno", 1), f"is not JSON: {error}")
        return
    session = report.get("session_info") if isinstance(report, dict) else None
    runs = report.get("runs") if isinstance(report, dict) else None
    if not isinstance(session, dict) or not isinstance(runs, list):
        yield source.problem(1, "is no ReFrame report: `session_info` or `runs` is missing")
        return
    position = 0
    for run in runs:
        cases = run.get("testcases") if isinstance(run, dict) else None
        for case in cases if isinstance(cases, list) else ():
            position += 1
            if isinstance(case, dict):
                yield _result(case, session, source, position)
            else:
                yield source.problem(1, f"test case {position} is not an object")


def _result(case: Mapping[str, object], session: Mapping[str, object], source: Source, position: int) -> Record:
    metrics, unread = _metrics(case)
    printed = text(case.get("result")) or ""
    state = _STATES.get(printed, "partial")
    phase = text(case.get("fail_phase"))
    if state == "failed" and phase == "performance":
        state = "finished"
    version = text(session.get("version")) or text(session.get("reframe_version"))
    nodes = case.get("job_nodelist") or case.get("nodelist")
    provenance = replace(
        source.at(1, tool="ReFrame", tool_version=version),
        date=text(case.get("job_completion_time")) or text(session.get("time_start")),
        job_id=_job_id(case),
        modules=_texts(case.get("modules")),
        nodes=_texts(nodes),
    )
    notes = [f"test case {position} of the report", *(f"the figure {name} has no value" for name in unread)]
    if phase == "performance":
        notes.append("ReFrame: outside of its reference range")
    return BenchmarkResult(
        spec=_spec(case),
        state=state,
        metrics=metrics if state == "finished" else (),
        provenance=provenance,
        original=case,
        reason=_reason(case, state, phase),
        notes=tuple(notes),
    )


def _reason(case: Mapping[str, object], state: State, phase: str | None) -> str | None:
    if state == "finished":
        return None
    what = text(case.get("fail_reason")) or text(case.get("result")) or "no result"
    return f"{what} (phase {phase})" if phase else what


def _job_id(case: Mapping[str, object]) -> str | None:
    found = case.get("jobid", case.get("job_id"))
    return None if found is None else str(found)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


_COUNTS = ("tp", "pp", "nodes", "gpus", "gpus_per_node", "concurrency", "num_prompts", "max_model_len")
_TEXTS = ("system", "partition", "framework", "model", "dataset", "precision")


def _own_spec(stated: Mapping[str, object]) -> BenchmarkSpec:
    """Of a test that we wrote: its variable `spec` holds what it measures."""
    flags = stated.get("server_flags")
    texts: dict[str, str | None] = {name: text(stated.get(name)) for name in _TEXTS}
    counts: dict[str, int | None] = {name: count(stated.get(name)) for name in _COUNTS}
    return BenchmarkSpec(
        kind="inference",
        server_flags=tuple(str(flag) for flag in flags) if isinstance(flags, list) else (),
        **texts,  # type: ignore[arg-type]
        **counts,  # type: ignore[arg-type]
    )


def _spec(case: Mapping[str, object]) -> BenchmarkSpec:
    stated = case.get("spec")
    if isinstance(stated, dict) and stated.get("framework"):
        return _own_spec(stated)
    system, _, partition = (text(case.get("system")) or "").partition(":")
    settings: list[Setting] = [("test", text(case.get("name")) or text(case.get("display_name")))]
    settings.append(("environ", text(case.get("environ")) or text(case.get("environment"))))
    parameters = case.get("check_params")
    for name, value in parameters.items() if isinstance(parameters, dict) else ():
        if isinstance(value, str | int | float | bool):
            settings.append((str(name), value))
    tasks, per_node = count(case.get("num_tasks")), count(case.get("num_tasks_per_node"))
    gpus_per_node = count(case.get("num_gpus_per_node"))
    nodes = -(-tasks // per_node) if tasks and per_node else None
    return BenchmarkSpec(
        kind="other",
        system=system or None,
        partition=text(case.get("partition")) or partition or None,
        model=text(case.get("model")),
        framework=text(case.get("framework")),
        nodes=nodes,
        gpus_per_node=gpus_per_node,
        settings=tuple(sorted(settings, key=lambda item: item[0])),
    )


def _metrics(case: Mapping[str, object]) -> tuple[tuple[Metric, ...], tuple[str, ...]]:
    """From `perfvalues` {"system:partition:name": [value, reference, low, high, unit, result]} or 3.x `perfvars`."""
    found: list[Metric] = []
    unread: list[str] = []
    for name, raw, unit in _figures(case):
        value = number(raw)
        if value is None:
            unread.append(name)
        else:
            found.append(metric(name, value, unit=unit))
    return tuple(found), tuple(unread)


def _figures(case: Mapping[str, object]) -> Iterator[tuple[str, object, str]]:
    values = case.get("perfvalues")
    for key, row in values.items() if isinstance(values, dict) else ():
        if isinstance(row, list) and row:
            yield str(key).rpartition(":")[2], row[0], str(row[4]) if len(row) > 4 else ""
    variables = case.get("perfvars")
    for entry in variables if isinstance(variables, list) else ():
        if isinstance(entry, dict):
            yield str(entry.get("name")), entry.get("value"), text(entry.get("unit")) or ""
