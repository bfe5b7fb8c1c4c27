"""What to do for one service, from what is known and what was just seen. Pure; nothing here runs a command.

A job ends for many reasons; the answer is always the same: look what serves, what is coming, and submit one if nothing
is. A successor is queued when half of the walltime (at most two hours) is left; when it answers, the older one drains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from deploy.llm.queue import Row
from deploy.llm.script import number_in
from deploy.llm.service import Job, Service

LONGEST_LEAD = timedelta(hours=2)
"""Of a successor before the walltime's end."""
START_LIMIT = timedelta(minutes=45)
"""For loading a model; then the job counts as failed."""
LOST_LIMIT = timedelta(seconds=60)
"""Without an answer of a server that did answer; then it is replaced."""
DRAIN_LEAST, DRAIN_MOST = timedelta(seconds=5), timedelta(minutes=3)
PROVEN = timedelta(minutes=10)
"""Of serving; a job that has done that is no failure, whatever ends it."""
BACK_OFF, LONGEST_BACK_OFF = timedelta(seconds=30), timedelta(hours=1)
MOST_FAILURES = 5
_NOT_ITS_FAULT = {"PREEMPTED", "NODE_FAIL", "BOOT_FAIL"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One job in one look: its row in the queue, and what its server answered."""

    row: Row
    healthy: bool = False
    busy: int | None = None
    """Questions that the server is working on; None when it does not say."""


@dataclass(frozen=True, slots=True)
class Submit:
    number: int


@dataclass(frozen=True, slots=True)
class Cancel:
    job: str


def decide(
    service: Service, seen: Sequence[Seen], now: datetime, asked_at: datetime | None
) -> tuple[Service, list[Submit | Cancel]]:
    """The service as it is now known, and what to do; a submission is noted by `submitted` once it has an id.

    `seen` is every job of this service that Slurm still knows; `asked_at` is when a reply was last wanted.
    """
    tracked = {job.job for job in service.jobs}
    alive = {
        item.row.job: item for item in seen if item.row.is_alive or (item.row.is_ending and item.row.job in tracked)
    }
    service = _without_ended(service, seen, alive, now)
    service, actions = _adopted(service, alive, now)
    service = service.model_copy(update={"jobs": tuple(_looked_at(job, alive[job.job], now) for job in service.jobs)})
    service, sick = _without_sick(service, now)
    service = _asleep_or_awake(service, now, asked_at)
    service = _draining(service, now)
    done = [job for job in service.jobs if job.draining_since and _is_drained(job, alive[job.job], now)]
    actions += [*sick, *(Cancel(job.job) for job in done if alive[job.job].row.is_alive)]
    service = service.model_copy(update={"jobs": tuple(job for job in service.jobs if job not in done)})
    if _wants_another(service, alive, now):
        actions.append(Submit(service.next_number))
    return service.model_copy(update={"looked_at": now}), actions


def submitted(service: Service, number: int, job: str, now: datetime) -> Service:
    made = Job(number=number, job=job, submitted_at=now)
    return service.model_copy(update={"jobs": (*service.jobs, made), "next_number": number + 1})


def failed(service: Service, problem: str, now: datetime) -> Service:
    """One more failure in a row, and a longer pause before the next try."""
    pause = min(LONGEST_BACK_OFF, BACK_OFF * 2**service.failures)
    return service.model_copy(
        update={"failures": service.failures + 1, "not_before": now + pause, "problem": problem[:300]}
    )


def lead(service: Service) -> timedelta:
    return min(LONGEST_LEAD, timedelta(minutes=service.walltime_min) / 2)


def serving(service: Service) -> list[Job]:
    """Jobs that answer and take new questions."""
    return [job for job in service.jobs if job.ready_since and not job.lost_since and not job.draining_since]


def _without_ended(service: Service, seen: Sequence[Seen], alive: Mapping[str, Seen], now: datetime) -> Service:
    states = {item.row.job: item.row for item in seen}
    ended = [job for job in service.jobs if job.job not in alive]
    service = service.model_copy(update={"jobs": tuple(job for job in service.jobs if job not in ended)})
    for job in ended:
        row = states.get(job.job)
        state = row.state if row else "gone"
        in_time = job.ready_since is not None and (now - job.ready_since >= PROVEN or state in {"TIMEOUT", "gone"})
        if not (in_time or job.draining_since or state in _NOT_ITS_FAULT):
            why = f" ({row.reason})" if row and row.reason not in ("None", "") else ""
            service = failed(service, f"job {job.job} ended as {state}{why}", now)
    return service


def _adopted(service: Service, alive: Mapping[str, Seen], now: datetime) -> tuple[Service, list[Submit | Cancel]]:
    """Jobs that were submitted and not noted, by a keeper that died or by another one; of twins the older one stays."""
    jobs = {job.number: job for job in service.jobs}
    known = {job.job for job in service.jobs}
    cancelled: list[Submit | Cancel] = []
    for item in sorted(alive.values(), key=lambda item: int(item.row.job)):
        number = number_in(item.row.name, service.name)
        if number is None or item.row.job in known:
            continue
        if number in jobs:
            cancelled.append(Cancel(item.row.job))
        else:
            jobs[number] = Job(number=number, job=item.row.job, submitted_at=now)
    ordered = tuple(jobs[number] for number in sorted(jobs))
    following = max([service.next_number, *(number + 1 for number in jobs)])
    return service.model_copy(update={"jobs": ordered, "next_number": following}), cancelled


def _looked_at(job: Job, seen: Seen, now: datetime) -> Job:
    running = seen.row.state == "RUNNING"
    lost = None if seen.healthy or not job.ready_since else job.lost_since or now
    return job.model_copy(
        update={
            "running_since": (job.running_since or now) if running else None,
            "ready_since": (job.ready_since or now) if seen.healthy else job.ready_since,
            "lost_since": lost,
        }
    )


def _without_sick(service: Service, now: datetime) -> tuple[Service, list[Submit | Cancel]]:
    actions: list[Submit | Cancel] = []
    for job in service.jobs:
        lost = job.lost_since is not None and now - job.lost_since >= LOST_LIMIT
        slow = not job.ready_since and job.running_since is not None and now - job.running_since >= START_LIMIT
        if lost or slow:
            actions.append(Cancel(job.job))
            service = service.model_copy(update={"jobs": tuple(other for other in service.jobs if other != job)})
        if slow:
            service = failed(service, f"job {job.job} did not answer within {START_LIMIT}", now)
    if any(now - job.ready_since >= PROVEN for job in serving(service) if job.ready_since):
        service = service.model_copy(update={"failures": 0, "problem": "", "not_before": None})
    return service, actions


def _asleep_or_awake(service: Service, now: datetime, asked_at: datetime | None) -> Service:
    if service.idle_min is None:
        return service.model_copy(update={"asleep_since": None})
    if service.serving_since is None and serving(service):
        service = service.model_copy(update={"serving_since": now})
    if service.asleep_since is not None:
        woken = asked_at is not None and asked_at > service.asleep_since
        return service.model_copy(update={"asleep_since": None}) if woken else service
    if service.serving_since is None:
        return service
    idle = now - max(service.serving_since, asked_at or service.serving_since)
    if idle < timedelta(minutes=service.idle_min or 0):
        return service
    return service.model_copy(update={"asleep_since": now, "serving_since": None})


def _draining(service: Service, now: datetime) -> Service:
    """Whatever is older than the youngest server that answers; all of them when the service sleeps."""
    newest = max((job.number for job in serving(service)), default=0)

    def drained(job: Job) -> Job:
        wanted = service.asleep_since is not None or job.number < newest
        return job.model_copy(update={"draining_since": now}) if wanted and not job.draining_since else job

    return service.model_copy(update={"jobs": tuple(map(drained, service.jobs))})


def _is_drained(job: Job, seen: Seen, now: datetime) -> bool:
    """Given up by all who ask it and idle, or not worth waiting for."""
    waited = now - job.draining_since if job.draining_since else timedelta(0)
    if not seen.healthy:
        return True
    return waited >= DRAIN_MOST or (waited >= DRAIN_LEAST and seen.busy == 0)


def _is_leaving(job: Job, seen: Seen) -> bool:
    """Served and is over. One that never served is waited for: how it ended decides on a pause."""
    return seen.row.is_ending and job.ready_since is not None


def _wants_another(service: Service, alive: Mapping[str, Seen], now: datetime) -> bool:
    if service.asleep_since is not None or service.failures >= MOST_FAILURES:
        return False
    if service.not_before is not None and now < service.not_before:
        return False
    jobs = [job for job in service.jobs if not (job.draining_since or _is_leaving(job, alive[job.job]))]
    if not jobs:
        return True
    left = alive[jobs[-1].job].row.left_s
    return left is not None and timedelta(seconds=left) <= lead(service)
