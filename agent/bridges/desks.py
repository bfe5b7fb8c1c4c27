"""Where a partner works: kept, changed, and what is wrong with it."""

from __future__ import annotations

from urllib.parse import urlsplit

from sqlalchemy import delete
from sqlmodel import Session, col, select

from agent.errors import HandlingError
from agent.store import bridges
from agent.store.bridge_tables import DeskKind, ExternalDesk, HandOver, HandOverMessage
from agent.store.tables import Partner

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def set_desk(session: Session, partner: Partner, *, kind: str, address: str, queue: str, token: str) -> None:
    """Where the partner works; an empty `kind` means on our desk. An empty token leaves the one that is kept.

    Raises HandlingError with what cannot be used.
    """
    assert partner.id is not None
    desk = session.get(ExternalDesk, partner.id)
    if not kind:
        if desk is not None:
            _leave(session, desk)
            session.delete(desk)
        return
    if kind not in set(DeskKind):
        raise HandlingError("A partner's desk is Request Tracker, Zammad or mail.")
    address, queue = address.strip().rstrip("/"), queue.strip()
    kept = desk.token if desk is not None and (desk.kind, desk.address) == (kind, address) else ""
    problem = _problem_of_desk(kind, address, queue, token.strip() or kept)
    if problem:
        raise HandlingError(problem)
    desk = desk or ExternalDesk(partner_id=partner.id, kind=kind, address=address)
    if (desk.kind, desk.address) != (kind, address):
        _leave(session, desk)
    desk.kind, desk.address, desk.queue, desk.token = kind, address, queue, token.strip() or kept
    desk.last_ok_at, desk.last_error, desk.failures = None, None, 0
    session.add(desk)
    session.flush()
    bridges.try_now(session, partner.id)


def _leave(session: Session, desk: ExternalDesk) -> None:
    """Ids there mean nothing elsewhere. Raises HandlingError as long as tickets are there."""
    rows = session.exec(select(HandOver).where(HandOver.partner_id == desk.partner_id)).all()
    there = [row for row in rows if row.ended_at is None]
    if there:
        raise HandlingError(f"{len(there)} tickets are handed over to that desk. Take them back first.")
    desk.cursor = ""
    for row in rows:
        session.execute(delete(HandOverMessage).where(col(HandOverMessage.hand_over_id) == row.id))
        row.remote_id, row.remote_changed, row.change_told = None, "", True


def _problem_of_desk(kind: str, address: str, queue: str, token: str) -> str:
    if kind == DeskKind.MAIL:
        local, _, domain = address.rpartition("@")
        good = local and "." in domain and not any(c.isspace() or c in ",;<>" for c in address)
        return "" if good else "Write the mail address that tickets are handed to, such as hpc@example.org."
    parts = urlsplit(address)
    is_here = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not (is_here or (parts.scheme == "https" and parts.hostname)) or parts.query or parts.username:
        return "The address of the desk begins with https://, such as https://rt.example.org."
    if not queue:
        return "Name the queue (Request Tracker) or group (Zammad) that tickets are created in."
    if not token or not token.isascii() or any(c.isspace() for c in token):
        return "Give the token of the account that we use there: one line, without spaces."
    return ""
