"""What the readers of Markdown and reStructuredText have in common: a page as parts made of blocks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    TEXT = "text"
    LIST = "list"
    CODE = "code"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Block:
    kind: Kind
    text: str
    """Without blank lines at its ends."""


@dataclass(slots=True)
class Part:
    """One section while a page is read."""

    heading: tuple[str, ...]
    anchor: str
    blocks: list[Block] = field(default_factory=list)


@dataclass(slots=True)
class Page:
    """What a reader makes of one file."""

    title: str = ""
    systems: tuple[str, ...] | None = None
    """As the page itself says; None when it does not."""
    date: str | None = None
    """ISO 8601 day."""
    engineers_only: bool = False
    url: str | None = None
    """The page's own address, where it names one."""
    parts: list[Part] = field(default_factory=lambda: [Part((), "")])
    links: int = 0
    link_chars: int = 0
    """Characters of the text that are link texts."""

    def add(self, kind: Kind, lines: Iterable[str]) -> None:
        text = "\n".join(line.rstrip() for line in lines).strip("\n")
        if text.strip():
            self.parts[-1].blocks.append(Block(kind, text))

    def add_code(self, lines: list[str], language: str = "", title: str = "") -> None:
        """A code block, fenced, under its title if it has one."""
        if not any(line.strip() for line in lines):
            return
        if title:
            self.add(Kind.TEXT, [f"{title}:"])
        fence = "~~~~" if any(line.lstrip().startswith("```") for line in lines) else "```"
        body = "\n".join(line.rstrip() for line in dedent(lines)).strip("\n")
        self.add(Kind.CODE, [f"{fence}{language}", body, fence])

    def add_table(self, rows: list[list[str]]) -> None:
        """A table as Markdown writes it; the first row is the header."""
        shown = [f"| {' | '.join(' '.join(cell.split()) for cell in row)} |" for row in rows if any(row)]
        if shown:
            rule = "|" + "---|" * len(rows[0])
            self.add(Kind.TABLE, [shown[0], rule, *shown[1:]])

    def open_section(self, level: int, heading: str, anchor: str) -> None:
        """A heading of `level` (from 1): it closes all headings of its level and below."""
        path = [*self._levels[: level - 1], *[""] * (level - 1 - len(self._levels)), heading]
        self._levels[:] = path
        self.parts.append(Part(tuple(name for name in path if name), anchor))
        if not self.title:
            self.title = heading

    _levels: list[str] = field(default_factory=list)


LIST_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)]|#\.|[a-z]\))\s+\S")


def indent_of(line: str) -> int:
    """Columns of leading white space, a tab counted to the next multiple of four."""
    return len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip(" "))


def dedent(lines: list[str]) -> list[str]:
    """The lines without the white space that all of them begin with."""
    wide = [line.expandtabs(4) for line in lines]
    margin = min((indent_of(line) for line in wide if line.strip()), default=0)
    return [line[margin:] for line in wide]


def indented_body(lines: list[str], start: int, margin: int) -> tuple[list[str], int]:
    """The lines from `start` on that are blank or indented by at least `margin`, dedented, and the line after them."""
    end = start
    while end < len(lines) and (not lines[end].strip() or indent_of(lines[end]) >= margin):
        end += 1
    return dedent(lines[start:end]), end


def kind_of(lines: list[str]) -> Kind:
    return Kind.LIST if LIST_ITEM.match(lines[0]) else Kind.TEXT
