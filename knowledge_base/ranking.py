"""How good a passage is for a question: a weighted sum of what words and vectors say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knowledge_base.fields import LexicalScores

Scores = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """Chosen on the development questions in tests/evals; each signal is scaled to at most 1 before."""

    dense: float = 1.0
    body: float = 0.4
    place: float = 0.12
    file: float = 0.5
    file_dense: float = 0.8
    synonyms: float = 0.15
    """Of a term that the glossary adds, against one of the question."""


WEIGHTS = Weights()


@dataclass(frozen=True, kw_only=True, slots=True)
class Signals:
    """What is known about each candidate; all arrays have one entry per candidate."""

    dense: Scores
    """Nearness of question and passage, see `encoder.nearness`."""
    body: Scores
    place: Scores
    file: Scores
    file_dense: Scores
    """Nearness of question and the mean of the file's passages."""

    def at(self, order: Rows) -> Signals:
        return Signals(**{name: getattr(self, name)[order] for name in self.__slots__})

    def fused(self, weights: Weights = WEIGHTS) -> Scores:
        return np.asarray(
            weights.dense * _scaled(self.dense)
            + weights.body * _scaled(self.body)
            + weights.place * _scaled(self.place)
            + weights.file * _scaled(self.file)
            + weights.file_dense * _scaled(self.file_dense),
            dtype=np.float32,
        )


def _scaled(scores: Scores) -> Scores:
    highest = float(scores.max(initial=0.0))
    return scores / highest if highest > 0 else np.zeros_like(scores)


def signals_at(
    rows: Rows, file_of: NDArray[np.int32], lexical: LexicalScores, dense: Scores, file_dense: Scores
) -> Signals:
    """Signals of the passages `rows`; `dense` has one entry per row, `file_dense` one per file."""
    files = file_of[rows]
    return Signals(
        dense=dense,
        body=lexical.body[rows],
        place=lexical.place[rows],
        file=lexical.file[files],
        file_dense=file_dense[files],
    )
