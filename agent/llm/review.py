"""A second look at claims by a model: it may raise a doubt, and never remove one.

What passed the checks in code can become amber; nothing becomes better, so a model that was talked into something can
only cost an engineer a look. Off by default.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from agent.checks.outcome import outcome_of
from agent.draft import Check, Draft
from agent.llm.chat import Ask
from agent.llm.purposes import verify

DOUBTFUL = {"contradicted", "unsupported"}


def reviewed(ask: Ask, draft: Draft, within_s: float, clock: Callable[[], float] = time.monotonic) -> Draft:
    """The draft with the model's doubts among its checks; claims whose turn does not come within the time stay."""
    until = clock() + within_s
    checks = [_reviewed(ask, draft, check) if clock() < until else check for check in draft.checks]
    checked = replace(draft, checks=tuple(checks))
    if checked.checks == draft.checks:
        return draft
    outcome, reasons = outcome_of(checked)
    return replace(checked, outcome=outcome, reasons=reasons)


def _reviewed(ask: Ask, draft: Draft, check: Check) -> Check:
    if check.part != "claim" or check.colour == "red":
        return check
    claim = draft.claims[check.position]
    found = verify(ask, claim.text, "\n".join(citation.quote for citation in claim.citations))
    if found is None or found.verdict not in DOUBTFUL:
        return check
    doubt = f"a language model finds it {found.verdict} by the quote: {found.reason}"
    return replace(check, colour="amber", reasons=(*check.reasons, doubt))
