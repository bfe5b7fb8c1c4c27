"""Who uses the desk, by hand or by program, and what they did."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, BigInteger, Column, LargeBinary
from sqlmodel import Field, SQLModel

from agent.store.tables.columns import UtcDateTime, now


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


class Requester(SQLModel, table=True):
    """What is on record about somebody who writes to us, beside the mails."""

    address: str = Field(primary_key=True)
    """Lower case."""
    institution: str = ""
    affiliation: str = ""
    """A key of `agent.requesters.AFFILIATIONS`; empty when it is not known."""
    consent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """To the processing of personal data (GDPR, Article 6(1)(a)), as far as it was given in words."""
    newsletter_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """When they asked for the newsletter in the form on the web."""
    note: str = ""
    """For colleagues."""


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
    language: str = ""
    """Of the desk; empty for what the browser asks for."""
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


class Passkey(SQLModel, table=True):
    """What a device of an engineer signs with; the secret half never leaves the device."""

    id: str = Field(primary_key=True)
    """Of the credential, as base64url."""
    engineer_id: int = Field(foreign_key="engineer.id", index=True)
    name: str
    """As the engineer calls it."""
    public_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """COSE_Key (RFC 9052)."""
    sign_count: int = Field(default=0, sa_type=BigInteger)
    """How often the device had signed; 0 for ever with most."""
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
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
