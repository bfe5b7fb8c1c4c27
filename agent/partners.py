"""Partner organisations: who knows what, who has time, and handing a ticket over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from sqlmodel import Session, col, select

from agent.errors import HandlingError, NotFoundError
from agent.store import bridges, tickets
from agent.store.bridge_tables import ExternalDesk, HandOver
from agent.store.partner_tables import Engagement
from agent.store.tables import Engineer, Partner, Ticket, now
from agent.translations import marked

MAX_WORDS = 5000
MONTHS = 6
"""That the calendar of capacity shows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Month:
    first: date
    booked: float
    """Working days."""
    given: int

    @property
    def free(self) -> float:
        return max(self.given - self.booked, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    partner: Partner
    fits: list[str]
    """What of the ticket the partner knows: its level, systems, frameworks and models."""
    free: float
    """Working days over the next three months."""


def add(session: Session, *, name: str, contact: str, expertise: str, systems: str, days_per_month: int) -> Partner:
    """`expertise` and `systems` separated by commas. Raises HandlingError for a name that is empty or in use."""
    if not name.strip():
        raise HandlingError("A partner needs a name.")
    if session.exec(select(Partner).where(Partner.name == name.strip())).first():
        raise HandlingError("There is a partner {name} already.", name=name.strip())
    partner = Partner(name=name.strip())
    session.add(partner)
    describe(partner, contact=contact, expertise=expertise, systems=systems, days_per_month=days_per_month)
    session.flush()
    return partner


def describe(partner: Partner, *, contact: str, expertise: str, systems: str, days_per_month: int) -> None:
    partner.contact = contact.strip()
    partner.expertise, partner.systems = _words(expertise), _words(systems)
    partner.days_per_month = max(days_per_month, 0)


def all_partners(session: Session) -> list[Partner]:
    """By name; those that have left are not among them."""
    return list(session.exec(select(Partner).where(col(Partner.ended_at).is_(None)).order_by(col(Partner.name))))


def end(session: Session, partner: Partner) -> None:
    """It gets no new ticket; what it has stays on record."""
    partner.ended_at = now()
    session.add(partner)


def calendar(session: Session, partner: Partner, today: date) -> list[Month]:
    """Booked days of the months to come, this one first; an engagement counts evenly over its span."""
    booked = session.exec(select(Engagement).where(Engagement.partner_id == partner.id)).all()
    months = [_first_of_month(today, n) for n in range(MONTHS + 1)]
    return [
        Month(
            first=first,
            booked=round(sum(days_within(one, first, after) for one in booked), 1),
            given=partner.days_per_month,
        )
        for first, after in pairwise(months)
    ]


def matches(session: Session, ticket: Ticket, today: date) -> list[Match]:
    """Partners for the ticket: who knows most of what it is about first, then who has most time."""
    wanted = {ticket.level.casefold()} if ticket.level else set()
    wanted |= {topic[key].casefold() for topic in ticket.topics for key in ("id", "name") if topic.get(key)}
    found = [
        Match(
            partner=partner,
            fits=sorted(wanted & {*partner.expertise, *partner.systems}),
            free=sum(month.free for month in calendar(session, partner, today)[:3]),
        )
        for partner in all_partners(session)
    ]
    return sorted(found, key=lambda match: (-len(match.fits), -match.free, match.partner.name))


def hand_over(
    session: Session,
    ticket: Ticket,
    partner: Partner | None,
    *,
    by: Engineer,
    words: str = "",
    with_notes: bool = False,
) -> None:
    """Give the ticket to a partner, whose people then see it, or take it back (None). History and owner stay.

    A partner with a desk of its own gets it there, with `words` for what is asked and the notes only `with_notes`.
    """
    if partner is not None and partner.ended_at is not None:
        raise HandlingError("{name} takes no tickets any more.", name=partner.name)
    if len(words) > MAX_WORDS:
        raise HandlingError("What the partner is asked has at most {count} characters.", count=MAX_WORDS)
    if ticket.partner_id is not None and (partner is None or partner.id != ticket.partner_id):
        _end_hand_over(session, ticket, ticket.partner_id)
    ticket.partner_id = partner.id if partner else None
    if partner is not None:
        _begin_hand_over(session, ticket, partner, by=by, words=words, with_notes=with_notes)
    what = marked("handed to a partner") if partner else marked("taken back from the partner")
    tickets.note_event(session, ticket, by.name, what, partner.name if partner else "")


def _begin_hand_over(
    session: Session, ticket: Ticket, partner: Partner, *, by: Engineer, words: str, with_notes: bool
) -> None:
    """One row for a ticket and a partner, however often it is handed over: there is one ticket there."""
    if session.get(ExternalDesk, partner.id) is None:
        return
    assert partner.id is not None
    row = bridges.of_pair(session, ticket, partner.id)
    if row is None:
        row = HandOver(ticket_id=tickets.key_of(ticket), partner_id=partner.id, by=by.name)
    elif row.ended_at is not None:
        row.at, row.ended_at, row.change_told = now(), None, False
    row.by, row.request, row.with_notes = by.name, words.strip(), with_notes
    row.next_attempt_at = now()
    session.add(row)


def _end_hand_over(session: Session, ticket: Ticket, partner_id: int) -> None:
    row = bridges.of_pair(session, ticket, partner_id)
    if row is not None and row.ended_at is None:
        row.ended_at, row.change_told, row.next_attempt_at = now(), False, now()
        session.add(row)


def by_id(session: Session, key: int) -> Partner:
    """Raises NotFoundError."""
    found = session.get(Partner, key)
    if found is None:
        raise NotFoundError("there is no partner {key}", key=key)
    return found


def days_within(one: Engagement, first: date, after: date) -> float:
    """Working days of the engagement from `first` to the day before `after`."""
    span = (one.ends - one.starts).days + 1
    within = (min(one.ends + timedelta(days=1), after) - max(one.starts, first)).days
    return one.days * max(within, 0) / span


def _first_of_month(day: date, ahead: int) -> date:
    month = day.month - 1 + ahead
    return date(day.year + month // 12, month % 12 + 1, 1)


def _words(text: str) -> list[str]:
    words: Sequence[str] = [" ".join(part.split()).casefold() for part in text.split(",")]
    return sorted({word for word in words if word})
