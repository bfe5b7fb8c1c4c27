"""Whether a claim says what its quotes say, as far as words tell: a hint for the reader, never proof. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.checks.words import bare

SHARED = 0.34
"""Of the content words of a claim, the share that its quotes or their passage's sentence must hold."""
LEAST_CONTENT_WORDS = 4
STEM = 5

_WORD = re.compile(r"[^\W\d_]{4,}")
_FILLERS = frozenset(
    [
        "about",
        "after",
        "again",
        "also",
        "been",
        "before",
        "being",
        "below",
        "both",
        "could",
        "does",
        "done",
        "each",
        "either",
        "every",
        "first",
        "from",
        "have",
        "having",
        "here",
        "into",
        "just",
        "like",
        "made",
        "make",
        "many",
        "more",
        "most",
        "much",
        "must",
        "need",
        "next",
        "only",
        "other",
        "over",
        "please",
        "same",
        "shall",
        "should",
        "some",
        "such",
        "than",
        "that",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "through",
        "under",
        "until",
        "upon",
        "using",
        "very",
        "want",
        "were",
        "what",
        "when",
        "where",
        "which",
        "while",
        "will",
        "with",
        "within",
        "without",
        "would",
        "your",
        "yours",
    ]
)
_NEGATION = re.compile(r"\b(?:not|no|never|none|cannot|nor|neither|without|n't)\b|n't\b", re.IGNORECASE)
_OPPOSITES = (
    ("at least", "at most"), ("minimum", "maximum"), ("more than", "less than"), ("increase", "decrease"),
    ("enable", "disable"), ("before", "after"), ("allowed", "forbidden"), ("always", "never"), ("higher", "lower"),
    ("larger", "smaller"), ("fewer", "more"), ("above", "below"),
)  # fmt: skip


def doubts(claim: str, quotes: Sequence[str]) -> tuple[str, ...]:
    """Why the claim may say something else than its quotes. For claims and quotes in English."""
    said, quoted = bare(claim), " ".join(bare(quote) for quote in quotes)
    if said in quoted:
        return ()
    found = []
    if shared_words(said, quoted) < SHARED:
        found.append("its quotes share few words with it")
    if bool(_NEGATION.search(said)) != bool(_NEGATION.search(quoted)):
        found.append("one of claim and quote says not, the other does not")
    for pair in _OPPOSITES:
        for one, other in (pair, pair[::-1]):
            if _has(said, one) and not _has(said, other) and _has(quoted, other) and not _has(quoted, one):
                found.append(f"it says {one!r} where its quote says {other!r}")
    return tuple(found)


def shared_words(claim: str, quoted: str) -> float:
    """Share of the claim's content words, by their beginnings, that are in the quotes; 1.0 for too few to tell."""
    wanted = _stems(claim)
    return len(wanted & _stems(quoted)) / len(wanted) if len(wanted) >= LEAST_CONTENT_WORDS else 1.0


def _stems(text: str) -> set[str]:
    return {word[:STEM] for word in _WORD.findall(text.casefold()) if word not in _FILLERS}


def _has(text: str, words: str) -> bool:
    return re.search(rf"\b{words}", text) is not None
