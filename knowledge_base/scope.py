"""Which systems a question is about."""

from __future__ import annotations

import re
from functools import cache

from knowledge_base.catalogue import systems


def systems_named(question: str) -> frozenset[str]:
    """Ids of the systems that the text names; a name shared by two systems gives both."""
    names, pattern = _names()
    found = pattern.findall(question.lower())
    return frozenset(system for name in found for system in names[" ".join(name.replace("-", " ").split())])


def is_about_another(systems_of_passage: tuple[str, ...], asked: frozenset[str]) -> bool:
    """Whether a passage belongs to other systems than the ones asked about; general passages belong to all."""
    return bool(asked and systems_of_passage and asked.isdisjoint(systems_of_passage))


@cache
def _names() -> tuple[dict[str, frozenset[str]], re.Pattern[str]]:
    owners: dict[str, set[str]] = {}
    for system in systems():
        for alias in system.aliases:
            owners.setdefault(" ".join(alias.replace("-", " ").split()), set()).add(system.id)
    longest_first = sorted(owners, key=len, reverse=True)
    spelled = "|".join(re.escape(name).replace(r"\ ", r"[\s-]+") for name in longest_first)
    return {name: frozenset(ids) for name, ids in owners.items()}, re.compile(rf"(?<![\w-])(?:{spelled})(?![\w])")
