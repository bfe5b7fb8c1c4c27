"""Mails that came in and mails on their way out."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, BigInteger, Column, LargeBinary, String, UniqueConstraint
from sqlmodel import Field, SQLModel

from agent.store.tables.columns import UtcDateTime, now


class MailState(StrEnum):
    RECEIVED = "received"
    HANDLED = "handled"


class StoredMail(SQLModel, table=True):
    """The original of an accepted mail; written before it is acknowledged to the sending server, never changed."""

    __tablename__ = "stored_mail"
    id: int | None = Field(default=None, primary_key=True)
    identity: str = Field(unique=True)
    """Same for a redelivery of the same mail, see `store.inbound.identity_of`."""
    sha256: str = Field(index=True)
    size: int
    channel: str
    peer: str
    helo: str = ""
    """What the client called itself."""
    envelope_from: str
    envelope_to: list[str] = Field(sa_type=JSON)
    received_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    state: str = Field(default=MailState.RECEIVED, index=True)
    deliveries: int = 1
    """How often the same mail was accepted."""


class RawMail(SQLModel, table=True):
    """The bytes, apart from the envelope so that listing mails does not read them."""

    __tablename__ = "raw_mail"
    stored_mail_id: int = Field(primary_key=True, foreign_key="stored_mail.id")
    raw: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class MailFolder(SQLModel, table=True):
    """How far we are in a folder of an IMAP mailbox."""

    __tablename__ = "mail_folder"
    __table_args__ = (UniqueConstraint("account", "name"),)
    id: int | None = Field(default=None, primary_key=True)
    account: str
    """`user@server`."""
    name: str
    uid_validity: int = Field(sa_type=BigInteger)
    """RFC 3501, 2.3.1.1: UIDs mean the same mails as long as this stays the same."""
    floor_uid: int = Field(sa_type=BigInteger)
    """UIDs up to here were there before us and are left alone."""
    last_uid: int = Field(sa_type=BigInteger)
    """UIDs up to here have been dealt with."""
    since: datetime = Field(sa_type=UtcDateTime)
    """Mails that the server got before are left alone."""


class FolderMail(SQLModel, table=True):
    """A mail of a folder that we have; written in the transaction that stores it."""

    __tablename__ = "folder_mail"
    folder_id: int = Field(primary_key=True, foreign_key="mail_folder.id")
    uid_validity: int = Field(primary_key=True, sa_type=BigInteger)
    uid: int = Field(primary_key=True, sa_type=BigInteger)
    stored_mail_id: int = Field(foreign_key="stored_mail.id", index=True)


class OutboundKind(StrEnum):
    ACKNOWLEDGEMENT = "acknowledgement"
    ANSWER = "answer"
    HAND_OVER = "hand-over"
    """To a partner without desk software: the history, and what comes later."""


class OutboundState(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    """Claimed, nothing of the content handed over yet: safe to try again after a crash."""
    TRANSMITTING = "transmitting"
    """Content is going over the wire: after a crash the outcome is uncertain."""
    SENT = "sent"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    """Never resent by itself."""


class Outbound(SQLModel, table=True):
    """A mail on its way out; written in the transaction that decides that it is sent."""

    id: int | None = Field(default=None, primary_key=True)
    ticket_id: int = Field(foreign_key="ticket.id", index=True)
    approval_id: int | None = Field(default=None, foreign_key="approval.id", index=True)
    kind: str
    key: str = Field(unique=True)
    """Idempotency key: `acknowledgement:<mail>`, `answer:<approval>` or `hand-over:<hand-over>:<message>`."""
    message_id: str = Field(unique=True)
    recipients: list[str] = Field(sa_type=JSON)
    recipient: str = Field(sa_column=Column(String, index=True, nullable=False))
    """First of `recipients`, for counting acknowledgements per sender."""
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    state: str = Field(default=OutboundState.QUEUED, index=True)
    attempts: int = 0
    next_attempt_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    """When it is tried next; while it is being sent, when that must be over."""
    last_error: str | None = None
    file: str | None = None
    """Name in the outbox folder, when there is no relay."""
    bounced: str | None = None
    """`permanent` or `temporary` when a delivery report came back."""
    bounce_detail: str | None = None
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
