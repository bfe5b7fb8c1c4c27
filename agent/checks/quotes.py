"""Whether a quote stands in its passage: word for word, or but for white space, markup, case. Never "closest". Pure."""

from __future__ import annotations

from typing import Literal

from agent.checks.words import bare

Found = Literal["exact", "normalised", "missing"]

LEAST_WORDS = 3
"""Of a quote that proves anything."""


def find_quote(quote: str, passage: str) -> Found:
    if not quote.strip():
        return "missing"
    if quote in passage:
        return "exact"
    wanted = bare(quote)
    return "normalised" if wanted and f" {wanted} " in f" {bare(passage)} " else "missing"


def is_short(quote: str) -> bool:
    """Too few words to carry a claim."""
    return len(bare(quote).split()) < LEAST_WORDS
