"""A tree of site documentation as documents: readable text in sections, each with its heading path and anchor."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from knowledge_base.anchors import Generator, anchor_of, site_generator
from knowledge_base.blocks import Block, Page
from knowledge_base.markdown import parse_markdown
from knowledge_base.rst import parse_rst
from knowledge_base.tree import Skipped, TextFile, read_texts

__all__ = ["Document", "Reading", "Section", "Skipped", "anchor_of", "read_tree"]

MIN_OWN_TEXT = 60
"""Characters outside links and headings under which a page that is mostly links is navigation."""


class Reason(StrEnum):
    EMPTY = "nothing to read"
    NAVIGATION = "only navigation: links without text of their own"


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    heading: tuple[str, ...]
    """From the document's top down; empty before the first heading."""
    anchor: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Document:
    path: str
    """Relative to the source, with forward slashes."""
    title: str
    revision: str
    """Hex digest of the file's bytes, its includes not counted."""
    sections: tuple[Section, ...]
    systems: tuple[str, ...] = ()

    @cached_property
    def text(self) -> str:
        """The whole document, readable; spans of passages count its characters."""
        return "".join(part for _, _, part in self.parts())

    def parts(self) -> Iterator[tuple[Section, Block | None, str]]:
        """The text in order, cut into heading lines (no block) and blocks, separators included."""
        for section in self.sections:
            if section.heading:
                yield section, None, f"{'#' * min(len(section.heading), 6)} {section.heading[-1]}\n\n"
            for block in section.blocks:
                yield section, block, f"{block.text}\n\n"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a tree gave: the documents, and what was left out or mended, each with its reason."""

    documents: list[Document] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    repaired: list[Skipped] = field(default_factory=list)


def read_tree(source: Path) -> Reading:
    """All documents under `source`, in the order of their paths.

    Raises:
        SourceMissingError: `source` is no folder.
    """
    reading = Reading()
    generator = site_generator(source)
    for item in read_texts(source):
        if isinstance(item, Skipped):
            reading.skipped.append(item)
            continue
        if item.repair:
            reading.repaired.append(Skipped(item.path, item.repair))
        page = _parse(item, source, generator)
        reason = _not_worth_indexing(page)
        if reason:
            reading.skipped.append(Skipped(item.path, reason.value))
        else:
            reading.documents.append(_document(item, page))
    return reading


def _parse(item: TextFile, source: Path, generator: Generator) -> Page:
    if item.path.endswith(".rst"):
        return parse_rst(item.text, root=source, path=item.path)
    return parse_markdown(item.text, root=source, path=item.path, generator=generator)


def _not_worth_indexing(page: Page) -> Reason | None:
    text = sum(len(block.text) for part in page.parts for block in part.blocks)
    if not text:
        return Reason.NAVIGATION if page.links else Reason.EMPTY
    own = text - page.link_chars
    if page.links >= 2 and own < MIN_OWN_TEXT and page.link_chars > own:
        return Reason.NAVIGATION
    return None


def _document(item: TextFile, page: Page) -> Document:
    title = page.title or _title_from_path(item.path)
    sections = tuple(
        Section(heading=part.heading, anchor=part.anchor, blocks=tuple(part.blocks))
        for part in page.parts
        if part.blocks
    )
    return Document(
        path=item.path,
        title=title,
        revision=hashlib.sha256(item.raw).hexdigest()[:32],
        sections=sections,
        systems=page.systems,
    )


def _title_from_path(path: str) -> str:
    stem = Path(path).stem
    name = Path(path).parent.name if stem.lower() in {"index", "readme"} else stem
    return (name or stem).replace("_", " ").replace("-", " ").strip()
