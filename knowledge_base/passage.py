"""The unit of evidence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    id: str
    """Stable for the same path, heading and text: hex digest."""
    text: str
    """Plain readable text of the section part (Markdown kept where it carries meaning: code, lists, tables)."""
    path: str
    """Relative to the source, with forward slashes."""
    title: str
    """Of the document."""
    heading: tuple[str, ...]
    """Headings from the document's top down to this section."""
    anchor: str
    """Fragment of the section on a rendered page; empty for the top of a document."""
    revision: str
    """Hex digest of the document that this was cut from."""
    start: int
    end: int
    """Character span in the document, end exclusive."""
    systems: tuple[str, ...] = ()
    """System ids of the facts (`lumi-g`, …) that the document is about; empty means general."""
    url: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrievedPassage:
    passage: Passage
    score: float
    """Fused relevance; comparable within one search only."""
    rank: int
    """From 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchResult:
    hits: tuple[RetrievedPassage, ...]
    answerable: float
    """Estimated probability, 0 to 1, that the sources answer the question."""
