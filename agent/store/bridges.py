"""Hand-overs to the desks of partners, as rows: what is due there, and what came back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlmodel import Session, col, select

from agent.errors import NotFoundError
from agent.store import tickets
from agent.store.bridge_tables import DeskKind, ExternalDesk, HandOver, HandOverMessage
from agent.store.tables import Message, Outbound, OutboundKind, OutboundState, Partner, Ticket, now
from agent.store.views import ENDED

RETRY_AFTER_S = (5, 30, 120, 600, 1800, 3600)
"""After so many failures in a row; the last one goes on for ever."""

LEASE = timedelta(seconds=30)
"""While a ticket is being created there nobody begins again; by then that desk's search knows it."""
WATCHED = timedelta(days=30)


def by_id(session: Session, key: int) -> HandOver:
    """Raises NotFoundError."""
    found = session.get(HandOver, key)
    if found is None:
        raise NotFoundError(f"there is no hand-over {key}")
    return found


def of_ticket(session: Session, ticket: Ticket) -> list[tuple[HandOver, Partner, ExternalDesk | None]]:
    """The newest first; the desk is None when the partner works on ours."""
    query = select(HandOver, Partner, ExternalDesk).join(Partner, col(Partner.id) == HandOver.partner_id)
    query = query.join(ExternalDesk, col(ExternalDesk.partner_id) == HandOver.partner_id, isouter=True)
    rows = session.exec(query.where(HandOver.ticket_id == ticket.id).order_by(col(HandOver.at).desc()))
    return [(hand_over, partner, desk) for hand_over, partner, desk in rows]


def of_pair(session: Session, ticket: Ticket, partner_id: int) -> HandOver | None:
    query = select(HandOver).where(HandOver.ticket_id == ticket.id, HandOver.partner_id == partner_id)
    return session.exec(query).one_or_none()


def desks(session: Session) -> list[ExternalDesk]:
    return list(session.exec(select(ExternalDesk).order_by(col(ExternalDesk.partner_id))))


def at_desk(session: Session, partner_id: int) -> list[HandOver]:
    """Those that are known to be there and may change: what is over for a month is left alone."""
    over = or_(col(HandOver.ended_at).is_not(None), and_(col(HandOver.remote_closed), col(HandOver.closed_here)))
    long_ago = and_(col(HandOver.last_synced_at).is_not(None), col(HandOver.last_synced_at) < now() - WATCHED)
    query = select(HandOver).where(HandOver.partner_id == partner_id, col(HandOver.remote_id).is_not(None))
    return list(session.exec(query.where(~and_(over, long_ago))))


def active(session: Session, ticket: Ticket, kind: DeskKind) -> list[HandOver]:
    query = select(HandOver).join(ExternalDesk, col(ExternalDesk.partner_id) == HandOver.partner_id)
    mine = HandOver.ticket_id == ticket.id, col(HandOver.ended_at).is_(None), ExternalDesk.kind == kind
    return list(session.exec(query.where(*mine)))


def opening_messages(session: Session, hand_over: HandOver) -> list[Message]:
    """What goes along when the ticket is created there; fixed when it was first decided, for any later try."""
    before = select(Message).join(HandOverMessage, col(HandOverMessage.message_id) == Message.id)
    before = before.where(HandOverMessage.hand_over_id == hand_over.id, col(HandOverMessage.remote_id).is_(None))
    fixed = list(session.exec(before.order_by(col(Message.id))))
    if fixed:
        return fixed
    due = due_messages(session, hand_over)
    session.add_all(_pair(hand_over, message, None) for message in due)
    session.flush()
    return due


def due_messages(session: Session, hand_over: HandOver) -> list[Message]:
    """Of the ticket, the oldest first, that the partner is to have and has not."""
    query = select(Message).join(HandOver, col(HandOver.ticket_id) == Message.ticket_id)
    query = query.where(HandOver.id == hand_over.id, *_is_due())
    return list(session.exec(query.order_by(col(Message.id))))


def _is_due() -> tuple[ColumnElement[bool], ...]:
    """Conditions on a Message and a HandOver of its ticket."""
    known = exists().where(
        col(HandOverMessage.hand_over_id) == col(HandOver.id), col(HandOverMessage.message_id) == col(Message.id)
    )
    return ~known.correlate(HandOver, Message), _is_for_partner(), col(HandOver.ended_at).is_(None)


def _is_for_partner() -> ColumnElement[bool]:
    """What the requester wrote, what has been sent to them, and what is internal only if the hand-over says so."""
    not_sent = exists().where(
        col(Outbound.message_id) == col(Message.message_id), col(Outbound.state) != OutboundState.SENT
    )
    not_sent = not_sent.correlate(Message)
    internal = col(Message.direction).in_(("note", "partner"))
    return or_(
        and_(col(Message.direction) == "in", col(Message.auto_generated).is_(False)),
        and_(col(Message.direction) == "out", ~not_sent),
        and_(internal, col(HandOver.with_notes)),
    )


