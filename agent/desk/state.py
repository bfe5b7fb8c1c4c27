"""What the pages are built on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from fastapi import Request

from agent.models import Models
from agent.settings import Settings
from agent.store.database import Database
from agent.workflows import Workflows


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    database: Database
    settings: Settings
    workflows: Workflows
    models: Models
    url: str
    """As people reach it."""

    @property
    def secure(self) -> bool:
        return self.url.startswith("https://")


def desk_of(request: Request) -> Desk:
    return cast("Desk", request.app.state.desk)
