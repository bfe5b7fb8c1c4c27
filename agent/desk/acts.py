"""What an engineer does with one or many tickets at once, and taking it back."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from sqlmodel import Session

from agent import handling, second_approval
from agent.desk.access import check_ticket
from agent.desk.pages import done, not_done
from agent.desk.session import Checked, DeskState, local_path
from agent.errors import HandlingError
from agent.store import tickets
from agent.store.tables import Engineer, Ticket, now

router = APIRouter()

MAX_TICKETS = 200
"""At once: what a page of the inbox holds, and some."""


@router.post("/acts")
def act(
    request: Request,
    desk: DeskState,
    who: Checked,
    act: Annotated[str, Form()] = "",
    number: Annotated[list[str] | None, Form()] = None,
    value: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002
) -> Response:
    """`act` may carry its value after a colon: `snooze:tomorrow`. All of the tickets, or none of them."""
    name, _, given = act.partition(":")
    request.state.audit_detail = f"{act} {value} {' '.join(number or [])}"
    back = local_path(next)
    numbers = (number or [])[:MAX_TICKETS]
    batch = uuid.uuid4().hex
    if not numbers:
        return not_done(request, "Choose at least one ticket.", back)
    try:
        with desk.database.write() as session:
            for wanted in numbers:
                ticket = tickets.by_number(session, wanted)
                check_ticket(who.engineer, ticket)
                act_on(session, ticket, name, (given or value).strip(), by=who.engineer, batch=batch)
    except HandlingError as error:
        return not_done(request, error, back)
    return done(back, name, undo=batch)


@router.post("/undo")
def undo(
    request: Request,
    desk: DeskState,
    who: Checked,
    batch: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002
) -> Response:
    back = local_path(next)
    try:
        with desk.database.write() as session:
            undone, kept = handling.undo(session, batch, by=who.engineer)
    except HandlingError as error:
        return not_done(request, error, back)
    if kept and not undone:
        problem = HandlingError("Not undone: {numbers} has been changed since.", numbers=", ".join(kept))
        return not_done(request, problem, back)
    return done(back, "undone in part" if kept else "undone")


@router.post("/tickets/{number}/colleague")
def ask_colleague(
    request: Request,
    desk: DeskState,
    who: Checked,
    number: str,
    colleague: Annotated[str, Form()] = "",
    words: Annotated[str, Form()] = "",
) -> Response:
    """A second opinion: the next answer waits for this colleague's approval too; 0 withdraws it. `words` are kept as a
    note."""
    back = f"/tickets/{number}"
    try:
        with desk.database.write() as session:
            ticket = tickets.by_number(session, number)
            if colleague == "0":
                second_approval.stop_asking(session, ticket, by=who.engineer)
            else:
                second_approval.ask(
                    session, ticket, _engineer(session, colleague or "0", who.engineer), by=who.engineer
                )
                if words.strip():
                    handling.note(session, ticket, words, by=who.engineer)
    except HandlingError as error:
        return not_done(request, error, back, typed=words)
    return done(back, "not asked" if colleague == "0" else "asked")


@router.post("/tickets/{number}/notes")
def add_note(
    request: Request, desk: DeskState, who: Checked, number: str, body: Annotated[str, Form()] = ""
) -> Response:
    try:
        with desk.database.write() as session:
            handling.note(session, tickets.by_number(session, number), body, by=who.engineer)
    except HandlingError as error:
        return not_done(request, error, f"/tickets/{number}", typed=body)
    return done(f"/tickets/{number}", "noted")


def act_on(session: Session, ticket: Ticket, name: str, value: str, *, by: Engineer, batch: str) -> None:
    """Raises HandlingError."""
    if name == "assign":
        handling.assign(session, ticket, _engineer(session, value, by), by=by, batch=batch)
    elif name == "snooze":
        handling.snooze(session, ticket, until(value, now()), by=by, batch=batch)
    elif name in _WITH_VALUE:
        _WITH_VALUE[name](session, ticket, value, by=by, batch=batch)
    elif name in _PLAIN:
        _PLAIN[name](session, ticket, by=by, batch=batch)
    else:
        raise HandlingError("Choose what to do with it.")


_WITH_VALUE = {"tag": handling.tag, "untag": handling.untag}
_PLAIN = {"wake": handling.wake, "resolve": handling.resolve, "reopen": handling.reopen}


def _engineer(session: Session, key: str, by: Engineer) -> Engineer | None:
    """Oneself for an empty key, nobody for 0."""
    if not key:
        return by
    return tickets.by_id(session, Engineer, int(key)) if key.isdecimal() and key != "0" else None


def until(choice: str, at: datetime) -> datetime:
    """The end of a snooze: `hour`, `tomorrow`, `monday`, `week`, or a date. Mornings are 06:00 UTC.

    Raises HandlingError.
    """
    morning = at.replace(hour=6, minute=0, second=0, microsecond=0)
    ends = {
        "hour": at + timedelta(hours=1),
        "tomorrow": morning + timedelta(days=1),
        "monday": morning + timedelta(days=7 - at.weekday()),
        "week": morning + timedelta(days=7),
    }
    if choice in ends:
        return ends[choice]
    try:
        day = datetime.fromisoformat(choice)
    except ValueError as error:
        raise HandlingError("Say until when: a date such as 2027-01-31.") from error
    return day.replace(hour=6, tzinfo=at.tzinfo)
