"""The inbox, with its views and filters, and the outbox."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse

from agent import partners
from agent.desk.pages import page
from agent.desk.session import DeskState, Who
from agent.store import outbox, people, tickets, views
from agent.store.tables import Outbound, Role, now
from agent.store.views import View, Wanted

router = APIRouter()

PAGE_SIZE = 50


@router.get("/")
def inbox(
    request: Request,
    desk: DeskState,
    who: Who,
    view: str = "",
    level: str = "",
    type: str = "",  # noqa: A002  # the names in the address
    language: str = "",
    tag: str = "",
    assignee: str = "",
    partner: str = "",
    q: Annotated[str, Query(max_length=200)] = "",
    start: Annotated[int, Query(ge=0, alias="from")] = 0,
) -> Response:
    wanted = Wanted(
        view=View(view) if view in set(View) else View.ALL if q else View.OPEN,
        level=level,
        type=type,
        language=language,
        tag=tag,
        assignee_id=int(assignee) if assignee.isdecimal() else None,
        partner_id=int(partner) if partner.isdecimal() else None,
        text=q,
    )
    me = people.key_of(who.engineer)
    is_partner = who.engineer.role == Role.PARTNER
    if is_partner:
        wanted = replace(wanted, theirs=(me, who.engineer.partner_id))
    with desk.database.read() as session:
        found = views.find(session, wanted, me=me, limit=PAGE_SIZE + 1, offset=start)
        shown = found[:PAGE_SIZE]
        values: dict[str, Any] = {
            "tickets": shown,
            "words": tickets.first_words(session, shown),
            "tags": tickets.tags_by_ticket(session, shown),
            "counts": {} if is_partner else views.counts(session, me=me),
            "partners": [] if is_partner else partners.all_partners(session),
            "all_tags": [] if is_partner else views.tags(session),
            "engineers": {people.key_of(engineer): engineer for engineer in people.all_engineers(session)},
        }
    only_list = request.headers.get("hx-target") == "tickets"
    return page(
        request,
        "ticket_list.html" if only_list else "inbox.html",
        who=who,
        more=start + PAGE_SIZE if len(found) > PAGE_SIZE else None,
        newer=max(start - PAGE_SIZE, 0) if start else None,
        wanted=wanted,
        at=now(),
        q=q,
        with_query=_with_query(wanted),
        models=desk.models.state,
        support_address=desk.settings.support_address,
        **values,
    )


def _with_query(wanted: Wanted) -> str:
    """The address of this list without its page, for links that add one."""
    narrowed = {
        "view": wanted.view,
        "level": wanted.level,
        "type": wanted.type,
        "language": wanted.language,
        "tag": wanted.tag,
        "assignee": wanted.assignee_id or "",
        "partner": wanted.partner_id or "",
        "q": wanted.text,
    }
    return "/?" + urlencode({name: value for name, value in narrowed.items() if value})


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
