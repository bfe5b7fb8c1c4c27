"""From resolved plans to proposals, unless they were measured already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from bench_runner.reruns import runs
from bench_runner.reruns.measured import already
from bench_runner.reruns.request import Plan
from bench_runner.reruns.runs import Run, RunState


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposed:
    plan: Plan
    run: Run | None
    """None: it was measured already."""
    before: tuple[str, ...] = ()
    """Sentences with what was measured, its age and how sure it is."""


def propose_all(
    connection: Connection, found: Sequence[Plan], *, by: str, project: str, origin: str, again: bool = False
) -> list[Proposed]:
    """One proposal for each plan; with `again`, for those that were measured too."""
    return [_one(connection, plan, by=by, project=project, origin=origin, again=again) for plan in found]


def _one(connection: Connection, plan: Plan, *, by: str, project: str, origin: str, again: bool) -> Proposed:
    before = () if again else tuple(already(connection, plan))
    if before:
        return Proposed(plan=plan, run=None, before=before)
    made = runs.propose(connection, plan, spec=plan.source, title=plan.title, by=by, project=project, origin=origin)
    return Proposed(plan=plan, run=made)


def answer_wish(connection: Connection, wish: Run, who: str) -> None:
    """The wish is done: a specification stands for it now."""
    why = "answered by a specification"
    runs.move(connection, wish.id, RunState.CANCELLED, of=(RunState.REQUESTED,), who=who, why=why)
