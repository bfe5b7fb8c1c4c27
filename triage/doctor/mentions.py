"""Failures that a requester names in a sentence instead of pasting the line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from triage.doctor.diagnosis import LogFinding
from triage.doctor.facts import facts
from triage.doctor.signatures import load_signatures

CONFIDENCE = 0.5
MAX_MENTIONS = 3
_NOT_SO = re.compile(r"(?i)\b(?:no|not|without|never|avoid(?:ing)?|fixed|solved)\W+(?:\w+\W+){0,2}$")


@cache
def _phrases() -> tuple[re.Pattern[str], Mapping[str, str]]:
    owner = {phrase: name for name, phrases in facts("error_signatures")["said_as"].items() for phrase in phrases}
    longest_first = sorted(owner, key=len, reverse=True)
    return re.compile(r"(?i)(?<![\w/])(?:" + "|".join(map(re.escape, longest_first)) + r")(?!\w)"), owner


def mentions_in(text: str, where: str) -> Iterator[LogFinding]:
    """One finding for each failure named in the text, in the order of the text."""
    pattern, owner = _phrases()
    seen: set[str] = set()
    for match in pattern.finditer(text):
        name = owner[match.group().lower()]
        if (
            name in seen
            or len(seen) == MAX_MENTIONS
            or _NOT_SO.search(text[max(0, match.start() - 30) : match.start()])
        ):
            continue
        seen.add(name)
        yield _finding(name, text, match.start(), where)


def _finding(name: str, text: str, at: int, where: str) -> LogFinding:
    signature = load_signatures().by_id[name]
    number = text.count("\n", 0, at) + 1
    return LogFinding(
        id=name,
        line=number,
        excerpt=text.split("\n")[number - 1].strip()[:300],
        meaning=signature.meaning,
        causes=signature.causes,
        fixes=signature.fixes,
        confidence=CONFIDENCE,
        role="consequence" if signature.role == "symptom" else "cause",
        ask=signature.ask,
        source=signature.source,
        rank="",
        count=1,
        where=where,
    )
