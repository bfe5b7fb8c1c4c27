"""Benchmark questions answered from rows: figure, interval, run ids, age, caveats; or that it was not measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from sqlalchemy import Connection

from bench_runner.asking import Asked, asked_in
from bench_runner.comparison.noise import floors
from bench_runner.comparison.queries import best, cost
from bench_runner.comparison.repeats import Configuration, Figure, configurations
from bench_runner.comparison.selection import Selection, parallelism, working_gpus
from bench_runner.names import same_model, system_id
from bench_runner.store.results import load
from knowledge_base.catalogue import systems

BENCHMARK = "bench:"
"""Ids of rows begin with it."""
NOT_MEASURED = f"{BENCHMARK}not-measured"
MAX_ROWS = 4
CAVEATS = 2
CAVEAT_CHARS = 120
LONGEST = 690
"""Characters of a row; longer sentences are not quoted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerRow:
    """One sentence that an answer may cite."""

    id: str
    """`bench:<run id>`, or `bench:not-measured`."""
    title: str
    text: str
    measured: bool
    """False: the sentence says that nobody measured it."""


def answer_rows(connection: Connection, question: str, *, today: date | None = None) -> tuple[AnswerRow, ...]:
    """Rows that answer the question; empty when it asks for no benchmark figure."""
    named = connection.exec_driver_sql("SELECT DISTINCT system, framework, model FROM result").all()
    asked = asked_in(question, {model for _, _, model in named if model})
    if asked is None:
        return ()
    day = today or datetime.now(UTC).date()
    found = _measured(connection, asked, [model for _, _, model in named if model])
    rows: list[AnswerRow] = []
    for combination in _combinations(asked):
        fitting = [item for item in found if combination.matches(item.spec)]
        ranked = _worth_telling(fitting, asked.metric)
        rows.extend(row_of(item, asked.metric, day) for item in ranked)
        if not ranked:
            rows.append(_not_measured(combination, found, named))
    return tuple(rows[: MAX_ROWS + 2])


def _measured(connection: Connection, asked: Asked, models: Sequence[str]) -> list[Configuration]:
    """Configurations of the models that were asked for, or of all."""
    wanted = sorted({name for name in models if not asked.models or any(same_model(m, name) for m in asked.models)})
    if not wanted:
        return []
    rows = load(connection, "model IN :models", {"models": wanted})
    return configurations(rows, floors(rows), near=True)


def _combinations(asked: Asked) -> list[Selection]:
    """One selection for each system, framework and model that was named together."""
    fixed = Selection(
        dataset=asked.dataset, gpus=asked.gpus, nodes=asked.nodes, concurrency=asked.concurrency, kind=asked.kind
    )
    return [
        replace(fixed, system=system, framework=framework, model=model)
        for system in asked.systems or (None,)
        for framework in asked.frameworks or (None,)
        for model in asked.models or (None,)
    ]


def _worth_telling(found: Sequence[Configuration], metric: str) -> list[Configuration]:
    """The best that the checks confirm, and the best with the fewest GPUs; suspect ones when there is nothing else."""
    sound = [item for item in found if item.verdict == "verified"] or list(found)
    top = best(sound, metric, top=1)
    fewest = min((gpus for item in sound if (gpus := working_gpus(item.spec))), default=None)
    small = best([item for item in sound if working_gpus(item.spec) == fewest], metric, top=1)
    return list({item.ids: item for item in (*top, *small)}.values())


def row_of(item: Configuration, metric: str, today: date) -> AnswerRow:
    spec = item.spec
    parts = [
        f"{shown_name(spec.framework) or 'a server'} on {spec.system or 'a system that is not stated'} "
        f"with {spec.model} reached {_figure(item.figures[metric])}",
        _conditions(item),
        *_others(item, metric),
        *_cost(item),
        f"run{'s' if len(item.ids) > 1 else ''} {', '.join(short_id(run) for run in item.ids[:3])}"
        + (f" and {len(item.ids) - 3} more" if len(item.ids) > 3 else ""),
        _age(item, today),
    ]
    text = "; ".join(part for part in parts if part)
    text = text[0].upper() + text[1:] if not text.startswith("vLLM") else text
    return AnswerRow(
        id=f"{BENCHMARK}{item.ids[0]}",
        title="Benchmark results",
        text=f"{text}; {_checks(item, LONGEST - len(text))}.",
        measured=True,
    )


def short_id(run: str) -> str:
    """Enough to find it with `minerva bench`."""
    return run[:12]


def shown_name(framework: str | None) -> str | None:
    names = {"vllm": "vLLM", "sglang": "SGLang", "deepspeed": "DeepSpeed", "deepspeed-mii": "DeepSpeed-MII"}
    return names.get(framework or "", framework)


