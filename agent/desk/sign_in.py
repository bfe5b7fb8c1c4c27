"""Signing in by a one-time link or a password, with a second factor where there is one, and signing out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response, status
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from agent import second_factor
from agent.desk.pages import page
from agent.desk.session import COOKIE, Checked, DeskState, local_path, same_origin, set_cookie
from agent.desk.state import Desk
from agent.store import audit, people
from agent.store.tables import Engineer
from agent.translations import marked

router = APIRouter()

USED = marked("This link has been used or is too old. Ask for a new one: minerva user link YOUR-ADDRESS")
NEEDS_PASSKEY = marked("This account signs in by its passkey; a password or a link alone is not enough.")


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/") -> Response:  # noqa: A002  # the name in the address
    return page(request, "sign_in.html", next=local_path(next), problem=None, typed="")


@router.get("/sign-in/{token}")
def sign_in_by_link(request: Request, desk: DeskState, token: str) -> Response:
    with desk.database.read() as session:
        owner = people.link_owner(session, token)
        is_asked = owner is not None and people.has_second_factor(session, owner)
    if owner is not None and is_asked:
        return _second_factor(request, owner, token)
    return _by_link(request, desk, token, code="")


@router.post("/sign-in/{token}")
def sign_in_by_link_and_code(
    request: Request, desk: DeskState, token: str, code: Annotated[str, Form(max_length=20)] = ""
) -> Response:
    same_origin(request)
    with desk.database.read() as session:
        owner = people.link_owner(session, token)
    if owner is not None and not desk.attempts.allows(owner.email):
        return _second_factor(request, owner, token, marked("Too many tries. Wait a minute."), status_code=429)
    return _by_link(request, desk, token, code=code)


@router.post("/sign-in")
def sign_in_by_password(
    request: Request,
    desk: DeskState,
    email: Annotated[str, Form(max_length=320)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    code: Annotated[str, Form(max_length=20)] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002
    typed: Annotated[str, Form()] = "",
) -> Response:
    same_origin(request)
    values: dict[str, Any] = {"next": local_path(next), "typed": typed}
    if not desk.attempts.allows(email):
        problem = marked("Too many tries for this address. Wait a minute.")
        return page(request, "sign_in.html", status_code=429, problem=problem, **values)
    with desk.database.write() as session:
        engineer = people.check_password(session, email, password)
        if engineer is not None and _passes(session, engineer, code):
            return start(session, request, desk, engineer, local_path(next))
        audit.append(session, actor=email, action="sign in, refused", subject="/sign-in")
    problem = marked("Address, password and code do not match.")
    if engineer is not None and engineer.totp_secret is None:
        problem = NEEDS_PASSKEY
    return page(request, "sign_in.html", status_code=status.HTTP_403_FORBIDDEN, problem=problem, **values)


@router.post("/sign-out")
def sign_out(desk: DeskState, who: Checked) -> Response:
    with desk.database.write() as session:
        people.end_session(session, who.token)
    response = RedirectResponse("/sign-in", status.HTTP_303_SEE_OTHER)
    response.delete_cookie(COOKIE)
    return response


def _by_link(request: Request, desk: Desk, token: str, *, code: str) -> Response:
    with desk.database.write() as session:
        owner = people.link_owner(session, token)
        if owner is None:
            return refused(request, USED, "/")
        if not _passes(session, owner, code):
            audit.append(session, actor=owner.email, action="sign in, refused", subject="/sign-in")
            wrong = marked("That is not the code of now. Each works once, for half a minute.")
            problem = NEEDS_PASSKEY if owner.totp_secret is None else wrong
            return _second_factor(request, owner, token, problem, status_code=403)
        people.redeem_link(session, token)
        return start(session, request, desk, owner, "/")


def _passes(session: Session, engineer: Engineer, code: str) -> bool:
    """Whether a password or link is enough, with this code; it is then used up."""
    if engineer.totp_secret is None:
        return not people.has_second_factor(session, engineer)
    return second_factor.passes(engineer, code)


def _second_factor(
    request: Request, owner: Engineer, token: str, problem: str | None = None, *, status_code: int = 200
) -> Response:
    values: dict[str, Any] = {"token": token, "problem": problem, "has_code": owner.totp_secret is not None}
    return page(request, "second_factor.html", status_code=status_code, **values)


def refused(request: Request, problem: Exception | str, target: str) -> Response:
    """The page to sign in, with what was wrong."""
    forbidden = status.HTTP_403_FORBIDDEN
    return page(request, "sign_in.html", status_code=forbidden, next=target, problem=problem, typed="")


def start(session: Session, request: Request, desk: Desk, engineer: Engineer, target: str) -> Response:
    """A session for somebody who has proved who she is, and the way to the page she wanted."""
    where = request.client.host if request.client else "?"
    token = people.start_session(session, engineer, f"{request.headers.get('user-agent', '?')}, {where}")
    audit.append(session, actor=engineer.email, action="sign in", subject="/sign-in", detail=where)
    response = RedirectResponse(target, status.HTTP_303_SEE_OTHER)
    set_cookie(response, token, secure=desk.secure)
    return response
