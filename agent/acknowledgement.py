"""Telling a requester that the mail has come: a fixed template, at most so often. Part of the filing's transaction."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import Session

from agent.mail.outbound import SENDER_NAME, OutboundMessage, subject_for, thread_of
from agent.mail.reply_tags import new_tagged_id, reply_key
from agent.mail.secrets_notice import with_notice
from agent.mail.templates import acknowledgement
from agent.settings import Settings
from agent.store import outbox, tickets
from agent.store.tables import Message, OutboundKind, Ticket, now

WINDOW = timedelta(hours=3)
"""One to an address; further requests learn their number from the subject of their answer."""
MAX_A_DAY = 10
"""To one mailbox, whatever `+tag` it writes from: what stops a mail war with a machine that hides."""


def acknowledge(session: Session, settings: Settings, ticket: Ticket, request: Message) -> None:
    """Queue the acknowledgement of a new ticket, unless the sender has had enough of them; the history says which."""
    reason = _too_many(session, request.sender_address)
    if reason:
        tickets.note_event(session, ticket, "minerva", "not acknowledged", reason)
        return
    mail = OutboundMessage(
        message_id=new_tagged_id(
            reply_key(settings.reply_key_path), ticket.number, settings.support_address.rpartition("@")[2]
        ),
        sender_name=SENDER_NAME,
        sender_address=settings.support_address,
        recipients=(request.sender_address,),
        subject=subject_for(ticket.number, ticket.subject),
        body=with_notice(acknowledgement(ticket.number, ticket.language), request.masked, ticket.language),
        date=now(),
        in_reply_to=request.message_id,
        references=thread_of(request.message_id, request.references),
        auto_submitted="auto-replied",
    )
    outbox.queue(
        session, ticket, mail, kind=OutboundKind.ACKNOWLEDGEMENT, key=f"acknowledgement:{request.stored_mail_id}"
    )
    tickets.note_event(session, ticket, "minerva", "acknowledged")


def _too_many(session: Session, address: str) -> str:
    """Why this address gets none; empty when it gets one."""
    local, _, domain = address.rpartition("@")
    if not local or domain.endswith("invalid") or any(c.isspace() for c in address):
        return "the sender has no address that mail can go to"
    if outbox.acknowledgements_since(session, address, now() - WINDOW):
        return f"the sender had one within {WINDOW.seconds // 3600} hours"
    if outbox.acknowledgements_since(session, address, now() - timedelta(days=1), any_tag=True) >= MAX_A_DAY:
        return f"the sender had {MAX_A_DAY} within a day"
    return ""