def due(session: Session, partner_id: int) -> list[int]:
    """Hand-overs that have something to tell the partner's desk now, the oldest first."""
    has_news = exists().where(col(Message.ticket_id) == col(HandOver.ticket_id), *_is_due()).correlate(HandOver)
    closed = col(Ticket.status).in_(ENDED)
    out_of_step = and_(
        col(Ticket.merged_into_id).is_(None), col(HandOver.ended_at).is_(None), closed != col(HandOver.closed_here)
    )
    untold = col(HandOver.change_told).is_(False)
    never_there = and_(col(HandOver.ended_at).is_(None), col(HandOver.remote_id).is_(None))
    query = select(HandOver.id).join(Ticket, col(Ticket.id) == HandOver.ticket_id)
    query = query.where(HandOver.partner_id == partner_id, col(HandOver.next_attempt_at) <= now())
    rows = session.exec(query.where(or_(never_there, untold, out_of_step, has_news)).order_by(col(HandOver.id)))
    return [key for key in rows if key is not None]


def known_ids(session: Session, hand_over: HandOver) -> set[str]:
    """Of the messages there that stand on our desk too."""
    query = select(HandOverMessage.remote_id).where(HandOverMessage.hand_over_id == hand_over.id)
    return {key for key in session.exec(query) if key}


def note_message(session: Session, hand_over: HandOver, message: Message, remote_id: str | None) -> None:
    """It stands on both desks now; the database refuses a second row for either."""
    session.add(_pair(hand_over, message, remote_id))
    session.flush()


def _pair(hand_over: HandOver, message: Message, remote_id: str | None) -> HandOverMessage:
    assert hand_over.id is not None
    return HandOverMessage(hand_over_id=hand_over.id, message_id=tickets.key_of(message), remote_id=remote_id)


def note_failure(row: HandOver | ExternalDesk, problem: str) -> None:
    """Try again later, and show why."""
    wait = timedelta(seconds=RETRY_AFTER_S[min(row.failures, len(RETRY_AFTER_S) - 1)])
    row.failures += 1
    row.last_error = problem
    if isinstance(row, HandOver):
        row.next_attempt_at = now() + wait
    else:
        row.next_round_at = now() + wait


def try_now(session: Session, partner_id: int) -> None:
    """Whatever waits for another try there is tried at once."""
    for row in session.exec(select(HandOver).where(HandOver.partner_id == partner_id)):
        row.next_attempt_at = now()
    desk = session.get(ExternalDesk, partner_id)
    if desk is not None:
        desk.next_round_at = now()


def partner_written_to(session: Session, ticket: Ticket, ids: Sequence[str], sender: str) -> HandOver | None:
    """The hand-over by mail that a mail answers, if any: it answers a mail of ours to the partner, or comes from
    the partner's address. The requester stays the requester."""
    if sender.casefold() == ticket.requester_address.casefold():
        return None
    mailed = active(session, ticket, DeskKind.MAIL)
    for hand_over in mailed:
        desk = session.get_one(ExternalDesk, hand_over.partner_id)
        sent = select(Outbound.id).where(
            Outbound.ticket_id == ticket.id,
            Outbound.kind == OutboundKind.HAND_OVER,
            Outbound.recipient == desk.address.casefold(),
            col(Outbound.message_id).in_(ids),
        )
        if sender.casefold() == desk.address.casefold() or session.exec(sent).first() is not None:
            return hand_over
    return None


def drafts_due(session: Session) -> list[HandOver]:
    return list(session.exec(select(HandOver).where(col(HandOver.draft_due))))


def states(session: Session) -> tuple[list[str], list[str]]:
    """A line for each desk that is well, and one for each desk or ticket that is not."""
    told, failed = [], []
    query = select(ExternalDesk, Partner.name).join(Partner, col(Partner.id) == ExternalDesk.partner_id)
    for desk, name in session.exec(query.order_by(col(Partner.name))):
        if desk.last_error:
            failed.append(f"{name}: {desk.last_error}")
        elif desk.kind == DeskKind.MAIL:
            told.append(f"{name} by mail")
        else:
            when = f"in step {desk.last_ok_at:%Y-%m-%d %H:%M} UTC" if desk.last_ok_at else "not tried yet"
            told.append(f"{name} {when}")
    stuck = select(HandOver, Ticket.number).join(Ticket, col(Ticket.id) == HandOver.ticket_id)
    for row, number in session.exec(stuck.where(col(HandOver.last_error).is_not(None)).limit(20)):
        failed.append(f"{number}: {row.last_error}")
    return told, failed
