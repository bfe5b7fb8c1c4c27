"""Finds the structured question in a text; deterministic, and None for everything else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from knowledge_base.rows import words
from knowledge_base.rows.asked import Asked, Intent
from knowledge_base.rows.catalogue_question import asked_of_catalogue
from knowledge_base.scope import systems_named

MAX_SENTENCE = 220
"""Characters; a structured question is short."""
SHORT_TEXT = 160
"""A text of this length is a question even without its mark."""
_SENTENCE = re.compile(r"[^.!?\n]*(?:\.(?=\S)[^.!?\n]*)*[.!?\n]?")


def asked_of(text: str, partitions: Sequence[str] = ()) -> Asked | None:
    """The first structured question in the text. `partitions` are names that stand for a system on their own."""
    everywhere = systems_named(text)
    for sentence in _questions(text):
        lowered = sentence.lower().replace("’", "'")
        if words.HOW_TO.search(lowered):
            continue
        systems = systems_named(sentence) or everywhere
        found = asked_of_catalogue(lowered, systems)
        if not found and not words.TROUBLE.search(lowered):
            found = _asked(lowered, systems, any(_names(lowered, name) for name in partitions))
        if found:
            return found
    return None


def _questions(text: str) -> list[str]:
    sentences = [found.strip() for found in _SENTENCE.findall(text)]
    short = len(text.strip()) <= SHORT_TEXT and "\n" not in text.strip()
    return [s for s in sentences if s and len(s) <= MAX_SENTENCE and (s.endswith("?") or short)]


def _names(sentence: str, name: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name.lower())}(?![\w-])", sentence) is not None


def _asked(sentence: str, systems: frozenset[str], by_partition: bool) -> Asked | None:
    if hours := words.HOURS.search(sentence):
        is_asked = words.ACCESS.search(sentence) or words.WHICH.search(sentence)
        unit = "gpu" if "gpu" in hours.groups()[2:] else "node"
        amount = _amount(hours.group(1), hours.group(2) or "")
        return Asked(intent=Intent.ACCESS_AMOUNT, sentence=sentence, hours=amount, unit=unit) if is_asked else None
    if words.THROUGHPUT.search(sentence):
        return Asked(intent=Intent.THROUGHPUT, sentence=sentence, systems=systems)
    memory = words.MEMORY.search(sentence)
    if memory and words.MODELS.search(sentence) and words.FITS.search(sentence) and words.WHICH.search(sentence):
        return Asked(intent=Intent.MODELS_FIT, sentence=sentence, memory_gb=int(memory.group(1)))
    if systems and _asks_gpus(sentence):
        return Asked(intent=Intent.GPUS_PER_NODE, sentence=sentence, systems=systems)
    if (systems or by_partition) and words.MOST.search(sentence) and words.WALLTIME.search(sentence):
        return Asked(intent=Intent.MAX_WALLTIME, sentence=sentence, systems=systems)
    return None


def _asks_gpus(sentence: str) -> bool:
    counted = words.HOW_MANY.search(sentence) and words.GPU.search(sentence) and words.PER_NODE.search(sentence)
    return bool(counted or words.ASKED_PER_NODE.match(sentence))


def _amount(digits: str, scale: str) -> int:
    number = int(re.sub(r"\D", "", digits))
    if scale.startswith("k") or scale == "tausend":
        return number * 1000
    return number * 1_000_000 if scale.startswith("m") else number
