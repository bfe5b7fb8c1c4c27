"""The code in a text, apart from its prose. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCED = re.compile(r"^[ \t]*(```|~~~)[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"(?<!`)(`{1,2})(?!`)([^`\n]+)\1(?!`)")
_PROMPT = re.compile(r"^[ \t]*\$ ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Snippet:
    language: str
    """As the fence says, lower case; empty when it does not."""
    text: str


def snippets_of(text: str) -> tuple[Snippet, ...]:
    """Fenced blocks; an unclosed fence reaches to the end."""
    return tuple(Snippet(found[2].casefold(), _without_prompts(found[3])) for found in _FENCED.finditer(text))


def spans_of(text: str) -> tuple[str, ...]:
    """Code spans in backticks outside fenced blocks."""
    return tuple(found[2].strip() for found in _SPAN.finditer(_FENCED.sub("\n", text)))


def prose_of(text: str) -> str:
    """The text without its code."""
    return _SPAN.sub(" ` ", _FENCED.sub("\n", text))


def _without_prompts(text: str) -> str:
    """Of a session only what was typed; what the machine answered is no code."""
    if not _PROMPT.search(text):
        return text
    return "\n".join(_PROMPT.sub("", line) for line in text.splitlines() if _PROMPT.match(line)) + "\n"
