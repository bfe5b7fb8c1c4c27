"""Fits answerable.json: python -m knowledge_base.calibrate QUESTIONS.jsonl CORPUS=INDEX [CORPUS=INDEX …]

Takes the labelled questions of the named corpora (development questions only, never a test split), answerable and not,
gives both kinds the same weight, and writes the coefficients beside this file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from knowledge_base.answerable import FEATURES, features_of
from knowledge_base.encoder import Encoder, SentenceEncoder
from knowledge_base.index import Index, open_index
from knowledge_base.questions import LabelledQuestion, read_questions

STRENGTH = 1.0
"""Inverse of the regularisation; the features lie between 0 and 1."""


def features(index: Index, questions: Sequence[LabelledQuestion], encoder: Encoder) -> NDArray[np.float64]:
    """Shape (questions, len(FEATURES))."""
    vectors = encoder.encode([question.question for question in questions])
    ranked = (index.rank(question.question, vector) for question, vector in zip(questions, vectors, strict=True))
    return np.stack([features_of(found.signals, found.terms, index.fields) for found in ranked])


def main(questions_file: Path, indexes: Iterable[tuple[str, Path]]) -> None:
    encoder = SentenceEncoder()
    questions = read_questions(questions_file)
    rows, labels = [], []
    for corpus, folder in indexes:
        chosen = [question for question in questions if question.corpus == corpus]
        rows.append(features(open_index(folder), chosen, encoder))
        labels += [bool(question.gold_paths) for question in chosen]
    x, y = np.concatenate(rows), np.asarray(labels)
    model = LogisticRegression(C=STRENGTH * 10, class_weight="balanced", max_iter=2000)
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    estimates = cross_val_predict(model, x, y, cv=folds, method="predict_proba")[:, 1]
    model.fit(x, y)
    _write(model, questions=len(y), answerable=int(y.sum()))
    print(f"{len(y)} questions, {int(y.sum())} answerable; ten-fold cross-validation, flagged below 0.5:")
    print(f"unanswerable {(estimates[~y] < 0.5).mean():.3f}, answerable {(estimates[y] < 0.5).mean():.3f}")


def _write(model: LogisticRegression, **fitted_on: int) -> None:
    values = {
        "fitted_by": "python -m knowledge_base.calibrate",
        "fitted_on": fitted_on,
        "intercept": round(float(model.intercept_[0]), 4),
        "coefficients": dict(zip(FEATURES, (round(float(value), 4) for value in model.coef_[0]), strict=True)),
    }
    (Path(__file__).parent / "answerable.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    named = [argument.partition("=") for argument in sys.argv[2:]]
    main(Path(sys.argv[1]), [(corpus, Path(folder)) for corpus, _, folder in named])
