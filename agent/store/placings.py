"""Corrections that engineers made to placings, and tickets that belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlmodel import Session, col, select

from agent.errors import NotFoundError
from agent.store.tables import (
    Correction,
    Engineer,
    Message,
    Ticket,
    TicketFingerprint,
    TicketLink,
    TicketStatus,
)
from agent.store.tickets import key_of, latest_request, note_event
from triage.incidents import Likeness, likeness, packed, unpacked
from triage.result import Fingerprint

LOOK_BACK = timedelta(days=7)
MAX_COMPARED = 2_000
"""Open tickets that a new one is compared with, newest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CorrectedRequest:
    """A request as an engineer placed it."""

    correction_id: int
    subject: str
    body: str
    level: str
    type: str
    language: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Tickets that belong with one ticket, the earliest first; that ticket itself is not among them."""

    kind: str
    why: str
    tickets: Sequence[Ticket]


def correct(session: Session, ticket: Ticket, *, level: str, type_: str, engineer: Engineer) -> None:
    """Set level and type by an engineer's word; triage leaves them alone from then on.

    Raises:
        NotFoundError: no person has written in this ticket.
    """
    message = latest_request(session, ticket)
    if message is None or engineer.id is None:
        raise NotFoundError("there is no request in {number} that could be placed", number=ticket.number)
    before = f"{ticket.level or '?'} {ticket.type or '?'}"
    session.add(
        Correction(
            ticket_id=key_of(ticket),
            message_id=key_of(message),
            engineer_id=engineer.id,
            level_before=ticket.level,
            type_before=ticket.type,
            level=level,
            type=type_,
        )
    )
    ticket.level, ticket.type, ticket.placed_by = level, type_, engineer.name
    ticket.level_confidence = ticket.type_confidence = None
    note_event(session, ticket, engineer.name, "corrected the placing", f"{before} to {level} {type_}")


def corrected_requests(session: Session) -> list[CorrectedRequest]:
    """The last correction of each request, oldest first."""
    rows = session.exec(
        select(Correction, Message, Ticket.language)
        .join(Message, col(Correction.message_id) == col(Message.id))
        .join(Ticket, col(Correction.ticket_id) == col(Ticket.id))
        .order_by(col(Correction.id))
    )
    last = {correction.message_id: (correction, message, language) for correction, message, language in rows}
    return [
        CorrectedRequest(
            correction_id=correction.id or 0,
            subject=message.subject,
            body=message.visible_text,
            level=correction.level,
            type=correction.type,
            language=language,
        )
        for correction, message, language in last.values()
    ]


def link(session: Session, ticket: Ticket, found: Fingerprint) -> TicketLink | None:
    """Keep the ticket's fingerprint and put it into the group of the open ticket that it is most like, if any."""
    key = key_of(ticket)
    kept = session.get(TicketFingerprint, key) or TicketFingerprint(
        ticket_id=key, encoder=found.encoder, vector=b"", parts=[], systems=[]
    )
    kept.encoder, kept.vector = found.encoder, packed(found.vector)
    kept.parts, kept.systems = sorted(found.parts), sorted(found.systems)
    session.add(kept)
    best = _most_alike(session, kept, found)
    if best is None or session.get(TicketLink, key) is not None or _leads(session, key):
        return None
    other, alike = best
    first = session.get(TicketLink, other)
    row = TicketLink(
        ticket_id=key,
        first_id=first.first_id if first else other,
        kind=alike.kind,
        score=round(alike.score, 4),
        why=alike.why,
    )
    session.add(row)
    return row


def _leads(session: Session, key: int) -> bool:
    return session.exec(select(TicketLink).where(TicketLink.first_id == key)).first() is not None


def _most_alike(session: Session, kept: TicketFingerprint, found: Fingerprint) -> tuple[int, Likeness] | None:
    """Incidents before similar words, then the nearest in words."""
    rows = session.exec(
        select(TicketFingerprint)
        .join(Ticket, col(TicketFingerprint.ticket_id) == col(Ticket.id))
        .where(
            TicketFingerprint.encoder == kept.encoder,
            TicketFingerprint.ticket_id != kept.ticket_id,
            col(TicketFingerprint.at) >= kept.at - LOOK_BACK,
            col(Ticket.status).in_([TicketStatus.NEW, TicketStatus.DRAFTED]),
        )
        .order_by(col(TicketFingerprint.at).desc())
        .limit(MAX_COMPARED)
    )
    judged = [(row.ticket_id, likeness(found, _fingerprint(row), kept.at - row.at)) for row in rows]
    alike = [(key, value) for key, value in judged if value is not None]
    return max(alike, key=lambda pair: (pair[1].kind == "incident", pair[1].score, -pair[0]), default=None)


def _fingerprint(row: TicketFingerprint) -> Fingerprint:
    return Fingerprint(
        vector=unpacked(row.vector), encoder=row.encoder, parts=frozenset(row.parts), systems=frozenset(row.systems)
    )


def group_of(session: Session, ticket: Ticket) -> Group | None:
    """The tickets that belong with this one, the earliest first; None when it stands alone."""
    key = key_of(ticket)
    own = session.get(TicketLink, key)
    first = own.first_id if own else key
    links = session.exec(select(TicketLink).where(TicketLink.first_id == first).order_by(col(TicketLink.at))).all()
    keys = [k for k in (first, *(row.ticket_id for row in links)) if k != key]
    if not keys:
        return None
    told = own or links[0]
    rows = session.exec(select(Ticket).where(col(Ticket.id).in_(keys)).order_by(col(Ticket.id))).all()
    return Group(kind=told.kind, why=told.why, tickets=rows)
