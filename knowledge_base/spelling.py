"""Misspelt words of a question as the sources spell them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

MIN_LETTERS = 6
"""In shorter words one letter makes another word."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def corrected(terms: Sequence[str], files_with: Callable[[str], int]) -> list[str]:
    """The terms, each unknown one replaced by the most frequent known one at one letter's distance, if any."""
    return [term if files_with(term) else _correction(term, files_with) for term in terms]


def _correction(term: str, files_with: Callable[[str], int]) -> str:
    if len(term) < MIN_LETTERS or not term.isalpha():
        return term
    best = max(_one_off(term), key=files_with)
    return best if files_with(best) else term


def _one_off(term: str) -> Iterator[str]:
    """Words that one letter more, less or changed, or two letters swapped, make of the term; its first letter stays."""
    for at in range(1, len(term) + 1):
        head, tail = term[:at], term[at:]
        yield head + tail[1:]
        yield head + tail[1:2] + tail[:1] + tail[2:]
        for letter in _LETTERS:
            yield head + letter + tail
            yield head + letter + tail[1:]
