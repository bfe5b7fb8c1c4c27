"""The mails that we send, built from values. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

from agent.attachment import Attachment
from agent.mail.layout import clean, flowed, html

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
    attachments: tuple[Attachment, ...] = ()


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
    """The mail as it goes over the wire (CRLF line ends): plain text and HTML of the same text, then the files."""
    recipients = [_in_header(address) for address in message.recipients]
    mail = EmailMessage(policy=SMTP if all(address.isascii() for address in recipients) else SMTPUTF8)
    mail["From"] = Address(display_name=message.sender_name, addr_spec=_in_header(message.sender_address))
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = " ".join(clean(message.subject).split())
    mail["Date"] = format_datetime(message.date)
    mail["Message-ID"] = f"<{message.message_id}>"
    if message.in_reply_to:
        mail["In-Reply-To"] = f"<{message.in_reply_to}>"
    if message.references:
        mail["References"] = " ".join(f"<{reference}>" for reference in message.references)
    if message.auto_submitted != "no":
        mail["Auto-Submitted"] = message.auto_submitted
        mail["X-Auto-Response-Suppress"] = "All"
    plain, page = flowed(message.body), html(message.body)
    mail.set_content(plain, cte=_encoding(plain), params={"format": "flowed"})
    mail.add_alternative(page, subtype="html", cte=_encoding(page))
    for file in message.attachments:
        kind, _, rest = file.content_type.partition(";")
        main, _, sub = kind.strip().partition("/")
        parameters = dict(pair.strip().split("=", 1) for pair in rest.split(";") if "=" in pair)
        mail.add_attachment(file.content, maintype=main, subtype=sub, filename=file.filename, params=parameters)
    return mail.as_bytes()


def _encoding(text: str) -> str:
    """Plain ASCII stays readable as it is; the library would encode it for one line of more than 78 characters."""
    is_plain = text.isascii() and all(len(line) < MAX_PLAIN_LINE for line in text.splitlines())
    return "7bit" if is_plain else "quoted-printable"


def _in_header(address: str) -> str:
    """Without white space, the domain in ASCII (IDNA) as far as it can be."""
    local, at, domain = "".join(clean(address).split()).rpartition("@")
    with suppress(UnicodeError):
        domain = domain.encode("idna").decode("ascii") if not domain.isascii() else domain
    return f"{local}{at}{domain}"
