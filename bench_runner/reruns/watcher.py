"""One watcher for all runs: submits what is approved, follows what is submitted, collects what has ended.

A tick costs one squeue and one sacct call a site, however many jobs there are. Every step may be repeated after a
crash: what Slurm has is recognised by the run's id in the job's name and comment before anything is submitted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from bench_runner.errors import RequestError, SlurmError
from bench_runner.reruns import runs, slurm
from bench_runner.reruns.accounts import RUNNING, WAITING, Accounts, state_of_step
from bench_runner.reruns.batches import Member, batch_dir, batch_name, batch_script, grouped, new_batch, queue_name
from bench_runner.reruns.causes import NEVER_STARTS, cause_of, last_words
from bench_runner.reruns.collected import import_result
from bench_runner.reruns.request import plans
from bench_runner.reruns.runs import OPEN, Run, RunState
from bench_runner.reruns.script import JOB_PREFIX, LOG, PROVENANCE, RESULT, job_comment, job_name
from bench_runner.reruns.sites import Site
from bench_runner.reruns.slurm import QueueRow, Transport
from bench_runner.reruns.staleness import propose_stale
from bench_runner.store.database import Store
from bench_runner.store.results import now

log = structlog.get_logger()

WHO = "minerva"
MAX_ATTEMPTS = 3
FORGOTTEN_AFTER_S = 240
"""Slurm forgets ended jobs after MinJobAge, 300 s by default: within less, a job that is not in the queue never was."""


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
            waiting = runs.runs(connection, OPEN)[::-1]  # who asked first goes first
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
                self._round(self.transport(site.transport), site, of, stopped)
            except SlurmError as error:
                log.warning("bench_site_unreachable", system=system, problem=str(error))

    def _round(self, transport: Transport, site: Site, of: Sequence[Run], stopped: bool) -> None:
        queued = {row.name: row for row in slurm.queue(transport) if row.name.startswith(JOB_PREFIX)}
        claimed = [queue_name(run) for run in of if run.state in _CLAIMED]
        rows = slurm.accounting(transport, dict.fromkeys(run.job for run in of if run.job is not None), claimed)
        accounts = Accounts(rows)
        for run in of:
            if run.state in _CLAIMED:
                self._recover(transport, run, queued.get(queue_name(run)), accounts)
            elif run.state == RunState.SUBMITTED:
                self._follow(transport, run, queued.get(queue_name(run)), accounts, stopped)
            elif run.state != RunState.APPROVED:
                self._settle(run, accounts)
        if not stopped:
            self._submit_all(transport, site, [run for run in of if run.state == RunState.APPROVED])

    def _submit_all(self, transport: Transport, site: Site, approved: Sequence[Run]) -> None:
        members = [member for run in approved if (member := self._member(run)) is not None]
        for group in grouped(members, site):
            self._submit(transport, site, group)

    def _member(self, run: Run) -> Member | None:
        try:
            (plan,) = plans(run.spec, self.sites)
        except RequestError as error:
            self._end(run, RunState.FAILED, str(error), of=(RunState.APPROVED,), used_gpu_hours=0.0)
            return None
        return Member(run=run, plan=plan)

    def _submit(self, transport: Transport, site: Site, group: Sequence[Member]) -> None:
        """Claimed first: two watchers cannot both submit, and a crash between leaves `submitting` behind."""
        batch = new_batch() if len(group) > 1 else None
        claimed = []
        with self.store.write() as connection:
            for member in group:
                run, of, values = member.run.id, (RunState.APPROVED,), {"submitted_at": now(), "batch": batch}
                if runs.move(connection, run, RunState.SUBMITTING, of=of, who=WHO, why="", **values):
                    claimed.append(member)
        if batch is None:
            for member in claimed:
                self._hand_over(transport, member.run)
        elif claimed:
            self._hand_over_batch(transport, site, batch, claimed)

    def _hand_over(self, transport: Transport, run: Run) -> None:
        attempt = run.attempts + 1
        name, comment = job_name(run.id, attempt), job_comment(run.id, attempt)
        self._sbatch(transport, [run], run.work_dir, run.script, name=name, comment=comment)

    def _hand_over_batch(self, transport: Transport, site: Site, batch: str, members: Sequence[Member]) -> None:
        folder, name = batch_dir(site, batch), batch_name(batch)
        comment = ",".join(job_comment(member.run.id, member.run.attempts + 1) for member in members)
        script = batch_script(members, folder)
        self._sbatch(transport, [member.run for member in members], folder, script, name=name, comment=comment)

    def _sbatch(
        self, transport: Transport, of: Sequence[Run], folder: str, script: str, *, name: str, comment: str
    ) -> None:
        try:
            job = slurm.submit(transport, folder, script, name=name, comment=comment)
        except SlurmError as error:
            for run in of:
                if error.permanent:
                    self._end(run, RunState.FAILED, str(error), of=(RunState.SUBMITTING,), used_gpu_hours=0.0)
            log.warning("bench_submission_unclear", runs=[run.id for run in of], problem=str(error))
            return
        for run in of:
            self._adopt(run, job)

    def _adopt(self, run: Run, job: str) -> None:
        with self.store.write() as connection:
            runs.move(
                connection, run.id, RunState.SUBMITTED, of=_CLAIMED, who=WHO, why=f"job {job}", job=job,
                attempts=run.attempts + 1,
            )  # fmt: skip
        log.info("bench_submitted", run=run.id, job=job)

    def _recover(self, transport: Transport, run: Run, queued: QueueRow | None, accounts: Accounts) -> None:
        """A run that was being submitted when the process ended or the connection broke."""
        if queued is not None:
            self._adopt(run, queued.job)
            return
        past = accounts.jobs(queue_name(run))
        if past:
            self._adopt(run, past[-1].job)
        elif run.state == RunState.UNCERTAIN:
            return
        elif accounts.kept or _age_s(run.submitted_at) < FORGOTTEN_AFTER_S:
            self._hand_over_again(transport, run)
        else:
            why = "Slurm forgets ended jobs and keeps no accounts here: whether it ran cannot be told"
            with self.store.write() as connection:
                runs.move(connection, run.id, RunState.UNCERTAIN, of=(RunState.SUBMITTING,), who=WHO, why=why)

    def _hand_over_again(self, transport: Transport, run: Run) -> None:
        """Slurm has no such job. Of a batch each goes back and is grouped anew."""
        with self.store.write() as connection:
            runs.note(connection, run.id, WHO, "Slurm has no such job: submitted again")
            if run.batch is not None:
                runs.move(connection, run.id, RunState.APPROVED, of=_CLAIMED, who=WHO, why="", batch=None)
                return
        self._hand_over(transport, run)

    def _follow(
        self, transport: Transport, run: Run, queued: QueueRow | None, accounts: Accounts, stopped: bool
    ) -> None:
        jobs = [row for row in accounts.jobs(queue_name(run)) if row.job == run.job]
        of_job = queued.state if queued is not None else jobs[-1].state if jobs else None
        state = of_job if run.batch is None or of_job is None else state_of_step(of_job, accounts.step(run))
        if state is None:
            self._lost(run)
        elif state in WAITING | RUNNING:
            if stopped and run.job:
                slurm.cancel(transport, run.job)
            self._note_state(run, state, queued.reason if queued is not None else "")
        elif state == "COMPLETED":
            self._collect(transport, run, accounts)
        else:
            self._failed(transport, run, state, accounts)

    def _note_state(self, run: Run, state: str, reason: str) -> None:
        why = f"{state.lower()}: {reason}" if state in WAITING and reason not in ("None", "") else state.lower()
        if reason in NEVER_STARTS and state in WAITING:
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

    def _collect(self, transport: Transport, run: Run, accounts: Accounts) -> None:
        folder = self.store.path.parent / self._folder / run.id
        if not slurm.copy_to(transport, f"{run.work_dir}/{RESULT}", folder / RESULT):
            tail = slurm.tail(transport, f"{run.work_dir}/{LOG}")
            self._end(
                run, RunState.FAILED, f"the job completed without a result. {last_words(tail)}", accounts=accounts
            )
            return
        slurm.copy_to(transport, f"{run.work_dir}/{PROVENANCE}", folder / PROVENANCE)
        result_id = import_result(self.store, self.sites, run, folder)
        if result_id is None:
            self._end(run, RunState.FAILED, f"{folder / RESULT} holds no result that can be read", accounts=accounts)
        else:
            self._end(run, RunState.FINISHED, f"result {result_id}", accounts=accounts, result_id=result_id)

    def _failed(self, transport: Transport, run: Run, state: str, accounts: Accounts) -> None:
        tail = slurm.tail(transport, f"{run.work_dir}/{LOG}")
        again, why = cause_of(state, tail)
        if state.startswith("CANCELLED"):
            self._end(run, RunState.CANCELLED, why, accounts=accounts)
        elif again and run.attempts < MAX_ATTEMPTS:
            with self.store.write() as connection:
                done = runs.move(
                    connection, run.id, RunState.APPROVED, of=(RunState.SUBMITTED,), who=WHO, why=f"{why}; again",
                    job=None, batch=None, slurm_state=state,
                    earlier_gpu_hours=run.earlier_gpu_hours + (accounts.gpu_hours(run) or 0.0),
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
        accounts: Accounts | None = None,
        **values: object,
    ) -> None:
        used = accounts.gpu_hours(run) if accounts is not None else None
        if used is not None:
            values["used_gpu_hours"] = run.earlier_gpu_hours + used
        with self.store.write() as connection:
            runs.move(connection, run.id, to, of=of, who=WHO, why=why, ended_at=now(), **values)
        log.info("bench_ended", run=run.id, state=str(to), job=run.job)

    def _settle(self, run: Run, accounts: Accounts) -> None:
        """Accounts that came after the end, or a batch that ended after its step."""
        used = accounts.gpu_hours(run)
        if used is None:
            return
        with self.store.write() as connection:
            total = run.earlier_gpu_hours + used
            runs.move(connection, run.id, run.state, of=(run.state,), who=WHO, why=run.reason, used_gpu_hours=total)


_CLAIMED = (RunState.SUBMITTING, RunState.UNCERTAIN)


def _unsettled(ended: Sequence[Run]) -> list[Run]:
    """Ended within a day and not settled: accounting may be late."""
    return [run for run in ended if run.job and run.used_gpu_hours is None and _age_s(run.ended_at) < 86_400]


def _age_s(at: str | None) -> float:
    if at is None:
        return 0.0
    return (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
