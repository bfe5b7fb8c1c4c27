"""What may be answered without a person: the policy table's decision, held against the checked draft. Pure."""

from __future__ import annotations

from typing import Literal

from agent.chat.rules import Mode
from agent.checks.outcome import SURE
from agent.draft import Draft
from agent.pipeline import Answered
from triage.policy import Placing, Row, route_of
from triage.result import TriageResult

Verdict = Literal["answer", "ask", "offer", "help", "silent"]


def may_answer(answered: Answered, policy: tuple[Row, ...]) -> bool:
    """The table says `answer`, evidence carries it, nothing is red, and no law is spoken of.

    What lacks details is answered too when the job doctor has found something in the script or log that came with it,
    and the table would answer such a request with details.
    """
    placed, draft = answered.triage, answered.draft
    by_table = placed.route == "answer" or (placed.route == "ask" and _by_doctor(placed, draft, policy))
    return by_table and bool(draft.cited) and not draft.red and not draft.is_legal and draft.outcome in _CARRIED


_CARRIED = {"answer", "caveat"}


def _by_doctor(placed: TriageResult, draft: Draft, policy: tuple[Row, ...]) -> bool:
    confidence = min(placed.level_confidence, placed.type_confidence)
    detailed = Placing(
        level=placed.level, type=placed.type, confidence=confidence, urgency=placed.urgency, flags=frozenset()
    )
    return route_of(policy, detailed)[0] == "answer" and any(item.kind == "row" for item in draft.cited)


def verdict(answered: Answered, policy: tuple[Row, ...], *, mode: Mode, addressed: bool, by_asker: bool) -> Verdict:
    """What to do about a message. `by_asker`: a follow-up of whom we have answered.

    Unasked we answer only what the evidence carries for sure; all else is silence.
    """
    placed, draft = answered.triage, answered.draft
    if may_answer(answered, policy):
        sure = draft.outcome == "answer" and draft.answerable >= SURE
        return "answer" if addressed or by_asker or (mode == "all" and sure) else "silent"
    if placed.route == "ignore" or placed.type == "none":
        return "help" if addressed else "silent"
    if not addressed and not by_asker:
        return "silent"
    return "ask" if placed.route == "ask" and draft.questions else "offer"
