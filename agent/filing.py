"""Filing a mail: which ticket it belongs to, and whether it is acknowledged. One transaction."""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import parseaddr

from sqlmodel import Session, select

from agent.acknowledgement import acknowledge
from agent.bounces import note_bounce
from agent.bridges.replies import take_mail
from agent.joining import Joined, answered_ids, ticket_of
from agent.settings import Settings
from agent.store import bridges, drafts, fulltext, inbound, tickets
from agent.store.tables import Message, StoredMail, Ticket, TicketStatus
from agent.translations import marked
from ingest.attached_text import files_of
from ingest.file_types import detect_type
from ingest.message import Address, InboundMessage
from ingest.sender_checks import NOT_CHECKED, SenderTrust

MAX_LISTED = 200
"""Files of one mail that are listed; all of them stay in the original."""


def file_mail(
    session: Session,
    settings: Settings,
    stored: StoredMail,
    message: InboundMessage,
    language: str,
    *,
    trust: SenderTrust = NOT_CHECKED,
    masked: Sequence[str] = (),
) -> Message:
    """The row of the mail in its ticket, which is opened when it answers none; the same mail twice is the same row.

    `masked` are the kinds of secrets that were taken out of the message.
    """
    assert stored.id is not None
    filed = session.exec(select(Message).where(Message.stored_mail_id == stored.id)).one_or_none()
    if filed is not None:
        return filed
    sender = message.sender or _from_envelope(stored)
    joined = ticket_of(session, settings, stored, message, sender=sender, trust=trust)
    is_new = joined.ticket is None
    ticket = joined.ticket or tickets.open_ticket(
        session, subject=message.subject, requester_name=sender.name, requester_address=sender.address
    )
    filed = row_of(ticket, stored, message, sender, kind=_kind(settings, stored, message, sender))
    filed.trust, filed.trust_reason, filed.masked = trust.level, trust.reason, list(masked)
    if joined.repeated_id:
        filed.defects = [*filed.defects, "an earlier mail has the same Message-ID and another body"]
    session.add(filed)
    fulltext.add_message(session, ticket, filed)
    if not _is_of_partner(session, ticket, filed, message):
        _advance(session, ticket, filed, language, is_new=is_new)
    _note(session, ticket, filed, joined)
    note_bounce(session, ticket, message)
    if is_new and not filed.auto_generated:
        acknowledge(session, settings, ticket, filed)
    inbound.mark_handled(session, stored.id)
    session.flush()
    return filed


def _is_of_partner(session: Session, ticket: Ticket, filed: Message, message: InboundMessage) -> bool:
    """A partner that the ticket was handed to by mail has answered; then the message is filed as the partner's."""
    if filed.auto_generated:
        return False
    hand_over = bridges.partner_written_to(session, ticket, answered_ids(message), filed.sender_address)
    if hand_over is None:
        return False
    session.flush()
    take_mail(session, ticket, hand_over, filed)
    return True


def _kind(settings: Settings, stored: StoredMail, message: InboundMessage, sender: Address) -> str:
    """Our own mail coming back is automatic, and so is mail with an empty return path (RFC 3834, 2)."""
    if message.kind != "person":
        return message.kind
    if sender.address.casefold() == settings.support_address.casefold():
        return "own mail"
    is_machine = message.auto_generated or message.bounce or not stored.envelope_from
    return "automatic" if is_machine else "person"


def _note(session: Session, ticket: Ticket, filed: Message, joined: Joined) -> None:
    if joined.claimed is not None:
        doubt = "is not verified" if filed.trust == "unverified" else "could not be checked"
        detail = f"it answers {joined.claimed}, but the sender {doubt}"
        tickets.note_event(session, ticket, "minerva", "kept apart", detail)
    if filed.masked:
        tickets.note_event(session, ticket, "minerva", "masked secrets", ", ".join(filed.masked))


def file_unreadable(session: Session, stored: StoredMail) -> None:
    """The last resort, for a mail that breaks our own reading of it: a ticket with the raw mail to look at."""
    address = _from_envelope(stored).address
    ticket = tickets.open_ticket(
        session, subject="(mail that could not be read)", requester_name="", requester_address=address
    )
    ticket.status = TicketStatus.SET_ASIDE
    text = "This mail could not be read. The original is kept and can be opened from here."
    session.add(
        Message(
            ticket_id=tickets.key_of(ticket),
            stored_mail_id=stored.id,
            direction="in",
            sender_name="",
            sender_address=address,
            subject=ticket.subject,
            text=text,
            visible_text=text,
            at=stored.received_at,
            auto_generated=True,
            defects=["could not be read at all, see the log"],
        )
    )
    tickets.note_event(session, ticket, "minerva", "could not be read")
    assert stored.id is not None
    inbound.mark_handled(session, stored.id)


def _advance(session: Session, ticket: Ticket, filed: Message, language: str, *, is_new: bool) -> None:
    if filed.auto_generated:
        if is_new:
            ticket.status = TicketStatus.SET_ASIDE
        tickets.note_event(session, ticket, "requester", "automatic mail", filed.subject)
        return
    if is_new:
        ticket.language = language
    else:
        ticket.revision += 1
        drafts.supersede(session, ticket)
    ticket.status, ticket.snoozed_until = TicketStatus.NEW, None
    ticket.undelivered, ticket.trust = False, filed.trust
    what = marked("opened") if is_new else marked("replied")
    tickets.note_event(session, ticket, "requester", what, filed.subject)


def _from_envelope(stored: StoredMail) -> Address:
    """For a mail without a readable From."""
    return Address(name="", address=parseaddr(stored.envelope_from)[1] or "unknown@invalid")


def row_of(ticket: Ticket, stored: StoredMail, message: InboundMessage, sender: Address, *, kind: str) -> Message:
    return Message(
        ticket_id=tickets.key_of(ticket),
        stored_mail_id=stored.id,
        direction="in",
        sender_name=sender.name,
        sender_address=sender.address,
        recipients=[address.address for address in message.to],
        cc=[address.address for address in message.cc],
        reply_to=[address.address for address in message.reply_to],
        subject=message.subject,
        message_id=message.message_id,
        in_reply_to=message.in_reply_to,
        references=list(message.references),
        text=message.text,
        visible_text=message.visible_text,
        date=message.date,
        at=stored.received_at,
        auto_generated=kind != "person",
        bounce=message.bounce,
        kind=kind,
        protection=message.protection,
        has_html=message.has_html,
        defects=list(message.defects),
        attachments=[
            {
                "filename": item.filename,
                "content_type": item.content_type,
                "size": item.size,
                "sha256": item.sha256,
                "inline": item.inline,
                "detected_type": detect_type(item.content, item.filename),
            }
            for item in files_of(message.attachments)[:MAX_LISTED]
        ],
    )
