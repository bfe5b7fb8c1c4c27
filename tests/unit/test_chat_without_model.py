"""In a chat too it is said when an answer was made while a language model is on its way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.chat.answering import answer_reply
from agent.chat.phrases import PHRASES
from agent.checks.draft import Asked
from agent.draft import Citation, Claim, Draft, Evidence, Generation
from agent.pipeline import Answered
from triage.doctor.diagnosis import Diagnosis
from triage.result import TriageResult

STATE = "eurollm-22b is queued, starts about 14:05 UTC"


def answered(generation: Generation | None) -> Answered:
    evidence = Evidence(
        number=1, kind="passage", id="p", title="Limits", heading=(), path="a.md", anchor="", url=None,
        text="Jobs run for two days.", score=0.9,
    )  # fmt: skip
    draft = Draft(
        outcome="answer", claims=(Claim(text="Jobs run for two days.", citations=(Citation(evidence=1, quote="two days"),)),),
        unanswered=(), questions=(), evidence=(evidence,), answerable=0.9, model="embedded", generation=generation,
    )  # fmt: skip
    placed = TriageResult(
        id="", level="L1", level_confidence=1.0, type="T1", type_confidence=1.0, level_probabilities={},
        type_probabilities={}, language="en", urgency="normal", route="answer", fingerprint=None, reasons=(),
    )  # fmt: skip
    diagnosis = Diagnosis(
        system=None, system_confidence=0.0, scheduler=None, findings=(), log_findings=(), systems=(),
        corrected_script=None, diff=None, questions=(), next_commands=(),
    )  # fmt: skip
    return Answered(triage=placed, diagnosis=diagnosis, draft=draft, asked=Asked(text="", language="en"))


@pytest.mark.parametrize("language", list(PHRASES))
def test_an_awaited_model_is_named_and_when_it_starts(language: str) -> None:
    reply = answer_reply(answered(Generation(trouble=STATE, awaited=True)), language=language)
    assert reply is not None
    assert reply.note.endswith(f"{PHRASES[language].without_model} {STATE}.")


@pytest.mark.parametrize("generation", [None, Generation(trouble="b answered 503"), Generation(endpoint="b")])
def test_other_trouble_is_for_engineers_only(generation: Generation | None) -> None:
    reply = answer_reply(replace(answered(generation)))
    assert reply is not None
    assert reply.note == ""
