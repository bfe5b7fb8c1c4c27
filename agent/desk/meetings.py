"""Proposing a time to talk, setting it, calling it off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from sqlmodel import Session

from agent import meetings
from agent.desk.pages import done, not_done
from agent.desk.session import Checked, DeskState
from agent.desk.state import Desk
from agent.errors import HandlingError
from agent.store import tickets
from agent.store.tables import Ticket

router = APIRouter()


@router.post("/tickets/{number}/meeting/propose")
def propose(
    request: Request,
    desk: DeskState,
    who: Checked,
    number: str,
    slot: Annotated[list[str] | None, Form()] = None,
    minutes: Annotated[int, Form()] = 30,
    place: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    def act(session: Session, ticket: Ticket) -> None:
        slots = [_time(text) for text in slot or [] if text.strip()]
        meetings.propose(session, desk.settings, ticket, slots=slots, minutes=minutes, place=place, by=who.engineer)

    return _do(request, desk, number, act)


@router.post("/tickets/{number}/meeting/confirm")
def confirm(request: Request, desk: DeskState, who: Checked, number: str, position: Annotated[int, Form()]) -> Response:
    return _do(
        request, desk, number,
        lambda session, ticket: meetings.confirm(session, desk.settings, ticket, position, by=who.engineer),
    )  # fmt: skip


@router.post("/tickets/{number}/meeting/call-off")
def call_off(request: Request, desk: DeskState, who: Checked, number: str) -> Response:
    return _do(
        request, desk, number,
        lambda session, ticket: meetings.call_off(session, desk.settings, ticket, by=who.engineer),
    )  # fmt: skip


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise HandlingError("“{text}” is no time: write it as 2027-01-31T10:00.", text=text[:40]) from error


def _do(request: Request, desk: Desk, number: str, act: Callable[[Session, Ticket], object]) -> Response:
    address = f"/tickets/{number}"
    try:
        with desk.database.write() as session:
            act(session, tickets.by_number(session, number))
    except HandlingError as error:
        return not_done(request, error, address)
    return done(address, "letter")
