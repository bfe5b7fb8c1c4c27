"""Approved answers as documents of the index."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.store import reusable
from agent.store.database import Database
from agent.store.tables import ReusableAnswer
from knowledge_base.documents import Document, Section
from knowledge_base.encoder import Encoder
from knowledge_base.markdown import parse_markdown
from knowledge_base.rows.answer import rows_for
from knowledge_base.rows.row import Row
from knowledge_base.scope import systems_named
from knowledge_base.snapshot import PassageFile, current_snapshot
from knowledge_base.sources.config import AnySource
from knowledge_base.sources.fetch import Given
from knowledge_base.sources.sync import SyncReport, sync

_NOWHERE = Path("/nonexistent")
"""No answer includes a file."""
ANSWERS = "answers"
"""Name of the source."""


def answers_given(rows: Sequence[ReusableAnswer]) -> Given:
    """All of them as one source of the index."""
    state = repr([(row.id, row.marked_at.isoformat(), row.question, row.answer) for row in rows])
    return Given(
        name=ANSWERS,
        documents=tuple(_document(row) for row in rows),
        fingerprint=hashlib.sha256(state.encode()).hexdigest(),
    )


def sync_with_answers(
    database: Database,
    sources: Sequence[AnySource],
    index: Path,
    cache: Path,
    encoder: Encoder,
    *,
    rows_for: Callable[[str], Sequence[Row]] = rows_for,
    vectors_url: str | None = None,
) -> SyncReport:
    """As `sync`, with the answers that may be reused; those whose passages or rows have changed are dropped first.

    `rows_for` are the rows that answer a request now.
    """
    report = sync(sources, index, cache, encoder, _usable(database), vectors_url=vectors_url)
    if _drop_stale(database, index, rows_for):
        report = sync(sources, index, cache, encoder, _usable(database), vectors_url=vectors_url)
    return report


def _usable(database: Database) -> list[Given]:
    with database.read() as session:
        rows = reusable.usable(session)
        return [answers_given(rows)] if rows else []


def _drop_stale(database: Database, index: Path, rows_for: Callable[[str], Sequence[Row]]) -> int:
    with database.read() as session:
        if not reusable.usable(session):
            return 0
    known = frozenset(PassageFile(current_snapshot(index)).ids())
    with database.write() as session:
        return reusable.drop_stale(session, known, lambda words: {f"row:{row.id}": row.text for row in rows_for(words)})


def _document(row: ReusableAnswer) -> Document:
    question = " ".join(row.question.split())
    title = f"Approved answer: {question[:120]}"
    page = parse_markdown(f"{row.question}\n\n{row.answer}", root=_NOWHERE, path=f"{row.id}.md")
    systems = tuple(sorted(systems_named(f"{row.question}\n{row.answer}")))
    sections = tuple(
        Section(heading=part.heading, anchor="", blocks=tuple(part.blocks), systems=systems)
        for part in page.parts
        if part.blocks
    )
    return Document(
        path=f"{row.id}.md",
        title=title,
        revision=hashlib.sha256(f"{row.question}{row.answer}".encode()).hexdigest()[:32],
        sections=sections,
        source=ANSWERS,
        date=row.marked_at.date().isoformat(),
    )
