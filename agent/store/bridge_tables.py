"""Desks of partners that tickets are handed to, and how far each hand-over is. Times are aware UTC."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from agent.store.tables import UtcDateTime, now


class DeskKind(StrEnum):
    RT = "rt"
    """Request Tracker 5, by REST2."""
    ZAMMAD = "zammad"
    MAIL = "mail"
    """No desk software: what is handed over is mailed, and answered by mail."""


class ExternalDesk(SQLModel, table=True):
    """Where a partner works. A partner without one works on our desk."""

    __tablename__ = "external_desk"
    partner_id: int = Field(primary_key=True, foreign_key="partner.id")
    kind: str
    address: str
    """`https://rt.example.org`, or an e-mail address."""
    queue: str = ""
    """The queue (RT) or group (Zammad) that tickets are created in."""
    token: str = ""
    """Of an account that is used for nothing else; for RT also `user:password`. Never shown again."""
    cursor: str = ""
    """The newest change that has been read there, as that desk writes times."""
    failures: int = 0
    """In a row."""
    next_round_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    last_ok_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_error: str | None = None


class HandOver(SQLModel, table=True):
    """A ticket at the desk of a partner: there is one ticket there for it, however often it is handed over."""

    __tablename__ = "hand_over"
    __table_args__ = (UniqueConstraint("ticket_id", "partner_id"),)
    id: int | None = Field(default=None, primary_key=True)
    ticket_id: int = Field(foreign_key="ticket.id")
    partner_id: int = Field(foreign_key="partner.id", index=True)
    by: str
    """Name of the engineer."""
    request: str = ""
    """What the partner is asked for."""
    with_notes: bool = False
    """Whether the engineers' notes go along."""
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """Taken back."""
    change_told: bool = True
    """Whether the partner knows that it was taken back, or handed over again."""
    remote_id: str | None = Field(default=None, index=True)
    """Of the ticket there; None until it is known to be there."""
    remote_number: str = ""
    """As people there call it."""
    remote_status: str = ""
    remote_closed: bool = False
    remote_owner: str = ""
    remote_owner_address: str = ""
    remote_changed: str = ""
    """The last change that has been read, as that desk writes times."""
    read_again: bool = False
    """That change is read a second time: another one may have come within the same second."""
    closed_here: bool = False
    """Whether the ticket was closed here when both were last brought in step."""
    resolve_due: bool = False
    """Resolved there, and to be resolved here as soon as nothing waits here."""
    draft_due: bool = False
    """The partner has written, and the requester's request gets a new draft."""
    failures: int = 0
    """In a row, of this ticket alone."""
    next_attempt_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    last_synced_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_error: str | None = None


class HandOverMessage(SQLModel, table=True):
    """A message that stands on both desks; or is on its way with the opening, which holds several."""

    __tablename__ = "hand_over_message"
    __table_args__ = (UniqueConstraint("hand_over_id", "message_id"), UniqueConstraint("hand_over_id", "remote_id"))
    id: int | None = Field(default=None, primary_key=True)
    hand_over_id: int = Field(foreign_key="hand_over.id")
    message_id: int = Field(foreign_key="message.id", index=True)
    remote_id: str | None = None
    """Of the transaction (RT) or article (Zammad); None for what went with the opening, and by mail."""
