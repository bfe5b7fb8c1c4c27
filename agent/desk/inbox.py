"""The inbox and the outbox."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse

from agent.desk.pages import page
from agent.desk.session import DeskState, Who
from agent.store import outbox, tickets
from agent.store.tables import Outbound, TicketStatus

router = APIRouter()

PAGE_SIZE = 50


@router.get("/")
def inbox(
    request: Request,
    desk: DeskState,
    who: Who,
    status: str = "",
    q: Annotated[str, Query(max_length=200)] = "",
    start: Annotated[int, Query(ge=0, alias="from")] = 0,
) -> Response:
    wanted = TicketStatus(status) if status in set(TicketStatus) else None
    with desk.database.read() as session:
        found = tickets.search(session, status=wanted, text=q, limit=PAGE_SIZE + 1, offset=start)
        counts = tickets.counts(session)
        words = tickets.first_words(session, found)
    only_list = request.headers.get("hx-target") == "tickets"
    return page(
        request,
        "ticket_list.html" if only_list else "inbox.html",
        who=who,
        tickets=found[:PAGE_SIZE],
        words=words,
        more=start + PAGE_SIZE if len(found) > PAGE_SIZE else None,
        newer=max(start - PAGE_SIZE, 0) if start else None,
        counts=counts,
        statuses=list(TicketStatus),
        status=wanted or "",
        q=q,
        models=desk.models.state,
        support_address=desk.settings.support_address,
    )


@router.get("/outbox")
def outbox_page(request: Request, desk: DeskState, who: Who) -> Response:
    with desk.database.read() as session:
        rows = [(mail, number) for mail, number in outbox.newest_with_ticket(session)]
    where = f"relay {desk.settings.relay_host}" if desk.settings.relay_host else f"folder {desk.settings.outbox_dir}"
    return page(request, "outbox.html", who=who, rows=rows, where=where)


@router.get("/outbox/{outbound_id}.eml")
def outbound_mail(desk: DeskState, who: Who, outbound_id: int) -> Response:  # noqa: ARG001  # signed in
    with desk.database.read() as session:
        mail = tickets.by_id(session, Outbound, outbound_id)
    return PlainTextResponse(
        mail.content, headers={"Content-Disposition": f'attachment; filename="{mail.id:06d}-{mail.kind}.eml"'}
    )
