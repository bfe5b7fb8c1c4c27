"""A request that comes through the interface, kept as the mail that it stands for: one way in, one original."""

from __future__ import annotations

import email.policy
import uuid
from email.message import EmailMessage
from email.utils import format_datetime

from sqlmodel import Session

from agent.api.forms import RequestIn
from agent.settings import Settings
from agent.store import inbound
from agent.store.tables import now


def store(session: Session, settings: Settings, request: RequestIn, *, token: str) -> int:
    """Key of the stored mail."""
    mail = EmailMessage(policy=email.policy.SMTPUTF8)
    name = " ".join(request.name.replace('"', "'").replace("\\", "/").split())
    mail["From"] = f'"{name}" <{request.address}>' if name else request.address
    mail["To"] = settings.support_address
    mail["Subject"] = " ".join(request.subject.split())
    mail["Date"] = format_datetime(now())
    mail["Message-ID"] = f"<{uuid.uuid4()}@api.{settings.support_address.rpartition('@')[2]}>"
    mail.set_content(request.text, cte="base64")
    stored = inbound.store_mail(
        session,
        mail.as_bytes(),
        channel=inbound.API,
        peer=f"token {token}",
        envelope_from=request.address,
        envelope_to=[settings.support_address],
    )
    assert stored.id is not None
    return stored.id
