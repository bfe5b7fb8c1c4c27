"""Documents cut into passages that an encoder can take in one go."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from knowledge_base.blocks import Kind
from knowledge_base.documents import Document, Section
from knowledge_base.passage import Passage
from knowledge_base.site import section_url

MAX_CHARS = 900
"""About 220 tokens: with its title it fits into the 256 that the packaged model reads."""
MIN_TAIL = 120
"""A shorter last piece joins the one before it, if that stays under MAX_CHARS * 1.15."""

MAX_HEADER = 300
"""Characters; a longer header of a table is not repeated."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n")
_TABLE_HEADER = re.compile(r"\|.*\|\n\|(?:---\|)+\n")
_MARKS = re.compile(r"^\s*(?:`{3,}|~{3,}).*$|^\|(?:---\|)+$", re.M)


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    kind: Kind


def passages_of(document: Document) -> Iterator[Passage]:
    """The document's passages in order; each is a slice of `document.text`, after the header of the table that it
    goes on with."""
    seen: dict[str, int] = {}
    for section, spans in _sections(document):
        for start, end in _pack(document.text, spans):
            inside = next((span for span in spans if span.start < start < span.end), None)
            header = _header(document.text, inside) if inside else ""
            yield _passage(document, section, (start, end), header, seen)


def indexed_text(passage: Passage) -> str:
    """What is embedded: where the passage stands, then what it says."""
    return f"{place_of(passage)}\n{_MARKS.sub('', passage.text)}"


def place_of(passage: Passage) -> str:
    """Title and heading path without repetition."""
    names = [passage.title, *(name for name in passage.heading if name != passage.title)]
    return " > ".join(names)


def _sections(document: Document) -> Iterator[tuple[Section, list[_Span]]]:
    position = 0
    spans: list[_Span] = []
    current: Section | None = None
    for section, block, text in document.parts():
        if section is not current:
            if current is not None and spans:
                yield current, spans
            current, spans = section, []
        if block is not None:
            spans.append(_Span(position, position + len(block.text), block.kind))
        position += len(text)
    if current is not None and spans:
        yield current, spans


def _pack(text: str, spans: list[_Span]) -> Iterator[tuple[int, int]]:
    """Neighbouring blocks together up to MAX_CHARS; a longer block is cut at its lines or sentences."""
    pieces = [piece for span in spans for piece in _cut(text, span)]
    packed: list[tuple[int, int]] = []
    for start, end in pieces:
        limit = MAX_CHARS * 1.15 if end - start < MIN_TAIL else MAX_CHARS
        if packed and end - packed[-1][0] <= limit:
            packed[-1] = (packed[-1][0], end)
        else:
            packed.append((start, end))
    yield from packed


def _header(text: str, span: _Span) -> str:
    """The first row of a table and the rule below it, with their line ends; empty for anything else."""
    found = _TABLE_HEADER.match(text, span.start, span.end) if span.kind is Kind.TABLE else None
    return found.group() if found and len(found.group()) <= MAX_HEADER else ""


def _cut(text: str, span: _Span) -> list[tuple[int, int]]:
    """The block itself, or its parts when it is too long."""
    if span.end - span.start <= MAX_CHARS:
        return [(span.start, span.end)]
    most = MAX_CHARS - len(_header(text, span))
    pattern = _SENTENCE if span.kind is Kind.TEXT else re.compile(r"\n")
    cuts = [match.end() for match in pattern.finditer(text, span.start, span.end)]
    parts: list[tuple[int, int]] = []
    start = span.start
    for cut, following in zip([span.start, *cuts], [*cuts, span.end], strict=True):
        while following - start > most:
            end = cut if cut > start else min(start + most, following)
            parts.append((start, end))
            start = end
    parts.append((start, span.end))
    return [_trimmed(text, part) for part in parts if text[part[0] : part[1]].strip()]


def _trimmed(text: str, part: tuple[int, int]) -> tuple[int, int]:
    start, end = part
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip("\n")), end - (len(piece) - len(piece.rstrip()))


def _passage(document: Document, section: Section, span: tuple[int, int], header: str, seen: dict[str, int]) -> Passage:
    start, end = span
    text = header + document.text[start:end]
    place = [document.source, document.path] if document.source else [document.path]
    key = "\x1f".join([*place, *section.heading, text])
    seen[key] = seen.get(key, 0) + 1
    digest = hashlib.sha256(f"{key}\x1f{seen[key]}".encode("utf-8", "replace")).hexdigest()
    return Passage(
        id=digest[:24],
        text=text,
        path=document.path,
        title=document.title,
        heading=section.heading,
        anchor=section.anchor,
        revision=document.revision,
        start=start,
        end=end,
        systems=section.systems,
        url=section_url(document.url, section.anchor),
        source=document.source,
        date=document.date,
        access=document.access,
    )
