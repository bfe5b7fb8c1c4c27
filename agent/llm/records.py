"""Endpoint records: how whoever keeps a model server up tells the helpdesk where it is.

One JSON file an endpoint, `<data folder>/llm/endpoints/<name>.json`, written whole or not at all (renamed into place).
The service that runs the model writes them, the helpdesk only reads; it looks again before every request.

    {"name": "draft-4711", "url": "http://nid001:8231/v1", "model": "mistral-small", "key_file": "draft-4711.key",
     "state": "ready", "expires_at": "2026-11-28T23:10:00Z", "starts_at": null, "updated_at": "…", "job": "4711",
     "note": ""}
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from agent.errors import EndpointRecordError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
MAX_RECORD_BYTES = 64 * 1024
MAX_KEY_BYTES = 4096


class EndpointState(StrEnum):
    QUEUED = "queued"
    """The job waits; `starts_at` says until about when, if that is known."""
    STARTING = "starting"
    READY = "ready"
    """Answers; the only state in which it is asked."""
    DRAINING = "draining"
    """Finishes what it has begun and is asked nothing new."""
    ASLEEP = "asleep"
    """No server runs because nobody asked; the next question wakes it."""
    FAILED = "failed"
    """`note` says why and what to do."""


class EndpointRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=rf"^{NAME.pattern}$")]
    """Of the file too; one a running server, so a successor has another."""
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+(?:/[^\s?#]*)?$")]
    """Base of the OpenAI-compatible interface, mostly ending in `/v1`. Without credentials."""
    model: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    """Name that it is served under."""
    key_file: str | None = None
    """File with the API key, beside the record or absolute; None when no key is needed."""
    state: EndpointState
    expires_at: AwareDatetime | None = None
    """When the server ends (the job's walltime); None when it does not."""
    starts_at: AwareDatetime | None = None
    """When a queued server is expected to start."""
    updated_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    """When the record was written, by the writer's clock."""
    job: str | None = None
    """Slurm job id."""
    note: str = ""
    """For people."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointRecords:
    records: tuple[EndpointRecord, ...]
    """By name."""
    problems: tuple[str, ...]
    """One for each file that cannot be used: which, and what is wrong with it."""


def write_record(folder: Path, record: EndpointRecord) -> Path:
    """Atomically, readable by the owner only. Makes the folder. Returns the file."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{record.name}.json"
    partial = folder / f".{record.name}.{os.getpid()}.partial"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(record.model_dump_json(indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return path


def remove_record(folder: Path, name: str) -> None:
    """Nothing happens when there is none."""
    (folder / f"{name}.json").unlink(missing_ok=True)


def read_records(folder: Path) -> EndpointRecords:
    """All records of the folder; a broken one is reported and keeps none of the others away."""
    records, problems = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            records.append(read_record(path))
        except FileNotFoundError:
            continue  # removed meanwhile
        except EndpointRecordError as error:
            problems.append(str(error))
    return EndpointRecords(records=tuple(records), problems=tuple(problems))


def read_record(path: Path) -> EndpointRecord:
    """Raises EndpointRecordError, FileNotFoundError."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_RECORD_BYTES + 1)
        record = EndpointRecord.model_validate_json(raw)
    except FileNotFoundError:
        raise
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise EndpointRecordError(f"{path}: {where + ': ' if where else ''}{first['msg']}") from error
    except OSError as error:
        raise EndpointRecordError(f"{path}: cannot be read: {error.strerror}") from error
    if record.name != path.stem:
        raise EndpointRecordError(f"{path}: names itself {record.name!r}; file and name must agree")
    return record


def key_of(folder: Path, record: EndpointRecord) -> str | None:
    """The API key, or None when none is needed. Raises EndpointRecordError."""
    if record.key_file is None:
        return None
    path = folder / record.key_file
    try:
        with path.open("rb") as file:
            key = file.read(MAX_KEY_BYTES).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise EndpointRecordError(f"{path}: the API key of endpoint {record.name} cannot be read") from error
    if not key:
        raise EndpointRecordError(f"{path}: the API key of endpoint {record.name} is empty")
    return key
