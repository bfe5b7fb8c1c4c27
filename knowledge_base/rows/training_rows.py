"""Trainings of the centre: those on record, and that no coming one is."""

from __future__ import annotations

import re

from knowledge_base.rows import catalogue_words as words
from knowledge_base.rows.row import Row, standing
from knowledge_base.tables import Training, as_of, trainings

TITLE = "Trainings"
PAGE = "https://minerva4ai.eu"


def trainings_for(sentence: str) -> list[Row]:
    """The one that is named, or all; for coming ones first that no date is on record."""
    named = [row for row in trainings() if _is_named(row, sentence)]
    if named:
        return [_row(row) for row in named]
    return [*([_next()] if words.NEXT.search(sentence) else []), *map(_row, trainings())]


def _is_named(row: Training, sentence: str) -> bool:
    telling = re.findall(r"[A-Z]{3,}|Winter School", row.title)
    return any(name.lower() in sentence for name in telling if name != "MINERVA")


def _row(row: Training) -> Row:
    text = (
        f"{row.title} ({row.when}; {', '.join(row.organisers)}): {', '.join(row.topics)}. Material: {row.material}; "
        f"{row.url} {standing(row.status, as_of('services'))}."
    )
    return Row(id=f"services/events/{row.when}", title=TITLE, heading=row.title, text=text, url=row.url)


def _next() -> Row:
    text = f"Our records hold no date of a coming training ({as_of('services')}): see {PAGE}."
    return Row(id="services/upcoming_events", title=TITLE, heading="Coming trainings", text=text, url=PAGE)
