"""Cutting a passage into quotable units, each a span of its text. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_UNIT_CHARS = 700

_FENCE = re.compile(r"^[ \t]*(```|~~~)")
_ITEM = re.compile(r"^[ \t]*(?:[-*+]|\d{1,3}[.)])[ \t]+")
_NOT_QUOTABLE = re.compile(r"^[ \t]*(?:#{1,6}[ \t]|Sources?:|\|?[ \t]*:?-{3,}|!\[|<!--|\.\. )")
_SENTENCE_END = re.compile(r"[.!?…](?:[\"')\]*`]{0,2})(?=\s+[\"'(\[*`]{0,2}[A-ZÀ-Þ0-9`])")
_ABOUT_ITSELF = re.compile(r"^(?:this|the) (?:article|page|guide|section)\b", re.IGNORECASE)
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|cf|approx|resp|vs|no|nr|fig|art|etc|incl)\.)$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """A sentence or a list item, with the code block or table that follows it."""

    start: int
    end: int
    quote: str
    """`passage[start:end]`, word for word."""
    text: str
    """The quote made fit to stand alone: bullets and hard line breaks gone, code kept as it is."""


def units_of(text: str) -> tuple[Unit, ...]:
    """Quotable units in the order of the text; headings, rulers and source lines are left out."""
    units: list[Unit] = []
    for start, end in _blocks(text):
        block = text[start:end]
        if _FENCE.match(block) or block.lstrip().startswith("|"):
            _append_block(units, text, start, end)
        elif not _NOT_QUOTABLE.match(block):
            units += [_prose(text, start + a, start + b) for a, b in _sentences(block)]
    return tuple(unit for unit in units if len(unit.text) <= MAX_UNIT_CHARS and any(c.isalpha() for c in unit.text))


def quotable(text: str) -> list[Unit]:
    """The units that say something about their subject, not about the page that they stand on."""
    return [unit for unit in units_of(text) if not _ABOUT_ITSELF.match(unit.text)]


def _append_block(units: list[Unit], text: str, start: int, end: int) -> None:
    """Code and tables belong to the sentence right above them: alone they say little."""
    code = text[start:end]
    before = units[-1] if units else None
    if before is not None and "\n\n" not in before.text and not text[before.end : start].strip():
        units[-1] = Unit(start=before.start, end=end, quote=text[before.start : end], text=f"{before.text}\n\n{code}")
    else:
        units.append(Unit(start=start, end=end, quote=code, text=code))


def _prose(text: str, start: int, end: int) -> Unit:
    quote = text[start:end]
    return Unit(start=start, end=end, quote=quote, text=" ".join(_ITEM.sub("", quote, count=1).split()))


def _blocks(text: str) -> list[tuple[int, int]]:
    """Spans of paragraphs, list items, whole tables and whole code blocks, without the blank lines between."""
    spans: list[tuple[int, int]] = []
    start: int | None = None
    fence: str | None = None
    position = 0
    for line in text.splitlines(keepends=True):
        begins, position = position, position + len(line)
        opened = _FENCE.match(line)
        if fence is not None:
            if opened and opened[1] == fence:
                spans.append((start or 0, begins + len(line.rstrip())))
                start, fence = None, None
            continue
        if opened or not line.strip() or _starts_block(line, text, start):
            if start is not None:
                spans.append((start, begins + 0))
            start = None
        if opened:
            start, fence = begins, opened[1]
        elif line.strip() and start is None:
            start = begins
    if start is not None:
        spans.append((start, len(text)))
    return [(a, a + len(text[a:b].rstrip())) for a, b in spans if text[a:b].strip()]


def _starts_block(line: str, text: str, start: int | None) -> bool:
    if start is None:
        return False
    in_table = text[start:].lstrip().startswith("|")
    return bool(_ITEM.match(line) or _NOT_QUOTABLE.match(line) or (line.lstrip().startswith("|") != in_table)) and not (
        in_table and line.lstrip().startswith("|")
    )


def _sentences(block: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start = 0
    for end in _SENTENCE_END.finditer(block):
        in_code = block.count("`", start, end.start()) % 2 == 1
        if in_code or _ABBREVIATION.search(block[max(0, end.start() - 8) : end.start() + 1]):
            continue
        spans.append((start, end.end()))
        start = end.end() + len(block[end.end() :]) - len(block[end.end() :].lstrip())
    spans.append((start, len(block)))
    return [(a, b) for a, b in spans if block[a:b].strip()]
