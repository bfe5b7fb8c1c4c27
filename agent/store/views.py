"""The views of the inbox: which tickets each holds, narrowed by what the engineer picks, and how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, case, func, or_, true
from sqlmodel import Session, col, select

from agent.store import fulltext
from agent.store.tables import Mention, Message, Ticket, TicketStatus, TicketTag, now

OPEN = (TicketStatus.NEW, TicketStatus.DRAFTED, TicketStatus.ANSWERED)
ENDED = (TicketStatus.RESOLVED, TicketStatus.CLOSED)


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
    assignee_id: int | None = None
    text: str = ""
    partner_id: int | None = None
    theirs: tuple[int, int | None] | None = None
    """Keys of a partner's engineer and her organisation: only what either has."""

    @property
    def is_narrowed(self) -> bool:
        return bool(
            self.level or self.type or self.language or self.tag or self.assignee_id or self.partner_id or self.text
        )


def find(session: Session, wanted: Wanted, *, me: int, limit: int = 50, offset: int = 0) -> list[Ticket]:
    """Latest change first. `me` is the key of the engineer who looks."""
    query = select(Ticket).where(_in_view(wanted.view, me, now()))
    for field, value in ((Ticket.level, wanted.level), (Ticket.type, wanted.type), (Ticket.language, wanted.language)):
        if value:
            query = query.where(field == value)
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
    query = query.where(fulltext.holds(session, wanted.text))
    return list(session.exec(query.order_by(col(Ticket.updated_at).desc()).offset(offset).limit(limit)))


def counts(session: Session, *, me: int) -> dict[View, int]:
    """Tickets in the views of work that is under way; the others only grow and are not counted."""
    counted = _working_views(me, now())
    sums = [func.coalesce(func.sum(case((condition, 1), else_=0)), 0) for condition in counted.values()]
    found = session.exec(select(*sums).where(col(Ticket.status).in_(OPEN))).one()
    aside = session.exec(select(func.count()).where(Ticket.status == TicketStatus.SET_ASIDE)).one()
    named = session.exec(select(func.count(func.distinct(Message.ticket_id))).where(_names(me))).one()
    return dict(zip(counted, found, strict=True)) | {View.ASIDE: aside, View.MENTIONS: named}


def tags(session: Session) -> list[str]:
    """In use, by name."""
    return list(session.exec(select(TicketTag.tag).distinct().order_by(col(TicketTag.tag))))


def _in_view(view: View, me: int, at: datetime) -> ColumnElement[bool]:
    working = _working_views(me, at)
    if view in working:
        return and_(col(Ticket.status).in_(OPEN), working[view])
    mentioned = select(Message.ticket_id).where(_names(me))
    conditions: dict[View, ColumnElement[bool]] = {
        View.MENTIONS: col(Ticket.id).in_(mentioned),
        View.DONE: col(Ticket.status).in_(ENDED),
        View.ASIDE: col(Ticket.status) == TicketStatus.SET_ASIDE,
        View.ALL: true(),
    }
    return conditions[view]


def _working_views(me: int, at: datetime) -> dict[View, ColumnElement[bool]]:
    """Of tickets that are open."""
    awake = or_(col(Ticket.snoozed_until).is_(None), col(Ticket.snoozed_until) <= at)
    return {
        View.OPEN: awake,
        View.MINE: and_(awake, col(Ticket.assignee_id) == me),
        View.UNASSIGNED: and_(awake, col(Ticket.assignee_id).is_(None)),
        View.APPROVAL: and_(awake, col(Ticket.status) == TicketStatus.DRAFTED),
        View.REQUESTER: and_(awake, col(Ticket.status) == TicketStatus.ANSWERED),
        View.BREACHING: and_(
            col(Ticket.status).in_((TicketStatus.NEW, TicketStatus.DRAFTED)), col(Ticket.warn_at) <= at
        ),
        View.SELECTION: and_(awake, col(Ticket.type).in_(("T3", "T4"))),
        View.SNOOZED: col(Ticket.snoozed_until) > at,
    }


def _names(me: int) -> ColumnElement[bool]:
    """A condition on `Message`: it names the engineer, who has not seen that yet."""
    unseen = select(Mention.message_id).where(Mention.engineer_id == me, col(Mention.seen_at).is_(None))
    return col(Message.id).in_(unseen)
