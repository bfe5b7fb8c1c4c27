"""What a ticket's page shows of its messages and history: the newest, as much as a page can hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from markupsafe import Markup, escape
from sqlmodel import Session

from agent.desk.markup import mail_html
from agent.store import outbox, tickets
from agent.store.tables import Message, StoredMail, Ticket
from ingest.visible import split_visible

SHOWN_MESSAGES = 12
SHOWN_EVENTS = 30
MAX_BYTES = 40_000
"""Of the texts of all messages of a page, as HTML."""
MAX_BYTES_EACH = 15_000
MIN_BYTES_EACH = 500


class Shown(NamedTuple):
    message: Message
    parts: list[tuple[str, str]]
    """(kind, text or HTML) in order: visible, quote or signature."""
    is_cut: bool
    stored: StoredMail | None


def conversation_view(session: Session, ticket: Ticket, before: int | None) -> dict[str, Any]:
    """`before` is the key of a message: the ones before it, for reading back."""
    messages = tickets.newest_messages(session, ticket, SHOWN_MESSAGES, before=before)
    first, earlier = tickets.message_before(session, ticket, messages[0] if messages else None)
    sent = outbox.of_messages(session, ticket, [message.message_id for message in messages if message.message_id])
    events = tickets.newest_events(session, ticket, SHOWN_EVENTS)
    return {
        "messages": list(_shown(session, messages)),
        "first_message": first,
        "earlier": earlier,
        "before": before,
        "outbound": {mail.message_id: mail for mail in sent},
        "sent": sent,
        "events": events,
        "event_count": tickets.count_of_events(session, ticket),
    }


def _shown(session: Session, messages: list[Message]) -> Iterable[Shown]:
    """The newest are cut last."""
    left, found = MAX_BYTES, []
    for message in reversed(messages):
        text = cut(message.text, max(min(left, MAX_BYTES_EACH), MIN_BYTES_EACH))
        left -= len(text.encode())
        stored = session.get(StoredMail, message.stored_mail_id) if message.stored_mail_id is not None else None
        found.append(Shown(message, _parts(message, text), len(text) < len(message.text), stored))
    return reversed(found)


def cut(text: str, limit: int) -> str:
    """The beginning of the text that takes at most so many bytes as HTML."""
    text = text[:limit]
    while (size := len(escape(text).encode("utf-8", "surrogatepass"))) > limit:
        text = text[: min(len(text) * limit // size, len(text) - 1)]
    return text


def _parts(message: Message, text: str) -> list[tuple[str, str | Markup]]:
    if message.direction == "out":
        return [("visible", mail_html(text))]
    author = message.sender_name or message.sender_address
    parts = [(part.kind, part.text.strip("\n")) for part in split_visible(text, author)]
    return [(kind, mail_html(piece) if kind == "visible" else piece) for kind, piece in parts if piece.strip()]
