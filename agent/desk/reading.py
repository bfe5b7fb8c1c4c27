"""Reading back in a long ticket: earlier messages, whole texts, the whole history."""

from __future__ import annotations

import csv
import io
from typing import Any

from fastapi import APIRouter, Request, Response

from agent.desk.figures import as_cell
from agent.desk.mails import download
from agent.desk.pages import page
from agent.desk.session import DeskState, Who
from agent.desk.ticket_view import ticket_view
from agent.errors import NotFoundError
from agent.store import tickets
from agent.store.tables import Message

router = APIRouter()


@router.get("/tickets/{number}/before/{message_id}")
def earlier(request: Request, desk: DeskState, who: Who, number: str, message_id: int) -> Response:
    """The ticket with the messages before that one."""
    with desk.database.read() as session:
        values: dict[str, Any] = ticket_view(session, desk.settings, number, before=message_id)
    quiet: dict[str, Any] = {"problem": None, "typed": None, "unsupported": (), "item": None, "number": number}
    return page(request, "ticket.html", who=who, models=desk.models.state, **quiet, **values)


@router.get("/tickets/{number}/messages/{message_id}.txt")
def text(desk: DeskState, who: Who, number: str, message_id: int) -> Response:  # noqa: ARG001  # signed in
    """All of a message, as a file; secrets stay masked."""
    with desk.database.read() as session:
        message = tickets.by_id(session, Message, message_id)
        if message.ticket_id != tickets.by_number(session, number).id:
            raise NotFoundError("this message has moved to another ticket meanwhile")
    return download(message.text.encode("utf-8", "replace"), f"{number}-{message_id}.txt")


@router.get("/tickets/{number}/history.csv")
def history(desk: DeskState, who: Who, number: str) -> Response:  # noqa: ARG001
    with desk.database.read() as session:
        events = tickets.events_of(session, tickets.by_number(session, number))
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["at", "who", "what", "detail"])
    writer.writerows([e.at.isoformat(), as_cell(e.actor), as_cell(e.what), as_cell(e.detail)] for e in events)
    return download(table.getvalue().encode("utf-8", "replace"), f"{number}.csv")
