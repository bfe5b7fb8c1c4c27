"""Accepted mails: stored first, handled later, never lost."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Sequence

from sqlalchemy import update
from sqlmodel import Session, col, select

from agent.errors import NotFoundError
from agent.store.tables import MailState, RawMail, StoredMail

_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r?\n[ \t]+)?<?([^\s<>]{1,990})>?", re.IGNORECASE | re.MULTILINE)
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_PIECE_BYTES = 1 << 20


def identity_of(raw: bytes) -> str:
    """Equal for two deliveries of one mail: same Message-ID and same body (trace headers may differ).

    A mail without Message-ID is always a new one.
    """
    head_end, start = _head_end(raw)
    found = _MESSAGE_ID.search(raw, 0, head_end)
    if not found:
        return f"none-{uuid.uuid4()}"
    digest = hashlib.sha256(found[1] + b"\0")
    end = len(raw)
    while raw.endswith(b"\n", start, end):
        end -= 2 if raw.endswith(b"\r\n", start, end) else 1
    while start < end:  # in pieces that end with a line: copies of a whole mail would be large
        piece_end = raw.find(b"\n", start + _PIECE_BYTES, end) + 1 or end
        digest.update(raw[start:piece_end].replace(b"\r\n", b"\n"))
        start = piece_end
    return digest.hexdigest()


def _head_end(raw: bytes) -> tuple[int, int]:
    """Where the headers end and where the body starts."""
    found = _EMPTY_LINE.search(raw)
    return found.span() if found else (len(raw), len(raw))


def store_mail(
    session: Session, raw: bytes, *, channel: str, peer: str, envelope_from: str, envelope_to: Sequence[str]
) -> StoredMail:
    """Keep the original; a redelivery is counted on the row that is already there."""
    identity = identity_of(raw)
    known = session.exec(select(StoredMail).where(StoredMail.identity == identity)).one_or_none()
    if known is not None:
        known.deliveries += 1
        session.add(known)
        return known
    stored = StoredMail(
        identity=identity,
        sha256=hashlib.sha256(raw).hexdigest(),
        size=len(raw),
        channel=channel,
        peer=peer,
        envelope_from=envelope_from,
        envelope_to=list(envelope_to),
    )
    session.add(stored)
    session.flush()
    session.add(RawMail(stored_mail_id=_id(stored), raw=raw))
    return stored


def raw_of(session: Session, stored_mail_id: int) -> bytes:
    """Raises NotFoundError when there is no such mail."""
    row = session.get(RawMail, stored_mail_id)
    if row is None:
        raise NotFoundError(f"no stored mail {stored_mail_id}")
    return row.raw


def waiting(session: Session) -> list[StoredMail]:
    """The mails that nobody has handled yet, oldest first."""
    query = select(StoredMail).where(StoredMail.state == MailState.RECEIVED).order_by(col(StoredMail.id))
    return list(session.exec(query))


def mark_handled(session: Session, stored_mail_id: int) -> None:
    session.execute(update(StoredMail).where(col(StoredMail.id) == stored_mail_id).values(state=MailState.HANDLED))


def _id(row: StoredMail) -> int:
    assert row.id is not None  # set by flush
    return row.id
