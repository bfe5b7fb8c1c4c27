"""Answers that two people approve: what legal or responsible AI is about, whatever the settings name, and any for which
an engineer asks a colleague."""

from __future__ import annotations

from sqlmodel import Session

from agent.errors import ApprovalError, HandlingError
from agent.settings import Settings
from agent.store import people, tickets
from agent.store.tables import Draft, Endorsement, Engineer, Role, SecondOpinion, Ticket, now

ASKED = frozenset({Role.ENGINEER, Role.LEAD, Role.ADMIN})
"""Who may be asked: viewers approve nothing, partners see only their own tickets."""


def is_needed(session: Session, settings: Settings, ticket: Ticket) -> bool:
    return bool({ticket.level, ticket.type} & settings.second_approval_for) or asked_of(session, ticket) is not None


def asked_of(session: Session, ticket: Ticket) -> SecondOpinion | None:
    """The colleague whose approval the next answer waits for."""
    asked = session.get(SecondOpinion, ticket.id)
    return asked if asked is not None and asked.given_at is None else None


def may_be_asked(colleague: Engineer, by: Engineer) -> bool:
    return colleague.id != by.id and colleague.disabled_at is None and colleague.role in ASKED


def ask(session: Session, ticket: Ticket, colleague: Engineer | None, *, by: Engineer) -> None:
    """Have the next answer of the ticket wait for this colleague as well. Raises HandlingError."""
    if colleague is None or not may_be_asked(colleague, by):
        raise HandlingError("Choose a colleague who can approve answers.")
    if asked_of(session, ticket) is not None:
        raise HandlingError("A colleague has been asked already. Withdraw that first.")
    kept = session.get(SecondOpinion, ticket.id) or SecondOpinion(
        ticket_id=tickets.key_of(ticket), asker_id=0, colleague_id=0
    )
    kept.asker_id, kept.colleague_id = people.key_of(by), people.key_of(colleague)
    kept.at, kept.given_at = now(), None
    session.add(kept)
    tickets.note_event(session, ticket, by.name, "asked a colleague", colleague.name)


def may_stop_asking(asked: SecondOpinion, by: Engineer) -> bool:
    return by.id in {asked.asker_id, asked.colleague_id} or by.role in {Role.LEAD, Role.ADMIN}


def stop_asking(session: Session, ticket: Ticket, *, by: Engineer) -> None:
    """By who asked, who was asked, or a lead. Raises HandlingError."""
    asked = asked_of(session, ticket)
    if asked is None:
        raise HandlingError("No colleague is asked at present.")
    if not may_stop_asking(asked, by):
        raise HandlingError("Who asked can withdraw it, who was asked, or a lead.")
    name = tickets.by_id(session, Engineer, asked.colleague_id).name
    session.delete(asked)
    tickets.note_event(session, ticket, by.name, "no longer asks a colleague", name)


def endorsement_of(session: Session, draft: Draft) -> tuple[Endorsement, str] | None:
    """The first of two approvals, and the name of who gave it."""
    kept = session.get(Endorsement, draft.id)
    return (kept, tickets.by_id(session, Engineer, kept.engineer_id).name) if kept else None


def is_given(session: Session, ticket: Ticket, draft: Draft, text: str, *, engineer: Engineer) -> bool:
    """Whether somebody else has approved just this text, and one of the two is who was asked, if anybody was."""
    kept, asked = session.get(Endorsement, draft.id), asked_of(session, ticket)
    two = kept is not None and kept.engineer_id != engineer.id and kept.body == text
    return two and kept is not None and (asked is None or asked.colleague_id in {kept.engineer_id, engineer.id})


def endorse(session: Session, ticket: Ticket, draft: Draft, text: str, *, engineer: Engineer) -> None:
    """Keep the first approval of this text; the one of another text is void.

    Raises ApprovalError when the engineer has approved just this already, or when it waits for the colleague who was
    asked.
    """
    kept, asked = session.get(Endorsement, draft.id), asked_of(session, ticket)
    if kept is not None and (kept.engineer_id, kept.body) == (engineer.id, text):
        raise ApprovalError("You have approved this already; now a second person has to.")
    if kept is not None and kept.body == text and asked is not None:
        name = tickets.by_id(session, Engineer, asked.colleague_id).name
        raise ApprovalError("This text waits for {name}, who was asked to approve it too.", name=name)
    kept = kept or Endorsement(draft_id=draft.id or 0, engineer_id=0, body="")
    kept.engineer_id, kept.body, kept.at = people.key_of(engineer), text, now()
    session.add(kept)
    tickets.note_event(session, ticket, engineer.name, "approved, a second person is asked")


def close(session: Session, ticket: Ticket) -> None:
    """The answer leaves: nobody is asked any longer."""
    asked = asked_of(session, ticket)
    if asked is not None:
        asked.given_at = now()
        session.add(asked)


def open_again(session: Session, ticket: Ticket) -> None:
    """The answer was taken back: who had approved it is asked again."""
    asked = session.get(SecondOpinion, ticket.id)
    if asked is not None:
        asked.given_at = None
        session.add(asked)
