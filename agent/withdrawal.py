"""Taking an approved answer back before it leaves; afterwards only the history tells of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from agent import second_approval
from agent.errors import ApprovalError
from agent.store import fulltext, outbox, tickets
from agent.store.tables import (
    Approval,
    Draft,
    DraftState,
    Engineer,
    Message,
    Outbound,
    OutboundKind,
    Ticket,
    TicketStatus,
)


def withdraw(session: Session, outbound_id: int, *, engineer: Engineer) -> Approval:
    """Have the draft wait again. Returns the approval that is no more, with the body that would have been sent.

    Raises:
        ApprovalError: the answer is on its way, or a new message has come in.
        NotFoundError: there is no such mail, or it is not an answer.
    """
    mail = tickets.by_id(session, Outbound, outbound_id)
    approval = tickets.by_id(session, Approval, mail.approval_id or 0)
    draft = tickets.by_id(session, Draft, approval.draft_id)
    ticket = tickets.by_id(session, Ticket, mail.ticket_id)
    ways = session.exec(select(Outbound).where(Outbound.approval_id == approval.id)).all()
    if not all(outbox.unqueue(session, way.id or 0) for way in ways):
        raise ApprovalError("Too late: the answer is on its way.")
    message = session.exec(select(Message).where(col(Message.message_id).in_([way.message_id for way in ways]))).one()
    fulltext.remove_message(session, ticket, message)
    session.delete(message)
    session.delete(approval)
    is_current = draft.revision == ticket.revision
    draft.state = DraftState.WAITING if is_current else DraftState.SUPERSEDED
    if is_current:
        ticket.status = TicketStatus.DRAFTED
    second_approval.open_again(session, ticket)
    ticket.first_answered_at = _first_answered(session, ticket)
    tickets.note_event(session, ticket, engineer.name, "took the approval back")
    return approval


def _first_answered(session: Session, ticket: Ticket) -> datetime | None:
    return session.exec(
        select(func.min(Approval.at))
        .join(Outbound, col(Outbound.approval_id) == Approval.id)
        .where(Outbound.ticket_id == ticket.id, Outbound.kind == OutboundKind.ANSWER)
    ).one()
