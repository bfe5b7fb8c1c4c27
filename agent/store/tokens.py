"""Tokens of other programs; only their hashes are kept."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable

from sqlmodel import Session, col, select

from agent.errors import HelpdeskError, NotFoundError
from agent.store.tables import ApiToken, now

SCOPES = {
    "read": "read tickets and their messages",
    "write": "note, tag, assign, resolve and reopen tickets",
    "request": "send requests in the name of people",
}
PREFIX = "minerva_"
"""So that scanners for leaked secrets know it."""


def add(session: Session, name: str, scopes: Iterable[str]) -> str:
    """The token, shown this once. Raises HelpdeskError for a name in use or an unknown scope."""
    wanted = sorted(set(scopes))
    if unknown := [scope for scope in wanted if scope not in SCOPES]:
        raise HelpdeskError(f"there is no scope {unknown[0]}; there are {', '.join(SCOPES)}")
    if not wanted:
        raise HelpdeskError(f"give at least one scope: {', '.join(SCOPES)}")
    if session.exec(select(ApiToken).where(ApiToken.name == name, col(ApiToken.revoked_at).is_(None))).first():
        raise HelpdeskError(f"there is a token {name} already: revoke it first, or take another name")
    token = PREFIX + secrets.token_urlsafe(32)
    session.add(ApiToken(token_hash=_hash(token), name=name, scopes=wanted))
    return token


def find(session: Session, token: str) -> ApiToken | None:
    """None for one that is unknown or revoked. Notes that it was used."""
    found = session.get(ApiToken, _hash(token))
    if found is None or found.revoked_at is not None:
        return None
    found.used_at = now()
    return found


def revoke(session: Session, name: str) -> None:
    """Raises NotFoundError."""
    found = session.exec(select(ApiToken).where(ApiToken.name == name, col(ApiToken.revoked_at).is_(None))).first()
    if found is None:
        raise NotFoundError(f"there is no token {name}")
    found.revoked_at = now()


def all_tokens(session: Session) -> list[ApiToken]:
    return list(session.exec(select(ApiToken).order_by(col(ApiToken.created_at))))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
