"""Fitting the triage model. Needs scikit-learn; nothing that serves requests imports this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from knowledge_base.encoder import Encoder
from triage.cues import Lexicon, load_cues
from triage.dataset import LEVELS, NONE, TYPES, Labelled, data_hash
from triage.features import Digest, FeatureSpace, Floats, Row, digest, embedded_part, fit_vocabulary, make_row
from triage.model import Head, TriageModel, softmax
from triage.text import read

VERSION = "2"
IN_SCOPE = "in"
CLASSES: Mapping[str, tuple[str, ...]] = {"scope": (IN_SCOPE, NONE), "level": LEVELS, "type": TYPES}
FOLDS = 8
MAX_FALSE_ALARMS = 0.02
"""Share of the ordinary training requests, held out, that may be turned away."""
NEAR_MISS = "near-miss"

Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scales:
    """How much each block of features may weigh in a head, and the inverse strength of the penalty."""

    meaning: float
    cues: float
    words: float
    letters: float
    asked: float = 0.0
    strength: float = 2.0

    @property
    def blocks(self) -> tuple[float, float, float, float, float]:
        """In the order of the columns."""
        return self.meaning, self.cues, self.words, self.letters, self.asked

    def columns(self, space: FeatureSpace) -> Floats:
        """One factor for each feature."""
        return np.repeat(self.blocks, block_sizes(space)).astype(np.float32)


CHOSEN: Mapping[str, Scales] = {
    "scope": Scales(meaning=1.5, cues=0.5, words=1.5, letters=3.0, asked=2.0),
    "level": Scales(meaning=3.0, cues=0.6, words=6.0, letters=4.0, asked=4.0, strength=1.0),
    "type": Scales(meaning=3.2, cues=0.4, words=3.0, letters=6.0, asked=3.0),
}
"""Chosen by cross-validation over the author voices of the training data."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """Labelled requests as rows of one feature space."""

    labelled: Sequence[Labelled]
    space: FeatureSpace
    rows: Sequence[Row]

    def targets(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[str, ...]]:
        """Which rows a head learns from, their class numbers, and the classes."""
        asked = np.asarray([at for at, row in enumerate(self.labelled) if row.in_scope or name == "scope"])
        classes = CLASSES[name]
        return asked, np.asarray([classes.index(label_of(self.labelled[at], name)) for at in asked]), classes


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOut:
    """Scores of every row by heads that never saw its author."""

    scope: Floats
    level: Floats
    type: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    model: TriageModel
    held_out: HeldOut


def label_of(row: Labelled, head: str) -> str:
    if head == "scope":
        return IN_SCOPE if row.in_scope else NONE
    return row.level if head == "level" else row.type


def train(labelled: Sequence[Labelled], encoder: Encoder) -> Trained:
    """Fits on the training voices; the frozen test voices are not looked at.

    With one thread for linear algebra: more of them wait for one another, and take half as long again.
    """
    with threadpool_limits(limits=1):
        return _train(labelled, encoder)


def _train(labelled: Sequence[Labelled], encoder: Encoder) -> Trained:
    prepared = prepare([row for row in labelled if not row.is_test], encoder)
    matrix = matrix_of(prepared.space, prepared.rows)
    products = block_products(prepared.space, matrix)
    heads, scores = {}, {}
    for name, scales in CHOSEN.items():
        factors = scales.columns(prepared.space)
        scaled = matrix.multiply(factors).tocsr()
        span = spanned(
            np.asarray(sum(scale**2 * product for scale, product in zip(scales.blocks, products, strict=True)))
        )
        scores[name] = held_out(prepared, span, name)
        head = in_features(fit_head(prepared, span, name), scaled, span, factors)
        heads[name] = calibrated(name, prepared, head, scores[name])
    chances = softmax(scores["scope"] / heads["scope"].temperature)[:, 1]
    model = TriageModel(
        version=VERSION,
        encoder=encoder.name,
        data_hash=data_hash(prepared.labelled),
        space=prepared.space,
        none_threshold=none_threshold(chances, np.asarray([is_ordinary(row) for row in prepared.labelled])),
        **heads,
    )
    return Trained(model=model, held_out=HeldOut(**scores))


def prepare(labelled: Sequence[Labelled], encoder: Encoder) -> Prepared:
    cues = load_cues()
    texts = [read(row.request) for row in labelled]
    vectors = encoder.encode([embedded_part(text) for text in texts])
    digests = [digest(cues, text) for text in texts]
    space = make_space(cues, digests, int(vectors.shape[1]))
    rows = [make_row(space, digested, vector) for digested, vector in zip(digests, vectors, strict=True)]
    return Prepared(labelled=labelled, space=space, rows=rows)


def make_space(cues: Lexicon, digests: Sequence[Digest], dimension: int) -> FeatureSpace:
    return FeatureSpace(
        cues=cues,
        words=fit_vocabulary([each.words for each in digests], min_documents=2, max_terms=20_000),
        letters=fit_vocabulary([each.letters for each in digests], min_documents=3, max_terms=30_000),
        asked=fit_vocabulary([each.asked for each in digests], min_documents=3, max_terms=30_000),
        dimension=dimension,
    )


def matrix_of(space: FeatureSpace, rows: Sequence[Row]) -> csr_matrix:
    """Shape (rows, features)."""
    dense = np.arange(space.dense_size)
    columns = [np.concatenate([dense, row.indices]) for row in rows]
    values = [np.concatenate([row.dense, row.values]) for row in rows]
    starts = np.cumsum([0, *(len(found) for found in columns)])
    return csr_matrix((np.concatenate(values), np.concatenate(columns), starts), shape=(len(rows), space.size))


def block_sizes(space: FeatureSpace) -> list[int]:
    """Columns of meaning, cues and shapes, words, letters, letters of what is asked."""
    sparse = [len(block.terms) for block in space.sparse_blocks]
    return [space.dimension, space.dense_size - space.dimension, *sparse]


def block_products(space: FeatureSpace, matrix: csr_matrix) -> list[Doubles]:
    """The rows' dot products within each block of columns, shape (rows, rows) each: every head scales them anew."""
    ends = np.cumsum(block_sizes(space))
    blocks = [matrix[:, end - size : end] for end, size in zip(ends, block_sizes(space), strict=True)]
    dense = [block.toarray().astype(np.float64) for block in blocks[:2]]
    return [block @ block.T for block in dense] + [
        (block @ block.T).toarray().astype(np.float64) for block in blocks[2:]
    ]


