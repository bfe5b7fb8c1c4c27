"""All checks on one draft: each part green, amber or red with its reasons, and what follows for the outcome. Pure.

The same checks read every draft, whoever wrote it: an embedded one quotes word for word and passes, a model's may not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from agent.checks.code import Snippet
from agent.checks.meaning import doubts, shared_words
from agent.checks.outcome import outcome_of
from agent.checks.quotes import find_quote, is_short
from agent.checks.snippets import problem_of
from agent.checks.statement import (
    ACTIONABLE,
    Reason,
    named,
    of_statement,
    of_words,
    short,
    strangers,
    unseen,
    unsupported,
)
from agent.checks.support import Support
from agent.checks.tokens import tokens_of
from agent.checks.words import bare, shared_run
from agent.draft import Check, Claim, Colour, Draft, Evidence, Part, without_red

LEGAL_FOLDER = "responsible-ai/"
REPEATED = 8
"""Words in a row of the request that no draft needs to say back to the requester."""
UNRELATED = 0.1
"""Share of a claim's content words in its quotes under which they speak of different things."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What the checks need to know of the request."""

    text: str
    """Subject and body, as the requester wrote them."""
    language: str
    level: str = ""


def check_draft(draft: Draft, asked: Asked) -> Draft:
    """The draft with its checks, outcome and reasons."""
    by_number = {item.number: item for item in draft.evidence}
    cited = Support([item.text for item in draft.cited] + [item.url or "" for item in draft.cited])
    request = Support([asked.text])
    checks = [_check_claim(claim, at, by_number, request, asked.text) for at, claim in enumerate(draft.claims)]
    checks += _each("command", draft.commands, lambda text: _of_command(text, cited, request, draft))
    said = "\n".join(item.text for item in draft.cited)
    checks += _each(
        "next_step",
        draft.next_steps,
        lambda text: [*of_statement(text, cited, request), *_of_repeats(text, asked.text, said)],
    )
    checks += _each(
        "question",
        draft.questions,
        lambda text: [*_of_question(text, cited, draft), *_of_repeats(text, asked.text, said)],
    )
    checks += _each("unanswered", draft.unanswered, lambda text: _of_unanswered(text, asked.text))
    checks += _of_script(draft.corrected_script)
    checked = replace(draft, checks=tuple(checks), is_legal=_is_legal(draft, asked))
    outcome, reasons = outcome_of(checked)
    return replace(checked, outcome=outcome, reasons=reasons)


def unattended(draft: Draft, asked: Asked) -> Draft:
    """What of a checked draft may be said before a person has looked at it: what is not red, with a caveat.

    What is left is checked anew: it may have leaned on evidence that only the red parts cited.
    """
    left = draft
    while left.red:
        left = check_draft(without_red(left), asked)
    return replace(left, outcome="caveat") if left is not draft and left.outcome == "answer" else left


def _each(part: Part, texts: Sequence[str], reasons_of: Callable[[str], Iterable[Reason]]) -> list[Check]:
    return [_check(part, at, reasons_of(text)) for at, text in enumerate(texts)]


def _check(part: Part, position: int, reasons: Iterable[Reason]) -> Check:
    found = list(dict.fromkeys(reasons))
    colours = {reason.colour for reason in found}
    colour: Colour = "red" if "red" in colours else "amber" if "amber" in colours else "green"
    return Check(part=part, position=position, colour=colour, reasons=tuple(reason.text for reason in found))


def _check_claim(claim: Claim, position: int, by_number: dict[int, Evidence], request: Support, asked: str) -> Check:
    cited = [by_number[c.evidence] for c in claim.citations if c.evidence in by_number]
    support = Support([item.text for item in cited] + [item.url or "" for item in cited])
    reasons = [*_of_quotes(claim, by_number), *of_statement(claim.text, support, request, sources=cited)]
    reasons += _of_repeats(claim.text, asked, "\n".join(item.text for item in cited))
    quotes = [citation.quote for citation in claim.citations]
    if quotes and not any(reason.colour == "red" for reason in reasons) and _is_english(claim.text):
        reasons += _of_meaning(claim.text, quotes)
    return _check("claim", position, reasons)


