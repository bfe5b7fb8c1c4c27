"""One watcher for all runs: submits what is approved, follows what is submitted, collects what has ended.

A tick costs one squeue and one sacct call a site, however many jobs there are. Every step may be repeated after a
crash: what Slurm has is recognised by the run's id in the job's name and comment before anything is submitted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from bench_runner.collecting import collect
from bench_runner.errors import SlurmError
from bench_runner.importing import store_results
from bench_runner.reruns import runs, slurm
from bench_runner.reruns.request import Site, plans
from bench_runner.reruns.runs import OPEN, Run, RunState
from bench_runner.reruns.script import JOB_PREFIX, LOG, PROVENANCE, RESULT, job_comment, job_name
from bench_runner.reruns.slurm import AccountRow, QueueRow, Transport
from bench_runner.reruns.staleness import propose_stale
from bench_runner.store.database import Store
from bench_runner.store.results import now

log = structlog.get_logger()

WHO = "minerva"
MAX_ATTEMPTS = 3
FORGOTTEN_AFTER_S = 240
"""Slurm forgets ended jobs after MinJobAge, 300 s by default: within less, a job that is not in the queue never was."""
_WAITING = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESIZING", "SUSPENDED"})
_RUNNING = frozenset({"RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "STOPPED"})
_NODE_TROUBLE = frozenset({"NODE_FAIL", "BOOT_FAIL", "PREEMPTED"})
NEVER_STARTS: Mapping[str, str] = {
    "AssocGrpGRESMinutes": "the account's GPU budget at the site is spent",
    "AssocGrpCPUMinutesLimit": "the account's CPU budget at the site is spent",
    "AssocGrpBillingMinutes": "the account's budget at the site is spent",
    "AssocMaxWallDurationPerJobLimit": "the wall time is over the account's limit",
    "QOSMaxWallDurationPerJobLimit": "the wall time is over the QoS limit",
    "QOSMaxGRESPerUser": "more GPUs than the QoS lets one user have",
    "PartitionTimeLimit": "the wall time is over the partition's limit",
    "PartitionNodeLimit": "more nodes than the partition allows",
    "BadConstraints": "no node fulfils the request",
    "InvalidAccount": "the account is not valid",
    "InvalidQOS": "the QoS is not valid",
    "DependencyNeverSatisfied": "what it waits for failed",
    "JobHeldUser": "it is held by its user",
    "JobHeldAdmin": "it is held by an administrator",
    "launch_failed_requeued_held": "it failed to launch and is held",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Watcher:
    store: Store
    sites: Mapping[str, Site]
    transport: Callable[[str], Transport] = slurm.transport_of
    _folder: str = field(default="runs", init=False)

    def tick(self) -> None:
        """One round over all sites; a site that does not answer is left for the next round."""
        propose_stale(self.store, self.sites)
        with self.store.read() as connection:
            stopped = runs.is_stopped(connection)
            waiting = runs.runs(connection, OPEN)
            unsettled = _unsettled(runs.runs(connection, (RunState.FINISHED, RunState.FAILED, RunState.CANCELLED)))
        by_site: dict[str, list[Run]] = defaultdict(list)
        for run in [*waiting, *unsettled]:
            by_site[run.system].append(run)
        for system, of in by_site.items():
            site = self.sites.get(system)
            if site is None:
                log.warning("bench_site_missing", system=system, runs=len(of))
                continue
            try:
                self._round(self.transport(site.transport), of, stopped)
            except SlurmError as error:
                log.warning("bench_site_unreachable", system=system, problem=str(error))

    def _round(self, transport: Transport, of: Sequence[Run], stopped: bool) -> None:
        queued = {row.name: row for row in slurm.queue(transport) if row.name.startswith(JOB_PREFIX)}
        names = {run.id: job_name(run.id, run.attempts if run.job else run.attempts + 1) for run in of}
        rows = slurm.accounting(transport, _asked(of), [names[run.id] for run in of if run.state in _CLAIMED])
        accounts: dict[str, list[AccountRow]] = defaultdict(list)
        for row in rows or []:
            accounts[row.name].append(row)
        for run in of:
            name = names[run.id]
            if run.state == RunState.APPROVED:
                self._submit(transport, run, stopped)
            elif run.state in _CLAIMED:
                self._recover(transport, run, queued.get(name), None if rows is None else accounts.get(name, []))
            elif run.state == RunState.SUBMITTED:
                self._follow(transport, run, queued.get(name), accounts.get(name, []), stopped)
            elif accounts.get(name):
                self._settle(run, accounts[name])

    def _submit(self, transport: Transport, run: Run, stopped: bool) -> None:
        """Claimed first: two watchers cannot both submit, and a crash between leaves `submitting` behind."""
        if stopped:
            return
        with self.store.write() as connection:
            claimed = runs.move(
                connection, run.id, RunState.SUBMITTING, of=(RunState.APPROVED,), who=WHO, why="", submitted_at=now()
            )
        if claimed:
            self._hand_over(transport, run)

    def _hand_over(self, transport: Transport, run: Run) -> None:
        try:
            attempt = run.attempts + 1
            name, comment = job_name(run.id, attempt), job_comment(run.id, attempt)
            job = slurm.submit(transport, run.work_dir, run.script, name=name, comment=comment)
        except SlurmError as error:
            if error.permanent:
                self._end(run, RunState.FAILED, str(error), of=(RunState.SUBMITTING,), used_gpu_hours=0.0)
            else:
                log.warning("bench_submission_unclear", run=run.id, problem=str(error))
            return
        self._adopt(run, job)

    def _adopt(self, run: Run, job: str) -> None:
        with self.store.write() as connection:
            runs.move(
                connection, run.id, RunState.SUBMITTED, of=_CLAIMED, who=WHO, why=f"job {job}", job=job,
                attempts=run.attempts + 1,
            )  # fmt: skip
        log.info("bench_submitted", run=run.id, job=job)

    def _recover(self, transport: Transport, run: Run, queued: QueueRow | None, past: list[AccountRow] | None) -> None:
        """A run that was being submitted when the process ended or the connection broke; `past` None: no accounts."""
        if queued is not None:
            self._adopt(run, queued.job)
            return
        if past:
            self._adopt(run, past[-1].job)
        elif run.state == RunState.UNCERTAIN:
            return
        elif past is not None or _age_s(run.submitted_at) < FORGOTTEN_AFTER_S:
            with self.store.write() as connection:
                runs.note(connection, run.id, WHO, "Slurm has no such job: submitted again")
            self._hand_over(transport, run)
        else:
            why = "Slurm forgets ended jobs and keeps no accounts here: whether it ran cannot be told"
            with self.store.write() as connection:
                runs.move(connection, run.id, RunState.UNCERTAIN, of=(RunState.SUBMITTING,), who=WHO, why=why)

    def _follow(
        self, transport: Transport, run: Run, queued: QueueRow | None, accounts: list[AccountRow], stopped: bool
    ) -> None:
        ours = [row for row in accounts if row.job == run.job]
        state = queued.state if queued is not None else ours[-1].state if ours else None
        if state is None:
            self._lost(run)
            return
        if state in _WAITING | _RUNNING:
            if stopped and run.job:
                slurm.cancel(transport, run.job)
            self._note_state(run, state, queued.reason if queued is not None else "")
        elif state == "COMPLETED":
            self._collect(transport, run, ours)
        else:
            self._failed(transport, run, state, ours)

    def _note_state(self, run: Run, state: str, reason: str) -> None:
        why = f"{state.lower()}: {reason}" if state in _WAITING and reason not in ("None", "") else state.lower()
        if reason in NEVER_STARTS and state in _WAITING:
            why = f"will not start by itself: {NEVER_STARTS[reason]} ({reason}); cancel it or ask the site"
        if (run.slurm_state, run.reason) != (state, why):
            with self.store.write() as connection:
                of = (RunState.SUBMITTED,)
                runs.move(connection, run.id, RunState.SUBMITTED, of=of, who=WHO, why=why, slurm_state=state)

    def _lost(self, run: Run) -> None:
        """Neither queue nor accounts know the job: accounts may be late, so it is only said, never run again."""
        why = "Slurm shows the job neither in its queue nor in its accounts; it is looked for again"
        if run.reason != why:
            with self.store.write() as connection:
                runs.move(connection, run.id, RunState.SUBMITTED, of=(RunState.SUBMITTED,), who=WHO, why=why)

    def _collect(self, transport: Transport, run: Run, accounts: list[AccountRow]) -> None:
        folder = self.store.path.parent / self._folder / run.id
        if not slurm.copy_to(transport, f"{run.work_dir}/{RESULT}", folder / RESULT):
            tail = slurm.tail(transport, f"{run.work_dir}/{LOG}")
            self._end(run, RunState.FAILED, f"the job completed without a result. {_last(tail)}", accounts=accounts)
            return
        slurm.copy_to(transport, f"{run.work_dir}/{PROVENANCE}", folder / PROVENANCE)
        result_id = self._import(run, folder)
        if result_id is None:
            self._end(run, RunState.FAILED, f"{folder / RESULT} holds no result that can be read", accounts=accounts)
        else:
            self._end(run, RunState.FINISHED, f"result {result_id}", accounts=accounts, result_id=result_id)

    def _import(self, run: Run, folder: Path) -> str | None:
        """The result with what we know better than its file: specification, and what it ran on."""
        (plan,) = plans(run.spec, self.sites)
        found = collect([folder / RESULT])
        if not found.results:
            return None
        printed = found.results[-1]
        facts = _provenance(folder / PROVENANCE)
        settings = {**dict(printed.spec.settings), **dict(plan.spec.settings)}
        known = replace(
            printed,
            spec=replace(plan.spec, settings=tuple(sorted(settings.items(), key=lambda item: item[0]))),
            provenance=replace(
                printed.provenance,
                job_id=run.job,
                environment=plan.site.environment,
                driver=facts.get("driver", [""])[0] or None,
                modules=tuple(m for m in facts.get("modules", [""])[0].split(":") if m),
                nodes=tuple(n for n in facts.get("nodes", [""])[0].split() if n),
                versions=tuple(
                    (name, version) for name, _, version in (v.partition(" ") for v in facts.get("version", []))
                ),
            ),
            notes=(*printed.notes, f"measured by run {run.id}, approved by {run.decided_by}"),
        )
        found.results[-1:] = [known]
        store_results(self.store, found)
        return found.identities[-1]

    def _failed(self, transport: Transport, run: Run, state: str, accounts: list[AccountRow]) -> None:
        tail = slurm.tail(transport, f"{run.work_dir}/{LOG}")
        again, why = cause_of(state, tail)
        if state.startswith("CANCELLED"):
            self._end(run, RunState.CANCELLED, why, accounts=accounts)
        elif again and run.attempts < MAX_ATTEMPTS:
            with self.store.write() as connection:
                done = runs.move(
                    connection, run.id, RunState.APPROVED, of=(RunState.SUBMITTED,), who=WHO, why=f"{why}; again",
                    job=None, slurm_state=state,
                    earlier_gpu_hours=run.earlier_gpu_hours + sum(row.gpu_hours for row in accounts),
                )  # fmt: skip
            log.info("bench_retried", run=run.id, state=state, done=done)
        else:
            self._end(run, RunState.FAILED, why, accounts=accounts, slurm_state=state)

    def _end(
        self,
        run: Run,
        to: RunState,
        why: str,
        *,
        of: Sequence[RunState] = (RunState.SUBMITTED,),
        accounts: Sequence[AccountRow] = (),
        **values: object,
    ) -> None:
        if accounts:
            values["used_gpu_hours"] = run.earlier_gpu_hours + sum(row.gpu_hours for row in accounts)
        with self.store.write() as connection:
            runs.move(connection, run.id, to, of=of, who=WHO, why=why, ended_at=now(), **values)
        log.info("bench_ended", run=run.id, state=str(to), job=run.job)

    def _settle(self, run: Run, accounts: Sequence[AccountRow]) -> None:
        """Accounts that came after the end."""
        used = run.earlier_gpu_hours + sum(row.gpu_hours for row in accounts)
        with self.store.write() as connection:
            runs.move(connection, run.id, run.state, of=(run.state,), who=WHO, why=run.reason, used_gpu_hours=used)


_CLAIMED = (RunState.SUBMITTING, RunState.UNCERTAIN)


def _asked(of: Sequence[Run]) -> list[str]:
    return [run.job for run in of if run.job is not None]


def _unsettled(ended: Sequence[Run]) -> list[Run]:
    """Ended within a day and not settled: accounting may be late."""
    return [run for run in ended if run.job and run.used_gpu_hours is None and _age_s(run.ended_at) < 86_400]


def _age_s(at: str | None) -> float:
    if at is None:
        return 0.0
    return (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()


_OOM = ("CUDA out of memory", "torch.OutOfMemoryError", "HIP out of memory", "No available memory for the cache blocks")


def cause_of(state: str, tail: str) -> tuple[bool, str]:
    """Whether to try again, and what to tell: trouble of a node passes, what the run itself did does not."""
    base = state.partition(" ")[0]
    if base in _NODE_TROUBLE:
        return True, "preempted by another job" if base == "PREEMPTED" else f"a node failed ({base})"
    if base == "CANCELLED":
        return False, "the job was cancelled"
    if base == "OUT_OF_MEMORY":
        return False, "host memory ran out: use more nodes, or fewer --cpu-offload-gb"
    if any(word in tail for word in _OOM):
        return False, "GPU memory ran out: raise tp or pp, lower max_model_len or --gpu-memory-utilization, or quantise"
    if base in ("TIMEOUT", "DEADLINE"):
        return False, "the wall time was too short: raise walltime_min, or lower num_prompts"
    return False, f"the job ended as {base}. {_last(tail)}"


def _last(tail: str) -> str:
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    return f"Last words of its log: {lines[-1][:200]}" if lines else "Its log is empty."


def _provenance(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            name, equals, value = line.partition("=")
            if equals:
                found[name].append(value.strip())
    return found
