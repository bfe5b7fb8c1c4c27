"""What a partner's message does to the ticket, whichever way it came. Part of the transaction that keeps it."""

from __future__ import annotations

from sqlmodel import Session

from agent.store import bridges, drafts, tickets
from agent.store.bridge_tables import HandOver
from agent.store.tables import Message, Partner, Ticket, TicketStatus


def note_partner(session: Session, ticket: Ticket, hand_over: HandOver, row: Message, partner: Partner) -> None:
    """A partner has written. A reply makes it our turn: drafts that wait are void, and there will be a new one."""
    if row.masked:
        tickets.note_event(session, ticket, "minerva", "masked secrets", ", ".join(row.masked))
    who = f"{row.sender_name or row.sender_address}, {partner.name}"
    if row.direction == "note":
        tickets.note_event(session, ticket, who, "noted at the partner's desk")
        return
    ticket.revision += 1
    drafts.supersede(session, ticket)
    ticket.status, ticket.snoozed_until = TicketStatus.NEW, None
    hand_over.draft_due, hand_over.closed_here, hand_over.resolve_due = True, False, False
    tickets.note_event(session, ticket, who, "partner replied", row.subject)


def take_mail(session: Session, ticket: Ticket, hand_over: HandOver, filed: Message) -> None:
    """A partner has answered by mail: the mail, filed in the ticket, is the partner's message."""
    filed.direction = "partner"
    bridges.note_message(session, hand_over, filed, None)
    note_partner(session, ticket, hand_over, filed, session.get_one(Partner, hand_over.partner_id))
