"""What the keeper decides: pure, with a simulated scheduler that is as unkind as Hypothesis makes it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.llm.decide import (
    BACK_OFF,
    DRAIN_LEAST,
    DRAIN_MOST,
    LOST_LIMIT,
    MOST_FAILURES,
    START_LIMIT,
    Cancel,
    Seen,
    Submit,
    decide,
    lead,
    serving,
    submitted,
)
from deploy.llm.queue import Row
from deploy.llm.script import job_name
from deploy.llm.service import Service

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def service(**values: object) -> Service:
    given = {"name": "tiny-hydra", "preset": "tiny", "system": "hydra", "walltime_min": 120, "wanted_at": NOW}
    return Service(**{**given, **values})  # type: ignore[arg-type]


def seen(
    job: str,
    state: str = "RUNNING",
    *,
    number: int = 1,
    healthy: bool = False,
    left_s: int = 7000,
    busy: int | None = 0,
) -> Seen:
    row = Row(
        job=job, name=job_name("tiny-hydra", number), state=state, reason="None", starts_in_s=None,
        left_s=left_s if state == "RUNNING" else None,
    )  # fmt: skip
    return Seen(row=row, healthy=healthy, busy=busy)


def with_job(job: str = "10", number: int = 1, **values: object) -> Service:
    return submitted(service(**values), number, job, NOW)


def test_nothing_runs_so_one_job_is_submitted_and_not_a_second_one() -> None:
    first, actions = decide(service(), [], NOW, None)
    assert actions == [Submit(1)]
    _, again = decide(submitted(first, 1, "10", NOW), [seen("10", "PENDING")], NOW, None)
    assert again == []


def test_a_successor_is_queued_when_half_of_the_walltime_is_left_and_two_hours_at_most() -> None:
    kept = with_job()
    for left, wanted in ((3601, []), (3600, [Submit(2)])):
        assert decide(kept, [seen("10", healthy=True, left_s=left)], NOW, None)[1] == wanted
    assert lead(service(walltime_min=1440)) == timedelta(hours=2)


def test_the_old_one_drains_only_when_the_successor_answers_and_ends_when_it_is_idle() -> None:
    kept = submitted(with_job(), 2, "11", NOW)
    old, new = seen("10", healthy=True, left_s=900, busy=3), seen("11", number=2)
    kept, actions = decide(kept, [old, new], NOW, None)
    assert (actions, [job.job for job in serving(kept)]) == ([], ["10"])
    kept, actions = decide(kept, [old, replace(new, healthy=True)], NOW + SECOND, None)
    assert (actions, [job.job for job in serving(kept)]) == ([], ["11"])
    later = NOW + SECOND + DRAIN_LEAST
    kept, actions = decide(kept, [old, replace(new, healthy=True)], later, None)
    assert actions == [], "it still works on three questions"
    kept, actions = decide(kept, [replace(old, busy=0), replace(new, healthy=True)], later + SECOND, None)
    assert actions == [Cancel("10")]
    assert [job.job for job in kept.jobs] == ["11"]


def test_draining_does_not_wait_for_ever() -> None:
    kept = submitted(with_job(), 2, "11", NOW)
    looks = [seen("10", healthy=True, busy=None), seen("11", number=2, healthy=True)]
    kept, _ = decide(kept, looks, NOW, None)
    assert decide(kept, looks, NOW + DRAIN_MOST - SECOND, None)[1] == []
    assert decide(kept, looks, NOW + DRAIN_MOST, None)[1] == [Cancel("10")]


@pytest.mark.parametrize("state", ["NODE_FAIL", "PREEMPTED", "BOOT_FAIL"])
def test_what_is_not_the_models_fault_is_replaced_at_once(state: str) -> None:
    kept, actions = decide(with_job(), [seen("10", state)], NOW, None)
    assert actions == [Submit(2)]
    assert kept.failures == 0


def test_how_a_job_ended_is_judged_when_slurm_says_it() -> None:
    served, _ = decide(with_job(), [seen("10", healthy=True)], NOW, None)
    kept, actions = decide(served, [seen("10", "COMPLETING")], NOW + SECOND, None)
    assert actions == [Submit(2)], "what served is replaced at once"
    kept = submitted(kept, 2, "11", NOW)
    kept, actions = decide(kept, [seen("10", "PREEMPTED"), seen("11", "PENDING", number=2)], NOW + 2 * SECOND, None)
    assert (actions, kept.failures, [job.job for job in kept.jobs]) == ([], 0, ["11"])
    new, actions = decide(with_job(), [seen("10", "COMPLETING")], NOW + SECOND, None)
    assert actions == [], "what never served may need a pause"
    new, actions = decide(new, [seen("10", "FAILED")], NOW + 2 * SECOND, None)
    assert (actions, new.failures) == ([], 1)


def test_a_job_that_we_ended_is_not_taken_up_again_while_it_completes() -> None:
    kept = submitted(service(), 2, "11", NOW)
    kept, actions = decide(kept, [seen("10", "COMPLETING"), seen("11", number=2, healthy=True)], NOW, None)
    assert actions == []
    assert [job.job for job in kept.jobs] == ["11"]


def test_a_job_that_never_served_is_tried_again_after_longer_and_longer_pauses_and_then_given_up() -> None:
    kept, now = with_job(), NOW
    for failure in range(1, MOST_FAILURES + 1):
        kept, actions = decide(kept, [seen(str(9 + failure), "FAILED", number=failure)], now, None)
        assert (actions, kept.failures) == ([], failure)
        assert kept.not_before == now + BACK_OFF * 2 ** (failure - 1)
        assert "FAILED" in kept.problem
        now = kept.not_before
        kept, actions = decide(kept, [], now, None)
        assert actions == ([Submit(failure + 1)] if failure < MOST_FAILURES else [])
        if actions:
            kept = submitted(kept, failure + 1, str(10 + failure), now)


def test_a_server_that_falls_silent_is_replaced_after_a_minute() -> None:
    kept, _ = decide(with_job(), [seen("10", healthy=True)], NOW, None)
    kept, actions = decide(kept, [seen("10")], NOW + SECOND, None)
    assert actions == []
    assert serving(kept) == []
    kept, actions = decide(kept, [seen("10")], NOW + SECOND + LOST_LIMIT, None)
    assert actions == [Cancel("10"), Submit(2)]
    assert kept.failures == 0


def test_a_server_that_does_not_become_ready_is_a_failure() -> None:
    kept, _ = decide(with_job(), [seen("10")], NOW, None)
    kept, actions = decide(kept, [seen("10")], NOW + START_LIMIT, None)
    assert actions == [Cancel("10")]
    assert kept.failures == 1


def test_jobs_that_nobody_noted_are_adopted_and_of_twins_the_older_one_stays() -> None:
    kept, actions = decide(service(), [seen("12"), seen("11"), seen("9", "FAILED")], NOW, None)
    assert actions == [Cancel("12")]
    assert [(job.number, job.job) for job in kept.jobs] == [(1, "11")]
    assert kept.next_number == 2


def test_it_sleeps_when_nobody_asks_and_wakes_when_somebody_does() -> None:
    kept = with_job(idle_min=30)
    up = seen("10", healthy=True, left_s=7000)
    kept, _ = decide(kept, [up], NOW, None)
    asked = NOW + timedelta(minutes=10)
    kept, actions = decide(kept, [up], NOW + timedelta(minutes=39), asked)
    assert (actions, kept.asleep_since) == ([], None)
    kept, _ = decide(kept, [up], NOW + timedelta(minutes=40), asked)
    assert kept.asleep_since is not None
    kept, actions = decide(kept, [up], NOW + timedelta(minutes=41), asked)
    assert (actions, kept.jobs) == ([Cancel("10")], ())
    kept, actions = decide(kept, [], NOW + timedelta(minutes=50), asked)
    assert actions == []
    kept, actions = decide(kept, [], NOW + timedelta(minutes=51), NOW + timedelta(minutes=51))
    assert actions == [Submit(2)]
    waited, _ = decide(
        submitted(kept, 2, "11", NOW), [seen("11", "PENDING", number=2)], NOW + timedelta(hours=9), asked
    )
    assert waited.asleep_since is None, "a long queue is no idleness"


@dataclass
class Cluster:
    """A scheduler in memory: jobs wait, run, answer, fall silent and end."""

    jobs: dict[str, dict[str, object]] = field(default_factory=dict)
    last: int = 0

    def submit(self, number: int) -> str:
        self.last += 1
        self.jobs[str(self.last)] = {"number": number, "state": "PENDING", "healthy": False, "left": 7200}
        return str(self.last)

    def look(self) -> list[Seen]:
        return [
            seen(
                name,
                str(job["state"]),
                number=int(str(job["number"])),
                healthy=bool(job["healthy"]),
                left_s=int(str(job["left"])),
            )
            for name, job in self.jobs.items()
        ]

    def pass_time(self, event: str, which: int, seconds: int) -> None:
        for job in self.jobs.values():
            if job["state"] == "RUNNING":
                job["left"] = int(str(job["left"])) - seconds
                if int(str(job["left"])) <= 0:
                    job.update(state="TIMEOUT", healthy=False)
            if job["state"] == "COMPLETING" and event == "settle":
                job["state"] = job["ends"]
        alive = [job for job in self.jobs.values() if job["state"] in ("PENDING", "RUNNING")]
        if not alive:
            return
        job = alive[which % len(alive)]
        if event == "start" and job["state"] == "PENDING":
            job["state"] = "RUNNING"
        elif event == "ready" and job["state"] == "RUNNING":
            job["healthy"] = True
        elif event == "silent":
            job["healthy"] = False
        elif event in ("NODE_FAIL", "FAILED", "PREEMPTED", "CANCELLED"):
            job.update(state="COMPLETING", ends=event, healthy=False)


EVENTS = st.sampled_from(
    [
        "settle",
        "settle",
        "start",
        "ready",
        "start",
        "ready",
        "silent",
        "NODE_FAIL",
        "FAILED",
        "PREEMPTED",
        "CANCELLED",
        "nothing",
    ]
)


@given(st.lists(st.tuples(EVENTS, st.integers(0, 5), st.integers(1, 1500), st.booleans()), max_size=60))
@settings(max_examples=300, deadline=None)
def test_whatever_happens_few_jobs_live_and_the_one_that_serves_is_not_cancelled(
    story: list[tuple[str, int, int, bool]],
) -> None:
    cluster, kept, now = Cluster(), service(), NOW
    for event, which, seconds, forgets in story:
        cluster.pass_time(event, which, seconds)
        now += timedelta(seconds=seconds)
        looks = cluster.look()
        answering = {item.row.job for item in looks if item.healthy}
        before = kept
        kept, actions = decide(kept, looks, now, None)
        cancelled = {action.job for action in actions if isinstance(action, Cancel)}
        assert not answering or answering - cancelled, "the last server that answers is never ended"
        assert sum(isinstance(action, Submit) for action in actions) <= 1
        for action in actions:
            if isinstance(action, Cancel):
                cluster.jobs[action.job].update(state="COMPLETING", ends="CANCELLED", healthy=False)
            else:
                kept = submitted(kept, action.number, cluster.submit(action.number), now)
        alive = [job for job in cluster.jobs.values() if job["state"] in ("PENDING", "RUNNING")]
        assert len([job for job in kept.jobs if not job.draining_since]) <= 2
        assert len(alive) <= 3
        assert len({job["number"] for job in alive}) == len(alive)
        if kept.failures < MOST_FAILURES and (kept.not_before is None or now >= kept.not_before):
            waits = any(job["state"] == "COMPLETING" for job in cluster.jobs.values())
            assert alive or waits, "something serves or is on its way, or it is not known yet how the last one ended"
        if forgets and not any(isinstance(action, Cancel) for action in actions):
            kept = before  # a keeper that died before it wrote anything down
