"""Which requests are about one incident: one failed file system is sixty mails."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import yaml

from triage.errors import RulesFileError
from triage.features import Floats
from triage.result import Fingerprint, Topic
from triage.text import ReadText, folded, sentences

INCIDENTS_FILE = Path(__file__).parent / "incidents.yaml"
WINDOW = timedelta(hours=24)
"""Reports of one incident come within this time of each other."""
HEAD_CHARS = 3_000
ALIKE = 0.95
"""Cosine of the embeddings from which two texts say the same: three pairs of the 2,269 training requests, one of them a
translation."""
RELATED = 0.68
"""Cosine that two reports on the same part of a centre must have when one of them names no system."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Likeness:
    kind: Literal["incident", "similar"]
    score: float
    """Cosine of the embeddings, -1 to 1."""
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Troubles:
    parts: dict[str, re.Pattern[str]]
    troubles: re.Pattern[str]


@cache
def load_troubles(path: Path = INCIDENTS_FILE) -> Troubles:
    """The table of what fails for many.

    Raises:
        RulesFileError: the file cannot be read or a pattern is wrong.
    """
    try:
        table = yaml.safe_load(path.read_text("utf-8"))
        parts = {name: re.compile(pattern) for name, pattern in table["parts"].items()}
        return Troubles(parts=parts, troubles=re.compile("".join(table["troubles"].splitlines())))
    except (OSError, yaml.YAMLError, re.error, KeyError, TypeError, AttributeError) as error:
        raise RulesFileError(path, str(error)) from error


def fingerprint(text: ReadText, vector: Floats, topics: tuple[Topic, ...], encoder: str) -> Fingerprint:
    systems = frozenset(topic.id for topic in topics if topic.kind == "system")
    return Fingerprint(
        vector=vector, encoder=encoder, parts=parts_in_trouble(f"{text.prose}\n{text.error}"), systems=systems
    )


def parts_in_trouble(text: str) -> frozenset[str]:
    known = load_troubles()
    found: set[str] = set()
    for sentence in sentences(text[:HEAD_CHARS]):
        words = folded(sentence).replace("\u2019", "'")
        if known.troubles.search(words):
            found.update(name for name, pattern in known.parts.items() if pattern.search(words))
    return frozenset(found)


def likeness(one: Fingerprint, other: Fingerprint, apart: timedelta) -> Likeness | None:
    """Whether two requests that came `apart` from each other belong together; None when they do not.

    The same incident: the same part in trouble within a day, on a system that both name, or alike in words where only
    one names it. Similar: nearly the same words, whatever they are about.
    """
    score = float(one.vector @ other.vector)
    parts, systems = one.parts & other.parts, one.systems & other.systems
    if parts and abs(apart) <= WINDOW and one.systems and other.systems and not systems:
        return None
    if parts and abs(apart) <= WINDOW and (systems or score >= RELATED):
        where = f" on {', '.join(sorted(systems))}" if systems else ""
        return Likeness(kind="incident", score=score, why=f"{', '.join(sorted(parts))} in trouble{where}")
    return Likeness(kind="similar", score=score, why="nearly the same words") if score >= ALIKE else None


def packed(vector: Floats) -> bytes:
    """16-bit numbers, for storing."""
    return np.asarray(vector, dtype="<f2").tobytes()


def unpacked(stored: bytes) -> Floats:
    return np.frombuffer(stored, dtype="<f2").astype(np.float32)
