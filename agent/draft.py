"""What is drafted: claims that point at evidence. Values only; `agent.drafting` makes them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from agent.attachment import Attachment

Outcome = Literal["answer", "caveat", "ask", "escalate"]
Colour = Literal["green", "amber", "red"]
"""Green: every check passed. Amber: a person should look. Red: does not leave as it stands."""
Register = Literal["mail", "slack", "note"]
"""Who reads it: a requester by mail, a requester in a chat, a colleague."""
Part = Literal["claim", "command", "next_step", "question", "unanswered", "script"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """A passage of an article, or a row of the facts, that a draft may cite."""

    number: int
    """From 1; `[1]` in the text."""
    kind: Literal["passage", "row"]
    id: str
    title: str
    heading: tuple[str, ...]
    path: str
    anchor: str
    url: str | None
    text: str
    score: float
    source: str = ""
    """Name of the source in the sources file; empty for our own articles and facts."""
    internal: bool = False
    """For engineers only: shown on the desk, never given to what writes a draft."""
    systems: tuple[str, ...] = ()
    """Ids of the systems that it is about; empty for a general one."""
    date: str | None = None
    """When it was last changed or reviewed, ISO 8601 day."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Citation:
    evidence: int
    """Number of the evidence."""
    quote: str
    """Occurs word for word in the text of that evidence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    text: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """What the checks say of one part of a draft."""

    part: Part
    position: int
    """From 0, among the parts of its kind."""
    colour: Colour
    reasons: tuple[str, ...]
    """Why it is not green; what would mend it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """How a language model made a draft, or why it did not."""

    endpoint: str = ""
    prompt: str = ""
    """Name and version of the prompt."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token_s: float | None = None
    latency_s: float = 0.0
    repaired: bool = False
    """The first reply could not be used and was asked for once more."""
    trouble: str = ""
    """Why the draft is the embedded one although a model is configured."""
    awaited: bool = False
    """The trouble is that a model server is on its way or asleep: worth telling whoever asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    outcome: Outcome
    claims: tuple[Claim, ...]
    unanswered: tuple[str, ...]
    """What the requester asked and no evidence answers, in the requester's words."""
    questions: tuple[str, ...]
    """What to ask the requester."""
    evidence: tuple[Evidence, ...]
    """All that was found, cited or not."""
    answerable: float
    model: str
    prompt_hash: str | None = None
    corrected_script: str | None = None
    """The requester's job script with what the diagnosis found mended."""
    script_diff: str | None = None
    """Unified, from the requester's script to the corrected one."""
    commands: tuple[str, ...] = ()
    """Command lines for the requester, each a snippet of shell."""
    next_steps: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    """Of every part, once `agent.checks.draft` has read it."""
    reasons: tuple[str, ...] = ()
    """Why the outcome is what it is."""
    is_legal: bool = False
    """Speaks of law: the answer says that it is no legal advice."""
    generation: Generation | None = None

    @property
    def red(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.colour == "red")

    @property
    def cited(self) -> tuple[Evidence, ...]:
        numbers = {citation.evidence for claim in self.claims for citation in claim.citations}
        return tuple(item for item in self.evidence if item.number in numbers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What a draft is asked to answer. All text in it is the requester's and has no authority."""

    subject: str
    text: str
    language: str
    instruction: str = ""
    """From the engineer who wants another draft."""
    ticket: str = ""
    """Number of the ticket; empty outside one."""
    level: str = ""
    register: Register = "mail"
    written: Callable[[Draft], None] | None = None
    """Is told the statements that are complete while a model writes them, unchecked; none of them as it begins."""


Compose = Callable[[Question, Sequence[Evidence], float], Draft]
"""Makes a draft from the question, the evidence best first, and how likely the evidence answers at all (0 to 1)."""


def binding_of(
    *, revision: int, recipients: Sequence[str], subject: str, body: str, attachments: Sequence[Attachment] = ()
) -> str:
    """What an approval is bound to, as SHA-256: if any of it changes, the approval is void."""
    files = [[file.filename, file.content_type, file.sha256] for file in attachments]
    bound = json.dumps([revision, list(recipients), subject, body, files], ensure_ascii=False)
    return hashlib.sha256(bound.encode()).hexdigest()


def renumbered(draft: Draft) -> Draft:
    """The same draft with the cited evidence numbered 1, 2, … in the order of citation, the rest after it."""
    used = [citation.evidence for claim in draft.claims for citation in claim.citations]
    order = list(dict.fromkeys([*used, *(item.number for item in draft.evidence)]))
    new = {old: position for position, old in enumerate(order, start=1)}
    return replace(
        draft,
        claims=tuple(
            replace(claim, citations=tuple(replace(c, evidence=new[c.evidence]) for c in claim.citations))
            for claim in draft.claims
        ),
        evidence=tuple(
            sorted((replace(item, number=new[item.number]) for item in draft.evidence), key=lambda e: e.number)
        ),
    )


def without_red(draft: Draft) -> Draft:
    """What is left when every red part is left out, numbered anew; what it still cites may be less."""
    red = {(check.part, check.position) for check in draft.red}
    checks, count = [], Counter[Part]()
    for check in draft.checks:
        if check.colour != "red":
            checks.append(replace(check, position=count[check.part]))
            count[check.part] += 1
    return renumbered(
        replace(
            draft,
            claims=tuple(claim for at, claim in enumerate(draft.claims) if ("claim", at) not in red),
            commands=_without(red, "command", draft.commands),
            next_steps=_without(red, "next_step", draft.next_steps),
            questions=_without(red, "question", draft.questions),
            unanswered=_without(red, "unanswered", draft.unanswered),
            checks=tuple(checks),
        )
    )


def _without(red: Collection[tuple[Part, int]], part: Part, texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(text for at, text in enumerate(texts) if (part, at) not in red)
