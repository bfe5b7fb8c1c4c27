"""What the classifier sees of a request: meaning, cues, words and letters, as one row of numbers."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triage.cues import Cue, find_cues
from triage.text import ReadText, folded

Floats = NDArray[np.float32]

WORD = re.compile(r"[a-z0-9_+#]*[a-z][a-z0-9_+#]*")
WORD_CHARS = 8_000
LETTER_CHARS = 3_000
EMBED_HEAD = 420
EMBED_TAIL = 220
"""Characters of the prose that are embedded: about 150 tokens, what fits the time for one request."""
LETTER_SIZES = (3, 4, 5)

SHAPES = (
    "pasted machine output",
    "question mark",
    "short text",
    "long text",
    "only machine output",
    "link",
    "failure in the log",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Vocabulary:
    """Terms and their inverse document frequencies, as scikit-learn's TfidfVectorizer computes them (smooth)."""

    index: dict[str, int]
    idf: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Scales:
    """How much each block of features may weigh, chosen by cross-validation."""

    meaning: float = 2.0
    cues: float = 0.5
    words: float = 1.0
    letters: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest:
    """A request's text in terms, whatever the vocabulary."""

    words: list[str]
    letters: list[str]
    marks: Floats
    """Cues, then shapes."""
    evidence: tuple[tuple[str, ...], ...]
    """For each cue the phrases found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Features of one request; `dense` holds embedding, cues and shapes, the rest is sparse."""

    dense: Floats
    indices: NDArray[np.int64]
    """Columns from `len(dense)` on."""
    values: Floats
    evidence: tuple[tuple[str, ...], ...]
    """For each cue the phrases found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureSpace:
    cues: tuple[Cue, ...]
    words: Vocabulary
    letters: Vocabulary
    scales: Scales
    dimension: int
    """Of the embedding."""

    @property
    def dense_size(self) -> int:
        return self.dimension + len(self.cues) + len(SHAPES)

    @property
    def size(self) -> int:
        return self.dense_size + len(self.words.index) + len(self.letters.index)

    def name_of(self, column: int) -> str | None:
        """The cue or shape in a dense column, None for the embedding's columns."""
        at = column - self.dimension
        names = [*(f"cue '{cue.name}'" for cue in self.cues), *(f"shape '{shape}'" for shape in SHAPES)]
        return names[at] if 0 <= at < len(names) else None


def embedded_part(text: ReadText) -> str:
    """What the embedding reads: start and end of the prose and the last error line."""
    prose = text.prose or text.machine
    if len(prose) > EMBED_HEAD + EMBED_TAIL:
        prose = f"{prose[:EMBED_HEAD]} … {prose[-EMBED_TAIL:]}"
    return f"{prose}\n{text.error[:120]}" if text.error else prose


def word_terms(text: str) -> list[str]:
    """Words and pairs of neighbours."""
    words = WORD.findall(folded(text[:WORD_CHARS]))
    return words + [f"{left} {right}" for left, right in itertools.pairwise(words)]


def letter_terms(text: str) -> list[str]:
    """Runs of three to five letters inside words, a blank standing for the word's edge."""
    terms: list[str] = []
    for word in folded(text[:LETTER_CHARS]).split():
        padded = f" {word} "
        for size in LETTER_SIZES:
            if len(padded) <= size:
                terms.append(padded)
                break
            terms.extend(padded[start : start + size] for start in range(len(padded) - size + 1))
    return terms


def fit_vocabulary(documents: Sequence[Iterable[str]], *, min_documents: int, max_terms: int) -> Vocabulary:
    """The most widespread terms, ties broken by the alphabet, in alphabetical order."""
    spread = Counter(term for document in documents for term in set(document))
    kept = sorted(
        (term for term, count in spread.items() if count >= min_documents), key=lambda term: (-spread[term], term)
    )
    kept = sorted(kept[:max_terms])
    idf = [math.log((1 + len(documents)) / (1 + spread[term])) + 1 for term in kept]
    return Vocabulary(index={term: at for at, term in enumerate(kept)}, idf=np.asarray(idf, dtype=np.float32))


def tfidf(vocabulary: Vocabulary, terms: Iterable[str]) -> tuple[NDArray[np.int64], Floats]:
    """Columns and values of Euclidean length 1 (both empty when no term is known)."""
    counts = Counter(at for at in map(vocabulary.index.get, terms) if at is not None)
    columns = np.fromiter(counts.keys(), dtype=np.int64, count=len(counts))
    values = np.fromiter(counts.values(), dtype=np.float32, count=len(counts))
    values = (1 + np.log(values)) * vocabulary.idf[columns] if len(columns) else values
    length = float(np.linalg.norm(values))
    return columns, (values / length if length else values).astype(np.float32)


def shape_values(text: ReadText) -> list[float]:
    size = len(text.prose)
    return [
        float(bool(text.machine)),
        float("?" in text.prose),
        float(size < 160),
        min(1.0, max(0.0, math.log10(max(size, 1) / 400))),
        float(text.only_machine),
        float(text.links > 0),
        float(bool(text.error)),
    ]


def digest(cues: tuple[Cue, ...], text: ReadText) -> Digest:
    evidence = tuple(find_cues(cues, text.prose))
    return Digest(
        words=word_terms(text.whole),
        letters=letter_terms(text.prose),
        marks=np.asarray([cue_value(found) for found in evidence] + shape_values(text), dtype=np.float32),
        evidence=evidence,
    )


def make_row(space: FeatureSpace, digested: Digest, vector: Floats) -> Row:
    """The features of a request whose embedded part has the given vector (length 1)."""
    words, word_values = tfidf(space.words, digested.words)
    letters, letter_values = tfidf(space.letters, digested.letters)
    start = space.dense_size
    return Row(
        dense=np.concatenate([vector * space.scales.meaning, digested.marks * space.scales.cues]).astype(np.float32),
        indices=np.concatenate([words + start, letters + start + len(space.words.index)]),
        values=np.concatenate([word_values * space.scales.words, letter_values * space.scales.letters]),
        evidence=digested.evidence,
    )


def cue_value(found: tuple[str, ...]) -> float:
    """0 without, 1 for one phrase, up to 1.6 for several."""
    return 0.0 if not found else 0.8 + 0.2 * len(found)
