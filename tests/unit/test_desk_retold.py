"""Reasons that other parts write down are told in the language of the page: as they are made today, not as a list says."""

from __future__ import annotations

import pytest

from agent import translations
from agent.checks.outcome import outcome_of
from agent.desk.retold import retold
from agent.draft import Check, Claim, Draft
from ingest.sender_checks import NOT_CHECKED, SIGNED_IN, TYPED, VOUCHED
from triage.policy import load_policy
from triage.reasons import RULES
from triage.urgency import load_urgency


def draft(**fields: object) -> Draft:
    plain: dict[str, object] = {
        "outcome": "answer", "claims": (), "unanswered": (), "questions": (), "evidence": (), "answerable": 0.9,
        "model": "by hand",
    }  # fmt: skip
    return Draft(**{**plain, **fields})  # type: ignore[arg-type]  # a test's shorthand


def check(colour: str) -> Check:
    return Check(part="claim", position=0, colour=colour, reasons=())  # type: ignore[arg-type]  # one of three words


CLAIM = Claim(text="It starts.", citations=())
OUTCOMES = [
    draft(),
    draft(questions=("Which system?",)),
    draft(claims=(CLAIM,), checks=(check("red"),)),
    draft(claims=(CLAIM,), checks=(check("green"),)),
    draft(claims=(CLAIM,), checks=(check("green"),), answerable=0.2),
    draft(claims=(CLAIM,), checks=(check("amber"), check("green"), check("red")), unanswered=("Why?",), answerable=0.5),
    draft(claims=(CLAIM,), checks=(check("green"),), is_legal=True),
]


@pytest.mark.parametrize(
    "text",
    [
        *(f"route {row.route}: {row.why}" for row in load_policy()),
        *(f"urgency: {name}" for name in [*load_urgency().high, *load_urgency().low]),
        *RULES.values(),
        *(trust.reason for trust in (NOT_CHECKED, VOUCHED, TYPED, SIGNED_IN)),
        *(reason for made in OUTCOMES for reason in outcome_of(made)[1]),
    ],
)
def test_every_reason_is_told_in_german(text: str) -> None:
    with translations.speaking("de"):
        told = retold(text)
    assert told != text
    assert not {"the", "and", "of", "with", "not", "is"} & set(told.replace(";", " ").replace(":", " ").split()), told
    assert retold(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("word 'the job' (+1.3 for L4)", "Wort 'the job' (+1.3 für L4)"),
        ("cue 'speed' in what is asked: 'slow' (+0.4 for no request)",
         "Merkmal 'speed' in dem, was gefragt ist: 'slow' (+0.4 für keine Anfrage)"),
        ("first answer by 2026-12-01 16:00 UTC", "erste Antwort bis 2026-12-01 16:00 UTC"),
        ("caveat, 6 claims", "teilweise belegt, 6 Aussagen"),
        ("repeats the request: {braces} stay", "wiederholt die Anfrage: {braces} stay"),
        ("nobody has a form for this", "nobody has a form for this"),
    ],
)  # fmt: skip
def test_what_others_wrote_stays_in_a_form(text: str, told: str) -> None:
    with translations.speaking("de"):
        assert retold(text) == told
