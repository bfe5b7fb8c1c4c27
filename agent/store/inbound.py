"""Accepted mails: stored first, handled later, never lost."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert
from sqlmodel import Session, col, select

from agent.errors import NotFoundError
from agent.store.tables import MailState, RawMail, StoredMail, now

_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r?\n[ \t]+)?<?([^\s<>]{1,990})>?", re.IGNORECASE | re.MULTILINE)
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_PIECE_BYTES = 1 << 20
API = "api"
"""Channel of what comes through the REST interface."""
FORM = "form"
"""Channel of what comes through the form on the web."""
CHAT = "chat:"
"""What the `channel` of a stored message from a chat service begins with."""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Incoming:
    """A mail that is to be kept, with its envelope."""

    raw: bytes
    channel: str
    peer: str
    envelope_from: str
    envelope_to: Sequence[str]
    helo: str = ""

    def prepared(self) -> Prepared:
        """What is computed from the bytes, before the database is locked."""
        return Prepared(mail=self, identity=identity_of(self.raw), sha256=hashlib.sha256(self.raw).hexdigest())


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    mail: Incoming
    identity: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    id: int
    size: int
    deliveries: int


def _keep_by(started: sqlite.Insert | postgresql.Insert) -> ReturningInsert[int | None, int]:
    again = {"deliveries": col(StoredMail.deliveries) + 1}
    statement = started.on_conflict_do_update(index_elements=["identity"], set_=again)
    return statement.returning(col(StoredMail.id), col(StoredMail.deliveries))


_KEEP = {
    "sqlite": _keep_by(sqlite.insert(StoredMail)),
    "postgresql": _keep_by(postgresql.insert(StoredMail)),
}
"""By the name of the dialect."""
_KEEP_RAW = insert(RawMail)


def keep(connection: Connection, prepared: Prepared) -> Kept:
    """Write the original; a redelivery is counted on the row that is already there.

    Two statements made once: this is on the way to every 250.
    """
    mail = prepared.mail
    row = {
        "identity": prepared.identity,
        "sha256": prepared.sha256,
        "size": len(mail.raw),
        "channel": mail.channel,
        "peer": mail.peer,
        "helo": mail.helo,
        "envelope_from": mail.envelope_from,
        "envelope_to": list(mail.envelope_to),
        "received_at": now(),
        "state": MailState.RECEIVED,
        "deliveries": 1,
    }
    key, deliveries = connection.execute(_KEEP[connection.dialect.name], row).one()
    assert key is not None  # the primary key
    if deliveries == 1:
        connection.execute(_KEEP_RAW, {"stored_mail_id": key, "raw": mail.raw})
    return Kept(id=key, size=len(mail.raw), deliveries=deliveries)


def store_mail(
    session: Session, raw: bytes, *, channel: str, peer: str, envelope_from: str, envelope_to: Sequence[str]
) -> StoredMail:
    """`keep` within a session."""
    mail = Incoming(raw=raw, channel=channel, peer=peer, envelope_from=envelope_from, envelope_to=envelope_to)
    session.flush()
    kept = keep(session.connection(), mail.prepared())
    return session.get_one(StoredMail, kept.id, populate_existing=True)


def raw_of(session: Session, stored_mail_id: int) -> bytes:
    """Raises NotFoundError when there is no such mail."""
    row = session.get(RawMail, stored_mail_id)
    if row is None:
        raise NotFoundError("no stored mail {key}", key=stored_mail_id)
    return row.raw


@dataclass(frozen=True, kw_only=True, slots=True)
class Unhandled:
    id: int
    at: datetime


def waiting(session: Session) -> list[Unhandled]:
    """The mails that nobody has handled yet, oldest first."""
    query = select(StoredMail.id, StoredMail.received_at).where(StoredMail.state == MailState.RECEIVED)
    rows = session.exec(query.order_by(col(StoredMail.id)))
    return [Unhandled(id=key, at=at) for key, at in rows if key is not None]


def mark_handled(session: Session, stored_mail_id: int) -> None:
    session.execute(update(StoredMail).where(col(StoredMail.id) == stored_mail_id).values(state=MailState.HANDLED))
