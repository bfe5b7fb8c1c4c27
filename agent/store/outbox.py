"""Mails on their way out: claimed by conditional update, so that no two workers send one."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import CursorResult, func, update
from sqlmodel import Session, col, select

from agent.store.tables import Outbound, OutboundKind, OutboundState, now


def due(session: Session, at: datetime) -> list[tuple[int, int]]:
    """(id, attempts so far) of the mails that may be sent now, oldest first."""
    rows = session.exec(
        select(Outbound.id, Outbound.attempts)
        .where(Outbound.state == OutboundState.QUEUED, col(Outbound.next_attempt_at) <= at)
        .order_by(col(Outbound.id))
    )
    return [(key, attempts) for key, attempts in rows if key is not None]


def claim(session: Session, outbound_id: int) -> bool:
    """True: it is ours to send. False: somebody else has it, or it is done; leave it alone."""
    return _move(
        session, outbound_id, OutboundState.QUEUED, state=OutboundState.SENDING, attempts=Outbound.attempts + 1
    )


def begin_transmission(session: Session, outbound_id: int) -> bool:
    """From here on a crash leaves the outcome unknown. False: it is no longer ours."""
    return _move(session, outbound_id, OutboundState.SENDING, state=OutboundState.TRANSMITTING)


def finish(
    session: Session, outbound_id: int, state: OutboundState, *, error: str | None = None, file: str | None = None
) -> None:
    sent_at = now() if state is OutboundState.SENT else None
    session.execute(
        update(Outbound)
        .where(col(Outbound.id) == outbound_id)
        .values(state=state, last_error=error, file=file, sent_at=sent_at)
    )


def retry_later(session: Session, outbound_id: int, *, error: str, wait_s: float) -> None:
    session.execute(
        update(Outbound)
        .where(col(Outbound.id) == outbound_id)
        .values(state=OutboundState.QUEUED, last_error=error, next_attempt_at=now() + timedelta(seconds=wait_s))
    )


def recover(session: Session) -> tuple[int, int]:
    """After a crash: what was only claimed is queued again, what was on the wire is uncertain. Returns both counts."""
    again = session.execute(
        update(Outbound).where(col(Outbound.state) == OutboundState.SENDING).values(state=OutboundState.QUEUED)
    )
    uncertain = session.execute(
        update(Outbound)
        .where(col(Outbound.state) == OutboundState.TRANSMITTING)
        .values(state=OutboundState.UNCERTAIN, last_error="the service stopped while this mail was being handed over")
    )
    return _count(again), _count(uncertain)


def acknowledgements_since(session: Session, recipient: str, since: datetime) -> int:
    return session.exec(
        select(func.count())
        .select_from(Outbound)
        .where(
            Outbound.recipient == recipient.casefold(),
            Outbound.kind == OutboundKind.ACKNOWLEDGEMENT,
            col(Outbound.created_at) >= since,
        )
    ).one()


def newest(session: Session, limit: int = 100) -> list[Outbound]:
    return list(session.exec(select(Outbound).order_by(col(Outbound.id).desc()).limit(limit)))


def _move(session: Session, outbound_id: int, expected: OutboundState, **values: object) -> bool:
    result = session.execute(
        update(Outbound).where(col(Outbound.id) == outbound_id, col(Outbound.state) == expected).values(**values)
    )
    return _count(result) == 1


def _count(result: object) -> int:
    assert isinstance(result, CursorResult)
    return result.rowcount
