"""Measuring the search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from knowledge_base.answerable import FEATURES, Calibration, calibration
from knowledge_base.encoder import Encoder
from knowledge_base.errors import QuestionsError
from knowledge_base.evaluation import METRICS, Abstention, measure, measure_abstention, scores_of
from knowledge_base.index import build_index, open_index
from knowledge_base.questions import LabelledQuestion, read_questions

EVALS = Path(__file__).parents[1] / "evals"
ARTICLES = Path(__file__).parents[2] / "knowledge_base" / "articles"


def test_metrics_of_one_question() -> None:
    assert dict(zip(METRICS, scores_of(["x", "gold"], frozenset({"gold"})), strict=True)) == pytest.approx(
        {"hit@1": 0, "hit@3": 1, "hit@5": 1, "hit@10": 1, "MRR": 0.5, "nDCG@10": 1 / np.log2(3)}
    )
    assert scores_of(["a", "b"], frozenset({"a", "b"})) == [1.0] * 6
    assert scores_of([], frozenset({"a"})) == [0.0] * 6


def test_the_rankings_side_by_side(tmp_path: Path, hashing_encoder: Encoder) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.md").write_text("# Apples\n\nApples grow on trees in autumn.\n")
    (source / "b.md").write_text("# Boats\n\nBoats swim on rivers and lakes.\n")
    build_index(source, tmp_path / "index", hashing_encoder)
    index = open_index(tmp_path / "index")
    questions = [
        LabelledQuestion(id="1", question="where do apples grow", corpus="c", gold_paths=frozenset({"a.md"})),
        LabelledQuestion(id="2", question="what do zebras eat", corpus="c", gold_paths=frozenset()),
    ]
    measured = {item.ranking: item for item in measure(index, questions, hashing_encoder)}
    assert set(measured) == {"bm25", "dense", "rrf", "ours"}
    assert measured["ours"].mean().tolist() == [1.0] * 6
    assert measured["ours"].interval().shape == (2, 6)
    abstention = measure_abstention(index, questions, hashing_encoder)
    assert abstention.answerable[0] > abstention.unanswerable[0]


def test_shares_flagged() -> None:
    abstention = Abstention(answerable=np.array([0.9, 0.4]), unanswerable=np.array([0.1, 0.2, 0.8, 0.3]))
    assert abstention.flagged(below=0.5) == (0.75, 0.5)


def test_the_calibration_that_ships() -> None:
    shipped = calibration()
    assert len(shipped.coefficients) == len(FEATURES)
    assert shipped.probability(np.zeros(len(FEATURES))) < 0.5
    assert Calibration(intercept=1e9, coefficients=()).probability(np.zeros(0)) == pytest.approx(1)


@pytest.mark.parametrize(
    "line", ["x", "[]", '{"id": 1}', '{"id": 1, "question": "q", "corpus": "c", "gold_paths": "p"}']
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(f"\n{line}\n")
    with pytest.raises(QuestionsError, match="line 2"):
        read_questions(file)


def test_the_splits_share_no_file_and_name_articles_that_exist() -> None:
    dev, test = (read_questions(EVALS / f"retrieval_{split}.jsonl") for split in ("dev", "test"))
    assert len({question.id for question in dev + test}) == len(dev + test)
    gold_dev, gold_test = (
        {(question.corpus, path) for question in part for path in question.gold_paths} for part in (dev, test)
    )
    assert not gold_dev & gold_test
    assert [
        path for corpus, path in gold_dev | gold_test if corpus == "articles" and not (ARTICLES / path).exists()
    ] == []
