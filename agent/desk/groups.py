"""Merging, splitting and linking tickets on the desk."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from sqlmodel import Session

from agent import merging
from agent.desk.access import check_ticket
from agent.desk.pages import done, not_done
from agent.desk.session import Checked, DeskState
from agent.errors import HandlingError, NotFoundError
from agent.store import tickets
from agent.store.tables import Engineer, Message, Ticket, TicketStatus

router = APIRouter()


@router.post("/tickets/{number}/with")
def with_another(
    request: Request,
    desk: DeskState,
    who: Checked,
    number: str,
    act: Annotated[str, Form()] = "",
    other: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """`act` is merge, link or unlink; `other` the number of the other ticket, its last digits suffice."""
    try:
        with desk.database.write() as session:
            shown = _act(session, tickets.by_number(session, number), act, other, by=who.engineer)
            place, waits = shown.number, act == "merge" and shown.status == TicketStatus.NEW
            if waits:
                _await_draft(session, shown, who.engineer)
    except (HandlingError, NotFoundError) as error:
        return not_done(request, error, f"/tickets/{number}")
    if waits:
        desk.workflows.redraft(place, "")
    return done(f"/tickets/{place}", act)


@router.post("/tickets/{number}/messages/{message_id}/split")
def split(request: Request, desk: DeskState, who: Checked, number: str, message_id: int) -> Response:
    try:
        with desk.database.write() as session:
            ticket = merging.split(session, _message(session, number, message_id), by=who.engineer)
            _await_draft(session, ticket, who.engineer)
            apart = ticket.number
    except HandlingError as error:
        return not_done(request, error, f"/tickets/{number}")
    desk.workflows.redraft(apart, "")
    return done(f"/tickets/{apart}", "split")


def _act(session: Session, ticket: Ticket, act: str, other: str, *, by: Engineer) -> Ticket:
    """Raises HandlingError, NotFoundError. Returns the ticket to go on with."""
    if act == "unlink":
        merging.unlink(session, ticket, by=by)
        return ticket
    meant = tickets.by_digits(session, other)
    check_ticket(by, meant)
    if act == "merge":
        merging.merge(session, ticket, meant, by=by)
        return meant
    if act != "link":
        raise HandlingError("Choose whether to merge or to link.")
    merging.link(session, ticket, meant, by=by)
    return ticket


def _message(session: Session, number: str, message_id: int) -> Message:
    """Raises HandlingError, NotFoundError."""
    message = tickets.by_id(session, Message, message_id)
    if message.ticket_id != tickets.by_number(session, number).id:
        raise HandlingError("This message has moved to another ticket meanwhile.")
    return message


def _await_draft(session: Session, ticket: Ticket, engineer: Engineer) -> None:
    tickets.note_event(session, ticket, engineer.name, "asked for another draft")
