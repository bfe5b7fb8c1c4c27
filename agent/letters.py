"""Letters that a person has decided about, in a fixed frame: drafts, which leave after an approval like all others."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session

from agent.attachment import Attachment
from agent.draft import Draft as DraftContent
from agent.errors import HandlingError
from agent.mail.outbound import subject_for
from agent.rendering import PHRASES
from agent.store import drafts, tickets
from agent.store.tables import Draft, Engineer, Ticket


def draft_letter(
    session: Session, ticket: Ticket, text: str, *, by: Engineer, what: str, files: Sequence[Attachment] = ()
) -> Draft:
    """Greeting, `text` and closing as the draft that awaits approval. `what` stands in the history.

    Raises HandlingError when no person has written in the ticket.
    """
    request = tickets.latest_request(session, ticket)
    if request is None:
        raise HandlingError("No person has asked for anything in this ticket.")
    tickets.note_event(session, ticket, by.name, what)
    content = DraftContent(
        outcome="answer", claims=(), unanswered=(), questions=(), evidence=(), answerable=1.0, model="by hand"
    )
    return drafts.save_draft(
        session,
        ticket,
        request,
        content,
        recipients=[ticket.requester_address],
        subject=subject_for(ticket.number, ticket.subject),
        body=framed(ticket, text),
        findings=[],
        instruction=None,
        attachments=files,
    )


def framed(ticket: Ticket, text: str) -> str:
    phrases = PHRASES.get(ticket.language, PHRASES["en"])
    named = ticket.requester_name.strip()
    greeting = phrases.greeting.format(name=named) if named else phrases.greeting_unknown
    return "\n\n".join([greeting, text.strip(), phrases.closing]) + "\n"
