"""One ticket: the conversation, the draft beside it, its evidence, and what an engineer decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response, UploadFile, status

from agent import approval, draft_files, handling, macros, withdrawal
from agent.desk.mails import download
from agent.desk.markup import answer_html
from agent.desk.pages import done, page
from agent.desk.session import Checked, DeskState, SignedIn, Who
from agent.desk.state import Desk
from agent.desk.ticket_view import evidence_view, shown_body, ticket_view
from agent.desk.words import LEVELS, TYPES
from agent.errors import ApprovalError, NotFoundError, UnsupportedError
from agent.store import drafts, placings, tickets
from agent.store.tables import Decision, Draft, Macro, Message
from agent.translations import marked

router = APIRouter()

_PARTS = {"draft": "draft.html", "conversation": "conversation.html", "news": "news.html"}
"""What a page that is open asks for again, by the id of the element."""


@router.get("/tickets/{number}")
def ticket_page(
    request: Request,
    desk: DeskState,
    who: Who,
    number: str,
    seen: str = "",
    macro: int | None = None,
    words: int | None = None,
) -> Response:
    """With `macro`, its text stands in the form; with `words`, that of a partner's message. With `seen`, the version
    that an open page shows: 204 while nothing has changed since."""
    part = _PARTS.get(request.headers.get("hx-target", ""))
    if part is None:
        _see_mentions(desk, who, number)
    typed = _text_of(desk, number, macro) if macro is not None and part is None else None
    if words is not None and part is None:
        typed = _words_of(desk, number, words)
    refusal = {**_QUIET, "typed": typed}
    return _ticket(
        request, desk, who, number, template=part or "ticket.html", seen=seen if part else "", refusal=refusal
    )


def _text_of(desk: Desk, number: str, macro: int) -> str:
    with desk.database.read() as session:
        return macros.text_for(tickets.by_id(session, Macro, macro), tickets.by_number(session, number))


def _words_of(desk: Desk, number: str, message_id: int) -> str:
    """Raises NotFoundError for a message that is no partner's, or of another ticket."""
    with desk.database.read() as session:
        message = tickets.by_id(session, Message, message_id)
        if message.direction != "partner" or message.ticket_id != tickets.by_number(session, number).id:
            raise NotFoundError(f"{number} has no such message of a partner")
        return message.visible_text


