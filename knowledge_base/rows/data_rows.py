"""Data sets: one by its name, several by use and licence, and how much text there is of a language."""

from __future__ import annotations

from knowledge_base.rows import catalogue_words as words
from knowledge_base.rows.catalogue_question import data_sets_named, language_named
from knowledge_base.rows.row import SURE, Row, standing
from knowledge_base.tables import DataSetRow, as_of, data_sets, text_sizes

TITLE = "Data sets"
MAX_LISTED = 14
LAYERS = "The licence is that of the collection: rights in each document and the terms of the host come on top."


def named_data_sets(sentence: str) -> list[Row]:
    return [_row(row) for row in data_sets_named(sentence)]


def _row(row: DataSetRow) -> Row:
    about = [f"licence {row.licence or 'not found'}", f"commercial use: {row.commercial_use or 'not found'}"]
    about += [f"languages: {row.languages}"] if row.languages else []
    about += [f"size: {row.size}"] if row.size else []
    about += [f"note: {', '.join(row.caveats)}"] if row.caveats else []
    text = f"{row.name}: {'; '.join(about)} {standing(row.status, as_of('datasets'))}. {LAYERS}"
    return Row(id=f"datasets/{row.id}", title=TITLE, heading=row.name, text=text, url=row.url)


def data_sets_for(sentence: str) -> list[Row]:
    """One row that lists those of the uses, kinds and licences that the sentence names, the surest first."""
    uses = [use for use, pattern in words.USES.items() if pattern.search(sentence)]
    kinds = [kind for kind, pattern in words.MODALITIES.items() if pattern.search(sentence)]
    licences = [name for name, pattern in words.LICENCES.items() if pattern.search(sentence)]
    commercial = bool(words.COMMERCIAL.search(sentence))
    found = [
        row
        for row in data_sets()
        if all(use in row.uses for use in uses)
        and all(kind in row.modality or kind in row.uses for kind in kinds)
        and all(_is_under(row, licence) for licence in licences)
        and (not commercial or (row.commercial_use or "").startswith("yes"))
    ]
    found.sort(key=lambda row: row.status not in SURE)
    wanted = ", ".join([*uses, *kinds, *licences, *(["commercial use allowed"] if commercial else [])])
    return [_listed(found, wanted)]


def _is_under(row: DataSetRow, licence: str) -> bool:
    said = (row.licence or "").lower()
    bound = licence == "CC-BY" and ("by-sa" in said or "by-nc" in said)
    return said.startswith(licence.lower()) and not bound


def _listed(found: list[DataSetRow], wanted: str) -> Row:
    head = f"{len(found)} data sets of our table for: {wanted} (facts of {as_of('datasets')})"
    if not found:
        head = f"No data set of our table for: {wanted} (facts of {as_of('datasets')})"
    listed = "; ".join(
        f"{row.name} ({row.licence}{'' if row.status in SURE else f', {row.status}'})" for row in found[:MAX_LISTED]
    )
    rest = f" and {len(found) - MAX_LISTED} more" if len(found) > MAX_LISTED else ""
    text = f"{head}{': ' if listed else ''}{listed}{rest}. {LAYERS}"
    key = "-".join(wanted.lower().replace(",", "").split())
    return Row(id=f"datasets/list/{key}", title=TITLE, heading=wanted, text=text, url=None, known=bool(found))


def text_of_language(sentence: str) -> list[Row]:
    language = language_named(sentence)
    return [
        Row(
            id=f"datasets/per_language_sizes/{size.language}",
            title=TITLE,
            heading=f"Text in {size.language}",
            text=f"Uncompressed text in {size.language}: FineWeb2 {_gib(size.fineweb2_gib)}, HPLT v2 "
            f"{_gib(size.hplt2_gib)}, as measured by OpenEuroLLM in June 2025 {standing('', as_of('datasets'))}.",
            url="https://github.com/OpenEuroLLM/training-data-catalogue",
        )
        for size in text_sizes()
        if size.language == language
    ]


def _gib(amount: float | None) -> str:
    return "not reported" if amount is None else f"{amount:,.0f} GiB" if amount >= 1000 else f"{amount:g} GiB"
