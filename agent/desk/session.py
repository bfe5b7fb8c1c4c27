"""Who is signed in, and the checks that every request passes."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Form, HTTPException, Request, Response, status

from agent.desk import access
from agent.desk.state import Desk, desk_of
from agent.store import people
from agent.store.tables import Engineer

COOKIE = "minerva_session"

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedIn:
    engineer: Engineer
    csrf_token: str
    token: str


class SignInNeededError(Exception):
    """Answered with the sign-in page."""


class FormTooOldError(Exception):
    """A form of another session, sent after signing in again; answered with a page that keeps what was typed."""


def signed_in(request: Request, desk: Annotated[Desk, Depends(desk_of)]) -> SignedIn:
    """Raises SignInNeededError; NotAllowedError and NotFoundError for what is not for this engineer."""
    token = request.cookies.get(COOKIE, "")
    with desk.database.read() as session:
        found = people.session_of(session, token) if token else None
    if found is None:
        raise SignInNeededError
    kept, engineer = found
    request.state.engineer = engineer
    with desk.database.read() as session:
        access.check(session, engineer, request.method, request.url.path, request.path_params)
    return SignedIn(engineer=engineer, csrf_token=kept.csrf_token, token=token)


def checked_form(
    request: Request, who: Annotated[SignedIn, Depends(signed_in)], csrf_token: Annotated[str, Form()] = ""
) -> SignedIn:
    """For every form that changes something: same origin and the session's own token."""
    same_origin(request)
    if not secrets.compare_digest(csrf_token.encode(), who.csrf_token.encode()):
        raise FormTooOldError
    return who


def same_origin(request: Request) -> None:
    origin = request.headers.get("origin")
    if origin not in {None, "null"} and urlsplit(origin).netloc != request.headers.get("host"):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "This form came from another site.")


def set_cookie(response: Response, token: str, *, secure: bool) -> None:
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(people.SESSION_LIFETIME.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=secure,
        path="/",
    )


def way_back(request: Request) -> str:
    """Where to go on after signing in: the page itself, or for a form the ticket that it belongs to."""
    if request.method == "GET":
        return request.url.path + (f"?{request.url.query}" if request.url.query else "")
    parts = request.url.path.split("/")
    return "/".join(parts[:3]) if parts[1] == "tickets" else "/"


def local_path(target: str) -> str:
    """`target` when it is a path on this desk, else the inbox: no open redirect."""
    parts = urlsplit(target)
    is_local = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return target if is_local and "\\" not in target else "/"


Who = Annotated[SignedIn, Depends(signed_in)]
Checked = Annotated[SignedIn, Depends(checked_form)]
DeskState = Annotated[Desk, Depends(desk_of)]
