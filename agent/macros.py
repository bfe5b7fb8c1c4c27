"""Macros: what engineers write and do again and again, kept once."""

from __future__ import annotations

from sqlmodel import Session, col, select

from agent.errors import HandlingError
from agent.store.tables import Macro, Ticket

ACTS = ("assign", "tag:…", "snooze:tomorrow", "snooze:week", "resolve")
"""As the page that makes one explains them."""
_NAMES = {"assign", "tag", "untag", "snooze", "wake", "resolve", "reopen"}
_WITH_VALUE = {"tag", "untag", "snooze"}


def save(session: Session, *, name: str, text: str, acts: str) -> Macro:
    """The macro of this name, made or changed. `acts` one a line.

    Raises HandlingError without a name, with neither text nor acts, or for an act that there is not.
    """
    label, steps = name.strip(), [line.strip() for line in acts.splitlines() if line.strip()]
    body = text.replace("\r\n", "\n").strip()
    if not label:
        raise HandlingError("A macro needs a name.")
    if not body and not steps:
        raise HandlingError("A macro has a text, or something that it does.")
    for step in steps:
        act, _, value = step.partition(":")
        if act not in _NAMES or (act in _WITH_VALUE) > bool(value.strip()):
            raise HandlingError(
                "“{step}” is nothing that can be done; there are {acts}.", step=step[:40], acts=", ".join(ACTS)
            )
    kept = session.exec(select(Macro).where(Macro.name == label)).first() or Macro(name=label)
    kept.text, kept.acts = body, steps
    session.add(kept)
    session.flush()
    return kept


def all_macros(session: Session) -> list[Macro]:
    return list(session.exec(select(Macro).order_by(col(Macro.name))))


def text_for(macro: Macro, ticket: Ticket) -> str:
    """Braces that name nothing of the ticket stay as they are."""
    return macro.text.replace("{name}", ticket.requester_name).replace("{number}", ticket.number)
