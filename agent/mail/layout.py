"""The text of an answer as blocks, and each block as plain text (format=flowed) and as HTML. Pure.

The text is what the engineer approved: paragraphs wrapped at 78 columns, code between fences, tables, lists, quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Literal

WIDTH = 78
_FENCE = re.compile(r"(```|~~~)")
_SPECIAL = re.compile(r"\s|[-*•>#|$\[]|\d+[.)]\s|```|~~~")
"""How a line begins that does not go on the line before it."""
_QUOTED = re.compile(r"(>+) ?(.*)", re.DOTALL)
_LINK = re.compile(r"&lt;(https?://[^\s&<>\"]+(?:&amp;[^\s&<>\"]+)*)&gt;|(https?://[^\s&<>\"]+[^\s&<>\".,;:!?)\]])")
_CODE = re.compile(r"`([^`\n]+)`")
_RULE_CELL = re.compile(r":?-{2,}:?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

Kind = Literal["prose", "list", "code", "table", "quote"]


@dataclass(frozen=True, slots=True)
class Line:
    kind: Kind
    text: str
    """A whole paragraph or list item where it was wrapped; code without its fences, a quote with its marks."""
    fence: bool = False


def lines_of(text: str) -> list[Line]:
    """Line by line, wrapped lines joined again: a break is kept unless the next word would not have fitted."""
    lines: list[Line] = []
    open_fence = ""
    room = 0  # columns that were left behind the last line as it was written
    for written in clean(text).split("\n"):
        raw = _trimmed(written)
        fence = _FENCE.match(raw)
        if open_fence:
            lines.append(Line("code", written.rstrip(" "), fence=raw.strip() == open_fence))
            open_fence = "" if raw.strip() == open_fence else open_fence
            continue
        if fence:
            open_fence = fence[1]
            lines.append(Line("code", raw, fence=True))
            continue
        line = Line(_kind(raw), raw)
        if lines and _goes_on(lines[-1], raw, room):
            lines[-1] = Line(lines[-1].kind, f"{lines[-1].text} {raw.strip()}")
        else:
            lines.append(line)
        room = WIDTH - len(raw)
    return lines


def clean(text: str) -> str:
    """LF line ends, no control characters, nothing that UTF-8 cannot hold."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", text).encode("utf-8", "replace").decode()


def _trimmed(raw: str) -> str:
    """Without spaces at the end, which would join lines; a quote with one space behind its marks."""
    quote = _QUOTED.fullmatch(raw)
    if quote is None:
        return raw if raw == "-- " else raw.rstrip(" ")
    return f"{quote[1]} {quote[2]}".rstrip(" ")


def _kind(raw: str) -> Kind:
    if raw.startswith(">"):
        return "quote"
    if raw.startswith("|"):
        return "table"
    return "list" if raw.startswith("- ") else "prose"


def _goes_on(last: Line, raw: str, room: int) -> bool:
    word = raw.split(maxsplit=1)
    if last.kind not in {"prose", "list"} or not last.text.strip() or not word or not 0 <= room < len(word[0]) + 1:
        return False
    if last.kind == "list":
        return raw.startswith("  ") and not raw.startswith("   ")
    return not _SPECIAL.match(raw) and not _SPECIAL.match(last.text)


def flowed(text: str) -> str:
    """For `text/plain; format=flowed` (RFC 3676): wrapped softly, so that every window wraps it as it likes."""
    return "\n".join(piece for line in lines_of(text) for piece in _flowed_line(line))


def _flowed_line(line: Line) -> Iterator[str]:
    if line.text == "-- ":
        yield line.text
        return
    quote = _QUOTED.match(line.text) if line.kind == "quote" else None
    marks, text = (quote[1], quote[2]) if quote else ("", line.text)
    wrapped = (
        [text.rstrip(" ")] if line.kind in {"code", "table"} else list(_pieces(text.rstrip(" "), WIDTH - len(marks)))
    )
    for piece in wrapped:
        stuffing = " " if (marks and piece) or piece.startswith((" ", ">", "From ")) else ""
        yield f"{marks}{stuffing}{piece}"


def _pieces(text: str, width: int) -> Iterator[str]:
    """All but the last end with the space that they were broken at."""
    while len(text) > width:
        at = text.rfind(" ", 1, width) + 1 or text.find(" ", width) + 1
        if text[:at] == "-- ":  # alone on a line it would begin a signature
            at = text.find(" ", at) + 1
        if at == 0:
            break
        yield text[:at]
        text = text[at:]
    yield text


def html(text: str) -> str:
    """A page of its own, without pictures, scripts and colours of its own."""
    body = "\n".join(_HTML[kind](list(lines)) for kind, lines in groupby(lines_of(text), key=lambda line: line.kind))
    style = "font-family: sans-serif; font-size: 15px; line-height: 1.45; max-width: 46em"
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"></head>\n<body style="{style}">\n{body}\n</body></html>\n'
    )


def _prose(lines: list[Line]) -> str:
    paragraphs = [list(group) for empty, group in groupby(lines, key=lambda line: not line.text.strip()) if not empty]
    return "\n".join(f"<p>{'<br>'.join(_inline(line.text) for line in paragraph)}</p>" for paragraph in paragraphs)


def _list(lines: list[Line]) -> str:
    return "<ul>" + "".join(f"<li>{_inline(line.text.removeprefix('- '))}</li>" for line in lines) + "</ul>"


def _code(lines: list[Line]) -> str:
    style = "font-family: monospace; font-size: 13px; border-left: 3px solid; padding-left: 10px; overflow-x: auto"
    text = "\n".join(escape(line.text) for line in lines if not line.fence)
    return f'<pre style="{style}">{text}</pre>'


def _table(lines: list[Line]) -> str:
    rows = [[cell.strip() for cell in line.text.strip().strip("|").split("|")] for line in lines]
    shown = [row for row in rows if not all(_RULE_CELL.fullmatch(cell) for cell in row)]
    cells = ("".join(f'<td style="padding: 2px 10px 2px 0">{_inline(cell)}</td>' for cell in row) for row in shown)
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


def _quote(lines: list[Line]) -> str:
    text = "<br>".join(escape(line.text.removeprefix(">").removeprefix(" ")) for line in lines)
    style = "margin-left: 0; border-left: 2px solid; padding-left: 10px"
    return f'<blockquote type="cite" style="{style}">{text}</blockquote>'


_HTML = {"prose": _prose, "list": _list, "code": _code, "table": _table, "quote": _quote}


def _inline(text: str) -> str:
    """Links and `code`; everything else as it was written."""
    linked = _LINK.sub(lambda found: f'<a href="{found[1] or found[2]}">{found[1] or found[2]}</a>', escape(text))
    return _CODE.sub(r"<code>\1</code>", linked)
