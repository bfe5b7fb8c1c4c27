"""What the pages are built on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol, cast

from fastapi import Request

from agent.desk.presence import Presence
from agent.desk.puzzles import Puzzles
from agent.desk.reckoned import Figures
from agent.llm.live import Live
from agent.mail.rate_limit import RateLimit
from agent.passkeys import Challenges, Site, site_of
from agent.settings import Settings
from agent.single_sign_on import Provider
from agent.store.database import Database
from agent.workflows import Workflows

ATTEMPTS_PER_MINUTE = 10


class HasState(Protocol):
    @property
    def state(self) -> str:
        """`ready` or `ok`, `loading`, `none`, or what went wrong."""
        ...


class HasIntake(Protocol):
    @property
    def listener(self) -> HasState: ...

    @property
    def mailbox(self) -> str:
        """`ok`, `none`, or what is wrong."""
        ...


class Attempts:
    """How often signing in was tried for an address within the last minute."""

    def __init__(self) -> None:
        self._limit = RateLimit(ATTEMPTS_PER_MINUTE)
        self._lock = Lock()

    def allows(self, email: str) -> bool:
        """Counts this one."""
        with self._lock:
            return self._limit.allows_key(email.strip().casefold(), time.monotonic())


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    database: Database
    settings: Settings
    workflows: Workflows
    models: HasState
    intake: HasIntake
    live: Live
    """What models are writing."""
    language_model: Callable[[], str]
    """`ok`, `none` when none is wanted, or what it is waiting for."""
    url: str
    """As people reach it."""
    sign_on: Provider | None = None
    """Where engineers may sign in besides."""
    attempts: Attempts = field(default_factory=Attempts)
    presence: Presence = field(default_factory=Presence)
    puzzles: Puzzles = field(default_factory=Puzzles)
    challenges: Challenges = field(default_factory=Challenges)
    figures: Figures = field(default_factory=Figures)

    @property
    def secure(self) -> bool:
        return self.url.startswith("https://")

    def passkey_site(self, request: Request) -> Site | None:
        """What passkeys of this desk are bound to; None where there are none."""
        return site_of(self.settings.desk_url or str(request.base_url))


def desk_of(request: Request) -> Desk:
    return cast("Desk", request.app.state.desk)
