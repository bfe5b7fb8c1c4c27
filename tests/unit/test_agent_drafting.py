from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.draft import Evidence, Question, renumbered
from agent.drafting import embedded_composer
from agent.rendering import answer_body, source_line
from agent.sentence_vectors import SentenceVectors
from agent.sentences import quotable, units_of

PENDING = """The reason AssocGrpGRES means that the project has used up its limit of GPUs that run at the same time.
Wait until other jobs of the project end, or ask for fewer GPUs:

```
squeue --me --start
```

- Check the limit with `sacctmgr show assoc`.
- Coffee is served in the kitchen at ten.

Sources: [slurm]
"""


def evidence(text: str, number: int = 1, score: float = 0.9) -> Evidence:
    return Evidence(
        number=number, kind="passage", id=f"p{number}", title="Why is my job pending", heading=("AssocGrpGRES",),
        path="jobs/pending.md", anchor="assocgrpgres", url=None, text=text, score=score,
    )  # fmt: skip


def question(text: str) -> Question:
    return Question(subject="Job pending", text=text, language="en")


def test_units_keep_the_words_of_the_passage_and_leave_source_lines_out() -> None:
    units = units_of(PENDING)
    assert [PENDING[unit.start : unit.end] for unit in units] == [unit.quote for unit in units]
    assert not any(unit.text.startswith("Sources") for unit in units)
    assert units[0].text.endswith("run at the same time.")


def test_code_stays_with_the_sentence_that_announces_it() -> None:
    announced = next(unit for unit in units_of(PENDING) if "squeue" in unit.text)
    assert announced.text.startswith("Wait until other jobs")
    assert announced.text.endswith("```")


@given(st.text(max_size=2000))
def test_units_of_any_text_are_spans_in_order(text: str) -> None:
    last = 0
    for unit in units_of(text):
        assert text[unit.start : unit.end] == unit.quote
        assert unit.start >= last
        last = unit.end


def test_every_claim_quotes_its_evidence_word_for_word(hashing_encoder) -> None:
    compose = embedded_composer(SentenceVectors(hashing_encoder))
    draft = compose(question("What does the reason AssocGrpGRES mean for my project?"), [evidence(PENDING)], 0.9)
    assert draft.outcome == "answer"
    assert any("AssocGrpGRES" in claim.text for claim in draft.claims)
    for claim in draft.claims:
        assert claim.citations
        for citation in claim.citations:
            assert citation.quote in PENDING
    assert not any("Coffee" in claim.text for claim in draft.claims)


def test_without_evidence_nothing_is_claimed_and_the_question_is_named(hashing_encoder) -> None:
    draft = embedded_composer(SentenceVectors(hashing_encoder))(question("Who won the match?"), [], 0.0)
    assert draft.claims == ()
    assert draft.outcome == "escalate"
    assert draft.unanswered == ("Who won the match?",)


def test_a_part_that_the_evidence_does_not_answer_is_named(hashing_encoder) -> None:
    asked = "What does the reason AssocGrpGRES mean for the GPUs of the project? Can you also recommend a restaurant in Kajaani?"
    draft = embedded_composer(SentenceVectors(hashing_encoder))(question(asked), [evidence(PENDING)], 0.9)
    assert draft.unanswered == ("Can you also recommend a restaurant in Kajaani?",)


def test_cited_evidence_is_numbered_in_the_order_of_citation(hashing_encoder) -> None:
    items = [evidence("Bread is baked with flour and water.", 1, 0.2), evidence(PENDING, 2)]
    draft = renumbered(
        embedded_composer(SentenceVectors(hashing_encoder))(question("What does AssocGrpGRES mean?"), items, 0.9)
    )
    assert [item.number for item in draft.evidence] == [1, 2]
    assert draft.evidence[0].text == PENDING
    assert {c.evidence for claim in draft.claims for c in claim.citations} == {1}


def test_the_mail_greets_cites_and_lists_its_sources(hashing_encoder) -> None:
    draft = embedded_composer(SentenceVectors(hashing_encoder))(
        question("What does AssocGrpGRES mean?"), [evidence(PENDING)], 0.9
    )
    body = answer_body(draft, name="Ada Lovelace", language="de")
    assert body.startswith("Guten Tag Ada Lovelace,")
    assert "[1]" in body
    assert "[1] Why is my job pending > AssocGrpGRES" in body
    assert max(map(len, body.splitlines())) <= 100


def test_a_source_about_one_system_says_which(hashing_encoder) -> None:
    about = replace(evidence(PENDING), systems=("lumi-g",), url="https://docs.example.eu/pending")
    draft = embedded_composer(SentenceVectors(hashing_encoder))(question("What does AssocGrpGRES mean?"), [about], 0.9)
    assert source_line(about) == ("[1] Why is my job pending > AssocGrpGRES (lumi-g) <https://docs.example.eu/pending>")
    assert "AssocGrpGRES (lumi-g)" in answer_body(draft, name="Ada", language="en")


def test_sentence_vectors_are_kept_from_one_start_to_the_next(hashing_encoder, tmp_path) -> None:
    file = tmp_path / "sentences.npz"
    SentenceVectors(hashing_encoder, file).prepare([("p1", PENDING)], threading.Event(), gently=False)
    again = SentenceVectors(hashing_encoder, file)
    assert len(again) == len(quotable(PENDING))
    asked, rows = again.of(["q"], [("p1", unit) for unit in quotable(PENDING)])
    assert asked.shape == (1, hashing_encoder.dimension)
    fresh = hashing_encoder.encode([unit.text for unit in quotable(PENDING)])
    assert np.allclose(rows, fresh, atol=1e-2)


def test_a_broken_or_foreign_file_of_vectors_is_made_anew(hashing_encoder, tmp_path) -> None:
    file = tmp_path / "sentences.npz"
    file.write_bytes(b"not an archive")
    assert len(SentenceVectors(hashing_encoder, file)) == 0
    SentenceVectors(hashing_encoder, file).prepare([("p1", PENDING)], threading.Event(), gently=False)
    hashing_encoder.name = "another"
    assert len(SentenceVectors(hashing_encoder, file)) == 0
