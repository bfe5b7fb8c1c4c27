"""Questions in French, German, Italian and Spanish, word by word in English, as far as the dictionary goes."""

from __future__ import annotations

import re
from functools import cache

from knowledge_base.catalogue import read_yaml
from knowledge_base.lexical import STOP_WORDS

MOST_WORDS = 4
"""Of an entry of the dictionary."""
START = 2
"""Letters by which entries are looked up."""
_WORD = re.compile(r"[\w.+#/=-]*\w[+#]*|[¿¡?!.,;:]+")
_JOINED = re.compile(
    r"(?i:\b(?:[cdjlmnst]|qu|dell|nell|all|dall|sull|un)['’](?=\w))"  # l'erreur
    r"|(?<=\w)-(?=[A-ZÄÖÜ])"  # KI-Verordnung
    r"|(?<=[a-zé])-(?:t-)?(?:ils?|elles?|on|nous|vous|je|ce)\b"  # faut-il
)


def in_english(question: str) -> str:
    """The question itself when it reads as English; otherwise its words, the known ones in English and the little
    ones left out."""
    words = _WORD.findall(_JOINED.sub(" ", question))
    lowered = [word.casefold() for word in words]
    if not _is_foreign(lowered):
        return question
    found: list[str] = []
    at = 0
    while at < len(words):
        english, taken = _longest(lowered, at)
        if english or lowered[at] not in _little_words():
            found.append(english or words[at])
        at += taken
    return " ".join(found) or question


def _is_foreign(words: list[str]) -> bool:
    """Whether more words tell one of the other languages than tell English, none of them in both."""
    english_too = STOP_WORDS & _little_words() | _words_of("english too")
    telling = [word for word in words if word not in english_too]
    return sum(word in _little_words() for word in telling) > sum(word in STOP_WORDS for word in telling)


def _longest(words: list[str], at: int) -> tuple[str, int]:
    """English of the most words from `at` on that are one entry, and how many they are; none and 1 for an unknown."""
    start = words[at][:START]
    worth = [*_entries().get(start, ()), *(_entries().get(start[:1], ()) if len(start) > 1 else ())]
    for length in range(min(MOST_WORDS, len(words) - at), 0, -1):
        matching = [
            (sum(map(len, entry)), english)
            for entry, english in worth
            if len(entry) == length and all(map(_matches, entry, words[at : at + length]))
        ]
        if matching:
            return max(matching)[1], length
    return "", 1


def _matches(written: str, word: str) -> bool:
    return word.startswith(written[:-1]) if written.endswith("-") else word == written


@cache
def _entries() -> dict[str, list[tuple[tuple[str, ...], str]]]:
    """By the start of their first word: the words of the other language, and the English."""
    entries: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for english, foreign in read_yaml("dictionary.yaml")["english"].items():
        for phrase in foreign:
            words = tuple(_JOINED.sub(" ", phrase).casefold().split())
            entries.setdefault(words[0].removesuffix("-")[:START], []).append((words, english))
    return entries


@cache
def _little_words() -> frozenset[str]:
    return frozenset().union(*map(_words_of, read_yaml("dictionary.yaml")["little"]))


@cache
def _words_of(language: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in read_yaml("dictionary.yaml")["little"][language])
