"""How workshops and embedded support are chosen, planned and reported."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlmodel import JSON, Field, SQLModel

from agent.store.tables import UtcDateTime, now


class Meeting(SQLModel, table=True):
    """A talk with the requester: proposed, then set."""

    ticket_id: int = Field(primary_key=True, foreign_key="ticket.id")
    uid: str
    """Of the event, the same over all its changes."""
    slots: list[str] = Field(default_factory=list, sa_type=JSON)
    """Proposed beginnings, ISO 8601 in UTC, the earliest first."""
    minutes: int = 30
    place: str = ""
    chosen: datetime | None = Field(default=None, sa_type=UtcDateTime)
    sequence: int = 0
    """Goes up with every change of an invitation that was sent (RFC 5546, 2.1.4)."""


class Evaluation(SQLModel, table=True):
    """What one person thinks of a request for a workshop or embedded support."""

    ticket_id: int = Field(primary_key=True, foreign_key="ticket.id")
    engineer_id: int = Field(primary_key=True, foreign_key="engineer.id")
    scores: dict[str, int] = Field(sa_type=JSON)
    """By key of `agent.selection.CRITERIA`, 1 to 5."""
    comment: str = ""
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class Selection(SQLModel, table=True):
    """What was decided, and why, as the requester is told."""

    ticket_id: int = Field(primary_key=True, foreign_key="ticket.id")
    accepted: bool
    reasons: str
    engineer_id: int = Field(foreign_key="engineer.id")
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class Engagement(SQLModel, table=True):
    """A workshop or an engineer in a team, from its plan to its report."""

    ticket_id: int = Field(primary_key=True, foreign_key="ticket.id")
    partner_id: int = Field(foreign_key="partner.id", index=True)
    starts: date
    ends: date
    days: int
    """Working days of the partner."""
    plan: str = ""
    milestones: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    """[{title, due: ISO day, done: bool}], in order."""
    report: str = ""
    """What came of it; empty until it has ended."""