@router.get("/tickets/{number}/drafts/{draft_id}/evidence/{position}")
def evidence(
    request: Request,
    desk: DeskState,
    who: Who,
    number: str,
    draft_id: int,
    position: int,
    claim: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """The passage or row with this number beside the draft, what the draft quotes of it marked."""
    with desk.database.read() as session:
        draft = _draft_of(desk, number, draft_id)
        view = evidence_view(draft, position, claim) | {"number": number}
        if request.headers.get("hx-request") == "true":
            return page(request, "evidence.html", who=who, **view)
        values = ticket_view(session, desk.settings, number) | {"models": desk.models.state, **_QUIET, **view}
    return page(request, "ticket.html", who=who, **values)


@router.post("/tickets/{number}/drafts/{draft_id}/approve")
def approve(
    request: Request,
    desk: DeskState,
    who: Checked,
    number: str,
    draft_id: int,
    binding: Annotated[str, Form()] = "",
    body: Annotated[str | None, Form()] = None,
    vouched: Annotated[str, Form()] = "",
) -> Response:
    _draft_of(desk, number, draft_id)
    try:
        with desk.database.write() as session:
            sent = approval.decide(
                session,
                desk.settings,
                draft_id,
                engineer=who.engineer,
                binding=binding,
                body=body,
                vouched=vouched == "yes",
            )
    except UnsupportedError as error:
        return _refused(request, desk, who, number, problem=error, typed=body, unsupported=error.problems)
    except ApprovalError as error:
        return _refused(request, desk, who, number, problem=error, typed=body)
    if sent is None:
        return _back(number, "endorsed")
    desk.workflows.wake()
    return _back(number, "approved" if body is None else "edited")


@router.post("/tickets/{number}/drafts/{draft_id}/preview")
def preview(
    request: Request, desk: DeskState, who: Checked, number: str, draft_id: int, body: Annotated[str, Form()] = ""
) -> Response:
    """The edited answer as it would be sent, and what of it no evidence carries. Nothing is decided by it."""
    draft = _draft_of(desk, number, draft_id)
    problem: Exception | None = None
    problems: tuple[str, ...] = ()
    with desk.database.read() as session:
        try:
            text, problems = approval.checked_text(session, desk.settings, draft, body)
        except ApprovalError as error:
            text, problem = body, error
    shown = shown_body(number, draft, text)
    values: dict[str, Any] = {"body": shown, "formatted": answer_html(text), "problem": problem, "problems": problems}
    return page(request, "preview.html", who=who, **values)


@router.post("/tickets/{number}/outbox/{outbound_id}/withdraw")
def withdraw(request: Request, desk: DeskState, who: Checked, number: str, outbound_id: int) -> Response:
    try:
        with desk.database.write() as session:
            approval = withdrawal.withdraw(session, outbound_id, engineer=who.engineer)
    except ApprovalError as error:
        return _refused(request, desk, who, number, problem=error, typed=None)
    if approval.decision == Decision.EDITED:
        return _ticket(request, desk, who, number, refusal={**_QUIET, "typed": approval.body})
    return _back(number, "withdrawn")


@router.post("/tickets/{number}/drafts/{draft_id}/reject")
def reject(
    request: Request, desk: DeskState, who: Checked, number: str, draft_id: int, reason: Annotated[str, Form()] = ""
) -> Response:
    _draft_of(desk, number, draft_id)
    try:
        with desk.database.write() as session:
            approval.reject(session, draft_id, engineer=who.engineer, reason=reason)
    except ApprovalError as error:
        return _refused(request, desk, who, number, problem=error, typed=reason)
    return _back(number, "rejected")


@router.post("/tickets/{number}/redraft")
def redraft(
    request: Request, desk: DeskState, who: Checked, number: str, instruction: Annotated[str, Form()] = ""
) -> Response:
    wish = instruction.strip()[:500]
    with desk.database.write() as session:
        ticket = tickets.by_number(session, number)
        waits = drafts.is_awaited(session, ticket)
        if waits:
            tickets.note_event(session, ticket, who.engineer.name, "asked for another draft", wish)
    if not waits:
        problem = marked(
            "Nobody waits for an answer here: it has been approved, or no person has written in this ticket."
        )
        return _refused(request, desk, who, number, problem=problem, typed=wish)
    desk.workflows.redraft(number, wish)
    return _back(number, "redraft")


@router.post("/tickets/{number}/placing")
def place(
    request: Request,
    desk: DeskState,
    who: Checked,
    number: str,
    level: Annotated[str, Form()] = "",
    support_type: Annotated[str, Form()] = "",
) -> Response:
    """An engineer's correction of level and type: stored, on record, and left alone by triage."""
    if level not in LEVELS or support_type not in TYPES or (level == "none") != (support_type == "none"):
        problem = marked(
            "Nothing was changed: a request has a level from L1 to L5 and a type from T1 to T4, or neither."
        )
        return _refused(request, desk, who, number, problem=problem, typed=None)
    with desk.database.write() as session:
        ticket = tickets.by_number(session, number)
        if (ticket.level, ticket.type) != (level, support_type):
            placings.correct(session, ticket, level=level, type_=support_type, engineer=who.engineer)
    return _back(number, "placed")


@router.get("/tickets/{number}/drafts/{draft_id}/attachments/{position}")
def draft_attachment(desk: DeskState, who: Who, number: str, draft_id: int, position: int) -> Response:  # noqa: ARG001
    draft = _draft_of(desk, number, draft_id)
    with desk.database.read() as session:
        files = drafts.attachments_of(session, draft)
    if not 0 <= position < len(files):
        raise NotFoundError("this draft has no attachment {position}", position=position)
    return download(files[position].content, files[position].filename)


@router.post("/tickets/{number}/drafts/{draft_id}/files")
def attach(request: Request, desk: DeskState, who: Checked, number: str, draft_id: int, file: UploadFile) -> Response:
    _draft_of(desk, number, draft_id)
    chosen = draft_files.Chosen(file.filename or "", file.file.read(draft_files.MAX_BYTES + 1))
    try:
        with desk.database.write() as session:
            draft_files.attach(session, draft_id, chosen, engineer=who.engineer)
    except ApprovalError as error:
        return _refused(request, desk, who, number, problem=error, typed=None)
    return _back(number, "attached")


@router.post("/tickets/{number}/drafts/{draft_id}/files/{position}/remove")
def detach(request: Request, desk: DeskState, who: Checked, number: str, draft_id: int, position: int) -> Response:
    _draft_of(desk, number, draft_id)
    try:
        with desk.database.write() as session:
            draft_files.detach(session, draft_id, position, engineer=who.engineer)
    except ApprovalError as error:
        return _refused(request, desk, who, number, problem=error, typed=None)
    return _back(number, "detached")


def _see_mentions(desk: Desk, who: SignedIn, number: str) -> None:
    """Opening the ticket is having seen the notes that name one; nothing is written otherwise."""
    with desk.database.read() as session:
        ticket = tickets.by_number(session, number)
        if not handling.is_mentioned(session, ticket, who.engineer):
            return
    with desk.database.write() as session:
        handling.mark_mentions_seen(session, ticket, who.engineer)


_QUIET: Mapping[str, Any] = {"problem": None, "typed": None, "unsupported": ()}


def _refused(
    request: Request,
    desk: Desk,
    who: SignedIn,
    number: str,
    *,
    problem: Exception | str,
    typed: str | None,
    unsupported: tuple[str, ...] = (),
) -> Response:
    """The ticket as it is now, why the decision was not taken, and what had been written: never lost."""
    refusal = {"problem": problem, "typed": typed, "unsupported": unsupported}
    return _ticket(request, desk, who, number, refusal=refusal, status_code=status.HTTP_409_CONFLICT)


def _ticket(
    request: Request,
    desk: Desk,
    who: SignedIn,
    number: str,
    *,
    template: str = "ticket.html",
    seen: str = "",
    status_code: int = 200,
    refusal: Mapping[str, Any] = _QUIET,
) -> Response:
    with desk.database.read() as session:
        values = ticket_view(session, desk.settings, number)
    models = desk.models.state
    values["version"] += "" if models == "ready" else "-waiting"
    if seen and seen in {values["version"], values["delivery"]}:
        return Response(status_code=status.HTTP_204_NO_CONTENT)
    values |= {**refusal, "models": models, "language_model": desk.language_model(), "item": None, "number": number}
    return page(request, template, who=who, status_code=status_code, **values)


def _draft_of(desk: Desk, number: str, draft_id: int) -> Draft:
    """Raises NotFoundError, also for a draft of another ticket."""
    with desk.database.read() as session:
        ticket = tickets.by_number(session, number)
        draft = tickets.by_id(session, Draft, draft_id)
    if draft.ticket_id != ticket.id:
        raise NotFoundError("{number} has no draft {draft}", number=number, draft=draft_id)
    return draft


def _back(number: str, said: str) -> Response:
    return done(f"/tickets/{number}", said)
