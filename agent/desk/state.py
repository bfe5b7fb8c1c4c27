"""What the pages are built on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

from fastapi import Request

from agent.llm.live import Live
from agent.settings import Settings
from agent.store.database import Database
from agent.workflows import Workflows


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    database: Database
    settings: Settings
    workflows: Workflows
    models: HasState
    intake: HasIntake
    live: Live
    """What models are writing."""
    url: str
    """As people reach it."""

    @property
    def secure(self) -> bool:
        return self.url.startswith("https://")


def desk_of(request: Request) -> Desk:
    return cast("Desk", request.app.state.desk)
