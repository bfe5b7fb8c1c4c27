"""Prompts, one file a version; a changed prompt is a new file, so that a draft's record says what made it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from agent.checks.words import bare

_FOLDER = Path(__file__).parent
SHINGLE = 8
"""Words in a row that nobody writes by chance."""

CURRENT = {"draft": "draft-1", "query": "query-1", "triage": "triage-1", "verification": "verification-1"}
"""The version of each prompt that is in use."""


@dataclass(frozen=True, slots=True)
class Prompt:
    name: str
    """With its version, `draft-1`."""
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@cache
def prompt(purpose: str) -> Prompt:
    """The one in use for the purpose. Raises KeyError for a purpose that has none."""
    name = CURRENT[purpose]
    return Prompt(name=name, text=(_FOLDER / f"{name}.md").read_text(encoding="utf-8"))


def repeats_prompt(text: str) -> bool:
    """Whether the text holds a run of words of our instructions."""
    return bool(_shingles(text) & _instructions())


@cache
def _instructions() -> frozenset[tuple[str, ...]]:
    return frozenset(shingle for purpose in CURRENT for shingle in _shingles(prompt(purpose).text))


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = bare(text).split()
    return frozenset(tuple(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1))
