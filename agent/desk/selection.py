"""The page of a workshop or embedded support: evaluation, decision, partner, plan and report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlmodel import Session

from agent import partners, selection
from agent.desk.pages import done, not_done, page
from agent.desk.session import Checked, DeskState, Who
from agent.desk.state import Desk
from agent.errors import HandlingError
from agent.selection import PlanForm
from agent.store import people, tickets
from agent.store.partner_tables import Engagement
from agent.store.tables import Ticket, now
from agent.translations import Words

router = APIRouter()

Text = Annotated[str, Form(max_length=20_000)]


@router.get("/tickets/{number}/selection")
def selection_page(request: Request, desk: DeskState, who: Who, number: str) -> Response:
    """The scores of others are shown once one has given one's own: nobody follows somebody else's lead."""
    me = people.key_of(who.engineer)
    with desk.database.read() as session:
        ticket = tickets.by_number(session, number)
        found = selection.standing(session, ticket)
        own = next((row for row, _ in found.evaluations if row.engineer_id == me), None)
        values: dict[str, Any] = {
            "ticket": ticket,
            "standing": found,
            "own": own,
            "shown": found.evaluations if own or found.decision else [],
            "criteria": Words(selection.CRITERIA),
            "matches": partners.matches(session, ticket, now().date()),
            "engagement": session.get(Engagement, ticket.id),
            "is_selected": ticket.type in selection.TYPES,
        }
        return page(request, "selection.html", who=who, **values)


@router.post("/tickets/{number}/selection/evaluation")
async def evaluate(request: Request, desk: DeskState, who: Checked, number: str, comment: Text = "") -> Response:
    form = await request.form()
    given = {key: str(form.get(key, "")) for key in selection.CRITERIA}
    scores = {key: int(value) for key, value in given.items() if value.isdecimal()}

    def act(session: Session, ticket: Ticket) -> None:
        selection.evaluate(session, ticket, scores, comment, by=who.engineer)

    return await run_in_threadpool(_do, request, desk, number, "evaluated", act, typed=comment)


@router.post("/tickets/{number}/selection/decision")
def decide(
    request: Request,
    desk: DeskState,
    who: Checked,
    number: str,
    decision: Annotated[str, Form()] = "",
    reasons: Text = "",
) -> Response:
    def act(session: Session, ticket: Ticket) -> None:
        if decision not in {"accept", "decline"}:
            raise HandlingError("Choose whether to accept or to decline.")
        selection.decide(session, ticket, accepted=decision == "accept", reasons=reasons, by=who.engineer)

    return _do(request, desk, number, "decided", act, typed=reasons)


@router.post("/tickets/{number}/selection/plan")
def plan(
    request: Request,
    desk: DeskState,
    who: Checked,
    number: str,
    form: Annotated[PlanForm, Form()],
) -> Response:
    def act(session: Session, ticket: Ticket) -> None:
        selection.plan(session, ticket, form, by=who.engineer)

    return _do(request, desk, number, "planned", act, typed=f"{form.text}\n\n{form.milestones}")


@router.post("/tickets/{number}/selection/milestones/{position}")
def tick(request: Request, desk: DeskState, who: Checked, number: str, position: int) -> Response:
    return _do(
        request, desk, number, "saved",
        lambda session, ticket: selection.tick(session, ticket, position, by=who.engineer),
    )  # fmt: skip


@router.post("/tickets/{number}/selection/report")
def report(request: Request, desk: DeskState, who: Checked, number: str, text: Text = "") -> Response:
    def act(session: Session, ticket: Ticket) -> None:
        selection.report(session, ticket, text, by=who.engineer)

    return _do(request, desk, number, "saved", act, typed=text)


def _do(
    request: Request, desk: Desk, number: str, said: str, act: Callable[[Session, Ticket], object], *, typed: str = ""
) -> Response:
    address = f"/tickets/{number}/selection"
    try:
        with desk.database.write() as session:
            act(session, tickets.by_number(session, number))
    except HandlingError as error:
        return not_done(request, error, address, typed=typed)
    return done(address, said)
