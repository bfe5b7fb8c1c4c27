"""What is for engineers only never reaches what writes a draft."""

from __future__ import annotations

from collections.abc import Sequence

from agent import pipeline
from agent.draft import Citation, Claim, Draft, Evidence, Question
from agent.pipeline import Ports
from agent.rendering import answer_body
from ingest.mail import parse_mail
from knowledge_base.passage import Access, Passage, RetrievedPassage, SearchResult
from triage.doctor.diagnosis import diagnose
from triage.result import Request, TriageResult


def passage(number: int, access: Access) -> RetrievedPassage:
    found = Passage(
        id=f"p{number}", text=f"Node {number} is served by rack {number}.", path="a.md", title="Racks", heading=(),
        anchor="", revision="r", start=0, end=30, access=access, source="wiki",
    )  # fmt: skip
    return RetrievedPassage(passage=found, score=1.0 / number, rank=number)


def cite_all(question: Question, evidence: Sequence[Evidence], answerable: float) -> Draft:
    claims = tuple(Claim(text=e.text, citations=(Citation(evidence=e.number, quote=e.text),)) for e in evidence)
    return Draft(
        outcome="answer", claims=claims, unanswered=(), questions=(), evidence=tuple(evidence), answerable=answerable,
        model="all",
    )  # fmt: skip


def place(request: Request) -> TriageResult:
    return TriageResult(
        id=request.id, level="L1", level_confidence=1.0, type="T1", type_confidence=1.0, level_probabilities={},
        type_probabilities={}, language="en", urgency="normal", route="answer", reasons=(),
    )  # fmt: skip


def answered(*access: Access, body: str = "Which rack?") -> Draft:
    hits = tuple(passage(number, each) for number, each in enumerate(access, start=1))
    ports = Ports(
        read=parse_mail,
        language=lambda text: "en",
        place=place,
        diagnose=lambda text, attachments: diagnose(text, attachments=attachments),
        search=lambda question, k: SearchResult(hits=hits, answerable=0.9),
        compose=cite_all,
    )
    return pipeline.answer(ports, Request(id="x", channel="email", subject="", body=body)).draft


def test_internal_passages_are_shown_to_engineers_and_never_cited() -> None:
    draft = answered(Access.PUBLIC, Access.ENGINEERS, Access.PUBLIC)
    assert [(item.number, item.id, item.internal) for item in draft.evidence] == [
        (1, "p1", False),
        (2, "p3", False),
        (3, "p2", True),
    ]
    assert {item.id for item in draft.cited} == {"p1", "p3"}
    assert "rack 2" not in answer_body(draft, name="", language="en")
    assert draft.answerable == 0.9


def test_when_only_engineers_may_read_the_answer_the_draft_claims_nothing_of_it() -> None:
    draft = answered(Access.ENGINEERS)
    assert draft.claims == ()
    assert [item.id for item in draft.evidence] == ["p1"]
    assert draft.answerable == 0.5


def test_a_structured_question_is_answered_from_its_row_and_cites_it() -> None:
    draft = answered(Access.PUBLIC, body="What is the maximum walltime on small-g of LUMI?")
    (claim,) = draft.claims
    (cited,) = draft.cited
    assert (cited.kind, cited.number, cited.id) == ("row", 1, "row:systems/lumi-g/partitions/small-g")
    assert claim.text == cited.text == claim.citations[0].quote
    assert draft.outcome == "answer"
