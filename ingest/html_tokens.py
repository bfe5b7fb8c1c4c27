"""HTML cut into tags and text in one pass.

Own code instead of `html.parser`, which takes minutes for 100 KB of unclosed tags, and instead of tree builders
(nh3, lexbor), which hang on 200,000 nested elements. Nothing here builds a tree or goes back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:_-]{0,40})")
_ATTRIBUTE = re.compile(r"([A-Za-z][A-Za-z0-9:_-]{0,40})(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?")
RAW_TEXT = {"script", "style", "title", "textarea", "noembed", "noframes", "template", "svg", "math"}
_MAX_ATTRIBUTES = 10_000


class Tag(NamedTuple):
    name: str
    closing: bool
    attributes: dict[str, str]


def tokens(html: str) -> Iterator[Tag | str]:
    """Tags and unescaped text in order; comments, declarations, scripts, styles and the title are left out."""
    position = 0
    while position < len(html):
        bracket = html.find("<", position)
        if bracket < 0:
            break
        if bracket > position:
            yield unescape(html[position:bracket])
        tag = _TAG.match(html, bracket)
        if tag is not None:
            end = _tag_end(html, tag.end())
            name = tag[2].lower()
            yield Tag(name, bool(tag[1]), {} if tag[1] else _attributes(html, tag.end(), end))
            position = end + 1
            if name in RAW_TEXT and not tag[1] and html[end - 1 : end] != "/":
                position = _after_closing(html, name, position)
        elif html[bracket + 1 : bracket + 2] in {"!", "?", "/"}:
            position = _after_comment(html, bracket)
        else:
            yield "<"
            position = bracket + 1
    if position < len(html):
        yield unescape(html[position:])


def _tag_end(html: str, position: int) -> int:
    """Index of the closing bracket, those inside quotes passed over; the end of the text when there is none."""
    end = html.find(">", position)
    if end < 0:
        return len(html)
    for quote in ('"', "'"):
        # An apostrophe opens a value only after an equals sign.
        if html.count(quote, position, end) % 2 and f"={quote}" in html[position:end]:
            closing = html.find(quote, end)
            if closing > 0 and closing - end < 5_000:
                beyond = html.find(">", closing)
                end = beyond if beyond > 0 else end
    return end


def _attributes(html: str, start: int, end: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(html, start, min(end, start + _MAX_ATTRIBUTES)):
        value = match[2] if match[2] is not None else match[3] if match[3] is not None else match[4] or ""
        found.setdefault(match[1].lower(), unescape(value))
    return found


def _after_closing(html: str, name: str, position: int) -> int:
    """After the end tag of an element without readable text; as in browsers, an unclosed one swallows the rest."""
    closing = re.compile(rf"</{name}\s*>", re.IGNORECASE).search(html, position)
    return len(html) if closing is None else closing.end()


def _after_comment(html: str, start: int) -> int:
    if html.startswith("<!--", start):
        end = html.find("-->", start + 2)
        return end + 3 if end >= 0 else len(html)
    end = html.find(">", start)
    return end + 1 if end >= 0 else len(html)
