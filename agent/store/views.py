"""The views of the inbox: which tickets each holds, narrowed by what the engineer picks, and how many there are."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import ColumnElement, Integer, ScalarSelect, Text, and_, bindparam, cast, func, or_, true
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, select

from agent.store import fulltext
from agent.store.tables import Mention, Message, SecondOpinion, Ticket, TicketStatus, TicketTag, now
from agent.store.tables.columns import UtcDateTime

OPEN = (TicketStatus.NEW, TicketStatus.DRAFTED, TicketStatus.ANSWERED)
ENDED = (TicketStatus.RESOLVED, TicketStatus.CLOSED)
MAX_COUNT = 1000
"""Tickets of a view are counted up to here."""


class View(StrEnum):
    OPEN = "open"
    MINE = "mine"
    UNASSIGNED = "unassigned"
    APPROVAL = "approval"
    """A draft waits for a person."""
    REQUESTER = "requester"
    """Answered; the requester's turn."""
    BREACHING = "breaching"
    """It is our turn, and a target is near or missed."""
    SELECTION = "selection"
    """T3 and T4, which begin with an evaluation."""
    MENTIONS = "mentions"
    """A note names the engineer, and she has not opened the ticket since."""
    ASKED = "asked"
    """A colleague has asked the engineer to approve the next answer too."""
    SNOOZED = "snoozed"
    DONE = "done"
    ASIDE = "aside"
    ALL = "all"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What the inbox shows; an empty string leaves that open."""

    view: View = View.OPEN
    level: str = ""
    type: str = ""
    language: str = ""
    tag: str = ""
    system: str = ""
    """Id of a system that the newest request names."""
    trust: str = ""
    """Of the sender: verified, unverified or unknown."""
    assignee_id: int | None = None
    text: str = ""
    partner_id: int | None = None
    theirs: tuple[int, int | None] | None = None
    """Keys of a partner's engineer and her organisation: only what either has."""

    @property
    def is_narrowed(self) -> bool:
        return self != replace(Wanted(), view=self.view, theirs=self.theirs)


_AT = bindparam("at", type_=UtcDateTime)
_ME = bindparam("me", type_=Integer)
_AWAKE = or_(col(Ticket.snoozed_until).is_(None), col(Ticket.snoozed_until) <= _AT)
_IS_OPEN = col(Ticket.status).in_(OPEN)
_UNSEEN = select(Mention.message_id).where(Mention.engineer_id == _ME, col(Mention.seen_at).is_(None))
_NAMING = select(Message.ticket_id).where(col(Message.id).in_(_UNSEEN))
_ASKED = select(SecondOpinion.ticket_id).where(SecondOpinion.colleague_id == _ME, col(SecondOpinion.given_at).is_(None))
_UNANSWERED = col(Ticket.status).in_((TicketStatus.NEW, TicketStatus.DRAFTED))
_IN_VIEW: dict[View, ColumnElement[bool]] = {
    View.OPEN: and_(_IS_OPEN, _AWAKE),
    View.MINE: and_(_IS_OPEN, _AWAKE, col(Ticket.assignee_id) == _ME),
    View.UNASSIGNED: and_(_IS_OPEN, _AWAKE, col(Ticket.assignee_id).is_(None)),
    View.APPROVAL: and_(_AWAKE, col(Ticket.status) == TicketStatus.DRAFTED),
    View.REQUESTER: and_(_AWAKE, col(Ticket.status) == TicketStatus.ANSWERED),
    View.BREACHING: and_(_UNANSWERED, col(Ticket.warn_at) <= _AT),
    View.SELECTION: and_(_IS_OPEN, _AWAKE, col(Ticket.type).in_(("T3", "T4"))),
    View.MENTIONS: col(Ticket.id).in_(_NAMING),
    View.ASKED: and_(_IS_OPEN, col(Ticket.id).in_(_ASKED)),
    View.SNOOZED: and_(_IS_OPEN, col(Ticket.snoozed_until) > _AT),
    View.ASIDE: col(Ticket.status) == TicketStatus.SET_ASIDE,
    View.DONE: col(Ticket.status).in_(ENDED),
    View.ALL: true(),
}
"""Built once: putting the conditions together took longer than asking the database."""
_NOT_COUNTED = (View.DONE, View.ALL)
"""They only grow."""


def _count(condition: ColumnElement[bool]) -> ScalarSelect[int]:
    """Stops at `MAX_COUNT`, so that a long list costs no more than a short one."""
    some = select(Ticket.id).where(condition).limit(MAX_COUNT).subquery()
    return sql_select(func.count()).select_from(some).scalar_subquery()


_COUNTED = [view for view in View if view not in _NOT_COUNTED]
_COUNTS = sql_select(*(_count(_IN_VIEW[view]) for view in _COUNTED))


def find(
    session: Session,
    wanted: Wanted,
    *,
    me: int,
    limit: int = 50,
    offset: int = 0,
    matches: fulltext.Matches | None = None,
) -> list[Ticket]:
    """Latest change first. `me` is the key of the engineer who looks, `matches` what holds the words, if it was asked
    for already."""
    query = select(Ticket).where(_IN_VIEW[wanted.view])
    for field in ("level", "type", "language", "trust"):
        if value := getattr(wanted, field):
            query = query.where(getattr(Ticket, field) == value)
    if wanted.system:
        named = json.dumps(wanted.system)
        query = query.where(cast(col(Ticket.topics), Text).contains(f'"id": {named}', autoescape=True))
    if wanted.assignee_id is not None:
        query = query.where(Ticket.assignee_id == wanted.assignee_id)
    if wanted.partner_id is not None:
        query = query.where(Ticket.partner_id == wanted.partner_id)
    if wanted.theirs is not None:
        engineer, partner = wanted.theirs
        query = query.where(or_(col(Ticket.assignee_id) == engineer, col(Ticket.partner_id) == (partner or -1)))
    if wanted.tag:
        tagged = select(TicketTag.ticket_id).where(TicketTag.tag == wanted.tag)
        query = query.where(col(Ticket.id).in_(tagged))
    query = query.where((matches or fulltext.matching(session, wanted.text)).condition)
    query = query.order_by(col(Ticket.updated_at).desc()).offset(offset).limit(limit)
    return list(session.exec(query, params={"at": now(), "me": me}))


def counts(session: Session, *, me: int) -> dict[View, int]:
    """Tickets in the views of work that is under way, each up to `MAX_COUNT`."""
    return dict(zip(_COUNTED, session.execute(_COUNTS, {"at": now(), "me": me}).one(), strict=True))


def tags(session: Session) -> list[str]:
    """In use, by name."""
    return list(session.exec(select(TicketTag.tag).distinct().order_by(col(TicketTag.tag))))
