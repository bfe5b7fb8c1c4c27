"""Words of tickets in an FTS5 table of SQLite: https://www.sqlite.org/fts5.html."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, column, delete, insert, literal_column, select, table
from sqlmodel import Session

from agent.store.tables import Ticket

TABLE = "ticket_words"

_words = table(TABLE, column("words"), column("ticket_id"))


def add(session: Session, ticket_id: int, texts: Sequence[str]) -> None:
    session.execute(insert(_words), [{"words": text, "ticket_id": ticket_id} for text in texts])


def remove(session: Session, ticket: Ticket, text: str) -> None:
    mine = literal_column(TABLE).op("MATCH")(_prefix(ticket.number))
    session.execute(delete(_words).where(mine, _words.c.words == text))


def newest(words: Sequence[str], limit: int, *, whole: bool = False) -> Select[tuple[int]]:
    """Keys of the tickets of the newest rows that hold all of the words, or, unless `whole`, words that begin so."""
    wanted = " AND ".join(map(_phrase if whole else _prefix, words))
    rows = select(_words.c.ticket_id).where(literal_column(TABLE).op("MATCH")(wanted))
    return rows.order_by(literal_column("rowid").desc()).limit(limit)


def _phrase(word: str) -> str:
    """As an FTS5 string, in which nothing has a meaning of its own; `MIN-2026-000001` is a phrase of three."""
    return '"' + word.replace('"', " ").replace("\0", " ") + '"'


def _prefix(word: str) -> str:
    return f"{_phrase(word)} *"
