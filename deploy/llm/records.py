"""The endpoint records of a service: what the helpdesk is told of its servers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from agent.llm.records import EndpointRecord, EndpointState
from deploy.llm.decide import MOST_FAILURES, Seen
from deploy.llm.service import Job, Service

NOWHERE = "http://not-yet.invalid/v1"
"""Address of a server that has none yet (RFC 2606)."""


def key_file(service: str, number: int) -> str:
    return f"{service}-{number}.key"


def records_of(
    service: Service, seen: Mapping[str, Seen], urls: Mapping[str, str], now: datetime
) -> list[EndpointRecord]:
    """One for each job; one named like the service when it sleeps or was given up. `seen` and `urls` by job."""
    made = [_of_job(service, job, seen.get(job.job), urls.get(job.job), now) for job in service.jobs]
    if service.asleep_since is not None:
        note = "no question for a while; the next one wakes it"
        made.append(_of_service(service, EndpointState.ASLEEP, note, now))
    elif service.failures >= MOST_FAILURES:
        note = f"{service.problem}; see `minerva llm logs {service.preset}`, then `minerva llm up` tries again"
        made.append(_of_service(service, EndpointState.FAILED, note, now))
    return made


def targets_of(record: EndpointRecord) -> dict[str, object]:
    """One entry of https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config"""
    url = urlsplit(record.url.removesuffix("/v1"))
    labels = {"model": record.model, "service": record.name, "__scheme__": url.scheme}
    return {"targets": [url.netloc], "labels": labels | {"__metrics_path__": f"{url.path}/metrics"}}


def _of_service(service: Service, state: EndpointState, note: str, now: datetime) -> EndpointRecord:
    return EndpointRecord(name=service.name, url=NOWHERE, model=service.preset, state=state, note=note, updated_at=now)


def _of_job(service: Service, job: Job, seen: Seen | None, url: str | None, now: datetime) -> EndpointRecord:
    row = seen.row if seen else None
    left, starts = (row.left_s, row.starts_in_s) if row else (None, None)
    return EndpointRecord(
        name=f"{service.name}-{job.number}",
        url=url or NOWHERE,
        model=service.preset,
        key_file=key_file(service.name, job.number),
        state=EndpointState.DRAINING if row and row.is_ending else _state(job, url),
        expires_at=now + timedelta(seconds=left) if left is not None else None,
        starts_at=now + timedelta(seconds=starts) if starts is not None else None,
        updated_at=now,
        job=job.job,
        note=row.reason if row and row.state == "PENDING" and row.reason != "None" else "",
    )


def _state(job: Job, url: str | None) -> EndpointState:
    if job.draining_since is not None:
        return EndpointState.DRAINING
    if job.ready_since is not None and url is not None:
        return EndpointState.READY
    return EndpointState.STARTING if job.running_since is not None else EndpointState.QUEUED
