"""Tickets, their messages and their history."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, Index, LargeBinary
from sqlmodel import Field, SQLModel

from agent.store.tables.columns import UtcDateTime, now


class TicketStatus(StrEnum):
    NEW = "new"
    DRAFTED = "drafted"
    """A draft waits for a person."""
    ANSWERED = "answered"
    """An answer has been approved; the requester's turn."""
    RESOLVED = "resolved"
    """An engineer says that the need is met; a reply opens it again."""
    CLOSED = "closed"
    """Resolved for good; a reply opens it again all the same."""
    SET_ASIDE = "set aside"
    """Automatic mail and the like: kept, shown, neither acknowledged nor drafted."""


class TicketCounter(SQLModel, table=True):
    __tablename__ = "ticket_counter"
    year: int = Field(primary_key=True)
    last: int = 0


class Ticket(SQLModel, table=True):
    # What the views of the inbox ask for, so that counting them does not read whole tickets.
    __table_args__ = (
        Index("ix_ticket_status_updated", "status", "updated_at"),
        Index("ix_ticket_warn", "status", "warn_at"),
        Index("ix_ticket_assignee", "assignee_id", "updated_at"),
        Index("ix_ticket_views", "status", "assignee_id", "type", "snoozed_until"),
    )
    id: int | None = Field(default=None, primary_key=True)
    number: str = Field(unique=True)
    """`MIN-2026-000001`."""
    subject: str
    requester_name: str
    requester_address: str = Field(index=True)
    status: str = Field(default=TicketStatus.NEW, index=True)
    revision: int = 1
    """Goes up with every message from outside; drafts and approvals are bound to it."""
    language: str = "en"
    level: str | None = None
    level_confidence: float | None = None
    type: str | None = None
    type_confidence: float | None = None
    urgency: str | None = None
    route: str | None = None
    reasons: list[str] = Field(default_factory=list, sa_type=JSON)
    partner_id: int | None = Field(default=None, foreign_key="partner.id", index=True)
    """The partner organisation that it was handed to."""
    merged_into_id: int | None = Field(default=None, foreign_key="ticket.id", index=True)
    """Where its messages are now, and later ones go."""
    trust: str = "unknown"
    """Of the sender of the newest mail, as `Message.trust`."""
    undelivered: bool = False
    """An answer came back; until the requester writes again."""
    assignee_id: int | None = Field(default=None, foreign_key="engineer.id")
    """The engineer who sees it to its end; None as long as nobody does."""
    snoozed_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """Out of the working views until then, or until the requester writes."""
    first_answered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """The end of the target that counts now, see `agent.targets`."""
    warn_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """From here on it counts as breaching while it is our turn."""
    due_for: str | None = None
    """`first answer`, or the type whose resolution is due."""
    warned_for: str | None = None
    """The `due_for` that its coming near was noted for."""
    topics: list[dict[str, str]] = Field(default_factory=list, sa_type=JSON)
    """[{kind: system, framework or model, id, name}] that the newest request names."""
    placed_by: str | None = None
    """The engineer who set level and type; None when triage did."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime, index=True)
    updated_at: datetime = Field(default_factory=now, sa_type=UtcDateTime, index=True)


class TicketTag(SQLModel, table=True):
    __tablename__ = "ticket_tag"
    ticket_id: int = Field(primary_key=True, foreign_key="ticket.id")
    tag: str = Field(primary_key=True, index=True)


class Message(SQLModel, table=True):
    """One message of a ticket, in or out, or a note among engineers."""

    id: int | None = Field(default=None, primary_key=True)
    ticket_id: int = Field(foreign_key="ticket.id", index=True)
    stored_mail_id: int | None = Field(default=None, foreign_key="stored_mail.id", unique=True)
    """Where it came from; None for what we sent (the outbound row then has the same `message_id`)."""
    direction: str
    """`in`, `out`, or `note`, which never leaves the desk."""
    sender_name: str
    sender_address: str
    recipients: list[str] = Field(default_factory=list, sa_type=JSON)
    cc: list[str] = Field(default_factory=list, sa_type=JSON)
    reply_to: list[str] = Field(default_factory=list, sa_type=JSON)
    subject: str
    message_id: str | None = Field(default=None, index=True)
    in_reply_to: str | None = None
    references: list[str] = Field(default_factory=list, sa_type=JSON)
    text: str
    visible_text: str
    date: datetime | None = Field(default=None, sa_type=UtcDateTime)
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    """Received or written here."""
    auto_generated: bool = False
    bounce: bool = False
    kind: str = "person"
    """`ingest.message.Kind`."""
    trust: str = "unknown"
    """`ingest.sender_checks.Level`, and why."""
    trust_reason: str = ""
    protection: str = ""
    """`S/MIME signed`, `PGP encrypted` and the like; empty for a plain mail."""
    has_html: bool = False
    masked: list[str] = Field(default_factory=list, sa_type=JSON)
    """Kinds of secrets that were masked in subject and texts."""
    defects: list[str] = Field(default_factory=list, sa_type=JSON)
    attachments: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    """[{filename, content_type, size, sha256, inline, detected_type}], in the order of
    `ingest.attached_text.files_of`; the bytes stay in the raw mail."""


class Event(SQLModel, table=True):
    """History of a ticket: who did what, when."""

    __table_args__ = (Index("ix_event_what_at", "what", "at"),)
    id: int | None = Field(default=None, primary_key=True)
    ticket_id: int = Field(foreign_key="ticket.id", index=True)
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    actor: str
    """`minerva`, `requester`, or the engineer's name."""
    what: str
    detail: str = ""
    batch: str | None = Field(default=None, index=True)
    """Same for what was done in one go, and can be undone in one go."""
    before: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    """What the ticket held before, by field; None for what cannot be undone."""
    after: dict[str, Any] | None = Field(default=None, sa_type=JSON)


