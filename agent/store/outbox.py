"""Mails on their way out: claimed by conditional update, so that no two workers send one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, CursorResult, delete, func, or_, update
from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from agent.mail.outbound import OutboundMessage, as_bytes
from agent.store.tables import Outbound, OutboundKind, OutboundState, Ticket, now
from agent.store.tickets import key_of

ON_THE_WAY = (OutboundState.QUEUED, OutboundState.SENDING, OutboundState.TRANSMITTING)

LEASE = timedelta(minutes=30)
"""Longer than any conversation with a relay takes."""


def queue(session: Session, ticket: Ticket, mail: OutboundMessage, *, kind: OutboundKind, key: str) -> Outbound:
    """Write the outbox row; the same `key` twice is refused by the database."""
    row = Outbound(
        ticket_id=key_of(ticket),
        kind=kind,
        key=key,
        message_id=mail.message_id,
        recipients=list(mail.recipients),
        recipient=mail.recipients[0].casefold(),
        content=as_bytes(mail),
    )
    session.add(row)
    session.flush()
    return row


def unqueue(session: Session, outbound_id: int) -> bool:
    """Take out of the outbox what nobody has tried to send yet. False: too late."""
    untouched = col(Outbound.state) == OutboundState.QUEUED, col(Outbound.attempts) == 0
    return _count(session.execute(delete(Outbound).where(col(Outbound.id) == outbound_id, *untouched))) == 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    id: int
    message_id: str
    attempts: int


def due(session: Session, at: datetime) -> list[Due]:
    """The mails that may be sent now, oldest first."""
    rows = session.exec(
        select(Outbound.id, Outbound.message_id, Outbound.attempts)
        .where(Outbound.state == OutboundState.QUEUED, col(Outbound.next_attempt_at) <= at)
        .order_by(col(Outbound.id))
    )
    return [Due(id=key, message_id=name, attempts=tries) for key, name, tries in rows if key is not None]


def claim(session: Session, outbound_id: int) -> int:
    """The number of this try, which is ours for `LEASE`; 0: not yet, somebody else has it, or it is done.

    Whoever was so slow that another try began meanwhile is told by the functions below, and does nothing more.
    """
    ours = {"state": OutboundState.SENDING, "attempts": Outbound.attempts + 1, "next_attempt_at": now() + LEASE}
    waiting = col(Outbound.state) == OutboundState.QUEUED, col(Outbound.next_attempt_at) <= now()
    claimed = update(Outbound).where(col(Outbound.id) == outbound_id, *waiting).values(**ours)
    return session.execute(claimed.returning(col(Outbound.attempts))).scalar_one_or_none() or 0


def begin_transmission(session: Session, outbound_id: int, attempt: int) -> bool:
    """From here on a crash leaves the outcome unknown. False: it is no longer ours."""
    claimed = col(Outbound.state) == OutboundState.SENDING
    return _settle(session, outbound_id, attempt, claimed, state=OutboundState.TRANSMITTING)


def finish(
    session: Session,
    outbound_id: int,
    attempt: int,
    state: OutboundState,
    *,
    error: str | None = None,
    file: str | None = None,
) -> bool:
    """False: it is no longer ours."""
    sent_at = now() if state is OutboundState.SENT else None
    return _settle(session, outbound_id, attempt, state=state, last_error=error, file=file, sent_at=sent_at)


def retry_later(session: Session, outbound_id: int, attempt: int, *, error: str, wait_s: float) -> bool:
    """False: it is no longer ours."""
    later = now() + timedelta(seconds=wait_s)
    return _settle(session, outbound_id, attempt, state=OutboundState.QUEUED, last_error=error, next_attempt_at=later)


def is_overdue(session: Session, at: datetime) -> bool:
    """Whether a mail was claimed and neither settled nor given back in time: say, for a full disk."""
    return session.exec(select(Outbound.id).where(*_claimed(at)).limit(1)).first() is not None


def recover(session: Session, before: datetime | None = None) -> tuple[int, int]:
    """What was only claimed is queued again, what was on the wire is uncertain. Returns both counts.

    After a crash of all that was claimed; else of what should have been settled `before` then.
    """
    claimed = _claimed(before) if before else ()
    again = session.execute(
        update(Outbound)
        .where(col(Outbound.state) == OutboundState.SENDING, *claimed)
        .values(state=OutboundState.QUEUED, next_attempt_at=now())
    )
    uncertain = session.execute(
        update(Outbound)
        .where(col(Outbound.state) == OutboundState.TRANSMITTING, *claimed)
        .values(state=OutboundState.UNCERTAIN, last_error="nothing was heard after this mail had been handed over")
    )
    return _count(again), _count(uncertain)


def _claimed(before: datetime) -> tuple[ColumnElement[bool], ...]:
    on_the_way = (OutboundState.SENDING, OutboundState.TRANSMITTING)
    return col(Outbound.state).in_(on_the_way), col(Outbound.next_attempt_at) <= before


def acknowledgements_since(session: Session, recipient: str, since: datetime, *, any_tag: bool = False) -> int:
    """With `any_tag`, those to `local+anything@domain` count too."""
    name = recipient.casefold()
    to_it = col(Outbound.recipient) == name
    if any_tag:
        local, _, domain = name.rpartition("@")
        mailbox = local.partition("+")[0]
        tagged = col(Outbound.recipient).startswith(f"{mailbox}+", autoescape=True) & col(Outbound.recipient).endswith(
            f"@{domain}", autoescape=True
        )
        to_it = or_(to_it, col(Outbound.recipient) == f"{mailbox}@{domain}", tagged)
    return session.exec(
        select(func.count())
        .select_from(Outbound)
        .where(to_it, Outbound.kind == OutboundKind.ACKNOWLEDGEMENT, col(Outbound.created_at) >= since)
    ).one()


def newest_with_ticket(session: Session, limit: int = 50) -> list[tuple[Outbound, str]]:
    """Each with the number of its ticket."""
    query = select(Outbound, Ticket.number).join(Ticket, col(Ticket.id) == Outbound.ticket_id)
    return [(mail, number) for mail, number in session.exec(query.order_by(col(Outbound.id).desc()).limit(limit))]


def of_messages(session: Session, ticket: Ticket, message_ids: Sequence[str]) -> list[Outbound]:
    """The mails that these messages are, and those of the ticket that have not left; without their contents."""
    wanted = or_(col(Outbound.message_id).in_(message_ids), col(Outbound.state).in_(ON_THE_WAY))
    query = select(Outbound).where(Outbound.ticket_id == ticket.id, wanted).order_by(col(Outbound.id))
    return list(session.exec(query.options(defer(Outbound.content))))  # type: ignore[arg-type]  # a column


def counts(session: Session) -> dict[str, int]:
    """Number of mails per state; states without mails are left out."""
    return dict(iter(session.exec(select(Outbound.state, func.count()).group_by(Outbound.state))))


def _settle(
    session: Session, outbound_id: int, attempt: int, *conditions: ColumnElement[bool], **values: object
) -> bool:
    ours = col(Outbound.id) == outbound_id, col(Outbound.attempts) == attempt
    return _count(session.execute(update(Outbound).where(*ours, *conditions).values(**values))) == 1


def _count(result: object) -> int:
    assert isinstance(result, CursorResult)
    return result.rowcount
