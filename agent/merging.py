"""Two tickets made one, one made two, and tickets put side by side; the history of each tells of it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import update
from sqlmodel import Session, col, select

from agent.errors import HandlingError
from agent.store import drafts, fulltext, tickets
from agent.store.tables import Engineer, Message, Outbound, Ticket, TicketLink, TicketStatus
from agent.store.views import ENDED

LINKED = "linked"
"""Kind of a `TicketLink` that a person made."""


def merge(session: Session, ticket: Ticket, into: Ticket, *, by: Engineer) -> None:
    """Move all messages to `into` and close `ticket`; later replies to it land there too.

    A draft of either is superseded, since the conversation is another one now.

    Raises:
        HandlingError: both are the same, or one of them is merged already.
    """
    if ticket.id == into.id:
        raise HandlingError("A ticket cannot be merged into itself. Give the number of the other one.")
    for one in (ticket, into):
        if one.merged_into_id is not None:
            raise HandlingError("{number} has been merged into another ticket already.", number=one.number)
    _move(session, ticket, into, tickets.messages_of(session, ticket))
    session.execute(update(Outbound).where(col(Outbound.ticket_id) == ticket.id).values(ticket_id=into.id))
    for row in session.exec(select(Ticket).where(Ticket.merged_into_id == ticket.id)):
        row.merged_into_id = into.id
    drafts.supersede(session, ticket)
    ticket.merged_into_id, ticket.status, ticket.snoozed_until = into.id, TicketStatus.CLOSED, None
    tickets.note_event(session, ticket, by.name, "merged into", into.number)
    _continue(session, into)
    differs = ticket.requester_address.casefold() != into.requester_address.casefold()
    other = f", of another requester, {ticket.requester_address}" if differs else ""
    tickets.note_event(session, into, by.name, "took in", ticket.number + other)


def split(session: Session, message: Message, *, by: Engineer) -> Ticket:
    """Give a message from outside, and what followed it from the same sender, a ticket of its own.

    Raises HandlingError for the first message of a ticket and for one that we wrote.
    """
    ticket = tickets.by_id(session, Ticket, message.ticket_id)
    messages = tickets.messages_of(session, ticket)
    if message.direction != "in":
        raise HandlingError("Only a message from outside can have a ticket of its own.")
    if message.id == messages[0].id:
        raise HandlingError("This is the first message of its ticket. Choose a later one.")
    apart = tickets.open_ticket(
        session,
        subject=message.subject,
        requester_name=message.sender_name,
        requester_address=message.sender_address,
    )
    apart.language = ticket.language
    sender, since = message.sender_address.casefold(), tickets.key_of(message)
    later = [m for m in messages if m.sender_address.casefold() == sender and tickets.key_of(m) >= since]
    _move(session, ticket, apart, later)
    for one, what, other in ((ticket, "split off", apart), (apart, "split from", ticket)):
        _continue(session, one)
        tickets.note_event(session, one, by.name, what, other.number)
    return apart


def link(session: Session, ticket: Ticket, other: Ticket, *, by: Engineer) -> None:
    """Show the two, and what either is linked with, beside each other. Raises HandlingError for one and the same."""
    if ticket.id == other.id:
        raise HandlingError("A ticket is not linked with itself. Give the number of the other one.")
    first, joining = _first(session, other), _first(session, ticket)
    if first != joining:
        why = f"linked by {by.name}"
        session.execute(update(TicketLink).where(col(TicketLink.first_id) == joining).values(first_id=first))
        session.add(TicketLink(ticket_id=joining, first_id=first, kind=LINKED, score=1, why=why))
    for one, with_ in ((ticket, other), (other, ticket)):
        tickets.note_event(session, one, by.name, "linked with", with_.number)


def unlink(session: Session, ticket: Ticket, *, by: Engineer) -> None:
    """Take the ticket out of its group, which stays. Raises HandlingError when it is in none."""
    key = tickets.key_of(ticket)
    members = list(
        session.exec(select(TicketLink).where(TicketLink.first_id == key).order_by(col(TicketLink.ticket_id)))
    )
    own = session.get(TicketLink, key)
    if own is None and not members:
        raise HandlingError("{number} is linked with no ticket.", number=ticket.number)
    if own is not None:
        session.delete(own)
    elif members:
        heir = members[0]
        session.delete(heir)
        for member in members[1:]:
            member.first_id = heir.ticket_id
    tickets.note_event(session, ticket, by.name, "unlinked")


def _first(session: Session, ticket: Ticket) -> int:
    own = session.get(TicketLink, tickets.key_of(ticket))
    return own.first_id if own else tickets.key_of(ticket)


def _move(session: Session, ticket: Ticket, to: Ticket, messages: Sequence[Message]) -> None:
    for message in messages:
        fulltext.move_message(session, ticket, to, message)
        message.ticket_id = tickets.key_of(to)
    sent = [message.message_id for message in messages if message.direction == "out"]
    session.execute(update(Outbound).where(col(Outbound.message_id).in_(sent)).values(ticket_id=to.id))
    session.flush()


def _continue(session: Session, ticket: Ticket) -> None:
    """Its conversation has changed: what waits was drafted for another one."""
    drafts.supersede(session, ticket)
    written = [message for message in tickets.messages_of(session, ticket) if message.direction in {"in", "out"}]
    persons = [message for message in written if not message.auto_generated]
    if persons and persons[-1].direction == "in":
        ticket.status, ticket.revision = TicketStatus.NEW, ticket.revision + 1
    elif persons and ticket.status not in ENDED:
        ticket.status = TicketStatus.ANSWERED
    session.add(ticket)
    session.flush()
