"""The checks on an answer that an engineer has edited. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.checks.statement import ACTIONABLE, of_snippets, strangers, unseen, unsupported
from agent.checks.support import Support
from agent.checks.tokens import tokens_of
from agent.checks.words import bare
from agent.draft import Check, Draft

MAX_BODY_CHARS = 100_000
_OWN_JUDGEMENT = {"number", "date", "version", "person"}
"""Kinds that an engineer writes without being asked back, unless a red part of the draft has brought them up."""


def problems_of_body(body: str, draft: Draft, *, ours: str, request: str) -> tuple[str, ...]:
    """What no evidence carries; `ours` is what stood in the draft and was not red.

    An engineer's own words need no quote, and promises and judgements are theirs to make.
    """
    given = [item for item in draft.evidence if not item.internal]
    sources = [item.text for item in given] + [item.url or "" for item in given]
    carried, asked = Support([*sources, ours]), Support([request])
    mine = Support([ours])
    tokens = [token for token in tokens_of(body) if not mine.holds(token)]
    missing = [t for t in tokens if not carried.holds(t) and (t.kind in ACTIONABLE or not asked.holds(t))]
    refused = Support([text_of(draft, check) for check in draft.red])
    missing = [t for t in missing if t.kind not in _OWN_JUDGEMENT or refused.holds(t)]
    reasons = [
        *unseen(body, MAX_BODY_CHARS),
        *strangers(tokens, given),
        *unsupported(missing),
        *of_snippets(body, "\n".join([*sources, ours])),
    ]
    return tuple(reason.text for reason in reasons if reason.colour == "red")


def red_parts_in(body: str, draft: Draft) -> tuple[Check, ...]:
    """The red parts that stand in the answer word for word."""
    shown = f" {bare(body)} "
    return tuple(check for check in draft.red if all(f" {piece} " in shown for piece in _pieces(draft, check)))


def without_red(body: str, draft: Draft) -> str:
    """The body with its red parts taken out, however their lines are broken."""
    for check in draft.red:
        for piece in text_of(draft, check).split("\n\n"):
            words = [re.escape(word) for word in piece.split()]
            body = re.sub(r"\s+".join(words), " ", body) if words else body
    return body


def text_of(draft: Draft, check: Check) -> str:
    """What the check is about; empty for the corrected script."""
    texts = {
        "claim": [claim.text for claim in draft.claims],
        "command": draft.commands,
        "next_step": draft.next_steps,
        "question": draft.questions,
        "unanswered": draft.unanswered,
    }.get(check.part, [])
    return texts[check.position] if check.position < len(texts) else ""


def _pieces(draft: Draft, check: Check) -> Iterator[str]:
    """Citations stand between the prose of a claim and its code."""
    for piece in text_of(draft, check).split("\n\n"):
        if words := bare(piece):
            yield words
