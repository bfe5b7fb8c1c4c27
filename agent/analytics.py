"""How the desk does: volume, times, what becomes of drafts. Read from tickets, their history and the decisions."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from difflib import SequenceMatcher
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Text, cast, func
from sqlmodel import Session, col, select

from agent.store.tables import Approval, Decision, Draft, Event, Ticket, now

MAX_EDITS = 300
"""Edited answers that are compared with their drafts: the newest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Week:
    monday: date
    opened: int
    answered: int
    """First answers that were approved."""
    resolved: int
    first_answer_median_h: float | None
    """Hours, of the tickets that were opened in the week, as `resolution_median_h`."""
    resolution_median_h: float | None
    approval_rate: float | None
    """Of the drafts that were decided about in the week, as `edit_share`."""
    edit_share: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Hours; None where nothing was measured."""

    count: int
    median_h: float | None
    p90_h: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Decisions:
    approved: int
    edited: int
    rejected: int
    edit_share: float | None
    """Median share of words that an edit changed, over the newest 300 edited answers; None without any."""

    @property
    def approval_rate(self) -> float | None:
        """Share of the drafts decided about that left as they stood."""
        decided = self.approved + self.edited + self.rejected
        return self.approved / decided if decided else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    name: str
    opened: int
    first_answer: Span
    resolution: Span
    decisions: Decisions


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    since: datetime
    weeks: list[Week]
    first_answer: Span
    resolution: Span
    decisions: Decisions
    by_level: list[Group]
    by_type: list[Group]
    by_system: list[Group]


def report(session: Session, *, weeks: int) -> Report:
    """Over the tickets opened in the last `weeks` weeks, the present one included; automatic mail is left out."""
    today = now()
    monday = datetime.combine(today.date() - timedelta(days=today.weekday()), datetime.min.time(), today.tzinfo)
    since = monday - timedelta(weeks=weeks - 1)
    rows = _tickets(session, since)
    resolved = _resolved(session, since)
    decided = _decided(session, since)
    return Report(
        since=since,
        weeks=_weeks(rows, resolved, decided, since, weeks),
        first_answer=_span(row.first_answer_h for row in rows),
        resolution=_span(_hours(row.opened, resolved.get(row.key)) for row in rows),
        decisions=_decisions(decided),
        by_level=_groups(rows, resolved, decided, [[row.level] for row in rows]),
        by_type=_groups(rows, resolved, decided, [[row.type] for row in rows]),
        by_system=_groups(rows, resolved, decided, [row.systems for row in rows]),
    )


class _Row(NamedTuple):
    key: int
    opened: datetime
    first_answer: datetime | None
    level: str
    type: str
    systems: tuple[str, ...]
    first_answer_h: float | None


def _tickets(session: Session, since: datetime) -> list[_Row]:
    topics = cast(col(Ticket.topics), Text)
    columns = (Ticket.id, Ticket.created_at, Ticket.first_answered_at, Ticket.level, Ticket.type, topics)
    query = select(*columns).where(  # type: ignore[call-overload]  # six columns
        col(Ticket.created_at) >= since, col(Ticket.status) != "set aside", col(Ticket.merged_into_id).is_(None)
    )
    return [
        _Row(key, opened, answered, level or "?", type_ or "?", _systems(named), _hours(opened, answered))
        for key, opened, answered, level, type_, named in session.exec(query)
    ]


@lru_cache(maxsize=10_000)
def _systems(topics: str) -> tuple[str, ...]:
    """Of the stored JSON: thousands of tickets name the same few."""
    return tuple({topic["name"] for topic in json.loads(topics) if topic["kind"] == "system"})


def _resolved(session: Session, since: datetime) -> dict[int, datetime]:
    """When each ticket was resolved last."""
    query = select(Event.ticket_id, func.max(Event.at)).where(Event.what == "resolved", col(Event.at) >= since)
    return {key: at for key, at in session.exec(query.group_by(col(Event.ticket_id)))}  # noqa: C416  # rows


def _weeks(
    rows: Sequence[_Row], resolved: dict[int, datetime], decided: Sequence[_Decided], since: datetime, weeks: int
) -> list[Week]:
    def week_of(at: datetime) -> int:
        return (at - since).days // 7

    opened: list[list[_Row]] = [[] for _ in range(weeks)]
    for row in rows:
        opened[week_of(row.opened)].append(row)
    decisions: list[list[_Decided]] = [[] for _ in range(weeks)]
    for one in decided:
        decisions[week_of(one.at)].append(one)
    answered = Counter(week_of(row.first_answer) for row in rows if row.first_answer is not None)
    ended = Counter(week_of(at) for at in resolved.values())
    return [
        Week(
            monday=(since + timedelta(weeks=n)).date(),
            opened=len(opened[n]),
            answered=answered[n],
            resolved=ended[n],
            first_answer_median_h=_span(row.first_answer_h for row in opened[n]).median_h,
            resolution_median_h=_span(_hours(row.opened, resolved.get(row.key)) for row in opened[n]).median_h,
            approval_rate=_decisions(decisions[n]).approval_rate,
            edit_share=_decisions(decisions[n]).edit_share,
        )
        for n in range(weeks)
    ]


def _groups(
    rows: Sequence[_Row],
    resolved: Mapping[int, datetime],
    decided: Sequence[_Decided],
    names: Sequence[Sequence[str]],
) -> list[Group]:
    """`names` are the groups of each row. The largest first."""
    members: dict[str, list[_Row]] = {}
    for row, groups in zip(rows, names, strict=True):
        for name in groups:
            members.setdefault(name, []).append(row)
    of_ticket: dict[int, list[_Decided]] = {}
    for one in decided:
        of_ticket.setdefault(one.ticket, []).append(one)
    found = [
        Group(
            name=name,
            opened=len(some),
            first_answer=_span(row.first_answer_h for row in some),
            resolution=_span(_hours(row.opened, resolved.get(row.key)) for row in some),
            decisions=_decisions([one for row in some for one in of_ticket.get(row.key, ())]),
        )
        for name, some in members.items()
    ]
    return sorted(found, key=lambda group: (-group.opened, group.name))


class _Decided(NamedTuple):
    ticket: int
    at: datetime
    decision: str
    edit_share: float | None
    """Of edited answers that were compared with their drafts."""


def _decided(session: Session, since: datetime) -> list[_Decided]:
    made = (
        select(Approval.id, Draft.ticket_id, Approval.at, Approval.decision)
        .join(Draft, col(Approval.draft_id) == Draft.id)
        .where(col(Approval.at) >= since)
    )
    edited = (
        select(Approval.id, Draft.body, Approval.body)
        .join(Draft, col(Approval.draft_id) == Draft.id)
        .where(Approval.decision == Decision.EDITED, col(Approval.at) >= since)
        .order_by(col(Approval.id).desc())
        .limit(MAX_EDITS)
    )
    shares = {key: edit_share(before, after or "") for key, before, after in session.exec(edited)}
    return [_Decided(ticket, at, decision, shares.get(key)) for key, ticket, at, decision in session.exec(made)]


def _decisions(decided: Sequence[_Decided]) -> Decisions:
    counts = Counter(one.decision for one in decided)
    shares = [one.edit_share for one in decided if one.edit_share is not None]
    return Decisions(
        approved=counts[Decision.APPROVED],
        edited=counts[Decision.EDITED],
        rejected=counts[Decision.REJECTED],
        edit_share=statistics.median(shares) if shares else None,
    )


def edit_share(before: str, after: str) -> float:
    """Share of words that are not in both texts in the same order; 0 for the same text, 1 for nothing in common."""
    return 1 - SequenceMatcher(None, before.split(), after.split(), autojunk=False).ratio()


def _hours(begin: datetime, end: datetime | None) -> float | None:
    return None if end is None else max((end - begin).total_seconds() / 3600, 0)


def _span(hours: Iterable[float | None]) -> Span:
    measured = sorted(value for value in hours if value is not None)
    if not measured:
        return Span(count=0, median_h=None, p90_h=None)
    p90 = measured[min(int(0.9 * len(measured)), len(measured) - 1)]
    return Span(count=len(measured), median_h=statistics.median(measured), p90_h=p90)
