"""What is wrong with a statement: tokens, words, snippets and characters that must not be in it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.checks.code import Snippet, snippets_of, spans_of
from agent.checks.hosts import is_known
from agent.checks.legal import verdicts_in
from agent.checks.promises import promises_in
from agent.checks.snippets import dangers_in, is_never_sent, problem_of
from agent.checks.support import Support
from agent.checks.tokens import Token, encoded_in, tokens_of
from agent.checks.words import bare, hidden_characters, mixed_scripts
from agent.draft import Colour, Evidence
from agent.llm.prompts import repeats_prompt

MAX_STATEMENT_CHARS = 4000
MAX_NAMED = 6
"""Tokens named in one reason."""
ACTIONABLE = {"address", "mail address", "phone number", "person", "encoded text", "code", "directive"}
"""Kinds that are never taken from the requester's own text."""

_IMAGE = re.compile(
    r"!\[[^\]]*\]|<\s*(?:img|script|iframe|object|embed|svg|link|meta|form|style|base)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Reason:
    colour: Colour
    text: str


def of_statement(
    text: str, support: Support, request: Support, *, sources: Sequence[Evidence] = ()
) -> Iterable[Reason]:
    yield from unseen(text)
    tokens = tokens_of(text)
    yield from strangers(tokens, sources)
    missing = [token for token in tokens if not support.holds(token)]
    theirs = [token for token in missing if token.kind not in ACTIONABLE and request.holds(token)]
    yield from unsupported([token for token in missing if token not in theirs])
    if theirs:
        yield Reason("amber", f"only the request itself says {named(theirs)}")
    yield from of_snippets(text, "\n".join(item.text for item in sources))
    yield from of_words(text)


def of_words(text: str) -> Iterable[Reason]:
    for promise in promises_in(text):
        yield Reason("red", f"promises or claims a deed: {promise!r}")
    for verdict in verdicts_in(text):
        yield Reason("red", f"rules on a legal question: {verdict!r}; quote the article instead")


def unseen(text: str, limit: int = MAX_STATEMENT_CHARS) -> Iterable[Reason]:
    hidden = hidden_characters(text)
    if hidden:
        yield Reason("red", f"holds characters that nobody sees: {', '.join(hidden[:MAX_NAMED])}")
    mixed = mixed_scripts(text)
    if mixed:
        yield Reason("red", f"mixes alphabets within a word: {', '.join(mixed[:MAX_NAMED])}")
    if _IMAGE.search(text):
        yield Reason("red", "holds an image or HTML, which answers never do")
    encoded = encoded_in(text)
    if encoded:
        yield Reason("red", f"holds encoded text: {', '.join(short(blob, 40) for blob in encoded[:MAX_NAMED])}")
    for what in dangers_in(text):
        if is_never_sent(what):
            yield Reason("red", f"a command that {what}")
    if repeats_prompt(text):
        yield Reason("red", "repeats the instructions that were given to the model")
    if len(text) > limit:
        yield Reason("red", "is far too long")


def strangers(tokens: Sequence[Token], sources: Sequence[Evidence]) -> Iterable[Reason]:
    """Evidence may be poisoned: an address needs a host that our own guides and facts name, or that of its source."""
    urls = [item.url for item in sources if item.url]
    strange = [t for t in tokens if t.kind in {"address", "mail address"} and not is_known(t.text, urls)]
    if strange:
        yield Reason("red", f"address of a host that no guide of ours names: {named(strange)}")


def unsupported(tokens: Sequence[Token]) -> Iterable[Reason]:
    by_kind: dict[str, list[Token]] = {}
    for token in tokens:
        by_kind.setdefault(token.kind, []).append(token)
    for kind, found in by_kind.items():
        yield Reason("red", f"{kind} in no cited evidence: {named(found)}")


def named(tokens: Sequence[Token]) -> str:
    more = f" and {len(tokens) - MAX_NAMED} more" if len(tokens) > MAX_NAMED else ""
    return ", ".join(short(token.text) for token in tokens[:MAX_NAMED]) + more


def of_snippets(text: str, source: str) -> Iterable[Reason]:
    """A snippet that stands in the evidence as it is was written by those who know; it is only pointed at."""
    for snippet in snippets_of(text):
        yield from _of_snippet(snippet, source)
    for span in spans_of(text):
        yield from (_danger(what, span, source) for what in dangers_in(span))


def _of_snippet(snippet: Snippet, source: str) -> Iterable[Reason]:
    problem = problem_of(snippet)
    if problem:
        yield Reason("amber" if bare(snippet.text) in bare(source) else "red", f"the snippet {problem}")
    yield from (_danger(what, snippet.text, source) for what in dangers_in(snippet.text))


def _danger(what: str, code: str, source: str) -> Reason:
    carried = bare(code) in bare(source) and not is_never_sent(what)
    return Reason("amber" if carried else "red", f"a command that {what}")


def short(text: str, limit: int = 80) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[:limit] + "…"
