"""Partner organisations on the desk, and handing tickets to them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response, status
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, StringConstraints

from agent import partners
from agent.bridges.desks import set_desk
from agent.desk.pages import done, not_done, page
from agent.desk.session import Checked, DeskState, Who
from agent.errors import HandlingError
from agent.store import bridges, people, tickets
from agent.store.tables import Engineer, now
from agent.translations import marked

router = APIRouter()

DESK_KINDS = {
    "": marked("here, on this desk"),
    "rt": "Request Tracker",
    "zammad": "Zammad",
    "mail": marked("by mail"),
}
Word = Annotated[str, StringConstraints(max_length=500)]
Line = Annotated[Word, Form()]
Days = Annotated[int, Form(ge=0, le=1000)]


class DeskForm(BaseModel):
    kind: Word = ""
    address: Word = ""
    queue: Word = ""
    secret: Word = ""
    act: str = ""
    """`try`, or anything else for a change."""


@router.get("/partners")
def partners_page(request: Request, desk: DeskState, who: Who) -> Response:
    today = now().date()
    with desk.database.read() as session:
        rows = [(one, partners.calendar(session, one, today)) for one in partners.all_partners(session)]
        engineers = [one for one in people.all_engineers(session) if one.role == "partner"]
        desks = {desk.partner_id: desk for desk in bridges.desks(session)}
        return page(
            request, "partners.html", who=who, rows=rows, engineers=engineers, desks=desks, DESK_KINDS=DESK_KINDS
        )


@router.post("/partners")
def add(
    request: Request,
    desk: DeskState,
    who: Checked,  # noqa: ARG001  # checked
    name: Line = "",
    contact: Line = "",
    expertise: Line = "",
    systems: Line = "",
    days: Days = 0,
) -> Response:
    values: dict[str, Any] = {"contact": contact, "expertise": expertise, "systems": systems, "days_per_month": days}
    try:
        with desk.database.write() as session:
            partners.add(session, name=name, **values)
    except HandlingError as error:
        return not_done(request, error, "/partners")
    return done("/partners", "saved")


@router.post("/partners/{key}")
def change(
    desk: DeskState,
    who: Checked,  # noqa: ARG001
    key: int,
    act: Annotated[str, Form()] = "",
    contact: Line = "",
    expertise: Line = "",
    systems: Line = "",
    days: Days = 0,
) -> Response:
    with desk.database.write() as session:
        partner = partners.by_id(session, key)
        if act == "end":
            partners.end(session, partner)
        else:
            partners.describe(partner, contact=contact, expertise=expertise, systems=systems, days_per_month=days)
    return done("/partners", "saved")


@router.post("/partners/{key}/desk")
def change_desk(
    request: Request,
    desk: DeskState,
    who: Checked,  # noqa: ARG001
    key: int,
    form: Annotated[DeskForm, Form()],
) -> Response:
    """Where the partner works; it is tried at once, whether it was changed or only to be tried."""
    try:
        with desk.database.write() as session:
            partner = partners.by_id(session, key)
            if form.act == "try":
                bridges.try_now(session, key)
            else:
                set_desk(session, partner, kind=form.kind, address=form.address, queue=form.queue, token=form.secret)
    except HandlingError as error:
        return not_done(request, error, "/partners")
    return done("/partners", "saved")


@router.post("/partners/{key}/people")
def belongs(desk: DeskState, who: Checked, key: int, engineer: Annotated[int, Form()]) -> Response:  # noqa: ARG001
    """An engineer with the role partner works for this organisation."""
    with desk.database.write() as session:
        tickets.by_id(session, Engineer, engineer).partner_id = partners.by_id(session, key).id
    return done("/partners", "saved")


@router.post("/tickets/{number}/partner")
def hand_over(
    request: Request,
    desk: DeskState,
    who: Checked,
    number: str,
    partner: Annotated[int, Form()] = 0,
    words: Annotated[str, Form()] = "",
    with_notes: Annotated[str, Form()] = "",
) -> Response:
    try:
        with desk.database.write() as session:
            ticket = tickets.by_number(session, number)
            to = partners.by_id(session, partner) if partner else None
            partners.hand_over(
                session, ticket, to, by=who.engineer, words=words.replace("\r\n", "\n"), with_notes=with_notes == "yes"
            )
    except HandlingError as error:
        return not_done(request, error, f"/tickets/{number}", typed=words)
    return done(f"/tickets/{number}", "handed over" if partner else "taken back")


@router.post("/tickets/{number}/partner/try")
def try_again(desk: DeskState, who: Checked, number: str) -> Response:  # noqa: ARG001
    with desk.database.write() as session:
        for hand_over, partner, external in bridges.of_ticket(session, tickets.by_number(session, number)):
            if external is not None and hand_over.last_error is not None and partner.id is not None:
                bridges.try_now(session, partner.id)
    return RedirectResponse(f"/tickets/{number}", status.HTTP_303_SEE_OTHER)
