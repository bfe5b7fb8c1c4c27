"""Signing in by a one-time link or a password, signing out, and the engineer's own account page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response, status
from fastapi.responses import RedirectResponse

from agent.desk.pages import page, say
from agent.desk.session import COOKIE, Checked, DeskState, Who, local_path, same_origin, set_cookie
from agent.desk.state import Desk
from agent.errors import HelpdeskError
from agent.store import people
from agent.store.tables import Engineer

router = APIRouter()


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/") -> Response:  # noqa: A002  # the name in the address
    return page(request, "sign_in.html", next=local_path(next), problem=None, typed="")


@router.get("/sign-in/{token}")
def sign_in_by_link(request: Request, desk: DeskState, token: str) -> Response:
    with desk.database.write() as session:
        engineer = people.redeem_link(session, token)
    if engineer is None:
        problem = "This link has been used or is too old. Ask for a new one: minerva user link YOUR-ADDRESS"
        return page(request, "sign_in.html", status_code=status.HTTP_403_FORBIDDEN, next="/", problem=problem, typed="")
    return _signed_in(desk, engineer, "/")


@router.post("/sign-in")
def sign_in_by_password(
    request: Request,
    desk: DeskState,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002
    typed: Annotated[str, Form()] = "",
) -> Response:
    same_origin(request)
    with desk.database.read() as session:
        engineer = people.check_password(session, email, password)
    if engineer is None:
        problem = "Address and password do not match."
        values: dict[str, Any] = {"next": local_path(next), "problem": problem, "typed": typed}
        return page(request, "sign_in.html", status_code=status.HTTP_403_FORBIDDEN, **values)
    return _signed_in(desk, engineer, local_path(next))


@router.post("/sign-out")
def sign_out(desk: DeskState, who: Checked) -> Response:
    with desk.database.write() as session:
        people.end_session(session, who.token)
    response = RedirectResponse("/sign-in", status.HTTP_303_SEE_OTHER)
    response.delete_cookie(COOKIE)
    return response


@router.get("/account")
def account(request: Request, who: Who) -> Response:
    return page(request, "account.html", who=who, problem=None)


@router.post("/account")
def change_account(
    request: Request,
    desk: DeskState,
    who: Checked,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
) -> Response:
    try:
        with desk.database.write() as session:
            engineer = people.by_email(session, who.engineer.email)
            if name.strip():
                people.rename(session, engineer, name)
            if password:
                people.set_password(session, engineer, password)
    except HelpdeskError as error:
        return page(request, "account.html", who=who, status_code=422, problem=str(error))
    response = RedirectResponse("/account", status.HTTP_303_SEE_OTHER)
    say(response, "saved", path="/account")
    return response


def _signed_in(desk: Desk, engineer: Engineer, target: str) -> Response:
    with desk.database.write() as session:
        token = people.start_session(session, engineer)
    response = RedirectResponse(target, status.HTTP_303_SEE_OTHER)
    set_cookie(response, token, secure=desk.secure)
    return response
