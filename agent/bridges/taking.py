"""What the partner's desk says, written into our ticket. Its texts have no more power than a mail: they are kept as
one, read, masked and filed as one. Each function is part of one transaction."""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import format_datetime

from sqlmodel import Session, col, select

from agent.bridges.replies import note_partner
from agent.bridges.values import Person, RemoteMessage, RemoteTicket
from agent.filing import row_of
from agent.settings import Settings
from agent.store import bridges, drafts, fulltext, inbound, tickets
from agent.store.bridge_tables import HandOver
from agent.store.tables import Engineer, Message, Partner, Ticket, TicketStatus, now
from agent.store.views import ENDED
from ingest.mail import parse_mail
from ingest.masking import mask_message
from ingest.message import Address

CHANNEL = "partner"


def take_message(
    session: Session, settings: Settings, hand_over: HandOver, remote: RemoteMessage, author: Person
) -> Message | None:
    """The message as a row of our ticket; None when it was taken before."""
    if remote.id in bridges.known_ids(session, hand_over):
        return None
    partner, ticket = session.get_one(Partner, hand_over.partner_id), _ticket_of(session, hand_over)
    sender = Address(name=author.name, address=author.address or f"{hand_over.partner_id}@partner.invalid")
    raw = _as_mail(settings, hand_over, remote, sender)
    stored = inbound.store_mail(
        session,
        raw,
        channel=CHANNEL,
        peer=partner.name,
        envelope_from=sender.address,
        envelope_to=[settings.support_address],
    )
    message, masked = mask_message(parse_mail(raw))
    row = row_of(ticket, stored, message, sender, kind="person")
    row.direction, row.masked = "note" if remote.is_note else "partner", list(masked)
    row.trust, row.trust_reason = "verified", f"Read at the desk of {partner.name}."
    session.add(row)
    session.flush()
    bridges.note_message(session, hand_over, row, remote.id)
    fulltext.add_message(session, ticket, row)
    assert stored.id is not None
    inbound.mark_handled(session, stored.id)
    note_partner(session, ticket, hand_over, row, partner)
    return row


def take_state(session: Session, hand_over: HandOver, remote: RemoteTicket, owner: Person) -> None:
    """Status and owner as they are there. Ours follow where nothing contradicts; else both are shown."""
    partner, ticket = session.get_one(Partner, hand_over.partner_id), _ticket_of(session, hand_over)
    if remote.closed != hand_over.remote_closed:
        what = "resolved at the partner's desk" if remote.closed else "open again at the partner's desk"
        tickets.note_event(session, ticket, partner.name, what, remote.status)
        hand_over.resolve_due = remote.closed
        if not remote.closed and ticket.status in ENDED and ticket.merged_into_id is None:
            ticket.status = drafts.status_by_drafts(session, ticket)
            hand_over.closed_here = False
    hand_over.remote_status, hand_over.remote_closed = remote.status, remote.closed
    if (owner.name, owner.address) != (hand_over.remote_owner, hand_over.remote_owner_address):
        hand_over.remote_owner, hand_over.remote_owner_address = owner.name, owner.address
        tickets.note_event(session, ticket, partner.name, "owner at the partner's desk", owner.name or "nobody")
        _follow_owner(session, ticket, hand_over, partner)


def settle(session: Session, hand_over: HandOver) -> None:
    """What was resolved there is resolved here once nothing waits here: the requester has the last answer."""
    ticket = _ticket_of(session, hand_over)
    if hand_over.resolve_due and ticket.status == TicketStatus.ANSWERED:
        ticket.status, ticket.updated_at = TicketStatus.RESOLVED, now()
        hand_over.resolve_due, hand_over.closed_here = False, True
        partner = session.get_one(Partner, hand_over.partner_id)
        tickets.note_event(session, ticket, "minerva", "resolved", f"as at the desk of {partner.name}")


def has_two_owners(hand_over: HandOver, assignee: Engineer | None) -> bool:
    """Two people of the partner: one on our desk, another one on theirs. One of ours beside one of theirs is usual."""
    if assignee is None or assignee.partner_id != hand_over.partner_id or not hand_over.remote_owner:
        return False
    same = assignee.email.casefold() == hand_over.remote_owner_address.casefold()
    return not same and assignee.name.casefold() != hand_over.remote_owner.casefold()


def _follow_owner(session: Session, ticket: Ticket, hand_over: HandOver, partner: Partner) -> None:
    """Who took it there has it here too, when nobody has and she is known here."""
    assignee = session.get(Engineer, ticket.assignee_id) if ticket.assignee_id else None
    if assignee is not None:
        if has_two_owners(hand_over, assignee):
            both = f"{assignee.name} here, {hand_over.remote_owner} there"
            tickets.note_event(session, ticket, "minerva", "two owners", both)
        return
    address = hand_over.remote_owner_address.casefold()
    theirs = select(Engineer).where(Engineer.partner_id == partner.id, col(Engineer.disabled_at).is_(None))
    known = next((one for one in session.exec(theirs) if one.email.casefold() == address), None)
    if known is not None:
        ticket.assignee_id = known.id
        tickets.note_event(session, ticket, partner.name, "assigned", known.name)


def _ticket_of(session: Session, hand_over: HandOver) -> Ticket:
    """Where its messages are now."""
    ticket = tickets.followed(session, session.get_one(Ticket, hand_over.ticket_id))
    assert ticket is not None
    return ticket


def _as_mail(settings: Settings, hand_over: HandOver, remote: RemoteMessage, sender: Address) -> bytes:
    """RFC 5322, as the store of originals has them. The id is the same for the same message there."""
    mail = EmailMessage(policy=SMTPUTF8)
    name = re.sub(r"[^\w\s.-]", " ", sender.name or sender.address)
    mail["From"] = f'"{_one_line(name)}" <{hand_over.partner_id}@partner.invalid>'
    mail["To"] = settings.support_address
    mail["Subject"] = "Note" if remote.is_note else "Reply"
    mail["Date"] = format_datetime(remote.at)
    mail["Message-ID"] = f"<{hand_over.id}.{remote.id}.{hand_over.partner_id}@partner.invalid>"
    text = _encodable(remote.text)
    if remote.left_out:
        text += f"\n\n[Too large to fetch: {_one_line(', '.join(remote.left_out))}]"
    mail.set_content(text, subtype="html" if remote.is_html else "plain", cte="base64")
    for file in remote.files:
        main, _, sub = file.content_type.partition(";")[0].strip().partition("/")
        name = _one_line(file.filename)
        if main in {"text", "image", "audio", "video", "application"} and sub.isascii() and sub:
            mail.add_attachment(file.content, maintype=main, subtype=sub, filename=name)
        else:
            mail.add_attachment(file.content, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes()


def _one_line(text: str) -> str:
    return " ".join(_encodable(text).replace("\0", " ").split())[:300]


def _encodable(text: str) -> str:
    """JSON can hold halves of surrogate pairs."""
    return text.encode("utf-8", "replace").decode()
