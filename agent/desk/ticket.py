"""One ticket: the conversation, the draft beside it, its evidence, and what an engineer decides."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Request, Response, status
from fastapi.responses import RedirectResponse
from markupsafe import Markup
from sqlmodel import Session

from agent import approval
from agent.desk.markup import body_html, passage_html
from agent.desk.pages import page
from agent.desk.session import Checked, DeskState, SignedIn, Who
from agent.desk.state import Desk
from agent.errors import ApprovalError, NotFoundError
from agent.store import drafts, inbound, outbox, tickets
from agent.store.tables import Draft, DraftState, Message, StoredMail
from ingest.mail import parse_mail
from ingest.visible import split_visible

router = APIRouter()


@router.get("/tickets/{number}")
def ticket_page(request: Request, desk: DeskState, who: Who, number: str) -> Response:
    part = {"draft": "draft.html", "conversation": "conversation.html"}.get(request.headers.get("hx-target", ""))
    return _ticket(request, desk, who, number, template=part or "ticket.html")


@router.post("/tickets/{number}/drafts/{draft_id}/approve")
def approve(
    request: Request,
    desk: DeskState,
    who: Checked,
    number: str,
    draft_id: int,
    binding: Annotated[str, Form()] = "",
    body: Annotated[str | None, Form()] = None,
) -> Response:
    try:
        with desk.database.write() as session:
            approval.approve(session, desk.settings, draft_id, engineer=who.engineer, binding=binding, body=body)
    except ApprovalError as error:
        return _ticket(request, desk, who, number, problem=str(error), typed=body, status_code=status.HTTP_409_CONFLICT)
    desk.workflows.send_due()
    return _back(number)


@router.post("/tickets/{number}/drafts/{draft_id}/reject")
def reject(
    request: Request, desk: DeskState, who: Checked, number: str, draft_id: int, reason: Annotated[str, Form()] = ""
) -> Response:
    try:
        with desk.database.write() as session:
            approval.reject(session, draft_id, engineer=who.engineer, reason=reason)
    except ApprovalError as error:
        return _ticket(request, desk, who, number, problem=str(error), status_code=status.HTTP_409_CONFLICT)
    return _back(number)


@router.post("/tickets/{number}/redraft")
def redraft(desk: DeskState, who: Checked, number: str, instruction: Annotated[str, Form()] = "") -> Response:
    with desk.database.write() as session:
        ticket = tickets.by_number(session, number)
        tickets.note_event(session, ticket, who.engineer.name, "asked for another draft", instruction.strip()[:500])
    desk.workflows.redraft(number, instruction.strip()[:500])
    return _back(number)


@router.get("/tickets/{number}/drafts/{draft_id}/evidence/{position}")
def evidence(request: Request, desk: DeskState, who: Who, number: str, draft_id: int, position: int) -> Response:
    """The passage or row with this number, what the draft quotes of it marked."""
    with desk.database.read() as session:
        draft = tickets.by_id(session, Draft, draft_id)
    item = next((item for item in draft.evidence if item["number"] == position), None)
    if item is None:
        raise NotFoundError(f"this draft has no evidence {position}")
    quotes = [c["quote"] for claim in draft.claims for c in claim["citations"] if c["evidence"] == position]
    is_part = request.headers.get("hx-request") == "true"
    return page(
        request,
        "evidence.html" if is_part else "evidence_page.html",
        who=who,
        item=item,
        html=passage_html(item["text"], quotes),
        number=number,
    )


@router.get("/mails/{stored_mail_id}.eml")
def original(desk: DeskState, who: Who, stored_mail_id: int) -> Response:  # noqa: ARG001  # signed in
    with desk.database.read() as session:
        raw = inbound.raw_of(session, stored_mail_id)
    return _download(raw, f"mail-{stored_mail_id}.eml")


@router.get("/mails/{stored_mail_id}/attachments/{position}")
def attachment(desk: DeskState, who: Who, stored_mail_id: int, position: int) -> Response:  # noqa: ARG001
    with desk.database.read() as session:
        raw = inbound.raw_of(session, stored_mail_id)
    parts = parse_mail(raw).attachments
    if not 0 <= position < len(parts):
        raise NotFoundError(f"this mail has no attachment {position}")
    return _download(parts[position].content, parts[position].filename)


def _ticket(
    request: Request,
    desk: Desk,
    who: SignedIn,
    number: str,
    *,
    template: str = "ticket.html",
    status_code: int = 200,
    problem: str | None = None,
    typed: str | None = None,
) -> Response:
    """`typed` is what somebody had written when the approval failed: shown again, never lost."""
    with desk.database.read() as session:
        values = _values(session, number)
    values |= {"problem": problem, "typed": typed, "models": desk.models.state}
    return page(request, template, who=who, status_code=status_code, **values)


def _values(session: Session, number: str) -> dict[str, Any]:
    ticket = tickets.by_number(session, number)
    messages = tickets.messages_of(session, ticket)
    draft = drafts.latest(session, ticket)
    is_current = draft is not None and draft.state == DraftState.WAITING and draft.revision == ticket.revision
    newest = tickets.latest_request(session, ticket)
    expected = newest is not None and (draft is None or draft.state == DraftState.SUPERSEDED)
    return {
        "ticket": ticket,
        "messages": [(message, _parts(message), _stored(session, message)) for message in messages],
        "draft": draft,
        "body": draft and _body(ticket.number, draft),
        "cited": draft and _cited(draft),
        "is_current": is_current,
        "is_expected": expected,
        "outbound": {mail.message_id: mail for mail in outbox.of_ticket(session, ticket)},
        "events": tickets.events_of(session, ticket),
    }


def _cited(draft: Draft) -> set[int]:
    return {citation["evidence"] for claim in draft.claims for citation in claim["citations"]}


def _body(number: str, draft: Draft) -> Markup:
    return body_html(draft.body, _cited(draft), f"/tickets/{number}/drafts/{draft.id}/evidence")


def _parts(message: Message) -> list[tuple[str, str]]:
    """(kind, text) in order: visible, quote or signature."""
    if message.direction == "out":
        return [("visible", message.text)]
    return [(part.kind, part.text) for part in split_visible(message.text)]


def _stored(session: Session, message: Message) -> StoredMail | None:
    return session.get(StoredMail, message.stored_mail_id) if message.stored_mail_id is not None else None


def _back(number: str) -> Response:
    return RedirectResponse(f"/tickets/{number}", status.HTTP_303_SEE_OTHER)


def _download(content: bytes, filename: str) -> Response:
    """Always a download of unknown type: nothing from a mail is opened inside the desk's origin."""
    return Response(
        content,
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(filename)}",
            "Content-Security-Policy": "sandbox",
        },
    )
