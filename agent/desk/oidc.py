"""Signing in at an OpenID Connect provider. Only who is an engineer here already gets in."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Cookie, Request, Response, status
from fastapi.responses import RedirectResponse

from agent.desk.session import DeskState, local_path
from agent.desk.sign_in import refused, start
from agent.desk.state import Desk
from agent.errors import NotFoundError, SignOnError
from agent.single_sign_on import Provider
from agent.store import audit, people

router = APIRouter()

STATE_COOKIE = "minerva_oidc"


@router.get("/oidc/sign-in")
def begin(request: Request, desk: DeskState, next: str = "/") -> Response:  # noqa: A002
    try:
        address, state = _provider(desk).begin(_callback(request, desk), local_path(next))
    except SignOnError as error:
        return refused(request, str(error), "/")
    response = RedirectResponse(address, status.HTTP_303_SEE_OTHER)
    response.set_cookie(
        STATE_COOKIE, state, max_age=600, httponly=True, samesite="lax", secure=desk.secure, path="/oidc"
    )
    return response


@router.get("/oidc/callback")
def finish(
    request: Request,
    desk: DeskState,
    code: str = "",
    state: str = "",
    minerva_oidc: Annotated[str, Cookie()] = "",
) -> Response:
    """The state must be the one that this browser was given: nobody can be signed in as somebody else."""
    try:
        if not state or not secrets.compare_digest(state.encode(), minerva_oidc.encode()):
            raise SignOnError("This sign-in was not begun in this browser. Begin again.")  # noqa: TRY301
        if not code:
            raise SignOnError("The provider did not sign you in.")  # noqa: TRY301
        email, target = _provider(desk).finish(state, code)
    except SignOnError as error:
        return refused(request, str(error), "/")
    with desk.database.write() as session:
        engineer = people.active_by_email(session, email)
        if engineer is None:
            audit.append(session, actor=email[:320], action="sign in, refused", subject="/oidc/callback")
            return refused(request, f"{email} is no engineer here. An admin can add you.", "/")
        response = start(session, request, desk, engineer, target)
    response.delete_cookie(STATE_COOKIE, path="/oidc")
    return response


def _provider(desk: Desk) -> Provider:
    if desk.sign_on is None:
        raise NotFoundError("there is no single sign-on here")
    return desk.sign_on


def _callback(request: Request, desk: Desk) -> str:
    return f"{desk.settings.desk_url or str(request.base_url).rstrip('/')}/oidc/callback"
