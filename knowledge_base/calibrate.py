"""Fits answerable.json: python -m knowledge_base.calibrate QUESTIONS.jsonl … CORPUS=INDEX …

Takes the labelled questions of the named corpora (development questions only, never a test split), answerable and not,
says how well each corpus is told from the others' questions, and writes the coefficients beside this file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from knowledge_base.answerable import FEATURES, features_of
from knowledge_base.encoder import Encoder, SentenceEncoder
from knowledge_base.index import Index, open_index
from knowledge_base.questions import LabelledQuestion, read_questions

STRENGTH = 10.0
"""Inverse of the regularisation; the features lie between 0 and about 1."""
SHARE_ANSWERED = 0.55
"""Of all questions, as the estimates take it: with it about one in ten answerable questions has less than 0.5."""


def features(index: Index, questions: Sequence[LabelledQuestion], encoder: Encoder) -> NDArray[np.float64]:
    """Shape (questions, len(FEATURES))."""
    vectors = encoder.encode([question.question for question in questions])
    ranked = (index.rank(question.question, vector) for question, vector in zip(questions, vectors, strict=True))
    return np.stack([features_of(found.signals, found.terms, index.fields) for found in ranked])


def main(questions_files: Sequence[Path], indexes: Sequence[tuple[str, Path]]) -> None:
    encoder = SentenceEncoder()
    questions = [question for file in questions_files for question in read_questions(file)]
    rows, labels, corpora = [], [], []
    for corpus, folder in indexes:
        chosen = [question for question in questions if question.corpus == corpus]
        rows.append(features(open_index(folder), chosen, encoder))
        labels += [bool(question.gold_paths) for question in chosen]
        corpora += [corpus] * len(chosen)
    x, y, corpus_of = np.concatenate(rows), np.asarray(labels), np.asarray(corpora)
    estimates = np.zeros(len(y))
    for corpus in set(corpora):
        left_out = corpus_of == corpus
        estimates[left_out] = fitted(x[~left_out], y[~left_out]).predict_proba(x[left_out])[:, 1]
    _write(fitted(x, y), questions=len(y), answerable=int(y.sum()))
    print(f"{len(y)} questions, {int(y.sum())} answerable; each corpus estimated from the others, flagged below 0.5:")
    print(f"unanswerable {(estimates[~y] < 0.5).mean():.3f}, answerable {(estimates[y] < 0.5).mean():.3f}")
    for corpus, _ in indexes:
        mine = estimates[corpus_of == corpus], y[corpus_of == corpus]
        print(f"  {corpus}: {(mine[0][~mine[1]] < 0.5).mean():.3f}, {(mine[0][mine[1]] < 0.5).mean():.3f}")


def fitted(x: NDArray[np.float64], y: NDArray[np.bool_]) -> LogisticRegression:
    """Both kinds weigh as SHARE_ANSWERED says, however many questions of each there are."""
    weights = np.where(y, SHARE_ANSWERED / y.sum(), (1 - SHARE_ANSWERED) / (~y).sum()) * len(y)
    return LogisticRegression(C=STRENGTH, max_iter=2000).fit(x, y, sample_weight=weights)


def _write(model: LogisticRegression, **fitted_on: int) -> None:
    values = {
        "fitted_by": "python -m knowledge_base.calibrate",
        "fitted_on": fitted_on,
        "intercept": round(float(model.intercept_[0]), 4),
        "coefficients": dict(zip(FEATURES, (round(float(value), 4) for value in model.coef_[0]), strict=True)),
    }
    (Path(__file__).parent / "answerable.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    named = [argument.partition("=") for argument in sys.argv[1:] if "=" in argument]
    files = [Path(argument) for argument in sys.argv[1:] if "=" not in argument]
    main(files, [(corpus, Path(folder)) for corpus, _, folder in named])
