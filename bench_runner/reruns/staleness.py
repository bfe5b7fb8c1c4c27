"""Measurements grow old: runs are proposed again after the time that their site states, and wait for a person's yes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection

from bench_runner.errors import RequestError
from bench_runner.reruns import runs
from bench_runner.reruns.request import plans
from bench_runner.reruns.runs import Run, RunState
from bench_runner.reruns.sites import Site
from bench_runner.store.database import Store

log = structlog.get_logger()

ORIGIN = "staleness"
PERSON = "minerva"
"""Whose budget it is: operators give it one, or nothing of this is ever approved."""
PROJECT = "minerva"


def propose_stale(store: Store, sites: Mapping[str, Site]) -> list[Run]:
    """New proposals; a specification that was proposed, run or turned down within the time is left alone."""
    with store.read() as connection:
        due = [
            run
            for site in sites.values()
            if site.stale_after_days is not None
            for run in _due(connection, site.system, site.stale_after_days)
        ]
    return [made for run in due if (made := _proposed(store, run, sites)) is not None]


def _due(connection: Connection, system: str, days: int) -> list[Run]:
    """The newest finished run of each specification, if nothing newer than `days` is known of it."""
    limit = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
    newest: dict[str, Run] = {}
    for run in runs.runs(connection):
        if run.system != system or not run.spec:
            continue
        if max(run.requested_at, run.ended_at or "") > limit:
            newest[run.spec_hash] = run
        elif run.state == RunState.FINISHED:
            newest.setdefault(run.spec_hash, run)
    return [run for run in newest.values() if max(run.requested_at, run.ended_at or "") <= limit]


def _proposed(store: Store, old: Run, sites: Mapping[str, Site]) -> Run | None:
    try:
        (plan,) = plans(old.spec, sites)
    except RequestError as error:
        log.warning("bench_stale_not_allowed", run=old.id, problems=error.problems)
        return None
    with store.write() as connection:
        if plan.hash not in {run.spec_hash for run in _due(connection, old.system, _days(sites, old.system))}:
            return None
        return runs.propose(
            connection, plan, spec=old.spec, title=old.title, by=PERSON, project=PROJECT, origin=ORIGIN, rerun_of=old.id
        )


def _days(sites: Mapping[str, Site], system: str) -> int:
    return sites[system].stale_after_days or 0
