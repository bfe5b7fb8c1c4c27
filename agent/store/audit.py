"""The audit log: who saw or did what. Each line carries the digest of the one before, so that a change shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from sqlmodel import Session, col, select

from agent.store.tables import AuditEntry, now

BEGINNING = "0" * 64
BATCH = 1000
MAX_CHARS = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    entries: int
    """That are sound, from the first on."""
    head: str
    """Digest of the last sound one. Keep it elsewhere: with it, lines cut off at the end show too."""
    broken: int | None
    """Key of the first entry that does not fit the one before; None when all do."""
    knows_head: bool
    """Whether the head that was asked for is among them."""

    @property
    def is_sound(self) -> bool:
        return self.broken is None and self.knows_head


def append(session: Session, *, actor: str, action: str, subject: str, detail: str = "") -> AuditEntry:
    """Texts are cut to 500 characters. Needs the write lock: the digest before is read first."""
    subject, detail = (text[:MAX_CHARS].replace("\0", "\ufffd") for text in (subject, detail))  # as PostgreSQL keeps it
    last = session.exec(select(AuditEntry.digest).order_by(col(AuditEntry.id).desc()).limit(1)).first()
    entry = AuditEntry(at=now(), actor=actor, action=action, subject=subject, detail=detail, digest="")
    entry.digest = _digest(last or BEGINNING, entry)
    session.add(entry)
    session.flush()
    return entry


def verify(session: Session, head: str = "") -> Verdict:
    """Walk the whole log. `head` is a digest that an earlier run printed; empty asks for none."""
    before, count, seen = BEGINNING, 0, not head
    for entry in _all(session):
        if entry.digest != _digest(before, entry):
            return Verdict(entries=count, head=before, broken=entry.id, knows_head=seen)
        before, count, seen = entry.digest, count + 1, seen or entry.digest == head
    return Verdict(entries=count, head=before, broken=None, knows_head=seen)


def newest(session: Session, limit: int = 100) -> list[AuditEntry]:
    return list(session.exec(select(AuditEntry).order_by(col(AuditEntry.id).desc()).limit(limit)))


def _all(session: Session) -> Iterator[AuditEntry]:
    last = 0
    while rows := session.exec(
        select(AuditEntry).where(col(AuditEntry.id) > last).order_by(col(AuditEntry.id)).limit(BATCH)
    ).all():
        yield from rows
        last = rows[-1].id or last
        session.expunge_all()


def _digest(before: str, entry: AuditEntry) -> str:
    line = [before, entry.at.isoformat(), entry.actor, entry.action, entry.subject, entry.detail]
    return hashlib.sha256(json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
