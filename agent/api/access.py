"""Who calls: a bearer token (RFC 6750), of which only the hash is kept, with scopes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, HTTPException, Request, Security, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from agent.desk.state import Desk, desk_of
from agent.store import audit, tokens
from agent.store.tables import ApiToken

_bearer = HTTPBearer(auto_error=False, description="Made with `minerva token add`.")


def caller(
    request: Request,
    scopes: SecurityScopes,
    desk: Annotated[Desk, Depends(desk_of)],
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> ApiToken:
    """Raises HTTPException: 401 without a valid token, 403 without the scope. Each call is a line of the audit log."""
    with desk.database.write() as session:
        token = tokens.find(session, given.credentials) if given else None
        if token is None:
            challenge = {"WWW-Authenticate": "Bearer"}
            raise HTTPException(status.HTTP_401_UNAUTHORIZED, "a valid token is needed", headers=challenge)
        missing = sorted(set(scopes.scopes) - set(token.scopes))
        audit.append(
            session,
            actor=f"token {token.name}",
            action=f"{request.method.lower()}{', refused' if missing else ''}",
            subject=f"{request.url.path}{'?' if request.url.query else ''}{request.url.query}",
        )
    if missing:
        raise HTTPException(status.HTTP_403_FORBIDDEN, f"this token lacks the scope {', '.join(missing)}")
    return token


Reader = Annotated[ApiToken, Security(caller, scopes=["read"])]
Writer = Annotated[ApiToken, Security(caller, scopes=["write"])]
Asker = Annotated[ApiToken, Security(caller, scopes=["request"])]
DeskState = Annotated[Desk, Depends(desk_of)]
