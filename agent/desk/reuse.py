"""Marking an approved answer as evidence for other requests: a person reads it without names first."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from sqlmodel import Session

from agent.anonymous import anonymised, answer_alone
from agent.desk.pages import done, page
from agent.desk.session import Checked, DeskState, Who
from agent.errors import NotFoundError
from agent.store import reusable, tickets
from agent.store.tables import Draft, Message, Ticket

router = APIRouter()

MAX_CHARS = 20_000


@router.get("/tickets/{number}/drafts/{draft_id}/reuse")
def proposal(request: Request, desk: DeskState, who: Who, number: str, draft_id: int) -> Response:
    with desk.database.read() as session:
        ticket, draft, sent, by = _approved(session, number, draft_id)
        row = reusable.of_draft(session, draft_id)
        message = tickets.by_id(session, Message, draft.message_id)
        people = [ticket.requester_name, message.sender_name, by]
        question = row.question if row else anonymised(f"{message.subject}\n\n{message.visible_text}", people)
        answer = row.answer if row else anonymised(answer_alone(sent), people)
    return page(request, "reuse.html", who=who, ticket=ticket, draft=draft, row=row, question=question, answer=answer)


@router.post("/tickets/{number}/drafts/{draft_id}/reuse")
def mark(
    desk: DeskState,
    who: Checked,
    number: str,
    draft_id: int,
    question: Annotated[str, Form(max_length=MAX_CHARS)] = "",
    answer: Annotated[str, Form(max_length=MAX_CHARS)] = "",
    act: Annotated[str, Form()] = "mark",
) -> Response:
    """`act` is `mark` or `drop`. What is kept is the text of the form, as the person left it."""
    with desk.database.write() as session:
        ticket, draft, _, _ = _approved(session, number, draft_id)
        row = reusable.of_draft(session, draft_id)
        if act == "drop" and row:
            reusable.drop(session, row, f"by {who.engineer.name}")
            tickets.note_event(session, ticket, who.engineer.name, "took back the answer as reusable", "")
        elif act == "mark" and question.strip() and answer.strip():
            reusable.mark(session, draft, question=question.strip(), answer=answer.strip(), by=who.engineer.name)
            tickets.note_event(session, ticket, who.engineer.name, "marked the answer as reusable", "")
    return done(f"/tickets/{number}", "not reusable" if act == "drop" else "reusable")


def _approved(session: Session, number: str, draft_id: int) -> tuple[Ticket, Draft, str, str]:
    """Ticket, draft, what was sent, and who approved it. Raises NotFoundError for what was not approved."""
    ticket = tickets.by_number(session, number)
    draft = tickets.by_id(session, Draft, draft_id)
    decision = tickets.decision_on(session, draft_id)
    if draft.ticket_id != ticket.id or decision is None or not decision[0].body:
        raise NotFoundError("{number} has no approved answer {draft}", number=number, draft=draft_id)
    return ticket, draft, decision[0].body, decision[1]
