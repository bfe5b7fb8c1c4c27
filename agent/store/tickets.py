"""Tickets, their messages and their history."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import asdict
from typing import Any, TypeVar

from sqlalchemy import func
from sqlmodel import Session, SQLModel, col, select

from agent.errors import NotFoundError
from agent.store.tables import Approval, Engineer, Event, Message, Outbound, Ticket, TicketCounter, TicketTag, now
from triage.result import TriageResult

_NUMBER = re.compile(r"\[(MIN-\d{4}-\d{6,})\]")

Row = TypeVar("Row", bound=SQLModel)


def key_of(row: Ticket | Message) -> int:
    """The primary key of a row that has been flushed."""
    assert row.id is not None
    return row.id


def open_ticket(session: Session, *, subject: str, requester_name: str, requester_address: str) -> Ticket:
    ticket = Ticket(
        number=_next_number(session),
        subject=subject or "(no subject)",
        requester_name=requester_name,
        requester_address=requester_address,
    )
    session.add(ticket)
    session.flush()
    return ticket


def _next_number(session: Session) -> str:
    year = now().year
    counter = session.get(TicketCounter, year) or TicketCounter(year=year)
    counter.last += 1
    session.add(counter)
    return f"MIN-{year}-{counter.last:06d}"


def of_known_ids(session: Session, ids: Iterable[str]) -> Ticket | None:
    """The ticket of the newest message, ours or not, that has one of these Message-IDs."""
    wanted = list(ids)
    for table in (Message, Outbound) if wanted else ():
        key = session.exec(
            select(table.ticket_id).where(col(table.message_id).in_(wanted)).order_by(col(table.id).desc())
        ).first()
        if key is not None:
            return session.get(Ticket, key)
    return None


def named_in(session: Session, subject: str, sender_address: str) -> Ticket | None:
    """The ticket of a `[MIN-…]` in the subject, but only for an address that already takes part in it, so that a
    guessed number opens nobody else's conversation."""
    named = _NUMBER.search(subject)
    if named is None:
        return None
    ticket = session.exec(select(Ticket).where(Ticket.number == named[1])).one_or_none()
    ticket = followed(session, ticket)
    return ticket if ticket is not None and _takes_part(session, ticket, sender_address) else None


def followed(session: Session, ticket: Ticket | None) -> Ticket | None:
    """The ticket that this one was merged into, else itself."""
    return ticket if ticket is None or ticket.merged_into_id is None else session.get(Ticket, ticket.merged_into_id)


def _takes_part(session: Session, ticket: Ticket, address: str) -> bool:
    senders = session.exec(
        select(Message.sender_address).where(Message.ticket_id == ticket.id, Message.direction == "in")
    )
    return address.casefold() in {ticket.requester_address.casefold(), *(a.casefold() for a in senders)}


def place(ticket: Ticket, result: TriageResult) -> None:
    """Write what triage says onto the ticket; level and type that an engineer has set stay."""
    if ticket.placed_by is None:
        ticket.level, ticket.level_confidence = result.level, result.level_confidence
        ticket.type, ticket.type_confidence = result.type, result.type_confidence
    ticket.topics = [asdict(topic) for topic in result.topics]
    ticket.urgency, ticket.route, ticket.language = result.urgency, result.route, result.language
    ticket.reasons = list(result.reasons)


