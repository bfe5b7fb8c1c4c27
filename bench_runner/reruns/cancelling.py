"""Ending a run that Slurm has: its job, or in an allocation shared with others its step alone."""

from __future__ import annotations

from bench_runner.reruns import runs, slurm
from bench_runner.reruns.accounts import Accounts
from bench_runner.reruns.batches import SKIP
from bench_runner.reruns.runs import Run, RunState
from bench_runner.reruns.slurm import Transport
from bench_runner.store.database import Store
from bench_runner.store.results import now


def cancel_submitted(store: Store, transport: Transport, run: Run, who: str) -> str:
    """What was cancelled, for people; the watcher sees it end. Raises SlurmError."""
    if run.batch is None:
        slurm.cancel(transport, run.job or "")
        return f"job {run.job}"
    slurm.touch(transport, run.work_dir, SKIP)
    step = Accounts(slurm.accounting(transport, [run.job or ""])).step(run)
    if step is not None:
        slurm.cancel(transport, f"{run.job}.{step.step}")
        return f"step {step.step} of job {run.job}"
    with store.write() as connection:
        ended = {"ended_at": now(), "used_gpu_hours": run.earlier_gpu_hours}
        why = f"cancelled by {who} before its turn"
        runs.move(connection, run.id, RunState.CANCELLED, of=(RunState.SUBMITTED,), who=who, why=why, **ended)
    return f"its turn in job {run.job}"
