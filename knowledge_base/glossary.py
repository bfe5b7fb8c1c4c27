"""Other words for what a question says."""

from __future__ import annotations

from functools import cache

from knowledge_base.catalogue import read_yaml
from knowledge_base.lexical import words_of


def other_words(terms: list[str]) -> list[str]:
    """Terms of phrases that mean the same as one found in `terms`, without those that are there already."""
    joined = f" {' '.join(terms)} "
    found: dict[str, None] = {}
    for group in _groups():
        if any(f" {phrase} " in joined for phrase in group):
            found.update(dict.fromkeys(term for phrase in group for term in phrase.split()))
    return [term for term in found if term not in terms]


@cache
def _groups() -> tuple[tuple[str, ...], ...]:
    """Each phrase as its terms with blanks between them."""
    groups = read_yaml("glossary.yaml")["same"]
    return tuple(tuple(dict.fromkeys(" ".join(words_of(phrase)) for phrase in group)) for group in groups)