def _of_meaning(text: str, quotes: Sequence[str]) -> Iterable[Reason]:
    if shared_words(bare(text), bare(" ".join(quotes))) < UNRELATED:
        yield Reason("red", "has nothing in common with the words that it quotes")
        return
    yield from (Reason("amber", doubt) for doubt in doubts(text, quotes))


def _of_quotes(claim: Claim, by_number: dict[int, Evidence]) -> Iterable[Reason]:
    if not claim.citations:
        yield Reason("red", "cites nothing")
    for citation in claim.citations:
        item = by_number.get(citation.evidence)
        if item is None:
            yield Reason("red", f"cites evidence {citation.evidence}, which was not given")
            continue
        found = find_quote(citation.quote, item.text)
        if found == "missing":
            yield Reason("red", f"quotes words that do not stand in [{citation.evidence}]: {short(citation.quote)}")
        elif is_short(citation.quote) and len(item.text.split()) > len(citation.quote.split()):
            yield Reason("amber", f"rests on very few words of [{citation.evidence}]")


def _of_command(text: str, cited: Support, request: Support, draft: Draft) -> Iterable[Reason]:
    fenced = text if "```" in text else f"```bash\n{text}\n```"
    yield from of_statement(fenced, cited, request, sources=draft.cited)


def _of_question(text: str, cited: Support, draft: Draft) -> Iterable[Reason]:
    """The doctor's own questions name commands; a model's may name what it was given or what was asked."""
    yield from unseen(text)
    asks = {"address", "mail address", "phone number", "person", "encoded text"}
    tokens = tokens_of(text)
    yield from strangers(tokens, draft.cited)
    missing = [token for token in tokens if token.kind in asks and not cited.holds(token)]
    yield from unsupported(missing)
    yield from of_words(text)
    if re.search(
        r"\b(?:password|passphrase|private key|api key|passwort|kennwort|mot de passe|contraseña)\b",
        text,
        re.IGNORECASE,
    ):
        yield Reason("red", "asks for a secret")


def _of_repeats(text: str, asked: str, said: str) -> Iterable[Reason]:
    """A model that says the request's own words back may be carrying out what they ask."""
    run = shared_run(bare(text), bare(asked), REPEATED)
    if run and run not in bare(said):
        yield Reason("red", f"repeats the request: {short(run)}")


def _of_unanswered(text: str, asked: str) -> Iterable[Reason]:
    yield from unseen(text)
    theirs, is_question = bare(text) in bare(asked), text.rstrip().endswith("?")
    acts = [token for token in tokens_of(text) if token.kind in ACTIONABLE and token.kind != "code"]
    if len(text.split()) >= REPEATED and not is_question:
        acts = [token for token in tokens_of(text) if token.kind not in {"number", "date"}]
    if acts:
        yield Reason("red", f"repeats what nobody checked: {named(acts)}")
    if not theirs:
        yield Reason("amber", "is not in the requester's own words")
    if not (theirs and is_question):
        yield from of_words(text)


def _of_script(script: str | None) -> list[Check]:
    if script is None:
        return []
    problem = problem_of(Snippet("bash", script))
    return [_check("script", 0, [Reason("amber", f"the corrected script {problem}")] if problem else [])]


def _is_legal(draft: Draft, asked: Asked) -> bool:
    return asked.level == "L5" or any(item.path.startswith(LEGAL_FOLDER) for item in draft.cited)


def _is_english(text: str) -> bool:
    words = bare(text).split()
    return sum(word in _ENGLISH for word in words) >= max(1, len(words) // 8)


_ENGLISH = frozenset(
    [
        "the",
        "of",
        "to",
        "and",
        "a",
        "in",
        "is",
        "that",
        "it",
        "for",
        "on",
        "are",
        "with",
        "as",
        "you",
        "be",
        "this",
        "or",
        "by",
        "from",
        "at",
        "your",
        "not",
        "if",
        "can",
    ]
)