def spanned(products: Doubles) -> Doubles:
    """The rows of a matrix in coordinates of the space that they span: the Cholesky factor of their dot products.

    A penalised linear model's weights lie in that space, so fitting there gives the same model, much faster:
    there are far fewer requests than features. Shape (rows, rows), lower triangular.
    """
    return np.linalg.cholesky(products + np.eye(len(products)) * products.diagonal().max() * 1e-7)


def fit_head(prepared: Prepared, span: Doubles | Floats, name: str, only: NDArray[np.bool_] | None = None) -> Head:
    """A multinomial logistic regression on the rows of `only` (all by default); deterministic."""
    asked, truth, classes = prepared.targets(name)
    if only is not None:
        asked, truth = asked[only[asked]], truth[only[asked]]
    fitted = LogisticRegression(C=CHOSEN[name].strength, max_iter=500, class_weight="balanced")
    fitted.fit(span[asked], truth)
    weights, bias = fitted.coef_, fitted.intercept_
    if len(classes) == 2:
        weights, bias = np.vstack([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return Head(classes=classes, weights=weights, bias=bias, temperature=1.0)


def in_features(head: Head, scaled: csr_matrix, span: Doubles, factors: Floats) -> Head:
    """The head with weights for unscaled features instead of span coordinates."""
    of_rows = solve_triangular(span, head.weights.T, lower=True, trans="T")
    weights = np.asarray(scaled.T @ of_rows).T * factors
    return replace(head, weights=weights.astype(np.float32), bias=head.bias.astype(np.float32))


def held_out(prepared: Prepared, span: Doubles, name: str) -> Floats:
    """Scores of every row by a head that never saw its author: cross-validation by voice. Shape (rows, classes)."""
    voices = [row.voice for row in prepared.labelled]
    single = span.astype(np.float32)  # half the time; no held-out label and no temperature changes
    scores = np.zeros((len(voices), len(CLASSES[name])), dtype=np.float32)
    for _, unseen in GroupKFold(n_splits=min(FOLDS, len(set(voices)))).split(voices, groups=voices):
        seen = np.ones(len(voices), dtype=np.bool_)
        seen[unseen] = False
        head = fit_head(prepared, single, name, seen)
        scores[unseen] = single[unseen] @ head.weights.T + head.bias
    return scores


def calibrated(name: str, prepared: Prepared, head: Head, scores: Floats) -> Head:
    asked, truth, _ = prepared.targets(name)
    return replace(head, temperature=best_temperature(scores[asked], truth))


def best_temperature(scores: Floats, truth: NDArray[np.int64]) -> float:
    """The divisor of the scores that makes the held-out log loss least; a fixed grid, so always the same answer."""
    grid = np.exp(np.linspace(np.log(0.2), np.log(5.0), 129))
    losses = [-np.log(softmax(scores / divisor)[np.arange(len(truth)), truth] + 1e-12).mean() for divisor in grid]
    return float(grid[int(np.argmin(losses))])


def is_ordinary(row: Labelled) -> bool:
    """A request for support that was not written to look like none; such ones fill a tenth of the training data."""
    return row.in_scope and NEAR_MISS not in row.tags


def none_threshold(chance_of_none: Doubles, ordinary: NDArray[np.bool_]) -> float:
    """The lowest threshold that turns away at most MAX_FALSE_ALARMS of the ordinary requests, never below one half."""
    allowed = float(np.quantile(chance_of_none[ordinary], 1 - MAX_FALSE_ALARMS))
    return round(min(max(0.5, allowed + 1e-6), 0.95), 4)
