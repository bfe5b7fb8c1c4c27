"""What the classifier sees of a request: meaning, cues, words and letters, as one row of numbers."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knowledge_base.translation import in_english
from triage.cues import Found, Lexicon, find_cues
from triage.text import ReadText, asking, folded, sentences

Floats = NDArray[np.float32]

WORD = re.compile(r"[a-z0-9_+#]*[a-z][a-z0-9_+#]*")
WORD_CHARS = 8_000
LETTER_CHARS = 3_000
EMBED_HEAD = 600
EMBED_ASK = 200
"""Characters of the prose's start, and of the request proper where the prose is longer, that are embedded."""
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

    terms: tuple[str, ...]
    index: Mapping[str, int]
    """Place of each among the terms."""
    idf: Floats

    @classmethod
    def of(cls, terms: Iterable[str], idf: Floats) -> Vocabulary:
        kept = tuple(terms)
        return cls(terms=kept, index={term: at for at, term in enumerate(kept)}, idf=idf)


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest:
    """A request's text in terms, whatever the vocabulary."""

    words: list[str]
    letters: list[str]
    asked: list[str]
    """Letter groups of the sentences that put the request."""
    marks: Floats
    """Cues, then shapes."""
    found: tuple[Found, ...]
    """For each cue what was found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Features of one request; `dense` holds embedding, cues and shapes, the rest is sparse."""

    dense: Floats
    indices: NDArray[np.int64]
    """Columns from `len(dense)` on."""
    values: Floats
    found: tuple[Found, ...]
    """For each cue what was found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureSpace:
    cues: Lexicon
    words: Vocabulary
    letters: Vocabulary
    asked: Vocabulary
    """Letter groups again, of the sentences that put the request alone."""
    dimension: int
    """Of the embedding."""

    @property
    def dense_size(self) -> int:
        return self.dimension + 2 * len(self.cues) + len(SHAPES)

    @property
    def size(self) -> int:
        return self.dense_size + sum(len(block.terms) for block in self.sparse_blocks)

    @property
    def sparse_blocks(self) -> tuple[Vocabulary, Vocabulary, Vocabulary]:
        """In the order of their columns, which follow the dense ones."""
        return self.words, self.letters, self.asked

    def mark_name(self, mark: int) -> str:
        """Of a cue or shape, by its column after the embedding's."""
        count = len(self.cues)
        if mark >= 2 * count:
            return f"shape '{SHAPES[mark - 2 * count]}'"
        return f"cue '{self.cues.cues[mark % count].name}'" + (" in what is asked" if mark >= count else "")


def embedded_part(text: ReadText) -> str:
    """What the embedding reads: the prose, of a long one the start and the end of what it asks; logs only alone."""
    found = sentences(text.prose or text.machine)
    whole = " ".join(found)
    if len(whole) <= EMBED_HEAD + EMBED_ASK:
        return whole
    return f"{whole[:EMBED_HEAD]} … {asked_part(found)[-EMBED_ASK:]}"


def asked_part(found: Sequence[str]) -> str:
    """Of a text's sentences those that put the request."""
    return " ".join(itertools.compress(found, asking(found)))


def word_terms(text: str) -> list[str]:
    """Words and pairs of neighbours, those of other languages in English as far as the dictionary goes."""
    words = WORD.findall(folded(in_english(text[:WORD_CHARS])))
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
    return Vocabulary.of(kept, np.asarray(idf, dtype=np.float32))


def tfidf(vocabulary: Vocabulary, terms: Iterable[str]) -> tuple[NDArray[np.int64], Floats]:
    """Columns and values of Euclidean length 1 (both empty when no term is known)."""
    counts = Counter(map(vocabulary.index.get, terms))
    counts.pop(None, None)
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


def digest(cues: Lexicon, text: ReadText) -> Digest:
    found = tuple(find_cues(cues, text.prose))
    marks = [cue_value(cue) for cue in found] + [float(cue.asked) for cue in found] + shape_values(text)
    return Digest(
        words=word_terms(text.whole),
        letters=letter_terms(text.prose),
        asked=letter_terms(asked_part(sentences(text.prose or text.machine))),
        marks=np.asarray(marks, dtype=np.float32),
        found=found,
    )


def make_row(space: FeatureSpace, digested: Digest, vector: Floats) -> Row:
    """The features of a request whose embedded part has the given vector (length 1)."""
    indices, values, start = [], [], space.dense_size
    for block, terms in zip(space.sparse_blocks, (digested.words, digested.letters, digested.asked), strict=True):
        columns, found = tfidf(block, terms)
        indices.append(columns + start)
        values.append(found)
        start += len(block.terms)
    return Row(
        dense=np.concatenate([vector, digested.marks]).astype(np.float32),
        indices=np.concatenate(indices),
        values=np.concatenate(values),
        found=digested.found,
    )


def cue_value(found: Found) -> float:
    """0 without, 1 for one phrase, up to 1.6 for several."""
    return 0.8 + 0.2 * len(found.phrases) if found.phrases else 0.0
