"""What the checks say of a draft, for the page of its ticket. Pure."""

from __future__ import annotations

from typing import Any

from agent.checks.body import text_of
from agent.draft import Check, Draft
from agent.rendering import without_parts

_WORST_FIRST = {"red": 0, "amber": 1, "green": 2}


def checks_view(draft: Draft, body: str) -> dict[str, Any]:
    """`without_red` is the body to send without what is red; empty when nothing is, or no statement is left."""
    shown = [check for check in draft.checks if check.colour != "green" or check.part == "claim"]
    red = {(check.part, check.position) for check in draft.red}
    is_left = any(("claim", at) not in red for at in range(len(draft.claims)))
    return {
        "checked": [_shown(draft, check) for check in sorted(shown, key=lambda check: _WORST_FIRST[check.colour])],
        "has_red": bool(red),
        "without_red": without_parts(body, draft, red) if red and is_left else "",
    }


def _shown(draft: Draft, check: Check) -> dict[str, Any]:
    cites = draft.claims[check.position].citations if check.part == "claim" else ()
    return {
        "part": check.part,
        "colour": check.colour,
        "reasons": check.reasons,
        "text": text_of(draft, check),
        "cites": list(dict.fromkeys(citation.evidence for citation in cites)),
    }
