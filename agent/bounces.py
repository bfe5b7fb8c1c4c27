"""What a delivery report says about a mail of ours, written onto that mail. Part of the filing's transaction."""

from __future__ import annotations

from sqlmodel import Session, col, select

from agent.store import tickets
from agent.store.tables import Outbound, Ticket
from agent.translations import marked
from ingest.message import InboundMessage


def note_bounce(session: Session, ticket: Ticket, message: InboundMessage) -> None:
    """`permanent`: it did not arrive and will not; `temporary`: the mail system still tries. Nothing is resent."""
    if message.report is None:
        return
    about = [i for i in (*message.report.message_ids, message.in_reply_to, *message.references) if i]
    query = select(Outbound).where(col(Outbound.message_id).in_(about), Outbound.ticket_id == ticket.id)
    mail = session.exec(query.order_by(col(Outbound.id).desc())).first()
    if mail is None:
        return
    failed = message.report.permanent
    is_delayed = not failed and bool(message.report.temporary)
    people = ", ".join((failed or message.report.temporary or tuple(mail.recipients))[:5])
    if mail.bounced != "permanent":
        mail.bounced = "temporary" if is_delayed else "permanent"
        mail.bounce_detail = f"{people}: {message.subject}"[:300]
        session.add(mail)
    if not is_delayed and mail.kind == "answer":
        ticket.undelivered = True
    what = marked("is delayed") if is_delayed else marked("was not delivered")
    tickets.note_event(session, ticket, "minerva", f"{mail.kind} {what}", people)
