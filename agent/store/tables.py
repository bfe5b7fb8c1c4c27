"""The tables. Times are aware UTC. JSON columns hold plain lists and dicts, described where they stand."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, Index, LargeBinary, String, TypeDecorator, UniqueConstraint
from sqlmodel import Field, SQLModel


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in and out; SQLite keeps no zone of its own."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


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


class DraftState(StrEnum):
    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"


class Decision(StrEnum):
    APPROVED = "approved"
    EDITED = "edited"
    REJECTED = "rejected"


class OutboundKind(StrEnum):
    ACKNOWLEDGEMENT = "acknowledgement"
    ANSWER = "answer"


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


class MailState(StrEnum):
    RECEIVED = "received"
    HANDLED = "handled"


class Partner(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    contact: str = ""
    """E-mail address."""
    expertise: list[str] = Field(default_factory=list, sa_type=JSON)
    """Levels (L1 to L5) and words such as `pytorch`, lower case."""
    systems: list[str] = Field(default_factory=list, sa_type=JSON)
    """Ids or names of systems that its people know, lower case."""
    days_per_month: int = 0
    """Working days that it gives, on average."""
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Role(StrEnum):
    """What each may do stands in `agent.desk.access`."""

    VIEWER = "viewer"
    ENGINEER = "engineer"
    LEAD = "lead"
    PARTNER = "partner"
    ADMIN = "admin"


class Engineer(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    email: str = Field(unique=True)
    role: str = Role.ENGINEER
    partner_id: int | None = Field(default=None, foreign_key="partner.id")
    """The organisation of a partner's engineer."""
    totp_secret: str | None = None
    """Base32 (RFC 6238); None until a second factor is set up."""
    totp_step: int = 0
    """Of the last code that was taken: none works twice."""
    password_hash: str | None = None
    """argon2id; None until the engineer sets one."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    disabled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class SignInLink(SQLModel, table=True):
    __tablename__ = "sign_in_link"
    token_hash: str = Field(primary_key=True)
    """SHA-256 of the token; the token itself is shown once."""
    engineer_id: int = Field(foreign_key="engineer.id")
    expires_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class DeskSession(SQLModel, table=True):
    __tablename__ = "desk_session"
    token_hash: str = Field(primary_key=True)
    engineer_id: int = Field(foreign_key="engineer.id")
    csrf_token: str
    client: str = ""
    """Browser and address that it was started from, as an engineer recognises it."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)


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
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
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


class Draft(SQLModel, table=True):
    __table_args__ = (UniqueConstraint("ticket_id", "revision", "attempt"),)
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


class Outbound(SQLModel, table=True):
    """A mail on its way out; written in the transaction that decides that it is sent."""

    id: int | None = Field(default=None, primary_key=True)
    ticket_id: int = Field(foreign_key="ticket.id", index=True)
    approval_id: int | None = Field(default=None, foreign_key="approval.id", index=True)
    kind: str
    key: str = Field(unique=True)
    """Idempotency key: `acknowledgement:<mail>` or `answer:<approval>`."""
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


class Event(SQLModel, table=True):
    """History of a ticket: who did what, when."""

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


class Macro(SQLModel, table=True):
    """A text that answers often need, and what is done with the ticket in one go."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    text: str = ""
    """With `{name}` and `{number}` for those of the ticket."""
    acts: list[str] = Field(default_factory=list, sa_type=JSON)
    """As the desk names them: `tag:quota`, `assign`, `snooze:week`, `resolve`."""


class ApiToken(SQLModel, table=True):
    """Of a program that uses the REST interface."""

    __tablename__ = "api_token"
    token_hash: str = Field(primary_key=True)
    """SHA-256 of the token."""
    name: str = Field(index=True)
    scopes: list[str] = Field(sa_type=JSON)
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Webhook(SQLModel, table=True):
    """Where a program wants to hear what happens to tickets."""

    id: int | None = Field(default=None, primary_key=True)
    url: str = Field(unique=True)
    secret: str
    """`whsec_…`, as Standard Webhooks has it; the messages are signed with it."""
    events: list[str] = Field(default_factory=list, sa_type=JSON)
    """Of these only; an empty list means all."""
    last_event_id: int = 0
    """Everything up to here has been delivered, or was not wanted."""
    failures: int = 0
    """In a row."""
    next_attempt_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    last_error: str | None = None


class AuditEntry(SQLModel, table=True):
    """One line of the audit log; the database refuses to change or delete it."""

    __tablename__ = "audit_entry"
    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    actor: str
    """Address of the engineer, or what did it."""
    action: str
    """`view`, or what was done: `approve`, `sign in`."""
    subject: str
    """What it was about, as a path of the desk."""
    detail: str = ""
    digest: str
    """SHA-256 over the digest before it and this line, see `agent.store.audit`."""


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
