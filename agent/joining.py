"""Which ticket a mail belongs to. Proof that cannot be guessed comes first; an unverified sender joins nothing."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session, col, select

from agent.mail.reply_tags import reply_key, tagged_ticket
from agent.settings import Settings
from agent.store import tickets
from agent.store.tables import Message, StoredMail, Ticket
from ingest.message import Address, InboundMessage
from ingest.sender_checks import SenderTrust


@dataclass(frozen=True, kw_only=True, slots=True)
class Joined:
    ticket: Ticket | None
    """None: the mail opens a ticket of its own."""
    claimed: str | None = None
    """Number of the ticket that it would have joined if its sender were verified."""
    repeated_id: bool = False
    """An earlier mail has the same Message-ID and another body."""


def ticket_of(
    session: Session,
    settings: Settings,
    stored: StoredMail,
    message: InboundMessage,
    *,
    sender: Address,
    trust: SenderTrust,
) -> Joined:
    """In this order: the Message-ID itself seen before, a keyed tag of ours, known ids that it answers, a number in
    the subject if the sender takes part in that ticket.

    Delivery reports join by the mail that they are about: mail systems cannot be verified, and what they say is only
    noted. An unknown sender (nothing could be checked) joins like a verified one.
    """
    earlier = _same_id(session, message)
    ours = sender.address.casefold() == settings.support_address.casefold()
    found = _of_earlier(session, earlier, sender, ours=ours) or _answered(session, settings, stored, message)
    if found is None and not message.bounce:
        found = tickets.named_in(session, message.subject, sender.address)
    repeated = earlier is not None and not ours
    if found is not None and trust.level == "unverified" and not message.bounce:
        return Joined(ticket=None, claimed=found.number, repeated_id=repeated)
    return Joined(ticket=found, repeated_id=repeated)


def _same_id(session: Session, message: InboundMessage) -> Message | None:
    if not message.message_id:
        return None
    return session.exec(
        select(Message).where(Message.message_id == message.message_id).order_by(col(Message.id))
    ).first()


def _of_earlier(session: Session, earlier: Message | None, sender: Address, *, ours: bool) -> Ticket | None:
    """An id may be copied from a mail of somebody else: it counts for our own mail, and for the same sender."""
    if earlier is None or not (ours or earlier.sender_address.casefold() == sender.address.casefold()):
        return None
    return session.get(Ticket, earlier.ticket_id)


def _answered(session: Session, settings: Settings, stored: StoredMail, message: InboundMessage) -> Ticket | None:
    reported = message.report.message_ids if message.report else ()
    ids = [i for i in (message.in_reply_to, *reversed(message.references), *reported) if i]
    addresses = [*stored.envelope_to, *(address.address for address in (*message.to, *message.cc))]
    number = tagged_ticket(reply_key(settings.reply_key_path), ids=ids, addresses=addresses)
    if number is not None:
        found = tickets.followed(session, session.exec(select(Ticket).where(Ticket.number == number)).one_or_none())
        if found is not None:
            return found
    return tickets.of_known_ids(session, ids)
