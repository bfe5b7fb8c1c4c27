"""A tree of documentation as documents: readable text in sections, each with its heading path and anchor."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from knowledge_base.anchors import anchor_of
from knowledge_base.blocks import Block, Page
from knowledge_base.catalogue import systems
from knowledge_base.errors import UnreadableError
from knowledge_base.formats import parse_file
from knowledge_base.passage import Access
from knowledge_base.scope import systems_named
from knowledge_base.site import Site, site_of
from knowledge_base.tree import Skipped, SourceFile, read_files

__all__ = ["Document", "Origin", "Reading", "Section", "Skipped", "anchor_of", "read_tree"]

MIN_OWN_TEXT = 60
"""Characters outside links and headings under which a page that is mostly links is navigation."""


_COMMAND = re.compile(
    r"\b(?:ignore|disregard|forget)\b.{0,30}\b(?:previous|prior|above|your|all)\b.{0,20}\b(?:instructions?|prompts?|rules)\b"
    r"|\bsystem prompt\b",
    re.I,
)


class Reason(StrEnum):
    EMPTY = "nothing to read"
    FAULT = "our reader failed, please report it"
    COMMAND = "kept as data: it addresses a language model, and nothing in a document is an instruction"
    NAVIGATION = "only navigation: links without text of their own"


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    heading: tuple[str, ...]
    """From the document's top down; empty before the first heading."""
    anchor: str
    blocks: tuple[Block, ...]
    systems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Document:
    path: str
    """Relative to the source, with forward slashes."""
    title: str
    revision: str
    """Hex digest of the file's bytes, its includes not counted; or the commit it was read from."""
    sections: tuple[Section, ...]
    url: str | None = None
    source: str = ""
    date: str | None = None
    access: Access = Access.PUBLIC

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """What is known of all documents of a source before they are read."""

    source: str = ""
    url: str | None = None
    """Of the site, when its own configuration does not say it."""
    systems: tuple[str, ...] = ()
    access: Access = Access.PUBLIC
    revision: str | None = None
    dates: Mapping[str, str] = field(default_factory=dict)
    """Day of the last change by path."""
    urls: Mapping[str, str] = field(default_factory=dict)
    """Address of a page by path."""
    paths: tuple[str, ...] = ()
    """Folders or files that are read; empty means all."""

    def wants(self, path: str) -> bool:
        return not self.paths or any(f"{path}/".startswith(f"{wanted.strip('/')}/") for wanted in self.paths)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a tree gave: the documents, and what was left out, mended or to be looked at, each with its reason."""

    documents: list[Document] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    repaired: list[Skipped] = field(default_factory=list)
    flagged: list[Skipped] = field(default_factory=list)


def read_tree(source: Path, origin: Origin | None = None) -> Reading:
    """All documents under `source`, in the order of their paths.

    Raises:
        SourceMissingError: `source` is no folder.
    """
    reading, origin = Reading(), origin or Origin()
    site = site_of(source, origin.url)
    for item in read_files(source):
        if not origin.wants(item.path):
            continue
        if isinstance(item, Skipped):
            reading.skipped.append(item)
        else:
            _read(reading, item, source, site, origin)
    return reading


def _read(reading: Reading, item: SourceFile, source: Path, site: Site, origin: Origin) -> None:
    try:
        page, repair = parse_file(item, source, site)
    except UnreadableError as error:
        reading.skipped.append(Skipped(item.path, str(error)))
        return
    except Exception as error:  # noqa: BLE001  # one page that a reader was not made for must not end the whole build
        reading.skipped.append(Skipped(item.path, f"{Reason.FAULT.value} ({type(error).__name__}: {str(error)[:120]})"))
        return
    if repair:
        reading.repaired.append(Skipped(item.path, repair))
    reason = _not_worth_indexing(page)
    if reason:
        reading.skipped.append(Skipped(item.path, reason.value))
        return
    document = _document(item, page, site, origin)
    reading.documents.append(document)
    if _COMMAND.search(document.text):
        reading.flagged.append(Skipped(item.path, Reason.COMMAND.value))


def _not_worth_indexing(page: Page) -> Reason | None:
    text = sum(len(block.text) for part in page.parts for block in part.blocks)
    if not text:
        return Reason.NAVIGATION if page.links else Reason.EMPTY
    own = text - page.link_chars
    if page.links >= 2 and own < MIN_OWN_TEXT and page.link_chars > own:
        return Reason.NAVIGATION
    return None


def _document(item: SourceFile, page: Page, site: Site, origin: Origin) -> Document:
    title = page.title or _title_from_path(item.path)
    said = _known(page.systems)
    of_all = said if said is not None else origin.systems or None
    sections = tuple(
        Section(
            heading=part.heading,
            anchor=part.anchor,
            blocks=tuple(part.blocks),
            systems=of_all if of_all is not None else _systems_of(title, part.heading, item.path),
        )
        for part in page.parts
        if part.blocks
    )
    return Document(
        path=item.path,
        title=title,
        revision=origin.revision or hashlib.sha256(item.raw).hexdigest()[:32],
        sections=sections,
        url=origin.urls.get(item.path) or page.url or site.page_url(item.path),
        source=origin.source,
        date=page.date or origin.dates.get(item.path),
        access=Access.ENGINEERS if page.engineers_only else origin.access,
    )


def _known(said: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """What a page says itself, as far as it names systems of the facts; None when it means something else."""
    known = tuple(name for name in said or () if name in {system.id for system in systems()})
    return known if known or said == () else None


def _systems_of(title: str, heading: tuple[str, ...], path: str) -> tuple[str, ...]:
    """The systems that title, headings and folders name."""
    place = re.sub(r"[/_.-]+", " ", path)
    return tuple(sorted(systems_named("\n".join([title, *heading, place]))))


def _title_from_path(path: str) -> str:
    stem = Path(path).stem
    name = Path(path).parent.name if stem.lower() in {"index", "readme"} else stem
    return (name or stem).replace("_", " ").replace("-", " ").strip()
