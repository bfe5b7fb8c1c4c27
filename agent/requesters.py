"""Who writes to us: what is on record, and what the tickets tell."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, func, select

from agent.errors import HandlingError
from agent.store import tickets
from agent.store.chat_tables import ChatThread
from agent.store.tables import Engineer, Requester, Ticket, now
from agent.store.views import OPEN
from agent.translations import marked

AFFILIATIONS = {
    "research": marked("university or research institution"),
    "public": marked("public sector"),
    "sme": marked("SME"),
    "company": marked("large company"),
    "other": marked("other"),
}
"""As the centre's form asks."""
SHOWN = 5
LOOKED_AT = 200
"""Newest tickets that systems and languages are counted over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    address: str
    kept: Requester
    tickets: int
    open: int
    first_at: datetime | None
    recent: list[Ticket]
    """Others than the one that is looked at, the newest first."""
    systems: list[str]
    """Named in the tickets, the most frequent first."""
    languages: list[str]


def card(session: Session, ticket: Ticket) -> Card:
    address = ticket.requester_address
    theirs = col(Ticket.requester_address) == address
    count, first = session.exec(select(func.count(), func.min(Ticket.created_at)).where(theirs)).one()
    waiting = session.exec(select(func.count()).where(theirs, col(Ticket.status).in_(OPEN))).one()
    newest = session.exec(select(Ticket).where(theirs).order_by(col(Ticket.id).desc()).limit(LOOKED_AT)).all()
    named = Counter(topic["name"] for one in newest for topic in one.topics if topic["kind"] == "system")
    return Card(
        address=address,
        kept=session.get(Requester, address.casefold()) or _from_chat(session, ticket),
        tickets=count,
        open=waiting,
        first_at=first,
        recent=[one for one in newest if one.id != ticket.id][:SHOWN],
        systems=[name for name, _ in named.most_common(SHOWN)],
        languages=[name for name, _ in Counter(one.language for one in newest).most_common()],
    )


def save(
    session: Session, ticket: Ticket, *, institution: str, affiliation: str, consents: bool, note: str, by: Engineer
) -> Requester:
    """Raises HandlingError for an affiliation that there is not."""
    if affiliation and affiliation not in AFFILIATIONS:
        raise HandlingError("Choose one of the affiliations.")
    key = ticket.requester_address.casefold()
    kept = session.get(Requester, key) or _from_chat(session, ticket)
    kept.institution, kept.affiliation, kept.note = institution.strip(), affiliation, note.strip()
    kept.consent_at = (kept.consent_at or now()) if consents else None
    session.add(kept)
    tickets.note_event(session, ticket, by.name, "changed the requester's card")
    return kept


def note_form(session: Session, address: str, *, institution: str, affiliation: str, newsletter: bool) -> None:
    """What the form on the web says, with its consent. Only what is not on record yet: anybody can type any address."""
    kept = session.get(Requester, address.casefold()) or Requester(address=address.casefold())
    kept.institution = kept.institution or institution
    kept.affiliation = kept.affiliation or affiliation
    kept.consent_at = kept.consent_at or now()
    kept.newsletter_at = kept.newsletter_at or (now() if newsletter else None)
    session.add(kept)


def _from_chat(session: Session, ticket: Ticket) -> Requester:
    """What was said in the form of a chat, not stored yet."""
    thread = session.exec(select(ChatThread).where(ChatThread.ticket_id == ticket.id)).first()
    return Requester(
        address=ticket.requester_address.casefold(),
        institution=thread.institution if thread else "",
        consent_at=thread.consent_at if thread else None,
    )
