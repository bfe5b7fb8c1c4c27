"""A run from proposal to end, as rows. Every change is one transaction and leaves an event behind."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from bench_runner.errors import BudgetError, NotFoundError, StateError
from bench_runner.reruns.request import Plan
from bench_runner.reruns.script import job_script, run_dir
from bench_runner.store.results import now


class RunState(StrEnum):
    REQUESTED = "requested"
    """Asked for in words; somebody has to write the specification."""
    PROPOSED = "proposed"
    """Waits for a named person's yes."""
    APPROVED = "approved"
    """Budget reserved; the watcher submits it."""
    SUBMITTING = "submitting"
    """Claimed: after a crash the queue is asked before anything is submitted again."""
    SUBMITTED = "submitted"
    UNCERTAIN = "uncertain"
    """It cannot be told whether Slurm has it; never submitted again by itself."""
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


OPEN = (RunState.APPROVED, RunState.SUBMITTING, RunState.SUBMITTED, RunState.UNCERTAIN)
HOLDERS = ("person", "project", "system")


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    id: str
    spec_hash: str
    spec: str
    title: str
    system: str
    project: str
    state: RunState
    reason: str
    requested_by: str
    origin: str
    requested_at: str
    decided_by: str | None
    decided_at: str | None
    reserved_gpu_hours: float
    used_gpu_hours: float | None
    earlier_gpu_hours: float
    script: str
    work_dir: str
    job: str | None
    slurm_state: str | None
    attempts: int
    submitted_at: str | None
    ended_at: str | None
    result_id: str | None
    rerun_of: str | None
    batch: str | None
    """Of the allocation that it shares with others."""


def find(connection: Connection, run: str) -> Run:
    """By id or its beginning. Raises NotFoundError."""
    rows = connection.exec_driver_sql("SELECT * FROM run WHERE substr(id, 1, ?) = ?", (len(run), run)).all()
    if len(rows) != 1 or not run:
        raise NotFoundError(f"{len(rows)} runs begin with {run!r}: give more of the id" if rows else f"no run {run!r}")
    return _run(rows[0]._mapping)


def runs(connection: Connection, states: Iterable[str] = ()) -> list[Run]:
    """Newest first."""
    wanted = tuple(states)
    where = f"WHERE state IN ({','.join('?' * len(wanted))})" if wanted else ""
    rows = connection.exec_driver_sql(f"SELECT * FROM run {where} ORDER BY requested_at DESC, rowid DESC", wanted)  # noqa: S608
    return [_run(row._mapping) for row in rows]


def _run(row: Mapping[Any, Any]) -> Run:
    return Run(**{**row, "state": RunState(row["state"])})


def propose(
    connection: Connection,
    plan: Plan,
    *,
    spec: str,
    title: str,
    by: str,
    project: str,
    origin: str = "command line",
    rerun_of: str | None = None,
) -> Run:
    run = secrets.token_hex(6)
    values = {
        "id": run,
        "spec_hash": plan.hash,
        "spec": spec,
        "title": title,
        "system": plan.site.system,
        "project": project,
        "state": RunState.PROPOSED,
        "reason": "waits for approval",
        "requested_by": by,
        "origin": origin,
        "requested_at": now(),
        "reserved_gpu_hours": plan.gpu_hours,
        "script": job_script(plan, run),
        "work_dir": run_dir(plan, run),
        "attempts": 0,
        "earlier_gpu_hours": 0.0,
        "rerun_of": rerun_of,
    }
    return _insert(connection, values, by, f"proposed for up to {plan.gpu_hours:.2f} GPU-hours")


def request(connection: Connection, *, words: str, by: str, origin: str) -> Run | None:
    """A wish in words, which can only become a specification.

    None when that ticket has one already, or the desk or chat service the same.

    `origin` is the number of the ticket, `desk`, or the name of a chat service.
    """
    sql = "SELECT 1 FROM run WHERE origin = ? AND (origin LIKE 'MIN-%' OR title = ?) LIMIT 1"
    if connection.exec_driver_sql(sql, (origin, words)).first():
        return None
    values = {
        "id": secrets.token_hex(6),
        "spec_hash": "",
        "spec": "",
        "title": words,
        "system": "",
        "project": "",
        "state": RunState.REQUESTED,
        "reason": "needs a specification: `minerva bench run SPEC.yaml --for` this run",
        "requested_by": by,
        "origin": origin,
        "requested_at": now(),
        "reserved_gpu_hours": 0.0,
        "script": "",
        "work_dir": "",
        "attempts": 0,
        "earlier_gpu_hours": 0.0,
    }
    return _insert(connection, values, by, "asked for")


def _insert(connection: Connection, values: Mapping[str, Any], who: str, what: str) -> Run:
    names = ", ".join(values)
    marks = ", ".join("?" * len(values))
    connection.exec_driver_sql(f"INSERT INTO run ({names}) VALUES ({marks})", tuple(values.values()))  # noqa: S608
    note(connection, values["id"], who, what)
    return find(connection, values["id"])


def note(connection: Connection, run: str, who: str, what: str) -> None:
    sql = "INSERT INTO run_event (run, at, who, what) VALUES (?, ?, ?, ?)"
    connection.exec_driver_sql(sql, (run, now(), who, what))


