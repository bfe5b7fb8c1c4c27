"""Making passkeys under Account, and signing in by them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from agent import passkeys
from agent.desk.account import account_page
from agent.desk.pages import done
from agent.desk.session import Checked, DeskState, local_path, same_origin
from agent.desk.sign_in import refused, start
from agent.desk.state import Desk
from agent.errors import NotFoundError, SignOnError
from agent.passkeys import Site
from agent.store import audit, people
from agent.translations import marked

router = APIRouter()

Credential = Annotated[str, Form(max_length=20_000)]
"""The browser's answer, as JSON."""


@router.post("/account/passkeys/options")
def creation_options(request: Request, desk: DeskState, who: Checked) -> Response:
    with desk.database.read() as session:
        known = people.passkeys_of(session, who.engineer)
    options = passkeys.creation_options(_site(request, desk), desk.challenges, who.engineer, known)
    return Response(options, media_type="application/json")


@router.post("/account/passkeys")
def add(
    request: Request,
    desk: DeskState,
    who: Checked,
    credential: Credential = "",
    name: Annotated[str, Form(max_length=passkeys.MAX_NAME_CHARS)] = "",
) -> Response:
    try:
        made = passkeys.created(_site(request, desk), desk.challenges, who.engineer, credential, name)
        with desk.database.write() as session:
            people.add_passkey(session, made)
    except SignOnError as error:
        return account_page(request, desk, who, problem=error)
    return done("/account", "saved")


@router.post("/account/passkeys/{key}/remove")
def remove(desk: DeskState, who: Checked, key: str) -> Response:
    with desk.database.write() as session:
        people.remove_passkey(session, who.engineer, key)
    return done("/account", "saved")


@router.post("/sign-in/passkey/options")
def request_options(request: Request, desk: DeskState) -> Response:
    same_origin(request)
    options = passkeys.request_options(_site(request, desk), desk.challenges)
    return Response(options, media_type="application/json")


@router.post("/sign-in/passkey")
def sign_in(
    request: Request,
    desk: DeskState,
    credential: Credential = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002
) -> Response:
    """No password, no code: the device has seen its owner."""
    same_origin(request)
    site, target = _site(request, desk), local_path(next)
    with desk.database.write() as session:
        passkey = people.passkey(session, passkeys.id_in(credential))
        owner = people.owner_of(session, passkey) if passkey else None
        if passkey is None or owner is None:
            problem = marked("This passkey is not known here. Sign in in another way, and add it under Account.")
            return refused(request, problem, target)
        try:
            passkeys.use(site, desk.challenges, passkey, credential)
        except SignOnError as error:
            audit.append(session, actor=owner.email, action="sign in, refused", subject="/sign-in")
            return refused(request, error, target)
        return start(session, request, desk, owner, target)


def _site(request: Request, desk: Desk) -> Site:
    """Raises NotFoundError."""
    site = desk.passkey_site(request)
    if site is None:
        raise NotFoundError("There are no passkeys here: the desk needs a name and TLS (the setting desk_url).")
    return site
