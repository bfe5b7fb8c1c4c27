"""Keeping macros, and applying one to a ticket."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from agent import macros
from agent.desk.acts import act_on
from agent.desk.pages import done, not_done, page
from agent.desk.session import Checked, DeskState, Who
from agent.errors import HandlingError
from agent.store import tickets
from agent.store.tables import Macro

router = APIRouter()

Text = Annotated[str, Form(max_length=20_000)]


@router.get("/macros")
def macros_page(request: Request, desk: DeskState, who: Who) -> Response:
    with desk.database.read() as session:
        return page(request, "macros_page.html", who=who, macros=macros.all_macros(session), acts=macros.ACTS)


@router.post("/macros")
def save(
    request: Request,
    desk: DeskState,
    who: Checked,  # noqa: ARG001  # checked
    name: Annotated[str, Form(max_length=100)] = "",
    text: Text = "",
    acts: Text = "",
) -> Response:
    try:
        with desk.database.write() as session:
            macros.save(session, name=name, text=text, acts=acts)
    except HandlingError as error:
        return not_done(request, error, "/macros", typed=f"{text}\n\n{acts}")
    return done("/macros", "saved")


@router.post("/macros/{key}/remove")
def remove(desk: DeskState, who: Checked, key: int) -> Response:  # noqa: ARG001
    with desk.database.write() as session:
        session.delete(tickets.by_id(session, Macro, key))
    return done("/macros", "saved")


@router.post("/tickets/{number}/macros")
def apply(request: Request, desk: DeskState, who: Checked, number: str, macro: Annotated[int, Form()]) -> Response:
    """What it does is done, in one batch that can be undone; its text then stands in the form, for a person to send."""
    batch = uuid.uuid4().hex
    try:
        with desk.database.write() as session:
            ticket = tickets.by_number(session, number)
            chosen = tickets.by_id(session, Macro, macro)
            for step in chosen.acts:
                name, _, value = step.partition(":")
                act_on(session, ticket, name, value.strip(), by=who.engineer, batch=batch)
    except HandlingError as error:
        return not_done(request, error, f"/tickets/{number}")
    address = f"/tickets/{number}"
    return done(f"{address}?macro={macro}" if chosen.text else address, "macro", undo=batch if chosen.acts else "")
