"""The unit of evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Access(StrEnum):
    PUBLIC = "public"
    ENGINEERS = "engineers"
    """For the desk only: never cited to a requester."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    id: str
    """Stable for the same source, path, heading and text: hex digest."""
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
    """Hex digest of the document that this was cut from, or the commit where the source is a git repository."""
    start: int
    end: int
    """Character span in the document, end exclusive; a table that was cut has its header before the span's text."""
    systems: tuple[str, ...] = ()
    """System ids of the facts (`lumi-g`, …) that the passage is about; empty means general."""
    url: str | None = None
    """Where a reader opens the section; None when the source has no site."""
    source: str = ""
    """Name of the source in the sources file; empty for a folder that was built directly."""
    date: str | None = None
    """When the document was last changed or reviewed, ISO 8601 day; None when it does not say."""
    access: Access = Access.PUBLIC


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

    @property
    def systems(self) -> tuple[str, ...]:
        """Ids of the systems that the passages are about, the best passage's first."""
        return tuple(dict.fromkeys(system for hit in self.hits for system in hit.passage.systems))
