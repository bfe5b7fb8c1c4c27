"""A request that comes otherwise, kept as the mail that it stands for: one way in, one original."""

from __future__ import annotations

import email.policy
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import PurePath

from sqlmodel import Session

from agent.settings import Settings
from agent.store import inbound
from agent.store.tables import now


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What somebody wrote, and where."""

    channel: str
    """As in `agent.store.inbound`."""
    peer: str
    name: str
    address: str
    subject: str
    text: str
    files: Sequence[tuple[str, bytes]] = ()
    """(file name, content)."""


def keep_as_mail(session: Session, settings: Settings, written: Written) -> int:
    """Key of the stored mail."""
    mail = EmailMessage(policy=email.policy.SMTPUTF8)
    name = _line(written.name).replace('"', "'").replace("\\", "/")
    mail["From"] = f'"{name}" <{written.address}>' if name else written.address
    mail["To"] = settings.support_address
    mail["Subject"] = _line(written.subject)
    mail["Date"] = format_datetime(now())
    mail["Message-ID"] = f"<{uuid.uuid4()}@{written.channel}.{settings.support_address.rpartition('@')[2]}>"
    mail.set_content(written.text, cte="base64")
    for file_name, content in written.files:
        shown = _line(PurePath(file_name.replace("\\", "/")).name) or "file"
        mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=shown)
    stored = inbound.store_mail(
        session,
        mail.as_bytes(),
        channel=written.channel,
        peer=written.peer,
        envelope_from=written.address,
        envelope_to=[settings.support_address],
    )
    assert stored.id is not None
    return stored.id


def _line(text: str) -> str:
    """Without line breaks and other white space that no header takes."""
    return " ".join(text.split())
