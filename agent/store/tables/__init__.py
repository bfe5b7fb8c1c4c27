"""The tables. Times are aware UTC. JSON columns hold plain lists and dicts, described where they stand."""

from __future__ import annotations

from agent.store.tables.columns import UtcDateTime, now
from agent.store.tables.drafts import Approval, Decision, Draft, DraftFile, DraftState, Endorsement, ReusableAnswer
from agent.store.tables.mail import (
    FolderMail,
    MailFolder,
    MailState,
    Outbound,
    OutboundKind,
    OutboundState,
    RawMail,
    StoredMail,
)
from agent.store.tables.people import ApiToken, AuditEntry, DeskSession, Engineer, Partner, Role, SignInLink, Webhook
from agent.store.tables.tickets import (
    Correction,
    Event,
    Macro,
    Mention,
    Message,
    Ticket,
    TicketCounter,
    TicketFingerprint,
    TicketLink,
    TicketStatus,
    TicketTag,
)

__all__ = [
    "ApiToken",
    "Approval",
    "AuditEntry",
    "Correction",
    "Decision",
    "DeskSession",
    "Draft",
    "DraftFile",
    "DraftState",
    "Endorsement",
    "Engineer",
    "Event",
    "FolderMail",
    "Macro",
    "MailFolder",
    "MailState",
    "Mention",
    "Message",
    "Outbound",
    "OutboundKind",
    "OutboundState",
    "Partner",
    "RawMail",
    "ReusableAnswer",
    "Role",
    "SignInLink",
    "StoredMail",
    "Ticket",
    "TicketCounter",
    "TicketFingerprint",
    "TicketLink",
    "TicketStatus",
    "TicketTag",
    "UtcDateTime",
    "Webhook",
    "now",
]