class Mention(SQLModel, table=True):
    """A note that names an engineer, until she has seen it."""

    message_id: int = Field(primary_key=True, foreign_key="message.id")
    engineer_id: int = Field(primary_key=True, foreign_key="engineer.id", index=True)
    seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Correction(SQLModel, table=True):
    """What an engineer made of a placing: kept for the record and for training."""

    id: int | None = Field(default=None, primary_key=True)
    ticket_id: int = Field(foreign_key="ticket.id", index=True)
    message_id: int = Field(foreign_key="message.id")
    """The request that was read."""
    engineer_id: int = Field(foreign_key="engineer.id")
    level_before: str | None = None
    type_before: str | None = None
    level: str
    type: str
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class TicketFingerprint(SQLModel, table=True):
    """What a ticket is compared by with others, see `triage.result.Fingerprint`."""

    __tablename__ = "ticket_fingerprint"
    ticket_id: int = Field(primary_key=True, foreign_key="ticket.id")
    encoder: str
    """Vectors of different embedding models are never compared."""
    vector: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """16-bit numbers, little-endian."""
    parts: list[str] = Field(sa_type=JSON)
    systems: list[str] = Field(sa_type=JSON)
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime, index=True)


class TicketLink(SQLModel, table=True):
    """A ticket that belongs with an earlier one: the same incident, or nearly the same words."""

    __tablename__ = "ticket_link"
    ticket_id: int = Field(primary_key=True, foreign_key="ticket.id")
    first_id: int = Field(foreign_key="ticket.id", index=True)
    """The earliest ticket of the group; it has no row of its own."""
    kind: str
    """`incident` or `similar`."""
    score: float
    """Cosine of the embeddings."""
    why: str
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class Macro(SQLModel, table=True):
    """A text that answers often need, and what is done with the ticket in one go."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    text: str = ""
    """With `{name}` and `{number}` for those of the ticket."""
    acts: list[str] = Field(default_factory=list, sa_type=JSON)
    """As the desk names them: `tag:quota`, `assign`, `snooze:week`, `resolve`."""
