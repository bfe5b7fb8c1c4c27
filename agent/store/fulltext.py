"""The words of tickets, one row a message or attachment: found by FTS5 in SQLite, by tsvector in PostgreSQL.

The table belongs to no model: migration 0003 makes it, only this module and the two below it read and write it.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import NamedTuple

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, or_, true
from sqlmodel import Session, col

from agent.store import fulltext_fts5, fulltext_tsvector
from agent.store.tables import Message, Ticket
from agent.store.tickets import key_of

TABLE = fulltext_fts5.TABLE
MAX_CHARS = 200_000
"""Of one message: enough for any letter, a bound for pasted logs."""

MAX_MESSAGES = 2000


def add_message(session: Session, ticket: Ticket, message: Message) -> None:
    """Have the message found by its text and people."""
    _of(session).add(session, key_of(ticket), [_words_of(ticket, message)])


def add_attached(session: Session, ticket: Ticket, texts: Iterable[str]) -> None:
    """Have the ticket found by the texts of files, which are masked already."""
    given = [text[:MAX_CHARS] for text in texts]
    if given:
        _of(session).add(session, key_of(ticket), given)


def remove_message(session: Session, ticket: Ticket, message: Message) -> None:
    """The opposite of `add_message`; texts of attachments stay."""
    _of(session).remove(session, ticket, _words_of(ticket, message))


def move_message(session: Session, ticket: Ticket, to: Ticket, message: Message) -> None:
    """Have it found with the ticket that it moves to. Texts of attachments stay with the old one."""
    remove_message(session, ticket, message)
    add_message(session, to, message)


def _of(session: Session) -> ModuleType:
    return fulltext_tsvector if session.get_bind().dialect.name == "postgresql" else fulltext_fts5


def _words_of(ticket: Ticket, message: Message) -> str:
    about = (ticket.number, message.subject, message.sender_name, message.sender_address, message.text)
    return "\n".join(part for part in about if part)[:MAX_CHARS]


class Matches(NamedTuple):
    condition: ColumnElement[bool]
    """On `Ticket`."""
    is_cut: bool
    """More messages hold the words than are read."""


def matching(session: Session, text: str) -> Matches:
    """Each word of `text` begins a word of the ticket; accents and case are as one.

    Read are the newest 2,000 messages that hold all of the words just so; when there are fewer, those with words that
    begin so. When these are fewer too, also those of tickets whose words stand in different messages, the newest 2,000
    for each word: bounds for words that nearly every ticket holds.
    """
    words = [word for word in text.split() if any(character.isalnum() for character in word)]
    if not words:
        return Matches(true(), is_cut=False)
    newest = _of(session).newest
    together = session.scalars(newest(words, MAX_MESSAGES, whole=True)).all()
    if len(together) < MAX_MESSAGES:  # putting together all words that begin so takes longest where they are common
        together = session.scalars(newest(words, MAX_MESSAGES)).all()
    # Written into the statement: thousands of parameters take longer than the search itself.
    keys: BindParameter[list[int]] = bindparam("found", list(set(together)), expanding=True, literal_execute=True)
    found = col(Ticket.id).in_(keys)
    if len(words) == 1 or len(together) == MAX_MESSAGES:
        return Matches(found, is_cut=len(together) == MAX_MESSAGES)
    apart = and_(*(col(Ticket.id).in_(newest([word], MAX_MESSAGES)) for word in words))
    return Matches(or_(found, apart), is_cut=False)
