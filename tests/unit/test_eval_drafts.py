"""The figures of `minerva eval drafts`, on drafts that are made by hand; and its cases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.checks.words import bare
from agent.draft import Check, Citation, Claim, Draft, Evidence, Generation
from agent.errors import HelpdeskError
from agent.evals.drafts import Case, compare, read_cases, score
from knowledge_base.questions import read_questions

CASES = Path(__file__).parents[1] / "evals" / "drafts.jsonl"
ARTICLES = Path(__file__).parents[2] / "knowledge_base" / "articles"
TEXT = "Jobs on standard-g run for at most 48 hours. Ask for `--time=48:00:00`."
KNOWN = Case(
    id="a", language="en", question="How long?", facts=("48 hours | two days", "standard-g"), gold=("lumi.md",)
)
UNKNOWN = Case(id="b", language="en", question="Who won?", facts=(), gold=())


def evidence(number: int, text: str, path: str) -> Evidence:
    return Evidence(
        number=number, kind="passage", id=f"p{number}", title="T", heading=(), path=path, anchor="", url=None,
        text=text, score=0.9,
    )  # fmt: skip


def draft(*claims: Claim, **values: object) -> Draft:
    made = Draft(
        outcome="answer", claims=claims, unanswered=(), questions=(), answerable=0.9, model="m",
        evidence=(evidence(1, TEXT, "lumi.md"), evidence(2, "Nothing of it.", "other.md")),
    )  # fmt: skip
    return replace(made, **values)  # type: ignore[arg-type]


def claim(text: str, *numbers: int) -> Claim:
    return Claim(text=text, citations=tuple(Citation(evidence=n, quote="Jobs on standard-g") for n in numbers))


def test_a_fact_counts_when_one_of_its_wordings_is_said_and_when_what_is_cited_holds_it() -> None:
    made = score(KNOWN, draft(claim("A job may take Two Days.", 1)))
    assert (made.covered, made.carried, made.cited, made.right) == (1, 2, 1, 1)
    astray = score(KNOWN, draft(claim("48 hours on standard-g.", 2)))
    assert (astray.covered, astray.carried, astray.cited, astray.right) == (2, 0, 1, 0)


def test_tokens_that_no_cited_evidence_holds_are_counted() -> None:
    assert score(KNOWN, draft(claim("Ask for `--time=48:00:00`.", 1))).unsupported == 0
    assert score(KNOWN, draft(claim("It takes 96 hours with `--qos`.", 1))).unsupported == 2


def test_the_table_has_a_column_for_each_configuration() -> None:
    good = draft(claim("48 hours on standard-g.", 1))
    bad = draft(
        outcome="escalate", checks=(Check(part="claim", position=0, colour="red", reasons=()),),
        generation=Generation(trouble="gone"),
    )  # fmt: skip
    table = compare([KNOWN, UNKNOWN], [("one", lambda case: good if case.gold else bad), ("two", lambda _case: bad)])
    rows = {line[:34].strip(): line[34:].split() for line in table.splitlines()[2:]}
    assert table.startswith("1 cases with an answer (2 facts), 1 without\n")
    assert rows["facts covered"] == ["1.000", "(2/2)", "0.000", "(0/2)"]
    assert rows["citation precision"] == ["1.000", "(1/1)", "-"]
    assert rows["abstained, without an answer"] == ["1.000", "(1/1)", "1.000", "(1/1)"]
    assert rows["abstained, with an answer"] == ["0.000", "(0/1)", "1.000", "(1/1)"]
    assert rows["drafts with something red"] == ["0.500", "(1/2)", "1.000", "(2/2)"]
    assert rows["drafted without the model"] == ["0.500", "(1/2)", "1.000", "(2/2)"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("", "holds no case"), ("{}\n", "line 1: id"), ('{"id": 1}\n', "line 1: id"), ("x\n", "line 1: Invalid JSON")],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "c.jsonl").write_text(content)
    with pytest.raises(HelpdeskError, match=f"c.jsonl.*{complaint}"):
        read_cases(tmp_path / "c.jsonl")
    with pytest.raises(HelpdeskError, match="cannot be read"):
        read_cases(tmp_path / "none.jsonl")


def test_there_are_eighty_cases_with_an_answer_and_every_fact_stands_in_a_gold_file() -> None:
    cases = read_cases(CASES)
    assert len({case.id for case in cases}) == len(cases)
    assert sum(case.is_answerable for case in cases) >= 80
    assert sum(not case.is_answerable for case in cases) >= 15
    for case in cases:
        text = " ".join(bare((ARTICLES / path).read_text(encoding="utf-8")) for path in case.gold)
        for fact in case.facts:
            assert any(bare(wording) in text for wording in fact.split(" | ")), (case.id, fact)


def test_no_case_is_one_of_the_questions_that_the_search_was_chosen_on() -> None:
    known = {bare(question.question) for question in read_questions(CASES.with_name("retrieval_dev.jsonl"))}
    assert not known & {bare(case.question) for case in read_cases(CASES)}
