"""Rows that answer a structured question, as evidence and claims of a draft. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from agent.draft import Citation, Claim, Draft, Evidence, Outcome
from bench_runner.answers import BENCHMARK, NOT_MEASURED, AnswerRow
from knowledge_base.rows.row import Row

ANSWERED = 0.9
"""How likely rows that hold the answer answer the question."""
ONLY_QUESTION = 300
"""Characters up to which a text with one question asks nothing else."""


def evidence_of_row(row: Row) -> Evidence:
    """Numbered by the caller."""
    return Evidence(
        number=0,
        kind="row",
        id=f"row:{row.id}",
        title=row.title,
        heading=(row.heading,),
        path="",
        anchor="",
        url=row.url,
        text=row.text,
        score=1.0,
    )


def row_of_benchmark(row: AnswerRow) -> Row:
    heading = "Measured" if row.measured else "Not measured"
    return Row(id=row.id, title=row.title, heading=heading, text=row.text, url=None, known=row.measured)


def is_benchmark(row: Row) -> bool:
    return row.id.startswith(BENCHMARK)


_SPEED = re.compile(r"\d\s*(?:output )?(?:tok(?:ens)?/s|tokens (?:per|a) second)", re.IGNORECASE)


def gives_speed(text: str) -> bool:
    """Whether a text holds figures in tokens a second."""
    return _SPEED.search(text) is not None


def answered_from_rows(draft: Draft, rows: Sequence[Evidence], *, known: bool, text: str) -> Draft:
    """The draft with the rows as its first claims, word for word.

    What else it claims stays, unless the rows hold the answer and nothing else was asked. That nobody measured
    something is an answer too, with a caveat: what others measured elsewhere must not stand in for it.
    """
    if not rows:
        return draft
    numbers = {item.number for item in rows}
    others = [claim for claim in draft.claims if numbers.isdisjoint(c.evidence for c in claim.citations)]
    unmeasured = any(item.id.endswith(NOT_MEASURED) for item in rows)
    alone = (known or unmeasured) and text.count("?") <= 1 and len(text.strip()) <= ONLY_QUESTION
    claims = tuple(Claim(text=item.text, citations=(Citation(evidence=item.number, quote=item.text),)) for item in rows)
    return replace(
        draft,
        claims=claims if alone else (*claims, *others),
        outcome=("caveat" if unmeasured else "answer")
        if alone
        else draft.outcome
        if draft.outcome != "escalate"
        else "caveat",
        unanswered=() if alone else draft.unanswered,
    )


def _outcome(draft: Draft, *, alone: bool, unmeasured: bool) -> Outcome:
    if alone:
        return "caveat" if unmeasured else "answer"
    return "caveat" if draft.outcome == "escalate" else draft.outcome
