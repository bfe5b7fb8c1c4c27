"""Drafts, and what was decided about them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, Index, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from agent.store.tables.columns import UtcDateTime, now


class DraftState(StrEnum):
    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"


class Decision(StrEnum):
    APPROVED = "approved"
    EDITED = "edited"
    REJECTED = "rejected"


class Draft(SQLModel, table=True):
    __table_args__ = (
        UniqueConstraint("ticket_id", "revision", "attempt"),
        Index("ix_draft_outcome_created", "outcome", "created_at"),
    )
    id: int | None = Field(default=None, primary_key=True)
    ticket_id: int = Field(foreign_key="ticket.id", index=True)
    message_id: int = Field(foreign_key="message.id")
    """The message that it answers."""
    revision: int
    """Of the ticket when it was made."""
    attempt: int = 1
    state: str = Field(default=DraftState.WAITING, index=True)
    outcome: str
    """answer, caveat, ask or escalate."""
    recipients: list[str] = Field(sa_type=JSON)
    subject: str
    body: str
    """Exactly what would be sent."""
    claims: list[dict[str, Any]] = Field(sa_type=JSON)
    """[{text, citations: [{evidence: number from 1, quote}]}]."""
    unanswered: list[str] = Field(sa_type=JSON)
    questions: list[str] = Field(sa_type=JSON)
    evidence: list[dict[str, Any]] = Field(sa_type=JSON)
    """[{number, kind: passage or row, id, title, heading: [...], path, anchor, url, text, score, cited}]."""
    commands: list[str] = Field(default_factory=list, sa_type=JSON)
    next_steps: list[str] = Field(default_factory=list, sa_type=JSON)
    checks: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    """[{part, position, colour: green, amber or red, reasons: [...]}], as `agent.draft.Check` has them."""
    outcome_reasons: list[str] = Field(default_factory=list, sa_type=JSON)
    generation: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    """As `agent.draft.Generation` has it; None when no language model was asked."""
    findings: list[dict[str, Any]] = Field(sa_type=JSON)
    """Of the diagnosis, as `triage.doctor.diagnosis.LogFinding` and `Finding` have them."""
    script_diff: str | None = None
    """What the corrected script changes, unified; None without one."""
    answerable: float
    model: str
    """`embedded`, or the id of the language model."""
    prompt_hash: str | None = None
    instruction: str | None = None
    """What the engineer asked for when wanting another draft."""
    binding: str
    """SHA-256 over ticket revision, recipients, subject, body and attachments: what an approval is bound to."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class DraftFile(SQLModel, table=True):
    """A file that goes with the answer; position counts from 0."""

    __tablename__ = "draft_file"
    draft_id: int = Field(primary_key=True, foreign_key="draft.id")
    position: int = Field(primary_key=True)
    filename: str
    content_type: str
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Approval(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    draft_id: int = Field(foreign_key="draft.id", unique=True)
    engineer_id: int = Field(foreign_key="engineer.id")
    decision: str
    reason: str | None = None
    body: str | None = None
    """What was sent; None when rejected."""
    binding: str
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class Endorsement(SQLModel, table=True):
    """The first of two approvals; it holds for this text only."""

    draft_id: int = Field(primary_key=True, foreign_key="draft.id")
    engineer_id: int = Field(foreign_key="engineer.id")
    body: str
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class SecondOpinion(SQLModel, table=True):
    """A colleague who was asked to approve the next answer of a ticket too, whatever the policy says."""

    ticket_id: int = Field(primary_key=True, foreign_key="ticket.id")
    asker_id: int = Field(foreign_key="engineer.id")
    colleague_id: int = Field(foreign_key="engineer.id", index=True)
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    given_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """When both had approved, so that the answer left."""


class ReusableAnswer(SQLModel, table=True):
    """An approved answer that a person has read again without names and marked as evidence for other requests."""

    id: int | None = Field(default=None, primary_key=True)
    draft_id: int = Field(foreign_key="draft.id", unique=True)
    question: str
    answer: str
    passages: list[str] = Field(sa_type=JSON)
    """Ids of the passages that it cites: when one of them is no longer in the index, it is dropped."""
    marked_by: str
    marked_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    dropped_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    dropped_because: str | None = None
