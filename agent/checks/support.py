"""Whether the evidence holds a token. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from agent.checks.tokens import Token, amounts_of, numbers_of
from agent.checks.words import plain

_CASELESS = {"address", "mail address", "person", "date", "module"}
_ARTICLE = re.compile(r"\bArt(?:icles?|ikel|icolo|ículo|s)?\b\.?", re.IGNORECASE)
_COMMON_CODE = frozenset(
    [
        "the",
        "a",
        "an",
        "and",
        "or",
        "not",
        "of",
        "to",
        "in",
        "is",
        "for",
        "with",
        "true",
        "false",
        "null",
        "none",
        "yes",
        "no",
        "on",
        "off",
        "$@",
        "$0",
        "$1",
    ]
)
MAX_KEPT = 2048


class Support:
    """The texts that count as evidence, read once and asked often."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = tuple(_read(text) for text in texts if text)

    def holds(self, token: Token) -> bool:
        return any(text.holds(token) for text in self._texts)


class _Text:
    """One text in the forms that tokens are looked up in."""

    def __init__(self, text: str) -> None:
        self._plain = plain(text)
        self._caseless = self._plain.casefold()
        self._amounts = amounts_of(text)
        self._numbers = numbers_of(text)
        self._articles = frozenset(_articles_in(self._plain))

    def holds(self, token: Token) -> bool:
        if token.kind == "number":
            return self._holds_number(token.text)
        if token.kind == "article":
            return token.text.split()[-1].casefold() in self._articles
        if token.kind == "directive":
            return self._occurs(token.text)
        if token.kind == "code" and (token.text.casefold() in _COMMON_CODE or len(token.text) == 1):
            return True
        if token.kind == "path" and token.text[0] in "/~.$":
            return self._occurs(token.text, whole=True)
        return self._occurs(token.text, caseless=token.kind in _CASELESS) or self._holds_parts(token)

    def _holds_number(self, text: str) -> bool:
        amounts = amounts_of(text)
        if amounts:
            return bool(amounts & self._amounts)
        return bool(numbers_of(text) & self._numbers)

    def _holds_parts(self, token: Token) -> bool:
        """`A100/H100` is said where both are; a path is not."""
        if token.kind == "path" and token.text[0] not in "/~.$" and "/" in token.text:
            return all(self._occurs(part) for part in token.text.split("/") if part)
        return False

    def _occurs(self, token: str, *, caseless: bool = False, whole: bool = False) -> bool:
        """With nothing beside it that would make it part of a longer one; `whole`: nor the folder of one."""
        text, wanted = (self._caseless, token.casefold()) if caseless else (self._plain, token)
        at = text.find(wanted)
        while at >= 0:
            before, after = text[at - 1 : at], text[at + len(wanted) : at + len(wanted) + 2]
            if not _joins(before, wanted[0], leading=True) and not _goes_on(
                after, wanted[-1], "-./" if whole else "-."
            ):
                return True
            at = text.find(wanted, at + 1)
        return False


@lru_cache(maxsize=MAX_KEPT)
def _read(text: str) -> _Text:
    """Passages come again: their forms are kept."""
    return _Text(text)


def _joins(before: str, first: str, *, leading: bool) -> bool:
    return bool(before) and (
        ((before.isalnum() or before == "_") and (first.isalnum() or first in "_-"))
        or (leading and first == "-" and before == "-")
    )


def _goes_on(after: str, last: str, signs: str) -> bool:
    """Letters and digits go on, and so do `-` and `.` right before one: `--mem` is not `--mem-per-cpu`."""
    if not after or not (last.isalnum() or last == "_"):
        return False
    if after[0].isalnum() or after[0] == "_":
        return True
    return after[0] in signs and len(after) > 1 and after[1].isalnum()


def _articles_in(text: str) -> set[str]:
    """Numbers that follow the word, in lists and ranges too: `Articles 9 to 15 and 50(2)`."""
    found: set[str] = set()
    for word in _ARTICLE.finditer(text):
        listed = re.match(
            r"(?:[\s,;/-]|\d+[a-z]?|\(\w{1,3}\)|to|and|bis|und|et|à|e|y|a)*", text[word.end() : word.end() + 80]
        )
        if listed:
            found |= {number.casefold() for number in re.findall(r"\d+[a-z]?", listed[0])}
            for low, high in re.findall(r"(\d+)\s*(?:-|to|bis|à|a)\s*(\d+)", listed[0]):
                found |= {str(number) for number in range(int(low), min(int(high), int(low) + 60) + 1)}
    return found