def note_event(
    session: Session,
    ticket: Ticket,
    actor: str,
    what: str,
    detail: str = "",
    *,
    batch: str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    ticket.updated_at = now()
    session.add(ticket)
    session.add(
        Event(ticket_id=key_of(ticket), actor=actor, what=what, detail=detail, batch=batch, before=before, after=after)
    )


def by_number(session: Session, number: str) -> Ticket:
    """Raises NotFoundError."""
    ticket = session.exec(select(Ticket).where(Ticket.number == number)).one_or_none()
    if ticket is None:
        raise NotFoundError("there is no ticket {number}", number=number)
    return ticket


def by_digits(session: Session, text: str) -> Ticket:
    """By the number as a person writes it: `MIN-2026-000012`, `12` of the newest year that has it.

    Raises NotFoundError.
    """
    wanted = text.strip().upper()
    is_short = wanted.isdecimal() and len(wanted) < 12
    meant = col(Ticket.number).endswith(f"-{int(wanted):06d}") if is_short else col(Ticket.number) == wanted
    found = session.exec(select(Ticket).where(meant).order_by(col(Ticket.id).desc())).first()
    if found is None:
        raise NotFoundError("there is no ticket {number}", number=text.strip() or "…")
    return found


def of_stored_mail(session: Session, stored_mail_id: int) -> Ticket | None:
    """None for a mail that is not filed yet."""
    query = select(Ticket).join(Message, col(Message.ticket_id) == Ticket.id)
    return session.exec(query.where(Message.stored_mail_id == stored_mail_id)).one_or_none()


def by_id(session: Session, row: type[Row], key: int) -> Row:
    """Raises NotFoundError."""
    found = session.get(row, key)
    if found is None:
        raise NotFoundError("there is no {what} {key}", what=row.__name__.lower(), key=key)
    return found


def counts(session: Session) -> dict[str, int]:
    """Number of tickets per status; statuses without tickets are left out."""
    rows = session.exec(select(Ticket.status, func.count()).group_by(Ticket.status))
    return dict(iter(rows))


def messages_of(session: Session, ticket: Ticket) -> list[Message]:
    return list(session.exec(select(Message).where(Message.ticket_id == ticket.id).order_by(col(Message.id))))


def newest_messages(session: Session, ticket: Ticket, limit: int, *, before: int | None = None) -> list[Message]:
    """As they came. With `before`, of those before the message with that key."""
    query = select(Message).where(Message.ticket_id == ticket.id)
    if before is not None:
        query = query.where(col(Message.id) < before)
    return list(session.exec(query.order_by(col(Message.id).desc()).limit(limit)))[::-1]


def message_before(session: Session, ticket: Ticket, message: Message | None) -> tuple[int | None, int]:
    """Key of the first message of the ticket, and how many stand before this one."""
    query = select(func.min(Message.id), func.count()).where(Message.ticket_id == ticket.id)
    first, count = session.exec(query.where(col(Message.id) < message.id) if message else query).one()
    return (message.id if message and first is None else first), count


def tags_of(session: Session, ticket: Ticket) -> list[str]:
    """By name."""
    query = select(TicketTag.tag).where(TicketTag.ticket_id == ticket.id).order_by(col(TicketTag.tag))
    return list(session.exec(query))


def tags_by_ticket(session: Session, found: Iterable[Ticket]) -> dict[int, list[str]]:
    """By ticket key; tickets without a tag are left out."""
    rows = session.exec(select(TicketTag).where(col(TicketTag.ticket_id).in_([ticket.id for ticket in found])))
    named: dict[int, list[str]] = {}
    for row in rows:
        named.setdefault(row.ticket_id, []).append(row.tag)
    return named


def events_of(session: Session, ticket: Ticket) -> list[Event]:
    return list(session.exec(select(Event).where(Event.ticket_id == ticket.id).order_by(col(Event.id))))


def newest_events(session: Session, ticket: Ticket, limit: int, what: Collection[str] = ()) -> list[Event]:
    """As they happened; `what` names the kinds that are wanted, all of them when it is empty."""
    query = select(Event).where(Event.ticket_id == ticket.id)
    if what:
        query = query.where(col(Event.what).in_(what))
    return list(session.exec(query.order_by(col(Event.id).desc()).limit(limit)))[::-1]


def count_of_events(session: Session, ticket: Ticket) -> int:
    return session.exec(select(func.count()).where(Event.ticket_id == ticket.id)).one()


def newest_event(session: Session) -> int:
    """Key of the last thing that happened to any ticket: whoever knows it knows whether anything is new."""
    return session.exec(select(Event.id).order_by(col(Event.id).desc()).limit(1)).first() or 0


def latest_request(session: Session, ticket: Ticket) -> Message | None:
    """The newest message from outside that a person wrote."""
    return session.exec(
        select(Message)
        .where(Message.ticket_id == ticket.id, Message.direction == "in", col(Message.auto_generated).is_(False))
        .order_by(col(Message.id).desc())
    ).first()


def decision_on(session: Session, draft_id: int | None) -> tuple[Approval, str] | None:
    """What was decided about the draft, and the name of the engineer; None as long as it waits."""
    query = select(Approval, Engineer.name).join(Engineer, col(Engineer.id) == Approval.engineer_id)
    return session.exec(query.where(Approval.draft_id == draft_id)).first()


def first_words(session: Session, found: Iterable[Ticket], length: int = 160) -> dict[int, str]:
    """The beginning of the newest message from outside, by ticket key."""
    newest = (
        select(func.max(Message.id))
        .where(col(Message.ticket_id).in_([ticket.id for ticket in found]), Message.direction == "in")
        .group_by(col(Message.ticket_id))
    )
    rows = session.exec(
        select(Message.ticket_id, func.substr(Message.visible_text, 1, length)).where(col(Message.id).in_(newest))
    )
    return {key: " ".join(text.split()) for key, text in rows}
