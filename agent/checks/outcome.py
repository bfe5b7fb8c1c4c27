"""The outcome ladder: answer, answer with a caveat, ask, escalate; each with its reasons. Pure."""

from __future__ import annotations

from agent.draft import Draft, Outcome

SURE = 0.6
"""Of `answerable`: from here on a plain answer."""
POSSIBLE = 0.3
"""Below it a person decides, however well a draft quotes: the evidence is most likely about something else."""


def outcome_of(draft: Draft) -> tuple[Outcome, tuple[str, ...]]:
    """From the highest rung that the checks allow."""
    colours = [check.colour for check in draft.checks if check.part == "claim"]
    usable = len(colours) - colours.count("red")
    if not usable:
        return _without_answer(draft, claimed=bool(colours))
    if draft.answerable < POSSIBLE:
        return "escalate", (_chance(draft),)
    caveats = list(_caveats(draft))
    return ("caveat", tuple(caveats)) if caveats else ("answer", ("every statement is carried by its evidence",))


def _without_answer(draft: Draft, *, claimed: bool) -> tuple[Outcome, tuple[str, ...]]:
    why = "no statement passed the checks" if claimed else "the evidence holds no answer"
    if draft.questions:
        return "ask", (why, "the requester's answers could change that")
    return "escalate", (why,)


def _chance(draft: Draft) -> str:
    return f"the evidence answers the question with a chance of {draft.answerable:.0%}"


def _caveats(draft: Draft) -> list[str]:
    found = []
    for colour, meaning in (("red", "without evidence: edit or leave out"), ("amber", "to be looked at")):
        count = sum(check.colour == colour for check in draft.checks)
        if count:
            found.append(f"{count} {'part' if count == 1 else 'parts'} {meaning}")
    if draft.answerable < SURE:
        found.append(_chance(draft))
    if draft.unanswered:
        found.append(f"{len(draft.unanswered)} of the questions not answered")
    if draft.is_legal and not any("article" in claim.text.casefold() or "Art" in claim.text for claim in draft.claims):
        found.append("speaks of law and quotes no article")
    return found
