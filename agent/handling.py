"""What an engineer does with a ticket besides answering it: take it, put it off, tag it, end it, note something.

Each act is one event that keeps what the ticket held before. Acts of one `batch` are undone together, and only
where nobody has changed the same thing since.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from agent.errors import HandlingError
from agent.store import drafts, fulltext, people, tickets
from agent.store.tables import Engineer, Event, Mention, Message, Ticket, TicketStatus, TicketTag, now
from agent.store.views import ENDED
from agent.translations import marked

MAX_NOTE_CHARS = 50_000
MAX_TAG_CHARS = 40
_MENTIONED = re.compile(r"(?<![\w.])@([\w.+-]+)")
_TAG = re.compile(r"[^\w.+-]+")


def assign(session: Session, ticket: Ticket, to: Engineer | None, *, by: Engineer, batch: str) -> None:
    """Give the ticket to an engineer, or to nobody."""
    what = marked("assigned") if to is not None else marked("unassigned")
    _change(session, ticket, (by, batch), what, to.name if to else "", assignee_id=to.id if to else None)


def snooze(session: Session, ticket: Ticket, until: datetime, *, by: Engineer, batch: str) -> None:
    """Out of the working views until then. Raises HandlingError for a time that is over."""
    if until <= now():
        raise HandlingError("That time is over. Choose a later one.")
    _change(
        session, ticket, (by, batch), "snoozed", f"until {until:%Y-%m-%d %H:%M} UTC", snoozed_until=until.isoformat()
    )


def wake(session: Session, ticket: Ticket, *, by: Engineer, batch: str) -> None:
    """The end of a snooze before its time."""
    _change(session, ticket, (by, batch), "woken", "", snoozed_until=None)


def resolve(session: Session, ticket: Ticket, *, by: Engineer, batch: str) -> None:
    """The need is met. Raises HandlingError when the ticket has ended already."""
    if ticket.status in ENDED:
        raise HandlingError("{number} has ended already.", number=ticket.number)
    _change(session, ticket, (by, batch), "resolved", "", status=TicketStatus.RESOLVED, snoozed_until=None)


def reopen(session: Session, ticket: Ticket, *, by: Engineer, batch: str) -> None:
    """Back to where it was. Raises HandlingError for a ticket that is open."""
    if ticket.status not in {*ENDED, TicketStatus.SET_ASIDE}:
        raise HandlingError("{number} is open.", number=ticket.number)
    _change(session, ticket, (by, batch), "reopened", "", status=drafts.status_by_drafts(session, ticket))


def tag(session: Session, ticket: Ticket, name: str, *, by: Engineer, batch: str) -> None:
    """Raises HandlingError for a tag without a letter or digit."""
    label = _label(name)
    _change(session, ticket, (by, batch), "tagged", label, tags=sorted({*tickets.tags_of(session, ticket), label}))


def untag(session: Session, ticket: Ticket, name: str, *, by: Engineer, batch: str) -> None:
    left = [kept for kept in tickets.tags_of(session, ticket) if kept != name]
    _change(session, ticket, (by, batch), "took off the tag", name, tags=left)


def note(session: Session, ticket: Ticket, text: str, *, by: Engineer) -> Message:
    """Keep a note beside the conversation; `@name` of an address or first name has that engineer look at it.

    Raises HandlingError for an empty or oversized note.
    """
    written = text.replace("\r\n", "\n").strip()
    if not written:
        raise HandlingError("An empty note is not kept. Write something first.")
    if len(written) > MAX_NOTE_CHARS:
        raise HandlingError(
            "A note has at most {most} characters; this one has {count}.", most=MAX_NOTE_CHARS, count=len(written)
        )
    row = Message(
        ticket_id=tickets.key_of(ticket),
        direction="note",
        sender_name=by.name,
        sender_address=by.email,
        subject="",
        text=written,
        visible_text=written,
    )
    session.add(row)
    session.flush()
    fulltext.add_message(session, ticket, row)
    named = _mentioned(people.all_engineers(session), written)
    session.add_all(Mention(message_id=tickets.key_of(row), engineer_id=people.key_of(other)) for other in named)
    tickets.note_event(session, ticket, by.name, "noted", ", ".join(f"for {other.name}" for other in named))
    return row


def is_mentioned(session: Session, ticket: Ticket, engineer: Engineer) -> bool:
    """Whether a note that she has not seen names the engineer."""
    unseen = (
        select(Mention)
        .join(Message, col(Message.id) == Mention.message_id)
        .where(Message.ticket_id == ticket.id, Mention.engineer_id == engineer.id, col(Mention.seen_at).is_(None))
    )
    return session.exec(unseen).first() is not None


def mark_mentions_seen(session: Session, ticket: Ticket, engineer: Engineer) -> None:
    notes = select(Message.id).where(Message.ticket_id == ticket.id, Message.direction == "note")
    session.execute(
        update(Mention)
        .where(
            col(Mention.engineer_id) == engineer.id,
            col(Mention.seen_at).is_(None),
            col(Mention.message_id).in_(notes),
        )
        .values(seen_at=now())
    )


def undo(session: Session, batch: str, *, by: Engineer) -> tuple[list[str], list[str]]:
    """Take back what was done under `batch`, newest first.

    Returns the numbers of the tickets that are as before, and of those that were left alone because somebody has
    changed the same thing since. Raises HandlingError when there is nothing to take back.
    """
    events = session.exec(select(Event).where(Event.batch == batch).order_by(col(Event.id).desc())).all()
    if not events or any(event.what == "undid" for event in events):
        raise HandlingError("There is nothing left to undo.")
    undone, kept = [], []
    for event in events:
        ticket = tickets.by_id(session, Ticket, event.ticket_id)
        assert event.before is not None
        if _held(session, ticket, event.before) != event.after:
            kept.append(ticket.number)
            continue
        _put(session, ticket, event.before)
        undone.append(ticket.number)
        tickets.note_event(session, ticket, by.name, "undid", event.what, batch=batch)
    return undone, kept


def _change(session: Session, ticket: Ticket, who: tuple[Engineer, str], what: str, detail: str, **after: Any) -> None:
    """`who` is the engineer and the batch.

    Nothing happens where nothing changes: an undo then brings back only what was really done.
    """
    before = _held(session, ticket, after)
    if before == after:
        return
    _put(session, ticket, after)
    by, batch = who
    tickets.note_event(session, ticket, by.name, what, detail, batch=batch, before=before, after=after)


def _held(session: Session, ticket: Ticket, fields: dict[str, Any]) -> dict[str, Any]:
    """What the ticket holds now in these fields, as JSON has it."""
    values: dict[str, Any] = {}
    for field in fields:
        value = tickets.tags_of(session, ticket) if field == "tags" else getattr(ticket, field)
        values[field] = value.isoformat() if isinstance(value, datetime) else value
    return values


def _put(session: Session, ticket: Ticket, fields: dict[str, Any]) -> None:
    for field, value in fields.items():
        if field == "tags":
            session.execute(delete(TicketTag).where(col(TicketTag.ticket_id) == ticket.id))
            session.add_all(TicketTag(ticket_id=tickets.key_of(ticket), tag=name) for name in value)
        elif field == "snoozed_until":
            ticket.snoozed_until = datetime.fromisoformat(value) if value else None
        else:
            setattr(ticket, field, value)
    session.add(ticket)
    session.flush()


def _label(name: str) -> str:
    label = _TAG.sub("-", name.strip().casefold()).strip("-")[:MAX_TAG_CHARS]
    if not label:
        raise HandlingError("A tag needs at least one letter or digit.")
    return label


def _mentioned(engineers: Sequence[Engineer], text: str) -> list[Engineer]:
    """By the first part of the address or the first name, where only one of them has it."""
    written = {name.rstrip(".").casefold() for name in _MENTIONED.findall(text)}
    called = {
        people.key_of(engineer): {engineer.email.partition("@")[0], *engineer.name.casefold().split()[:1]}
        for engineer in engineers
    }
    clear = {name for name in written if sum(name in names for names in called.values()) == 1}
    return [engineer for engineer in engineers if clear & called[people.key_of(engineer)]]
