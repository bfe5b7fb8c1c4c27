"""PDF files: the text of their pages under the headings of their outline."""

from __future__ import annotations

import io
import logging
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator

from pypdf import PdfReader
from pypdf.errors import DependencyError, PyPdfError

from knowledge_base.blocks import Kind, Page, Part, kind_of
from knowledge_base.errors import UnreadableError

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it logs each oddity of each file

MAX_PAGES = 2000
MAX_TEXT = 5_000_000
"""Characters that are read of one file."""
_TROUBLE = (
    PyPdfError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pypdf raises on broken files: their structures are followed as they are found."""
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl"})
_LEADER = re.compile(r"(?:\. ?){5,}\s*\w*\s*$")
_DIGITS = re.compile(r"\d+")
_DATE = re.compile(r"D:(\d{4})(\d{2})(\d{2})")


def parse_pdf(raw: bytes) -> Page:
    """One part for each page, its anchor `page=N` as PDF viewers read it (RFC 8118, section 3).

    Raises:
        UnreadableError: broken, encrypted, or pictures without text.
    """
    try:
        reader = PdfReader(io.BytesIO(raw))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableError("encrypted PDF")
        page = _described(reader)
        texts = list(_texts(reader))
        headings = _outline(reader)
    except DependencyError as error:  # AES, which pypdf reads only with another package
        raise UnreadableError("encrypted PDF") from error
    except _TROUBLE as error:
        raise UnreadableError(f"broken PDF: {str(error)[:120] or type(error).__name__}") from error
    if not any(text.strip() for text in texts):
        raise UnreadableError("PDF without text: scanned pages have to go through text recognition first")
    _fill(page, [_lines(text) for text in texts], headings)
    return page


def _described(reader: PdfReader) -> Page:
    """Title and date of the document information, where they can be read."""
    page = Page()
    info = reader.metadata
    if info is None:
        return page
    page.title = " ".join(str(info.get("/Title") or "").split())
    found = _DATE.match(str(info.get("/ModDate") or info.get("/CreationDate") or ""))
    page.date = "-".join(found.groups()) if found else None
    return page


def _texts(reader: PdfReader) -> Iterator[str]:
    total = 0
    for number, sheet in enumerate(reader.pages):
        if number >= MAX_PAGES or total >= MAX_TEXT:
            return
        text = sheet.extract_text() or ""
        total += len(text)
        yield text


def _outline(reader: PdfReader) -> dict[int, list[tuple[int, str]]]:
    """(level, title) of the bookmarks of each page; a broken outline counts as none."""
    found: dict[int, list[tuple[int, str]]] = {}

    def collect(items: list[object], level: int) -> None:
        for item in items:
            if isinstance(item, list):
                collect(item, level + 1)
            else:
                number = reader.get_destination_page_number(item)  # type: ignore[arg-type]
                title = " ".join(str(getattr(item, "title", "")).split())
                if number is not None and title:
                    found.setdefault(number, []).append((level, title))

    try:
        collect(list(reader.outline), 1)
    except _TROUBLE:
        return {}
    return found


def _lines(text: str) -> list[str]:
    """Without blank lines and without those of a table of contents."""
    lines = text.translate(_LIGATURES).splitlines()
    return [line.rstrip() for line in lines if line.strip() and not _LEADER.search(line)]


def _fill(page: Page, pages: list[list[str]], headings: dict[int, list[tuple[int, str]]]) -> None:
    running = _running(pages)
    for number, lines in enumerate(pages):
        anchor = f"page={number + 1}"
        for level, title in headings.get(number, []):
            page.open_section(level, title, anchor)
        if not headings.get(number):
            page.parts.append(Part(page.parts[-1].heading, anchor))
        for paragraph in _paragraphs([line for line in lines if _DIGITS.sub("#", line.strip()) not in running]):
            page.add(kind_of(paragraph) if paragraph else Kind.TEXT, paragraph)


def _running(pages: list[list[str]]) -> set[str]:
    """First and last lines that return on most pages, numbers apart: they are headers and footers."""
    edges = Counter(
        _DIGITS.sub("#", line.strip()) for lines in pages for line in {*lines[:1], *lines[-1:]} if len(pages) >= 3
    )
    return {line for line, count in edges.items() if count > len(pages) / 2}


def _paragraphs(lines: list[str]) -> Iterator[list[str]]:
    """A paragraph ends with a full stop at the end of a short line; words cut at line ends are joined."""
    width = max((len(line) for line in lines), default=0)
    current: list[str] = []
    for line in lines:
        if current and re.search(r"[a-zà-ÿ]-$", current[-1]) and line[:1].islower():
            head, _, tail = line.partition(" ")
            current[-1] = current[-1][:-1] + head
            line = tail  # noqa: PLW2901
        if line:
            current.append(line)
        if current and current[-1].endswith((".", ":", "!", "?")) and len(current[-1]) < 0.8 * width:
            yield current
            current = []
    if current:
        yield current