def _figure(figure: Figure) -> str:
    names = {"output_throughput": "output tok/s", "ttft_mean": "ms to the first token (mean)"}
    sure = (
        f"one sample, {figure.low:,.0f} to {figure.high:,.0f} by the noise of repeats"
        if figure.coverage is None
        else f"median of {figure.repeats} near repeats, {figure.low:,.0f} to {figure.high:,.0f}"
    )
    return f"{figure.value:,.0f} {names.get(figure.metric, figure.unit)} ({sure})"


def _conditions(item: Configuration) -> str:
    spec = item.spec
    gpus, nodes = working_gpus(spec), spec.nodes
    parts = [
        f"{gpus} GPU{'s' if gpus != 1 else ''}" if gpus else None,
        f"{nodes} node{'s' if nodes != 1 else ''}" if nodes else None,
        parallelism(spec) or None,
        f"data set {spec.dataset}" if spec.dataset else None,
        f"{spec.concurrency} requests in flight" if spec.concurrency else None,
        spec.precision,
        f"server flags {' '.join(spec.server_flags)[:80]}" if spec.server_flags else None,
    ]
    return ", ".join(part for part in parts if part)


def _others(item: Configuration, metric: str) -> list[str]:
    shown = {"ttft_mean": "{:,.0f} ms to the first token", "output_throughput": "{:,.0f} output tok/s"}
    return [
        text.format(item.figures[name].value) for name, text in shown.items() if name != metric and name in item.figures
    ]


def _cost(item: Configuration) -> list[str]:
    paid = cost(item)
    if paid is None:
        return []
    energy = f" and {paid.kwh:.2g} kWh of the GPUs" if paid.kwh is not None else ""
    return [f"a million output tokens take {paid.gpu_hours:.2g} GPU-hours{energy} (derived)"]


def _age(item: Configuration, today: date) -> str:
    dates = sorted({row.measured_on for row in item.rows if row.measured_on})
    if not dates:
        return f"when it was measured is not stated (imported {item.rows[0].imported_at[:10]})"
    year, month = int(dates[-1][:4]), int(dates[-1][5:7])
    months = (today.year - year) * 12 + today.month - month
    return f"measured {dates[-1]}, {months} month{'s' if months != 1 else ''} ago"


def _checks(item: Configuration, room: int) -> str:
    """The verdict, and as many caveats as fit."""
    said = "the checks confirm it" if item.verdict == "verified" else "SUSPECT"
    mark = ", caveats: "
    for reason in _plain_reasons(item)[:CAVEATS]:
        part = mark + reason[:CAVEAT_CHARS].rstrip() + ("…" if len(reason) > CAVEAT_CHARS else "")
        if len(said) + len(part) > room - 4:
            break
        said, mark = said + part, " | "
    return said


def _plain_reasons(item: Configuration) -> list[str]:
    """Shortest first within suspect and notes, so that several fit; none may end a sentence inside the row."""
    return [reason.replace(". ", ", ").replace("? ", ", ") for reason in sorted(item.reasons, key=_weight)]


def _weight(reason: str) -> tuple[bool, int]:
    """D1 is about a column, not about the figure; D4 tells of another table."""
    return (reason.startswith(("D1:", "D4:")), len(reason))


def _not_measured(
    wanted: Selection, found: Sequence[Configuration], named: Sequence[Sequence[str | None]]
) -> AnswerRow:
    names = {system.id: system.name for system in systems()}
    asked = [
        f"of {wanted.model}" if wanted.model else None,
        f"with {shown_name(wanted.framework)}" if wanted.framework else None,
        f"on {names.get(wanted.system, wanted.system)}" if wanted.system else None,
        f"on {wanted.gpus} GPUs" if wanted.gpus else None,
        f"on {wanted.nodes} nodes" if wanted.nodes else None,
        f"with {wanted.concurrency} requests in flight" if wanted.concurrency else None,
        f"with data set {wanted.dataset}" if wanted.dataset else None,
    ]
    what = " ".join(part for part in asked if part)
    near = _nearest(wanted, found, named)
    text = f"Not measured: there is no run {what} on record{near}; no figure is given, a measurement can be requested."
    return AnswerRow(id=NOT_MEASURED, title="Benchmark results", text=text, measured=False)


def _nearest(wanted: Selection, found: Sequence[Configuration], named: Sequence[Sequence[str | None]]) -> str:
    """Where the same model was measured, by name only: another system's figure is no answer."""
    elsewhere = sorted(
        {
            f"{shown_name(item.spec.framework)} on {item.spec.system}"
            for item in found
            if wanted.model and item.spec.model and same_model(wanted.model, item.spec.model)
        }
    )
    if elsewhere:
        return f" (the model was measured with {', '.join(elsewhere[:4])})"
    if wanted.system and not any(system and system_id(system) == wanted.system for system, _, _ in named):
        return " (no run on record states that system)"
    return ""