def events(connection: Connection, run: str) -> list[tuple[str, str, str]]:
    """(when, who, what), oldest first."""
    rows = connection.exec_driver_sql("SELECT at, who, what FROM run_event WHERE run = ? ORDER BY id", (run,))
    return [(at, who, what) for at, who, what in rows]


def move(
    connection: Connection, run: str, to: RunState, *, of: Iterable[RunState], who: str, why: str, **values: Any
) -> bool:
    """Change the state if it still is one of `of`; False when somebody was faster."""
    before = tuple(of)
    sets = {"state": to, "reason": why, **values}
    sql = (
        f"UPDATE run SET {', '.join(f'{name} = ?' for name in sets)} "  # noqa: S608
        f"WHERE id = ? AND state IN ({','.join('?' * len(before))})"
    )
    done = connection.exec_driver_sql(sql, (*sets.values(), run, *before)).rowcount == 1
    if done:
        note(connection, run, who, f"{to}: {why}" if why else str(to))
    return done


def approve(connection: Connection, run: Run, by: str) -> None:
    """Reserve the GPU-hours and let the watcher submit it.

    Raises:
        BudgetError: the person, project or system has no budget, or not enough of it left.
        StateError: the run waits for no approval, or everything is stopped.
    """
    if is_stopped(connection):
        raise StateError("all benchmark runs are stopped (`minerva bench go` lifts that)")
    if run.state != RunState.PROPOSED:
        raise StateError(f"run {run.id} is {run.state}, it does not wait for approval")
    for holder, name in zip(HOLDERS, (run.requested_by, run.project, run.system), strict=True):
        left = remaining(connection, holder, name)
        if left is None:
            raise BudgetError(f"{holder} {name} has no budget: `minerva bench budget {holder} {name} HOURS` sets one")
        if left < run.reserved_gpu_hours:
            raise BudgetError(
                f"{holder} {name} has {left:.2f} GPU-hours left, the run needs up to {run.reserved_gpu_hours:.2f}"
            )
    if not move(
        connection, run.id, RunState.APPROVED, of=(RunState.PROPOSED,), who=by, why="", decided_by=by, decided_at=now()
    ):
        raise StateError(f"run {run.id} was decided by somebody else meanwhile")


def cancel_unsubmitted(connection: Connection, run: Run, by: str) -> bool:
    """True when that ended it; False when Slurm may have it."""
    early = (RunState.REQUESTED, RunState.PROPOSED, RunState.APPROVED)
    return move(connection, run.id, RunState.CANCELLED, of=early, who=by, why=f"cancelled by {by}", ended_at=now())


def reject(connection: Connection, run: Run, by: str, why: str) -> None:
    waiting = (RunState.PROPOSED, RunState.REQUESTED)
    if not move(connection, run.id, RunState.REJECTED, of=waiting, who=by, why=why, decided_by=by, decided_at=now()):
        raise StateError(f"run {run.id} is {run.state}, it does not wait for approval")


_COLUMNS = {"person": "requested_by", "project": "project", "system": "system"}


def remaining(connection: Connection, holder: str, name: str) -> float | None:
    """GPU-hours left: the budget less what was used, and less what open runs may still use; None without a budget."""
    row = connection.exec_driver_sql(
        "SELECT gpu_hours FROM budget WHERE holder = ? AND name = ?", (holder, name)
    ).first()
    if row is None:
        return None
    marks = ",".join("?" * len(OPEN))
    spent = connection.exec_driver_sql(
        "SELECT coalesce(sum(CASE WHEN used_gpu_hours IS NOT NULL THEN used_gpu_hours "  # noqa: S608
        f"WHEN state IN ({marks}) OR job IS NOT NULL THEN reserved_gpu_hours ELSE 0 END), 0) "
        f"FROM run WHERE {_COLUMNS[holder]} = ?",
        (*OPEN, name),
    ).scalar()
    return float(row[0]) - float(spent or 0.0)


def set_budget(connection: Connection, holder: str, name: str, gpu_hours: float, by: str) -> None:
    if holder not in HOLDERS:
        raise BudgetError(f"there is no budget of a {holder!r}: use {', '.join(HOLDERS)}")
    connection.exec_driver_sql(
        "INSERT INTO budget VALUES (?, ?, ?, ?, ?) ON CONFLICT (holder, name) DO UPDATE SET "
        "gpu_hours = excluded.gpu_hours, set_by = excluded.set_by, set_at = excluded.set_at",
        (holder, name, gpu_hours, by, now()),
    )


def budgets(connection: Connection) -> list[tuple[str, str, float, float]]:
    """(holder, name, GPU-hours, left)."""
    rows = connection.exec_driver_sql("SELECT holder, name, gpu_hours FROM budget ORDER BY holder, name").all()
    return [(holder, name, hours, remaining(connection, holder, name) or 0.0) for holder, name, hours in rows]


def is_stopped(connection: Connection) -> bool:
    return connection.exec_driver_sql("SELECT 1 FROM switch WHERE name = 'stopped'").first() is not None


def stop(connection: Connection, by: str) -> None:
    """The kill switch: nothing is approved or submitted until `go`; the watcher cancels what is queued or running."""
    connection.exec_driver_sql("INSERT OR IGNORE INTO switch VALUES ('stopped', ?, ?)", (by, now()))


def go(connection: Connection) -> None:
    connection.exec_driver_sql("DELETE FROM switch WHERE name = 'stopped'")
