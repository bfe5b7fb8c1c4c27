"""What Slurm's accounts say of our runs. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from bench_runner.reruns.batches import queue_name, step_name
from bench_runner.reruns.runs import Run
from bench_runner.reruns.slurm import AccountRow

WAITING = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESIZING", "SUSPENDED"})
RUNNING = frozenset({"RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "STOPPED"})
NODE_TROUBLE = frozenset({"NODE_FAIL", "BOOT_FAIL", "PREEMPTED"})
NO_TURN = "NO_TURN"
"""Ours: the allocation ended before the step of this run began."""
_BY_ITSELF = frozenset({"COMPLETED", "FAILED", "OUT_OF_MEMORY", "TIMEOUT"})
"""States that a step comes to whatever happens to its allocation."""


class Accounts:
    """Rows by the names that we gave; `kept` is False where the site keeps no accounts."""

    def __init__(self, rows: Sequence[AccountRow] | None) -> None:
        self.kept = rows is not None
        self._jobs: dict[str, list[AccountRow]] = defaultdict(list)
        self._steps: dict[str, list[AccountRow]] = defaultdict(list)
        for row in rows or ():
            (self._steps[row.job] if row.step else self._jobs[row.name]).append(row)

    def jobs(self, name: str) -> list[AccountRow]:
        """Starts of the job of this name, oldest first."""
        return self._jobs.get(name, [])

    def step(self, run: Run) -> AccountRow | None:
        """Of a run in a batch; None as long as it has not begun."""
        mine = [row for row in self._steps.get(run.job or "", []) if row.name == step_name(run)]
        return mine[-1] if mine else None

    def gpu_hours(self, run: Run) -> float | None:
        """Of all starts. In a batch, the share of the whole allocation by the time of the step, once it has ended.

        None when it is not known yet.
        """
        jobs = self.jobs(queue_name(run))
        if not jobs:
            return None
        total = sum(row.gpu_hours for row in jobs)
        if run.batch is None:
            return total
        if jobs[-1].state in WAITING | RUNNING:
            return None
        steps, mine = self._steps.get(run.job or "", []), self.step(run)
        seconds = sum(row.elapsed_s for row in steps)
        return total * mine.elapsed_s / seconds if mine is not None and seconds else 0.0


def state_of_step(of_job: str, step: AccountRow | None) -> str:
    """State of a run in a batch, from its allocation's and its step's.

    A step that was killed is judged by its allocation, which says why, once that has ended.
    """
    if of_job in WAITING:
        return of_job
    if step is not None and (step.state in _BY_ITSELF or (of_job in RUNNING and step.state in RUNNING)):
        return step.state
    if of_job in RUNNING:
        return "PENDING" if step is None else "RUNNING"
    if of_job in NODE_TROUBLE or of_job == "CANCELLED":
        return of_job
    if step is not None:
        return step.state
    return of_job if of_job == "COMPLETED" else NO_TURN
