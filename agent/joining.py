"""Which ticket a mail belongs to. Proof that cannot be guessed comes first; an unverified sender joins nothing, and
one from outside who could not be checked only with such a proof."""

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
    noted. Where nothing could be checked, a mail of our own machines joins like a verified one; one from outside only
    by a keyed tag, since everything else can be guessed or copied by who writes somebody else's name as From.
    """
    earlier = _same_id(session, message)
    ours = sender.address.casefold() == settings.support_address.casefold()
    proved = _tagged(session, settings, stored, message)
    found = (
        _of_earlier(session, earlier, sender, ours=ours)
        or proved
        or tickets.of_known_ids(session, answered_ids(message))
    )
    if found is None and not message.bounce:
        found = tickets.named_in(session, message.subject, sender.address)
    repeated = earlier is not None and not ours
    if found is not None and not message.bounce and not _may_join(trust, found, proved):
        return Joined(ticket=None, claimed=found.number, repeated_id=repeated)
    return Joined(ticket=found, repeated_id=repeated)


def _may_join(trust: SenderTrust, found: Ticket, proved: Ticket | None) -> bool:
    if trust.level == "unknown" and trust.outside:
        return proved is not None and proved.id == found.id
    return trust.level != "unverified"


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


def answered_ids(message: InboundMessage) -> list[str]:
    """Of the mails that it answers or reports on, the nearest first."""
    reported = message.report.message_ids if message.report else ()
    return [i for i in (message.in_reply_to, *reversed(message.references), *reported) if i]


def _tagged(session: Session, settings: Settings, stored: StoredMail, message: InboundMessage) -> Ticket | None:
    """By a keyed tag in an id of ours or in a plus address."""
    addresses = [*stored.envelope_to, *(address.address for address in (*message.to, *message.cc))]
    number = tagged_ticket(reply_key(settings.reply_key_path), ids=answered_ids(message), addresses=addresses)
    if number is None:
        return None
    return tickets.followed(session, session.exec(select(Ticket).where(Ticket.number == number)).one_or_none())
