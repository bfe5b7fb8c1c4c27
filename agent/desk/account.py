"""The engineer's own account: name, password, second factor, and where she is signed in."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response, status

from agent import second_factor
from agent.desk.pages import done, page
from agent.desk.session import Checked, DeskState, SignedIn, Who
from agent.desk.state import Desk
from agent.errors import HelpdeskError
from agent.store import people
from agent.translations import LANGUAGES, marked

router = APIRouter()


@router.get("/account")
def account(request: Request, desk: DeskState, who: Who) -> Response:
    return account_page(request, desk, who)


@router.post("/account")
def change_account(
    request: Request,
    desk: DeskState,
    who: Checked,
    name: Annotated[str, Form(max_length=100)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    language: Annotated[str, Form(max_length=5)] = "",
) -> Response:
    try:
        with desk.database.write() as session:
            engineer = people.by_email(session, who.engineer.email)
            if name.strip():
                people.rename(session, engineer, name)
            engineer.language = language if language in LANGUAGES else ""
            if password:
                people.set_password(session, engineer, password)
    except HelpdeskError as error:
        return account_page(request, desk, who, problem=error)
    return done("/account", "saved")


@router.post("/account/second-factor")
def set_up(
    request: Request,
    desk: DeskState,
    who: Checked,
    secret: Annotated[str, Form(pattern="^([A-Z2-7]{32})?$")] = "",
    code: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Without a code a new secret is shown; with the code of that secret it counts from then on."""
    if not secret:
        return account_page(request, desk, who, secret=second_factor.new_secret())
    step = second_factor.step_of(secret, code, time.time()) if code.isascii() else None
    if step is None:
        return account_page(
            request, desk, who, secret=secret, problem=marked("that is not the code of now; type the next one")
        )
    with desk.database.write() as session:
        engineer = people.by_email(session, who.engineer.email)
        engineer.totp_secret, engineer.totp_step = secret, step
    return done("/account", "saved")


@router.post("/account/second-factor/remove")
def remove(request: Request, desk: DeskState, who: Checked, code: Annotated[str, Form(max_length=20)] = "") -> Response:
    with desk.database.write() as session:
        engineer = people.by_email(session, who.engineer.email)
        passed = desk.attempts.allows(engineer.email) and second_factor.passes(engineer, code)
        if passed:
            engineer.totp_secret = None
    return (
        done("/account", "saved")
        if passed
        else account_page(request, desk, who, problem=marked("that is not the code of now"))
    )


@router.post("/account/sessions/end")
def end_session(desk: DeskState, who: Checked, key: Annotated[str, Form(max_length=64)] = "") -> Response:
    with desk.database.write() as session:
        people.end_session_of(session, who.engineer, key)
    return done("/account", "saved")


def account_page(
    request: Request, desk: Desk, who: SignedIn, *, problem: Exception | str | None = None, secret: str | None = None
) -> Response:
    with desk.database.read() as session:
        values: dict[str, Any] = {
            "sessions": people.sessions_of(session, who.engineer),
            "passkeys": people.passkeys_of(session, who.engineer),
            "has_factor": people.by_email(session, who.engineer.email).totp_secret is not None,
        }
    picture = second_factor.picture(secret, who.engineer.email) if secret else None
    code = status.HTTP_422_UNPROCESSABLE_CONTENT if problem else status.HTTP_200_OK
    return page(
        request, "account.html", who=who, status_code=code, problem=problem, secret=secret, picture=picture, **values
    )
