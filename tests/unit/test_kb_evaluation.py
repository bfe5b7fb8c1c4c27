"""Measuring the search."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.answerable import FEATURES, Calibration, calibration
from knowledge_base.encoder import Encoder
from knowledge_base.errors import QuestionsError
from knowledge_base.evaluation import METRICS, Abstention, Measured, measure, measure_abstention, scores_of
from knowledge_base.evaluation_report import SourceMeasured, folders_of, measure_source, report, together
from knowledge_base.index import build_index, open_index
from knowledge_base.passage import SearchResult
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


def test_the_search_by_other_words_is_measured_beside_ours(tmp_path: Path, hashing_encoder: Encoder) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.md").write_text("# Apples\n\nApples grow on trees in autumn.\n")
    (source / "b.md").write_text("# Boats\n\nBoats swim on rivers and lakes.\n")
    build_index(source, tmp_path / "index", hashing_encoder)
    question = LabelledQuestion(id="1", question="apples", corpus="c", gold_paths=frozenset({"b.md"}))

    def in_other_words(search: Callable[[str, int], SearchResult], asked: str, k: int) -> SearchResult:
        assert asked == "apples"
        return search("boats on rivers and lakes", k)

    found = measure(open_index(tmp_path / "index"), [question], hashing_encoder, rewriting=in_other_words)
    first = {item.ranking: item.mean()[0] for item in found}
    assert first["ours"] == 0.0
    assert first["rewritten"] == 1.0
    assert [item.rewritten for item in found] == [None, None, None, None, 1]


def test_a_question_without_other_words_is_searched_as_it_is_and_not_counted_as_rewritten(
    tmp_path: Path, hashing_encoder: Encoder
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.md").write_text("# Apples\n\nApples grow on trees in autumn.\n")
    build_index(source, tmp_path / "index", hashing_encoder)
    question = LabelledQuestion(id="1", question="apples", corpus="c", gold_paths=frozenset({"a.md"}))
    part = measure_source(
        "c", open_index(tmp_path / "index"), [question], hashing_encoder, rewriting=lambda search, asked, k: None
    )
    assert part.rankings[-1].mean()[0] == 1.0
    assert any("other words for 0 of the 1 questions" in line for line in report([part]))
    assert together([part, part]).rankings[-1].rewritten == 0


def test_shares_flagged() -> None:
    abstention = Abstention(answerable=np.array([0.9, 0.4]), unanswerable=np.array([0.1, 0.2, 0.8, 0.3]))
    assert abstention.flagged(below=0.5) == (0.75, 0.5)


def test_reliability_weighs_both_kinds_alike() -> None:
    curve = Abstention(answerable=np.array([0.9, 1.0, 0.1]), unanswerable=np.array([0.15])).reliability()
    assert [(row.low, row.questions) for row in curve] == [(0.0, 2), (0.8, 2)]
    assert curve[0].answered == pytest.approx(0.25)  # one third of the answerable against all of the unanswerable
    assert curve[0].estimated == pytest.approx(0.1 * 0.25 + 0.15 * 0.75)
    assert curve[1].answered == 1.0


@given(st.lists(st.floats(0, 1), max_size=8), st.lists(st.floats(0, 1), max_size=8))
def test_reliability_counts_every_question_once(answerable: list[float], unanswerable: list[float]) -> None:
    curve = Abstention(answerable=np.array(answerable), unanswerable=np.array(unanswerable)).reliability()
    assert sum(row.questions for row in curve) == len(answerable) + len(unanswerable)
    assert all(row.low - 1e-9 <= row.estimated <= row.low + 0.2 + 1e-9 for row in curve)


def test_flagged_shares_of_an_empty_kind_are_no_number() -> None:
    unanswerable, answerable = Abstention(answerable=np.array([0.2]), unanswerable=np.array([])).flagged(0.5)
    assert np.isnan(unanswerable)
    assert answerable == 1.0


def test_each_corpus_has_its_own_folder_when_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "guide").mkdir()
    (tmp_path / "owner" / "docs").mkdir(parents=True)
    found = folders_of(tmp_path, ["owner/docs", "someone/guide", "elsewhere"])
    assert found == {
        "elsewhere": tmp_path,
        "owner/docs": tmp_path / "owner/docs",
        "someone/guide": tmp_path / "guide",
    }


def _part(source: str, hits: list[float], unanswerable: list[float]) -> SourceMeasured:
    values = np.tile(np.array(hits)[:, None], (1, len(METRICS)))
    return SourceMeasured(
        source=source,
        rankings=[Measured(ranking=name, values=values) for name in ("bm25", "ours")] if hits else [],
        abstention=Abstention(answerable=np.full(len(hits), 0.9), unanswerable=np.array(unanswerable)),
    )


def test_all_sources_together_weigh_each_question_alike() -> None:
    whole = together([_part("a", [1.0, 1.0, 1.0], []), _part("b", [0.0], [0.1]), _part("c", [], [0.7])])
    assert [item.ranking for item in whole.rankings] == ["bm25", "ours"]
    assert whole.rankings[1].mean().tolist() == [0.75] * len(METRICS)
    assert whole.abstention.flagged(0.5) == (0.5, 0.0)


def test_the_report_has_a_table_for_each_source_and_one_for_all() -> None:
    lines = list(report([_part("a", [1.0], [0.1]), _part("b", [0.0], [])]))
    assert [line.split(":")[0] for line in lines if "bootstrap" in line] == ["a", "b", "all"]
    assert "flagged as not answered: 1.000 of those without, 0.000 of those with" in lines
    assert sum(line.startswith("ours") for line in lines) == 3
    assert lines[-3].startswith("answerable")
    single = list(report([_part("a", [1.0], [])]))
    assert sum("bootstrap" in line for line in single) == 1
    assert not any("flagged" in line for line in single)


def test_files_that_are_not_in_the_index_are_named(tmp_path: Path, hashing_encoder: Encoder) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.md").write_text("# Apples\n\nApples grow on trees in autumn.\n")
    build_index(tmp_path / "source", tmp_path / "index", hashing_encoder)
    golds = [{"a.md"}, {"docs/a.md"}, {f"docs/{number}.md" for number in range(6)}]
    questions = [
        LabelledQuestion(id=str(number), question="where do apples grow", corpus="c", gold_paths=frozenset(gold))
        for number, gold in enumerate(golds)
    ]
    part = measure_source("c", open_index(tmp_path / "index"), questions, hashing_encoder)
    assert len(part.missing) == 7
    told = "7 of the files that should answer are not in the index: docs/0.md, docs/1.md, docs/2.md, docs/3.md, docs/4.md, …"
    assert told in list(report([part]))
    assert not any("not in the index" in line for line in report([_part("a", [1.0], [])]))


def test_a_source_without_an_answerable_question_is_reported(tmp_path: Path, hashing_encoder: Encoder) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.md").write_text("# Apples\n\nApples grow on trees in autumn.\n")
    build_index(tmp_path / "source", tmp_path / "index", hashing_encoder)
    questions = [LabelledQuestion(id="2", question="what do zebras eat", corpus="c", gold_paths=frozenset())]
    part = measure_source("c", open_index(tmp_path / "index"), questions, hashing_encoder)
    assert part.rankings == []
    assert len(part.abstention.unanswerable) == 1


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


def test_the_foreign_splits_share_no_corpus_with_any_other() -> None:
    splits = ("dev", "test", "foreign_dev", "foreign_test")
    parts = {split: read_questions(EVALS / f"retrieval_{split}.jsonl") for split in splits}
    languages = read_questions(EVALS / "retrieval_languages.jsonl")
    assert all(
        (ARTICLES / path).exists()
        for question in languages
        if question.corpus == "articles"
        for path in question.gold_paths
    )
    ids = [question.id for part in [*parts.values(), languages] for question in part]
    assert len(set(ids)) == len(ids)
    corpora = {split: {question.corpus for question in part} for split, part in parts.items()}
    pairs = {question.corpus for question in read_questions(EVALS / "retrieval_pairs.jsonl")}
    assert not pairs & (corpora["test"] | corpora["foreign_test"])
    assert not corpora["foreign_test"] & (corpora["foreign_dev"] | corpora["dev"] | corpora["test"])
    assert not corpora["foreign_dev"] & (corpora["dev"] | corpora["test"])
    natural = read_questions(EVALS / "retrieval_natural.jsonl")
    assert not {question.corpus for question in natural} & pairs.union(*corpora.values())
    assert len({*ids, *(question.id for question in natural)}) == len(ids) + len(natural)
    assert all(question.gold_paths for question in natural)
    assert all(any(not question.gold_paths for question in part) for part in parts.values())


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
