"""Version 1 of the REST interface. Its description is at `/api/v1/openapi.json`."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request, Response, status
from fastapi.responses import JSONResponse
from sqlmodel import Session

from agent import handling
from agent.api.access import Asker, DeskState, Reader, Writer
from agent.api.forms import (
    Accepted,
    ChangeIn,
    MessageOut,
    NoteIn,
    Person,
    Problem,
    RequestIn,
    RequestOut,
    TicketOut,
    TicketPage,
    TicketQuery,
    TicketWithMessages,
)
from agent.desk.state import Desk
from agent.errors import HandlingError, NotFoundError
from agent.mail.as_mail import Written, keep_as_mail
from agent.store import inbound, people, tickets, views
from agent.store.tables import Engineer, Message, StoredMail, Ticket, TicketStatus
from agent.store.views import Wanted

Number = Annotated[str, Path(pattern=r"^MIN-\d{4}-\d{6,12}$", description="`MIN-2026-000001`")]
MAX_KEY = 2**31 - 1
"""Of a row in PostgreSQL."""
_PROBLEMS: dict[int | str, dict[str, Any]] = {code: {"model": Problem} for code in (400, 401, 403, 404, 409)}


def api_app(desk: Desk) -> FastAPI:
    """To be mounted at `/api/v1`."""
    app = FastAPI(title="MINERVA helpdesk", version="1", docs_url=None, redoc_url=None, responses=_PROBLEMS)
    app.state.desk = desk
    app.add_exception_handler(NotFoundError, _not_found)
    app.add_exception_handler(HandlingError, _conflict)
    app.add_exception_handler(Exception, _broken)
    app.get("/tickets")(list_tickets)
    app.get("/tickets/{number}")(one_ticket)
    app.patch("/tickets/{number}")(change_ticket)
    app.post("/tickets/{number}/notes", status_code=status.HTTP_201_CREATED)(add_note)
    app.post("/requests", status_code=status.HTTP_202_ACCEPTED)(new_request)
    app.get("/requests/{key}")(one_request)
    return app


def list_tickets(
    *,
    desk: DeskState,
    token: Reader,  # noqa: ARG001  # checked
    query: Annotated[TicketQuery, Query()],
) -> TicketPage:
    """The latest change first. `mine` and `mentions` are empty: a token is nobody."""
    wanted = Wanted(view=query.view, level=query.level, type=query.type, tag=query.tag, text=query.q)
    with desk.database.read() as session:
        found = views.find(session, wanted, me=0, limit=query.limit + 1, offset=query.start)
        shown = [_ticket(session, ticket) for ticket in found[: query.limit]]
    return TicketPage(tickets=shown, next=query.start + query.limit if len(found) > query.limit else None)


def one_ticket(desk: DeskState, token: Reader, number: Number) -> TicketWithMessages:  # noqa: ARG001
    """With its messages and notes, oldest first; secrets are masked."""
    with desk.database.read() as session:
        ticket = tickets.by_number(session, number)
        messages = [_message(message) for message in tickets.messages_of(session, ticket)]
        return TicketWithMessages(**_ticket(session, ticket).model_dump(), messages=messages)


def change_ticket(desk: DeskState, token: Writer, number: Number, change: ChangeIn) -> TicketOut:
    """All of what is asked for, or nothing (409)."""
    by, batch = _actor(token.name), uuid.uuid4().hex
    with desk.database.write() as session:
        ticket = tickets.by_number(session, number)
        if change.assignee is not None:
            to = people.by_email(session, change.assignee) if change.assignee else None
            handling.assign(session, ticket, to, by=by, batch=batch)
        for name in change.add_tags:
            handling.tag(session, ticket, name, by=by, batch=batch)
        for name in change.remove_tags:
            handling.untag(session, ticket, name, by=by, batch=batch)
        if change.status == "resolved":
            handling.resolve(session, ticket, by=by, batch=batch)
        elif change.status == "open":
            handling.reopen(session, ticket, by=by, batch=batch)
        return _ticket(session, ticket)


def add_note(desk: DeskState, token: Writer, number: Number, note: NoteIn) -> MessageOut:
    """For engineers only; `@name` has one look at it."""
    with desk.database.write() as session:
        return _message(handling.note(session, tickets.by_number(session, number), note.text, by=_actor(token.name)))


def new_request(desk: DeskState, token: Asker, request: RequestIn) -> Accepted:
    """A request as if the person had written a mail: it is on disk when this returns."""
    with desk.database.write() as session:
        written = Written(channel=inbound.API, peer=f"token {token.name}", **request.model_dump())
        key = keep_as_mail(session, desk.settings, written)
    desk.workflows.wake()
    return Accepted(id=key)


def one_request(
    desk: DeskState,
    token: Asker,  # noqa: ARG001
    key: Annotated[int, Path(ge=1, le=MAX_KEY)],
) -> RequestOut:
    with desk.database.read() as session:
        stored = session.get(StoredMail, key)
        if stored is None or stored.channel != inbound.API:
            raise NotFoundError(f"there is no request {key}")
        ticket = tickets.of_stored_mail(session, key)
    return RequestOut(id=key, ticket=ticket.number if ticket else None)


def _ticket(session: Session, ticket: Ticket) -> TicketOut:
    assignee = session.get(Engineer, ticket.assignee_id) if ticket.assignee_id else None
    merged = tickets.followed(session, ticket) if ticket.merged_into_id else None
    return TicketOut(
        number=ticket.number,
        subject=ticket.subject,
        status=TicketStatus(ticket.status).value,
        level=ticket.level,
        type=ticket.type,
        urgency=ticket.urgency,
        language=ticket.language,
        requester=Person(name=ticket.requester_name, address=ticket.requester_address),
        assignee=assignee.email if assignee else None,
        tags=tickets.tags_of(session, ticket),
        merged_into=merged.number if merged else None,
        created_at=ticket.created_at,
        updated_at=ticket.updated_at,
        due_at=ticket.due_at,
    )


def _message(message: Message) -> MessageOut:
    return MessageOut.model_validate(
        {
            "id": message.id,
            "direction": message.direction,
            "sender": Person(name=message.sender_name, address=message.sender_address),
            "subject": message.subject,
            "text": message.text,
            "trust": message.trust,
            "at": message.at,
            "attachments": [file["filename"] for file in message.attachments],
        }
    )


def _actor(token_name: str) -> Engineer:
    """Named in the history; it is no row and cannot sign in."""
    return Engineer(name=f"token {token_name}", email="")


def _not_found(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, status.HTTP_404_NOT_FOUND)


def _conflict(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, status.HTTP_409_CONFLICT)


def _broken(_request: Request, _error: Exception) -> Response:
    detail = "something went wrong on our side; nothing was done. The log says more."
    return JSONResponse({"detail": detail}, status.HTTP_500_INTERNAL_SERVER_ERROR)
