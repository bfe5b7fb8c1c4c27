"""The inbox, with its views and filters, and the outbox."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from agent import partners
from agent.desk.pages import page
from agent.desk.session import DeskState, Who
from agent.store import fulltext, outbox, people, tickets, views
from agent.store.tables import Outbound, Role, now
from agent.store.views import View, Wanted
from triage.doctor.systems import systems

router = APIRouter()

PAGE_SIZE = 50


class Narrowing(BaseModel):
    """The address of a list, as people and links write it; what is empty narrows nothing."""

    view: str = ""
    level: str = ""
    type: str = ""
    language: str = ""
    tag: str = ""
    system: str = ""
    trust: str = ""
    assignee: str = ""
    partner: str = ""
    q: str = Field("", max_length=200)
    start: int = Field(0, ge=0, alias="from")

    def wanted(self) -> Wanted:
        return Wanted(
            view=View(self.view) if self.view in set(View) else View.ALL if self.q else View.OPEN,
            level=self.level,
            type=self.type,
            language=self.language,
            tag=self.tag,
            system=self.system,
            trust=self.trust,
            assignee_id=int(self.assignee) if self.assignee.isdecimal() else None,
            partner_id=int(self.partner) if self.partner.isdecimal() else None,
            text=self.q,
        )


@router.get("/")
def inbox(request: Request, desk: DeskState, who: Who, narrowing: Annotated[Narrowing, Query()]) -> Response:
    wanted, start, q = narrowing.wanted(), narrowing.start, narrowing.q
    me = people.key_of(who.engineer)
    is_partner = who.engineer.role == Role.PARTNER
    if is_partner:
        wanted = replace(wanted, theirs=(me, who.engineer.partner_id))
    with desk.database.read() as session:
        matches = fulltext.matching(session, q)
        found = views.find(session, wanted, me=me, limit=PAGE_SIZE + 1, offset=start, matches=matches)
        shown = found[:PAGE_SIZE]
        values: dict[str, Any] = {
            "tickets": shown,
            "is_cut": matches.is_cut,
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
        systems=_systems(),
        max_messages=fulltext.MAX_MESSAGES,
        **values,
    )


@cache
def _systems() -> list[tuple[str, str]]:
    """Id and name of each that a request can name, by name."""
    return sorted(((key, str(facts["name"])) for key, facts in systems().items()), key=lambda pair: pair[1].casefold())


def _with_query(wanted: Wanted) -> str:
    """The address of this list without its page, for links that add one."""
    narrowed = {
        "view": wanted.view,
        "level": wanted.level,
        "type": wanted.type,
        "language": wanted.language,
        "tag": wanted.tag,
        "system": wanted.system,
        "trust": wanted.trust,
        "assignee": wanted.assignee_id or "",
        "partner": wanted.partner_id or "",
        "q": wanted.text,
    }
    return "/?" + urlencode({name: value for name, value in narrowed.items() if value})


@router.get("/outbox")
def outbox_page(request: Request, desk: DeskState, who: Who) -> Response:
    with desk.database.read() as session:
        rows = [(mail, number) for mail, number in outbox.newest_with_ticket(session)]
    relay, folder = desk.settings.relay_host, desk.settings.outbox_dir
    return page(request, "outbox.html", who=who, rows=rows, relay=relay, folder=folder)


@router.get("/outbox/{outbound_id}.eml")
def outbound_mail(desk: DeskState, who: Who, outbound_id: int) -> Response:  # noqa: ARG001  # signed in
    with desk.database.read() as session:
        mail = tickets.by_id(session, Outbound, outbound_id)
    return PlainTextResponse(
        mail.content, headers={"Content-Disposition": f'attachment; filename="{mail.id:06d}-{mail.kind}.eml"'}
    )
