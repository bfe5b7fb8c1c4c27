"""The words of tickets in an FTS5 table (https://www.sqlite.org/fts5.html), one row a message or attachment.

The table belongs to no model: migration 0003 makes it, only this module reads and writes it.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, and_, column, delete, insert, literal_column, or_, select, table, true
from sqlmodel import Session, col

from agent.store.tables import Message, Ticket

TABLE = "ticket_words"
MAX_CHARS = 200_000
"""Of one message: enough for any letter, a bound for pasted logs."""

MAX_MESSAGES = 2000

_words = table(TABLE, column("words"), column("ticket_id"))


def add_message(session: Session, ticket: Ticket, message: Message) -> None:
    """Have the message found by its text and people."""
    _add(session, ticket, [_words_of(ticket, message)])


def add_attached(session: Session, ticket: Ticket, texts: Iterable[str]) -> None:
    """Have the ticket found by the texts of files, which are masked already."""
    _add(session, ticket, list(texts))


def _add(session: Session, ticket: Ticket, texts: list[str]) -> None:
    if texts:
        session.execute(insert(_words), [{"words": text[:MAX_CHARS], "ticket_id": ticket.id} for text in texts])


def remove_message(session: Session, ticket: Ticket, message: Message) -> None:
    """The opposite of `add_message`; texts of attachments stay."""
    mine = literal_column(TABLE).op("MATCH")(_prefix(ticket.number))
    session.execute(delete(_words).where(mine, _words.c.words == _words_of(ticket, message)[:MAX_CHARS]))


def move_message(session: Session, ticket: Ticket, to: Ticket, message: Message) -> None:
    """Have it found with the ticket that it moves to. Texts of attachments stay with the old one."""
    remove_message(session, ticket, message)
    add_message(session, to, message)


def _words_of(ticket: Ticket, message: Message) -> str:
    about = (ticket.number, message.subject, message.sender_name, message.sender_address, message.text)
    return "\n".join(part for part in about if part)


def holds(text: str) -> ColumnElement[bool]:
    """A condition on `Ticket`: each word of `text` begins a word of it; accents and case are as one.

    Read are the newest 2,000 messages that hold all of the words, and of words that stand in different messages of
    a ticket the newest 2,000 for each: a bound for words that nearly every ticket holds.
    """
    words = [_prefix(word) for word in text.split() if any(character.isalnum() for character in word)]
    if not words:
        return true()
    together = _newest(" AND ".join(words))
    return or_(together, and_(*map(_newest, words))) if len(words) > 1 else together


def _newest(match: str) -> ColumnElement[bool]:
    rows = select(_words.c.ticket_id).where(literal_column(TABLE).op("MATCH")(match))
    return col(Ticket.id).in_(rows.order_by(literal_column("rowid").desc()).limit(MAX_MESSAGES))


def _prefix(word: str) -> str:
    """As an FTS5 string, in which nothing has a meaning of its own; `MIN-2026-000001` is a phrase of three."""
    return '"' + word.replace('"', " ").replace("\0", " ") + '" *'
