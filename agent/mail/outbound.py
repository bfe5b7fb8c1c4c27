"""The mails that we send, built from values. Pure but for the random part of a Message-ID."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

MAX_REFERENCES = 20
MAX_PLAIN_LINE = 900
"""RFC 5322 allows 998 characters a line."""
SENDER_NAME = "MINERVA support"


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboundMessage:
    """Built only by `approval.approve` from a draft and its approval, or from a fixed template."""

    message_id: str
    """Without angle brackets."""
    sender_name: str
    sender_address: str
    recipients: tuple[str, ...]
    subject: str
    body: str
    date: datetime
    in_reply_to: str | None
    references: tuple[str, ...]
    auto_submitted: str
    """RFC 3834: `auto-replied` for templates, `no` for what a person approved."""


def new_message_id(ticket_number: str, domain: str) -> str:
    """Not to be guessed: an answer that names it belongs to the ticket."""
    return f"{ticket_number}.{secrets.token_hex(10)}@{domain}"


def subject_for(ticket_number: str, subject: str) -> str:
    """`Re: … [MIN-2026-000001]`, once each."""
    text = " ".join(subject.split())
    if f"[{ticket_number}]" not in text:
        text = f"{text} [{ticket_number}]"
    return text if text[:3].casefold() == "re:" else f"Re: {text}"


def thread_of(message_id: str | None, references: Sequence[str]) -> tuple[str, ...]:
    """References of an answer (RFC 5322, 3.6.4): the parent's and the parent; the first is kept when it gets long."""
    chain = list(dict.fromkeys([*references, *([message_id] if message_id else [])]))
    return tuple(chain if len(chain) <= MAX_REFERENCES else [chain[0], *chain[-(MAX_REFERENCES - 1) :]])


def quoted(name: str, address: str, at: datetime, text: str, *, max_lines: int = 60) -> str:
    """The message that is answered, quoted under the answer as mail clients do it."""
    lines = text.strip().splitlines()
    shown = [f"> {line}".rstrip() for line in lines[:max_lines]] + (["> […]"] if len(lines) > max_lines else [])
    return "\n".join([f"On {at:%Y-%m-%d %H:%M} UTC, {name or address} wrote:", *shown])


def as_bytes(message: OutboundMessage) -> bytes:
    """The mail as it goes over the wire (CRLF line ends)."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = _address(message.sender_name, message.sender_address)
    mail["To"] = ", ".join(message.recipients)
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(message.date)
    mail["Message-ID"] = f"<{message.message_id}>"
    if message.in_reply_to:
        mail["In-Reply-To"] = f"<{message.in_reply_to}>"
    if message.references:
        mail["References"] = " ".join(f"<{reference}>" for reference in message.references)
    if message.auto_submitted != "no":
        mail["Auto-Submitted"] = message.auto_submitted
        mail["X-Auto-Response-Suppress"] = "All"
    # Plain ASCII stays readable as it is; the library would encode it for one line of more than 78 characters.
    mail.set_content(message.body, cte="7bit" if _is_plain(message.body) else "quoted-printable")
    return mail.as_bytes()


def _is_plain(text: str) -> bool:
    return text.isascii() and all(len(line) < MAX_PLAIN_LINE for line in text.splitlines())


def _address(name: str, address: str) -> Address:
    return Address(display_name=name, addr_spec=parseaddr(address)[1] or address)
