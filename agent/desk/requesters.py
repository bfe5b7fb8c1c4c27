"""The card of who wrote to us."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from agent import requesters
from agent.desk.pages import done, not_done
from agent.desk.session import Checked, DeskState
from agent.errors import HandlingError
from agent.store import tickets

router = APIRouter()


@router.post("/tickets/{number}/requester")
def save(
    request: Request,
    desk: DeskState,
    who: Checked,
    number: str,
    institution: Annotated[str, Form(max_length=200)] = "",
    affiliation: Annotated[str, Form(max_length=20)] = "",
    consents: Annotated[str, Form(max_length=5)] = "",
    note: Annotated[str, Form(max_length=5000)] = "",
) -> Response:
    try:
        with desk.database.write() as session:
            requesters.save(
                session,
                tickets.by_number(session, number),
                institution=institution,
                affiliation=affiliation,
                consents=consents == "yes",
                note=note,
                by=who.engineer,
            )
    except HandlingError as error:
        return not_done(request, error, f"/tickets/{number}", typed=note)
    return done(f"/tickets/{number}", "saved")
