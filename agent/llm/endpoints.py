"""The model servers that may be asked now: those of the settings, and those that records tell of."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from agent.errors import EndpointRecordError
from agent.llm.chat import PURPOSES, Purpose
from agent.llm.records import EndpointRecord, EndpointState, key_of, read_records
from agent.settings import Settings

log = structlog.get_logger()

LEAST_LEFT = timedelta(seconds=30)
"""Of an endpoint's life, for a question to be sent there."""
STALE = timedelta(minutes=15)
"""Age of a record beyond which nobody is told that a server is on its way: whoever wrote it has stopped."""
HAND_OVER_S = 0.05
"""After which records are read again when they were caught between an old server and a new one."""
USE = ".asked"
"""File in the folder of the records; its time is that of the last question."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    name: str
    url: str
    model: str
    key: str | None
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoints:
    """Read anew for every question: a record appears, drains and goes while we run."""

    fixed: tuple[Endpoint, ...]
    folder: Path
    models: dict[Purpose, str]
    """Model wanted for a purpose; a purpose without one takes any."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    hand_over_s: float = HAND_OVER_S

    def for_purpose(self, purpose: Purpose) -> list[Endpoint]:
        """Those of the settings first, then the records, the longest-lived first."""
        wanted = self.models.get(purpose)
        return [item for item in (*self.fixed, *self._recorded()) if wanted in (None, "", item.model)]

    def _recorded(self) -> list[Endpoint]:
        found = read_records(self.folder)
        for problem in found.problems:
            log.warning("endpoint_record_unusable", problem=problem)
        usable = [record for record in found.records if self._is_usable(record)]
        if not usable and any(record.state == EndpointState.DRAINING for record in found.records):
            time.sleep(self.hand_over_s)
            usable = [record for record in read_records(self.folder).records if self._is_usable(record)]
        usable.sort(key=lambda record: record.expires_at or datetime.max.replace(tzinfo=UTC), reverse=True)
        return [endpoint for record in usable if (endpoint := self._endpoint(record)) is not None]

    def _is_usable(self, record: EndpointRecord) -> bool:
        alive = record.expires_at is None or record.expires_at - self.now() > LEAST_LEFT
        return record.state == EndpointState.READY and alive

    def _endpoint(self, record: EndpointRecord) -> Endpoint | None:
        try:
            key = key_of(self.folder, record)
        except EndpointRecordError as error:
            log.warning("endpoint_record_unusable", problem=str(error))
            return None
        return Endpoint(name=record.name, url=record.url, model=record.model, key=key, expires_at=record.expires_at)

    def waiting(self) -> tuple[EndpointRecord, ...]:
        """Records of servers that do not answer yet or any more, for people; those on their way first."""
        order = [EndpointState.STARTING, EndpointState.QUEUED, EndpointState.ASLEEP, EndpointState.FAILED]
        found = [record for record in read_records(self.folder).records if record.state in order]
        fresh = [record for record in found if self.now() - record.updated_at < STALE]
        return tuple(sorted(fresh, key=lambda record: order.index(record.state)))

    def note_use(self) -> None:
        """A reply is wanted: what sleeps is woken, what is idle is not put to sleep. Nothing without a folder."""
        if self.folder.is_dir():
            with suppress(OSError):  # a full or read-only disk keeps no question away
                (self.folder / USE).touch()


def last_use(folder: Path) -> datetime | None:
    """When a reply was last wanted; None if never."""
    try:
        return datetime.fromtimestamp((folder / USE).stat().st_mtime, UTC)
    except FileNotFoundError:
        return None


def endpoints_of(settings: Settings) -> Endpoints:
    key = settings.llm_api_key.get_secret_value() if settings.llm_api_key else None
    urls = [url.strip() for url in (settings.llm_urls or "").split(",") if url.strip()]
    names = {purpose: getattr(settings, f"llm_{purpose}_model") or settings.llm_model or "" for purpose in PURPOSES}
    fixed = tuple(
        Endpoint(name=url, url=url, model=model, key=key)
        for url in urls
        for model in dict.fromkeys(name for name in names.values() if name)
    )
    only = {purpose: getattr(settings, f"llm_{purpose}_model") or settings.llm_model or "" for purpose in PURPOSES}
    return Endpoints(fixed=fixed, folder=settings.endpoints_dir, models=only)
