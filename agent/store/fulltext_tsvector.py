"""Words of tickets in a table of PostgreSQL with a GIN index over tsvector.

The words are cut here, as FTS5's tokenizer `unicode61 remove_diacritics 2` cuts them, and not by PostgreSQL's parser:
that one knows addresses, numbers with a sign and file names, and would find other things than SQLite does. Accents
are taken off the letters of all scripts, where FTS5 knows the Latin ones.

What PostgreSQL keeps is bounded: of a row the first 16,383 words have a place, so phrases (an address, an option with
hyphens) are found up to there, single words everywhere; of a word the first 256 places.
https://www.postgresql.org/docs/current/textsearch-limitations.html
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from sqlalchemy import BigInteger, Integer, Select, Text, bindparam, cast, column, delete, insert, select, table
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR
from sqlmodel import Session

from agent.store.fulltext_fts5 import TABLE
from agent.store.tables import Ticket

MAX_WORD_CHARS = 200
"""Longer ones are found by their beginning; PostgreSQL takes 2,046 bytes."""
MAX_BYTES = 900_000
"""Of the words of a row with their places; PostgreSQL takes 1 MB."""

_WORD = re.compile(r"[^\W_]+")
_words = table(TABLE, column("id", BigInteger), column("ticket_id", Integer), column("words", TSVECTOR))
_ADD = insert(_words).values(words=cast(bindparam("vector", type_=Text), TSVECTOR))


def add(session: Session, ticket_id: int, texts: Sequence[str]) -> None:
    session.execute(_ADD, [{"ticket_id": ticket_id, "vector": vector_of(text)} for text in texts])


def remove(session: Session, ticket: Ticket, text: str) -> None:
    same = _words.c.words == cast(vector_of(text), TSVECTOR)
    session.execute(delete(_words).where(_words.c.ticket_id == ticket.id, same))


def newest(words: Sequence[str], limit: int, *, whole: bool = False) -> Select[tuple[int]]:
    """Keys of the tickets of the newest rows that hold all of the words, or, unless `whole`, words that begin so."""
    match = cast(" & ".join(_phrase(word, "" if whole else ":*") for word in words), TSQUERY)
    rows = select(_words.c.ticket_id).where(_words.c.words.op("@@")(match))
    # By a sum, so that the index of words is read and not the table backwards until enough are found.
    return rows.order_by((_words.c.id + 0).desc()).limit(limit)


def tokens(text: str) -> list[str]:
    """Runs of letters and digits, lower case, without accents."""
    plain = text.casefold()
    if not plain.isascii():
        decomposed = unicodedata.normalize("NFD", plain)
        bare = "".join(character for character in decomposed if not unicodedata.combining(character))
        plain = unicodedata.normalize("NFC", bare)
    return [word[:MAX_WORD_CHARS] for word in _WORD.findall(plain)]


def vector_of(text: str) -> str:
    """In the text form of tsvector: each word with its places."""
    places: dict[str, list[int]] = {}
    size = 0
    for place, word in enumerate(tokens(text), 1):
        size += 4 if word in places else len(word.encode()) + 8
        if size > MAX_BYTES:
            break
        places.setdefault(word, []).append(place)
    return " ".join(f"'{word}':{','.join(map(str, found[:256]))}" for word, found in places.items())


def _phrase(word: str, end: str) -> str:
    """`MIN-2026-000001` is a phrase of three, whose last one may go on with `:*`; letters and digits need no escape."""
    return "(" + " <-> ".join(f"'{token}'" for token in tokens(word)) + f"{end})"
