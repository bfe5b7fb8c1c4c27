"""Answers that two people approve: what legal or responsible AI is about, and whatever the settings name."""

from __future__ import annotations

from sqlmodel import Session

from agent.errors import ApprovalError
from agent.settings import Settings
from agent.store import people, tickets
from agent.store.tables import Draft, Endorsement, Engineer, Ticket, now


def is_needed(settings: Settings, ticket: Ticket) -> bool:
    return bool({ticket.level, ticket.type} & settings.second_approval_for)


def endorsement_of(session: Session, draft: Draft) -> tuple[Endorsement, str] | None:
    """The first of two approvals, and the name of who gave it."""
    kept = session.get(Endorsement, draft.id)
    return (kept, tickets.by_id(session, Engineer, kept.engineer_id).name) if kept else None


def is_given(session: Session, draft: Draft, text: str, *, engineer: Engineer) -> bool:
    """Whether somebody else has approved just this text."""
    kept = session.get(Endorsement, draft.id)
    return kept is not None and kept.engineer_id != engineer.id and kept.body == text


def endorse(session: Session, ticket: Ticket, draft: Draft, text: str, *, engineer: Engineer) -> None:
    """Keep the first approval of this text; the one of another text is void.

    Raises ApprovalError when the engineer has approved just this already.
    """
    kept = session.get(Endorsement, draft.id)
    if kept is not None and (kept.engineer_id, kept.body) == (engineer.id, text):
        raise ApprovalError("You have approved this already; now a second person has to.")
    kept = kept or Endorsement(draft_id=draft.id or 0, engineer_id=0, body="")
    kept.engineer_id, kept.body, kept.at = people.key_of(engineer), text, now()
    session.add(kept)
    tickets.note_event(session, ticket, engineer.name, "approved, a second person is asked")
