"""For admins: who may sign in, and as what. For leads: the audit log."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from sqlmodel import Session

from agent.desk.pages import done, not_done, page
from agent.desk.session import Checked, DeskState, SignedIn, Who
from agent.errors import HelpdeskError
from agent.store import audit, people, tickets
from agent.store.tables import Engineer, Role

router = APIRouter()


@router.get("/people")
def people_page(request: Request, desk: DeskState, who: Who) -> Response:
    with desk.database.read() as session:
        return _people_page(request, who, session)


@router.post("/people")
def add(
    request: Request,
    desk: DeskState,
    who: Checked,
    email: Annotated[str, Form(max_length=320)] = "",
    name: Annotated[str, Form(max_length=100)] = "",
    role: Annotated[Role, Form()] = Role.ENGINEER,
) -> Response:
    """The page with the link of the new one: it is shown this once."""
    if "@" not in email:
        return not_done(request, "Give the e-mail address of the new one.", "/people")
    try:
        with desk.database.write() as session:
            engineer = people.add_engineer(session, name=name or email.partition("@")[0], email=email, role=role)
            link = f"{desk.url}/sign-in/{people.new_sign_in_link(session, engineer)}"
    except HelpdeskError as error:
        return not_done(request, error, "/people")
    with desk.database.read() as session:
        return _people_page(request, who, session, (engineer, link))


@router.post("/people/{key}")
def change(
    request: Request,
    desk: DeskState,
    who: Checked,
    key: int,
    act: Annotated[str, Form()] = "",
    role: Annotated[Role | None, Form()] = None,
) -> Response:
    try:
        with desk.database.write() as session:
            engineer = tickets.by_id(session, Engineer, key)
            if engineer.id == who.engineer.id and act != "link":
                return not_done(request, "Ask another admin to change your own account.", "/people")
            link = _change(session, desk.url, engineer, act, role)
    except HelpdeskError as error:
        return not_done(request, error, "/people")
    if link is not None:
        with desk.database.read() as session:
            return _people_page(request, who, session, (engineer, link))
    return done("/people", "saved")


def _people_page(
    request: Request, who: SignedIn, session: Session, link: tuple[Engineer, str] | None = None
) -> Response:
    """`link` signs an engineer in once; it is shown this once."""
    values: dict[str, Any] = {"engineers": people.all_engineers(session), "keyed": people.with_passkeys(session)}
    return page(request, "people.html", who=who, link=link, **values)


def _change(session: Session, url: str, engineer: Engineer, act: str, role: Role | None) -> str | None:
    """A sign-in link when that is what was asked for. Raises HelpdeskError."""
    if act == "link":
        return f"{url}/sign-in/{people.new_sign_in_link(session, engineer)}"
    if act == "disable":
        people.disable(session, engineer)
    elif act == "enable":
        people.enable(session, engineer)
    elif act == "role" and role is not None:
        people.set_role(session, engineer, role)
    else:
        raise HelpdeskError("choose what to change")
    return None


@router.get("/audit")
def audit_page(request: Request, desk: DeskState, who: Who) -> Response:
    with desk.database.read() as session:
        values: dict[str, Any] = {"entries": audit.newest(session), "verdict": audit.verify(session)}
    return page(request, "audit.html", who=who, **values)
