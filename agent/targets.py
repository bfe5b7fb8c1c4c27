"""Until when a ticket wants its first answer and its resolution, in working time; and telling before that is missed.

The targets per support type are the service's own. First answer: one working day.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import holidays
from dateutil.relativedelta import relativedelta
from sqlalchemy import case, func, or_
from sqlmodel import Session, col, select

from agent.settings import Settings
from agent.store import tickets
from agent.store.tables import Ticket, TicketStatus, now
from agent.store.views import OPEN

FIRST_ANSWER = "first answer"
MAX_AT_ONCE = 500
"""Tickets that one round of `keep` gives a target or notes: nobody else can write meanwhile."""
WARNED_AT = 0.8
"""Share of the span after which a ticket counts as breaching, so that there is time left to act."""
_SPANS = {"T2": relativedelta(days=14), "T3": relativedelta(months=2), "T4": relativedelta(months=6)}
_T1_WORKING_DAYS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkingTime:
    """When the centre works; a public holiday is a day like Sunday."""

    zone: ZoneInfo
    opens: time
    closes: time
    holidays: Container[date] = field(default_factory=frozenset)

    def is_working_day(self, day: date) -> bool:
        return day.weekday() < 5 and day not in self.holidays

    def next_working_moment(self, at: datetime) -> datetime:
        """`at` itself inside working hours, else the next opening; in the zone of the centre."""
        local = at.astimezone(self.zone)
        if local.timetz().replace(tzinfo=None) >= self.closes:
            local = self._opening(local + timedelta(days=1))
        elif local.timetz().replace(tzinfo=None) < self.opens:
            local = self._opening(local)
        while not self.is_working_day(local.date()):
            local = self._opening(local + timedelta(days=1))
        return local

    def after_working_days(self, at: datetime, days: int) -> datetime:
        """The same time of day, so many working days later; UTC."""
        local = self.next_working_moment(at)
        for _ in range(days):
            local += timedelta(days=1)
            while not self.is_working_day(local.date()):
                local += timedelta(days=1)
        return local.astimezone(UTC)

    def _opening(self, day: datetime) -> datetime:
        return datetime.combine(day.date(), self.opens, tzinfo=self.zone)


def working_time(settings: Settings) -> WorkingTime:
    opens, _, closes = settings.working_hours.partition("-")
    country = settings.holiday_country
    return WorkingTime(
        zone=ZoneInfo(settings.time_zone),
        opens=time.fromisoformat(opens),
        closes=time.fromisoformat(closes),
        holidays=holidays.country_holidays(country) if country else frozenset(),
    )


def due(kind: str, opened: datetime, hours: WorkingTime) -> datetime:
    """The end of the span that begins with `opened`: for the first answer, or the resolution of a type; UTC.

    A type that is not known yet counts as T1, the shortest.
    """
    if kind == FIRST_ANSWER:
        return hours.after_working_days(opened, 1)
    span = _SPANS.get(kind)
    if span is None:
        return hours.after_working_days(opened, _T1_WORKING_DAYS)
    return hours.next_working_moment(opened.astimezone(hours.zone) + span).astimezone(UTC)


def keep(session: Session, hours: WorkingTime) -> list[str]:
    """Give open tickets the target that counts now, and note those that come near it, at most 500 of each.

    Returns the numbers of the tickets that it noted, the longest open first.
    """
    for ticket in _changed(session):
        kind = FIRST_ANSWER if ticket.first_answered_at is None else ticket.type or "T1"
        ticket.due_for, ticket.due_at = kind, due(kind, ticket.created_at, hours)
        ticket.warn_at = ticket.created_at + WARNED_AT * (ticket.due_at - ticket.created_at)
        session.add(ticket)
    session.flush()
    near = session.exec(
        select(Ticket)
        .where(
            col(Ticket.status).in_((TicketStatus.NEW, TicketStatus.DRAFTED)),
            col(Ticket.warn_at) <= now(),
            or_(col(Ticket.warned_for).is_(None), col(Ticket.warned_for) != col(Ticket.due_for)),
        )
        .order_by(col(Ticket.id))
        .limit(MAX_AT_ONCE)
    ).all()
    for ticket in near:
        ticket.warned_for = ticket.due_for
        changed = ticket.updated_at
        tickets.note_event(
            session, ticket, "minerva", "due soon", f"{ticket.due_for} by {ticket.due_at:%Y-%m-%d %H:%M} UTC"
        )
        ticket.updated_at = changed
    return [ticket.number for ticket in near]


def _changed(session: Session) -> list[Ticket]:
    """Open tickets without a target, or with that of an earlier stage or type."""
    wanted = case((col(Ticket.first_answered_at).is_(None), FIRST_ANSWER), else_=func.coalesce(Ticket.type, "T1"))
    stale = or_(col(Ticket.due_for).is_(None), col(Ticket.due_for) != wanted)
    query = select(Ticket).where(col(Ticket.status).in_(OPEN), stale)
    return list(session.exec(query.order_by(col(Ticket.id)).limit(MAX_AT_ONCE)))
