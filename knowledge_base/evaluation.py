"""How well the search finds what it should: ours beside BM25 alone, vectors alone, and both by reciprocal ranks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import bm25s
import numpy as np
from numpy.typing import NDArray

from knowledge_base.chunks import indexed_text
from knowledge_base.encoder import Encoder
from knowledge_base.index import Index
from knowledge_base.passage import RetrievedPassage, SearchResult
from knowledge_base.questions import LabelledQuestion
from knowledge_base.reranker import Reranker

METRICS = ("hit@1", "hit@3", "hit@5", "hit@10", "MRR", "nDCG@10")
RRF_K = 60
FILES = 10
"""That are looked at."""
RESAMPLES = 2000
BINS = 5
"""Of the reliability curve."""

Vector = NDArray[np.float32]
RankFiles = Callable[[str, Vector], Sequence[str]]
"""Paths of the ten best files for a question and its embedding."""
Rewriting = Callable[[Callable[[str, int], SearchResult], str, int], SearchResult | None]
"""Searches with other words as well: by a search, a question, and how many hits are wanted. None for no other words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    ranking: str
    """ours, bm25, dense, rrf, rerank or rewritten."""
    values: NDArray[np.float64]
    """Shape (questions, len(METRICS))."""
    rewritten: int | None = None
    """Questions for which there were other words; None for a ranking that uses none."""

    def mean(self) -> NDArray[np.float64]:
        return np.asarray(self.values.mean(axis=0))

    def interval(self) -> NDArray[np.float64]:
        """Bootstrap interval of 95 %, shape (2, len(METRICS))."""
        chosen = np.random.default_rng(0).integers(0, len(self.values), (RESAMPLES, len(self.values)))
        return np.asarray(np.percentile(self.values[chosen].mean(axis=1), [2.5, 97.5], axis=0))


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliability:
    """Of the questions whose estimate lies between `low` and the next fifth."""

    low: float
    questions: int
    estimated: float
    answered: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Abstention:
    """`answerable` of the search, apart for the questions that have an answer and those that have none."""

    answerable: NDArray[np.float64]
    unanswerable: NDArray[np.float64]

    def flagged(self, below: float) -> tuple[float, float]:
        """Share of the unanswerable and of the answerable questions with an estimate below the given one; nan for
        none of a kind."""
        return _share(self.unanswerable < below), _share(self.answerable < below)

    def reliability(self) -> list[Reliability]:
        """Estimate against outcome by fifths of the estimate. Both kinds weigh the same in all, as the estimate has
        it, however many questions of each there are."""
        estimates = np.concatenate([self.answerable, self.unanswerable])
        answered = np.repeat([1.0, 0.0], [len(self.answerable), len(self.unanswerable)])
        weights = np.where(answered == 1, 1 / max(len(self.answerable), 1), 1 / max(len(self.unanswerable), 1))
        fifths = np.minimum((estimates * BINS).astype(int), BINS - 1)
        return [
            Reliability(
                low=number / BINS,
                questions=int(inside.sum()),
                estimated=float(np.average(estimates[inside], weights=weights[inside])),
                answered=float(np.average(answered[inside], weights=weights[inside])),
            )
            for number in range(BINS)
            if (inside := fifths == number).any()
        ]


def measure(
    index: Index,
    questions: Sequence[LabelledQuestion],
    encoder: Encoder,
    reranker: Reranker | None = None,
    rewriting: Rewriting | None = None,
) -> list[Measured]:
    """All rankings on the questions that have an answer; the best passage of a file stands for it."""
    answerable = [question for question in questions if question.gold_paths]
    vectors = encoder.encode([question.question for question in answerable])
    measured = []
    for name, rank in rankings(index, encoder, reranker).items():
        rows = [
            scores_of(rank(question.question, vector), question.gold_paths)
            for question, vector in zip(answerable, vectors, strict=True)
        ]
        measured.append(Measured(ranking=name, values=np.asarray(rows)))
    if rewriting is not None:
        measured.append(_measure_rewriting(index, answerable, encoder, rewriting))
    return measured


def _measure_rewriting(
    index: Index, questions: Sequence[LabelledQuestion], encoder: Encoder, rewriting: Rewriting
) -> Measured:
    """Where there are no other words the search goes by the question's own, as it does in service."""

    def search(query: str, k: int) -> SearchResult:
        return index.search(query, encoder, k, one_per_file=True)

    found = [rewriting(search, question.question, FILES) for question in questions]
    rows = [
        scores_of(_files((result or search(question.question, FILES)).hits), question.gold_paths)
        for question, result in zip(questions, found, strict=True)
    ]
    return Measured(ranking="rewritten", values=np.asarray(rows), rewritten=sum(result is not None for result in found))


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else float("nan")


def measure_abstention(index: Index, questions: Sequence[LabelledQuestion], encoder: Encoder) -> Abstention:
    results = index.search_many([question.question for question in questions], encoder, 1)
    estimates = np.asarray([result.answerable for result in results])
    has_answer = np.asarray([bool(question.gold_paths) for question in questions])
    return Abstention(answerable=estimates[has_answer], unanswerable=estimates[~has_answer])


def scores_of(paths: Sequence[str], gold: frozenset[str]) -> list[float]:
    """METRICS of one question."""
    hits = [path in gold for path in paths[:FILES]]
    first = hits.index(True) + 1 if any(hits) else None
    gain = sum(1 / np.log2(rank + 1) for rank, hit in enumerate(hits, start=1) if hit)
    ideal = sum(1 / np.log2(rank + 1) for rank in range(1, min(len(gold), 10) + 1))
    return [float(any(hits[:k])) for k in (1, 3, 5, 10)] + [1 / first if first else 0.0, gain / ideal]


def rankings(index: Index, encoder: Encoder, reranker: Reranker | None = None) -> Mapping[str, RankFiles]:
    passages = [index.passages.at(row) for row in range(len(index))]
    paths = [passage.path for passage in passages]
    bm25 = bm25s.BM25()
    bm25.index(_tokens([indexed_text(passage) for passage in passages]), show_progress=False)

    def by_words(question: str) -> NDArray[np.float32]:
        words = _tokens([question])[0]
        return np.asarray(bm25.get_scores(words) if words else np.zeros(len(paths)), dtype=np.float32)

    def reciprocal(question: str, vector: Vector) -> Sequence[str]:
        return _best_files(_reciprocal(by_words(question)) + _reciprocal(index.cosines(vector)), paths)

    def ours(question: str, by: Reranker | None) -> Sequence[str]:
        return [hit.passage.path for hit in index.search(question, encoder, one_per_file=True, reranker=by).hits]

    found: dict[str, RankFiles] = {
        "bm25": lambda question, _: _best_files(by_words(question), paths),
        "dense": lambda _, vector: _best_files(index.cosines(vector), paths),
        "rrf": reciprocal,
        "ours": lambda question, _: ours(question, None),
    }
    if reranker is not None:
        found["rerank"] = lambda question, _: ours(question, reranker)
    return found


def _files(hits: Sequence[RetrievedPassage]) -> list[str]:
    return list(dict.fromkeys(hit.passage.path for hit in hits))[:FILES]


def _tokens(texts: list[str]) -> list[list[str]]:
    tokens: list[list[str]] = bm25s.tokenize(texts, stopwords="en", return_ids=False, show_progress=False)
    return tokens


def _best_files(scores: NDArray[np.float32], paths: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(paths[row] for row in np.argsort(-scores, kind="stable")))[:FILES]


def _reciprocal(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    ranks = np.empty(len(scores), dtype=np.float32)
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return np.asarray(1 / (RRF_K + ranks), dtype=np.float32)
