"""Values with parameters (Content-Type, Content-Disposition), RFC 2231 and what senders write instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from ingest.charset import decode_text
from ingest.encoded_words import decode_words

_NAME = re.compile(r"[\s;]*([^\s=;\"]{1,100})\s*(=?)\s*")
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,4}))?(\*)?$")
_MAX_VALUE = 64_000


@dataclass(frozen=True, slots=True)
class Parametrised:
    value: str
    """Before the first semicolon, lower case; empty when the header was missing."""
    parameters: dict[str, str]
    """Lower-case names; the first of two equal names wins."""


@dataclass(frozen=True, slots=True)
class _Section:
    number: int
    extended: bool
    text: str


def parametrised(header: str | None) -> Parametrised:
    """Never raises; what cannot be read is left out."""
    text = (header or "")[:_MAX_VALUE]
    value, _, rest = text.partition(";")
    sections: dict[str, list[_Section]] = {}
    for name, content in _pairs(rest):
        match = _SECTION.match(name)
        if match is not None:
            section = _Section(int(match[2] or 0), match[3] is not None, content)
            sections.setdefault(match[1], []).append(section)
    return Parametrised(value.strip().strip('"').lower(), {name: _joined(found) for name, found in sections.items()})


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = []
    position = 0
    while position < len(text):
        name = _NAME.match(text, position)
        if name is None:
            position += 1
            continue
        position = name.end()
        if name[2]:
            content, position = _content(text, position)
            pairs.append((name[1].lower(), content))
    return pairs


def _content(text: str, position: int) -> tuple[str, int]:
    if text[position : position + 1] == '"':
        return _quoted(text, position + 1)
    end = text.find(";", position)
    end = len(text) if end < 0 else end
    return text[position:end].strip(), end


def _quoted(text: str, position: int) -> tuple[str, int]:
    """A missing closing quote ends at the end of the header."""
    pieces = []
    while position < len(text) and text[position] != '"':
        # Windows paths arrive with single backslashes: only a quote and a backslash can be escaped.
        if text[position] == "\\" and text[position + 1 : position + 2] in {'"', "\\"}:
            position += 1
        pieces.append(text[position])
        position += 1
    end = text.find(";", position)
    return "".join(pieces), len(text) if end < 0 else end


def _joined(sections: list[_Section]) -> str:
    extended = [section for section in sections if section.extended or section.number]
    if not extended:
        return decode_words(sections[0].text)
    ordered = sorted({section.number: section for section in reversed(sections)}.values(), key=lambda item: item.number)
    if not any(section.extended for section in ordered):
        return decode_words("".join(section.text for section in ordered))
    charset, first = _charset_and_text(ordered[0].text)
    texts = [first, *(section.text for section in ordered[1:])]
    data = b"".join(
        unquote_to_bytes(text) if section.extended else text.encode("utf-8")
        for section, text in zip(ordered, texts, strict=True)
    )
    return decode_words(decode_text(data, charset)[0])


def _charset_and_text(text: str) -> tuple[str | None, str]:
    parts = text.split("'", 2)
    return (parts[0] or None, parts[2]) if len(parts) == 3 else (None, text)
