"""Drafts of a ticket, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

from sqlalchemy import CursorResult, func, update
from sqlmodel import Session, col, select

from agent import draft as drafted
from agent.attachment import Attachment
from agent.store.tables import Draft, DraftFile, DraftState, Message, Ticket, TicketStatus
from agent.store.tickets import key_of, latest_request, note_event


def undrafted(session: Session) -> list[int]:
    """Newest requests of the new tickets that have no draft: their drafting failed, or never began."""
    new = session.exec(select(Ticket).where(Ticket.status == TicketStatus.NEW)).all()
    newest = [latest_request(session, ticket) for ticket in new if next_attempt(session, ticket) == 1]
    return [message.id for message in newest if message is not None and message.id is not None]


def is_answered(session: Session, ticket: Ticket) -> bool:
    """Whether a draft of the present revision was approved: nothing more is drafted until the requester writes."""
    approved = select(Draft).where(
        Draft.ticket_id == ticket.id, Draft.revision == ticket.revision, Draft.state == DraftState.APPROVED
    )
    return session.exec(approved).first() is not None


def is_awaited(session: Session, ticket: Ticket) -> bool:
    """Whether a person has written, and nothing has settled that: only then a draft can be made."""
    if ticket.status in {TicketStatus.RESOLVED, TicketStatus.CLOSED}:
        return False
    return latest_request(session, ticket) is not None and not is_answered(session, ticket)


def status_by_drafts(session: Session, ticket: Ticket) -> TicketStatus:
    """Where an open ticket stands: answered, with a draft that waits, or new."""
    if is_answered(session, ticket):
        return TicketStatus.ANSWERED
    waiting = select(Draft).where(
        Draft.ticket_id == ticket.id, Draft.revision == ticket.revision, Draft.state == DraftState.WAITING
    )
    return TicketStatus.NEW if session.exec(waiting).first() is None else TicketStatus.DRAFTED


def next_attempt(session: Session, ticket: Ticket) -> int:
    last = session.exec(
        select(func.max(Draft.attempt)).where(Draft.ticket_id == ticket.id, Draft.revision == ticket.revision)
    ).one()
    return (last or 0) + 1


def save_draft(
    session: Session,
    ticket: Ticket,
    message: Message,
    content: drafted.Draft,
    *,
    recipients: Sequence[str],
    subject: str,
    body: str,
    findings: Sequence[dict[str, Any]],
    instruction: str | None,
    attachments: Sequence[Attachment] = (),
) -> Draft:
    """Put a draft before the engineers; drafts that waited are superseded."""
    supersede(session, ticket)
    row = Draft(
        ticket_id=key_of(ticket),
        message_id=key_of(message),
        revision=ticket.revision,
        attempt=next_attempt(session, ticket),
        outcome=content.outcome,
        recipients=list(recipients),
        subject=subject,
        body=body,
        claims=[asdict(claim) for claim in content.claims],
        unanswered=list(content.unanswered),
        questions=list(content.questions),
        evidence=[asdict(item) for item in content.evidence],
        commands=list(content.commands),
        next_steps=list(content.next_steps),
        checks=[asdict(check) for check in content.checks],
        outcome_reasons=list(content.reasons),
        generation=asdict(content.generation) if content.generation else None,
        findings=list(findings),
        script_diff=content.script_diff,
        answerable=content.answerable,
        model=content.model,
        prompt_hash=content.prompt_hash,
        instruction=instruction,
        binding=drafted.binding_of(
            revision=ticket.revision, recipients=recipients, subject=subject, body=body, attachments=attachments
        ),
    )
    session.add(row)
    ticket.status = TicketStatus.DRAFTED
    note_event(session, ticket, "minerva", "drafted", f"{content.outcome}, {len(content.claims)} claims")
    session.flush()
    assert row.id is not None  # set by flush
    for position, file in enumerate(attachments):
        session.add(
            DraftFile(
                draft_id=row.id,
                position=position,
                filename=file.filename,
                content_type=file.content_type,
                content=file.content,
            )
        )
    return row


def content_of(row: Draft) -> drafted.Draft:
    """The draft that the row was made from; its corrected script is part of the body only."""
    return drafted.Draft(
        outcome=cast("drafted.Outcome", row.outcome),
        claims=tuple(_claim(claim) for claim in row.claims),
        unanswered=tuple(row.unanswered),
        questions=tuple(row.questions),
        evidence=tuple(_evidence(item) for item in row.evidence),
        answerable=row.answerable,
        model=row.model,
        prompt_hash=row.prompt_hash,
        commands=tuple(row.commands),
        next_steps=tuple(row.next_steps),
        checks=tuple(drafted.Check(**{**check, "reasons": tuple(check["reasons"])}) for check in row.checks),
        reasons=tuple(row.outcome_reasons),
    )


def _evidence(item: dict[str, Any]) -> drafted.Evidence:
    return drafted.Evidence(**{**item, "heading": tuple(item["heading"]), "systems": tuple(item.get("systems", ()))})


def _claim(claim: dict[str, Any]) -> drafted.Claim:
    citations = tuple(drafted.Citation(**citation) for citation in claim["citations"])
    return drafted.Claim(text=claim["text"], citations=citations)


def attachments_of(session: Session, draft: Draft) -> list[Attachment]:
    rows = session.exec(select(DraftFile).where(DraftFile.draft_id == draft.id).order_by(col(DraftFile.position)))
    return [Attachment(filename=row.filename, content_type=row.content_type, content=row.content) for row in rows]


def supersede(session: Session, ticket: Ticket) -> None:
    session.execute(
        update(Draft)
        .where(col(Draft.ticket_id) == ticket.id, col(Draft.state) == DraftState.WAITING)
        .values(state=DraftState.SUPERSEDED)
    )


def settle(session: Session, draft_id: int, state: DraftState) -> bool:
    """Move a waiting draft to its end; False when it was not waiting any more."""
    result = session.execute(
        update(Draft).where(col(Draft.id) == draft_id, col(Draft.state) == DraftState.WAITING).values(state=state)
    )
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def latest(session: Session, ticket: Ticket) -> Draft | None:
    return session.exec(select(Draft).where(Draft.ticket_id == ticket.id).order_by(col(Draft.id).desc())).first()
