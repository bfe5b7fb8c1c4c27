"""How much evidence fits: counted in tokens of the model that reads it, not guessed."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from agent.draft import Evidence
from agent.sentences import units_of

Count = Callable[[str], int]
"""Tokens of a text."""

MOST_OF_ONE = 0.4
"""Share of the room that one passage may take."""
LEAST_TOKENS = 24
"""Of a trimmed passage that is worth giving."""
DEFAULT_CHARS_PER_TOKEN = 2.5
"""Until a server has told better; few enough for every language that writes to us."""
MAX_KEPT = 4096


class Meter:
    """Characters a token, measured on what servers say of the prompts that they were sent."""

    def __init__(self) -> None:
        self._ratio = DEFAULT_CHARS_PER_TOKEN
        self._lock = threading.Lock()

    def learn(self, chars: int, tokens: int) -> None:
        """The fewest characters a token that was seen lately, so that prompts stay below the limit."""
        if chars > 500 and tokens > 50:  # shorter prompts are mostly frame
            with self._lock:
                self._ratio = min(chars / tokens, 0.9 * self._ratio + 0.1 * chars / tokens)

    def count(self, text: str) -> int:
        return math.ceil(len(text) / self._ratio)


class Counted:
    """Counts of texts, kept: passages come again."""

    def __init__(self, count: Count) -> None:
        self._count = count
        self._kept: OrderedDict[str, int] = OrderedDict()

    def __call__(self, text: str) -> int:
        if text not in self._kept:
            self._kept[text] = self._count(text)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return self._kept[text]


def fit(evidence: Sequence[Evidence], count: Count, room: int) -> list[tuple[Evidence, str]]:
    """The best evidence with as much of its text as fits into `room` tokens; rows whole and before passages.

    Texts are cut at the ends of sentences, so that what is quoted stays whole.
    """
    chosen: list[tuple[Evidence, str]] = []
    for item in sorted(evidence, key=lambda item: item.kind != "row"):
        share = room if item.kind == "row" else min(room, max(LEAST_TOKENS, int(room * MOST_OF_ONE)))
        text = item.text if count(item.text) <= share else _trimmed(item.text, count, share)
        if text:
            chosen.append((item, text))
            room -= count(text)
        if room < LEAST_TOKENS:
            break
    return sorted(chosen, key=lambda pair: pair[0].number)


def _trimmed(text: str, count: Count, most: int) -> str:
    """The longest beginning of whole sentences that fits; empty when none does."""
    ends = [unit.end for unit in units_of(text)]
    fitting = [end for end in ends if count(text[:end]) <= most]
    return text[: fitting[-1]] if fitting else ""
