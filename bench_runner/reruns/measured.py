"""Whether a plan was measured before, or is being measured."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection

from bench_runner.answers import row_of
from bench_runner.comparison.noise import floors
from bench_runner.comparison.repeats import configurations
from bench_runner.comparison.selection import Selection, select
from bench_runner.names import same_model
from bench_runner.reruns.request import Plan
from bench_runner.reruns.runs import OPEN, RunState
from bench_runner.store.results import load


def already(connection: Connection, plan: Plan) -> list[str]:
    """Sentences with age and sureness: runs of the same resolved specification, and stored rows that equal it."""
    told = _runs(connection, plan)
    models = connection.exec_driver_sql("SELECT DISTINCT model FROM result WHERE model IS NOT NULL").scalars().all()
    wanted = [name for name in models if same_model(plan.spec.model or "", name)]
    if not wanted:
        return told
    rows = load(connection, "model IN :models", {"models": wanted})
    spec = plan.spec
    like = Selection(
        system=spec.system,
        framework=spec.framework,
        model=spec.model,
        dataset=spec.dataset,
        nodes=spec.nodes,
        concurrency=spec.concurrency,
        parallelism=f"TP{spec.tp} PP{spec.pp}",
    )
    today = datetime.now(UTC).date()
    for item in configurations(select(rows, like), floors(rows), near=True):
        same_flags = set(item.spec.server_flags) == set(spec.server_flags)
        if same_flags and item.spec.precision == spec.precision and "output_throughput" in item.figures:
            told.append(row_of(item, "output_throughput", today).text)
    return told


def _runs(connection: Connection, plan: Plan) -> list[str]:
    states = (*OPEN, RunState.PROPOSED, RunState.FINISHED)
    marks = ",".join("?" * len(states))
    rows = connection.exec_driver_sql(
        f"SELECT id, state, result_id, requested_at FROM run WHERE spec_hash = ? AND state IN ({marks})",  # noqa: S608
        (plan.hash, *states),
    )
    return [
        f"Run {run} of the same specification is {state}{f' with result {result}' if result else ''} ({at[:10]})."
        for run, state, result, at in rows
    ]
