"""A model that is wanted: which, where, and the jobs that serve it. One JSON file a service, renamed into place.

What the scheduler and the servers say is asked for anew each time; here stands only what they cannot tell.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from deploy.llm.errors import ServiceError

log = structlog.get_logger()


class Job(BaseModel):
    """One server, from its submission to its end."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    number: int
    """Counts the jobs of the service; a successor has the next one."""
    job: str
    """Slurm's id."""
    submitted_at: AwareDatetime
    running_since: AwareDatetime | None = None
    ready_since: AwareDatetime | None = None
    lost_since: AwareDatetime | None = None
    """Since when it has not answered although it did before."""
    draining_since: AwareDatetime | None = None


class Service(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    preset: str
    system: str
    walltime_min: int
    idle_min: int | None = None
    """After so long without a question no job runs until the next one; None keeps it up."""
    wanted_at: AwareDatetime
    next_number: int = 1
    jobs: tuple[Job, ...] = ()
    """Oldest first; those that have ended are gone."""
    serving_since: AwareDatetime | None = None
    """When a server first answered after it was wanted or woken."""
    asleep_since: AwareDatetime | None = None
    failures: int = 0
    """Jobs in a row that ended without having served."""
    not_before: AwareDatetime | None = None
    """No other job is tried earlier."""
    problem: str = ""
    """Why the last job failed."""
    looked_at: AwareDatetime | None = None


def service_name(preset: str, system: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", f"{preset}-{system}")[:60]


def read_services(folder: Path) -> list[Service]:
    """By name; a file that cannot be used is said and keeps none of the others away."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(read_service(path))
        except ServiceError as error:
            log.error("llm_service_unreadable", problem=str(error))  # noqa: TRY400  # it says what to do
    return found


def write_service(folder: Path, service: Service) -> None:
    path = folder / f"{service.name}.json"
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(service.model_dump_json(indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def remove_service(folder: Path, name: str) -> None:
    (folder / f"{name}.json").unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One at a time looks after the services of a folder: keepers take turns, and so do the commands."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read_service(path: Path) -> Service:
    """Raises ServiceError."""
    try:
        return Service.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise ServiceError(f"{path}: {reason}; remove it and run `minerva llm up` again") from error
