"""The failure signatures of error_signatures.yaml, compiled once.

All patterns run in RE2, so that no line, however made, can make a match take more than linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, takewhile
from typing import Any, Literal

import re2  # type: ignore[import-untyped]

from triage.doctor.diagnosis import Source
from triage.doctor.facts import facts
from triage.doctor.literals import literals_of

PATTERNS_AT_ONCE = 300
MAX_STATES_BYTES = 96 << 20
"""With half of it a log of many kinds of errors is searched ten times as long, since states are made over and over."""
_COUNTED = re.compile(r"(\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\\[dDsSwW])\{\d+,?\d*\}")
_ANCHOR = re.compile(r"(?<![\\\[])\^")
PROGRAM_ERROR = "program_error"
"""Any line in which a program says that it failed: named only where nothing better is known."""
Role = Literal["cause", "symptom", "either", "wait", "harmless"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    id: str
    category: str
    role: Role
    fallback: bool
    """Counts only where nothing else matched the line."""
    patterns: tuple[str, ...]
    meaning: str
    causes: tuple[str, ...]
    fixes: tuple[str, ...]
    ask: str
    consequence_of: tuple[str, ...]
    source: tuple[Source, ...]
    said_as: tuple[str, ...]
    """What people write in a sentence when they mean it, lower case."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Matcher:
    """Some of the patterns: a search for all of them would make states over and over and takes three times as long."""

    owners: tuple[Signature, ...]
    """Of each pattern."""
    patterns: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Finder:
    """Finds, in a block of bytes, places in every line that a pattern of some signatures could match (and in others).

    It matches no more of the line than it needs: with all of it, ten times as many states would have to be made.
    """

    places: Any
    owners: Mapping[bytes, frozenset[str]]
    """Ids of the signatures that this text at a place can tell of; a text that is not here may tell of any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Signatures:
    by_id: Mapping[str, Signature]
    matchers: tuple[Matcher, ...]
    line_finder: Finder
    """Of all signatures that are not harmless."""


@cache
def load_signatures() -> Signatures:
    table = facts("error_signatures")
    sources = {key: Source(title=row["title"], url=row["url"]) for key, row in table["sources"].items()}
    known = [_signature(row, sources) for row in (*table["entries"], *table["exit_codes"])]
    known += [_harmless(row, sources) for row in table["harmless"]]
    owned = [(pattern, signature) for signature in known for pattern in signature.patterns]
    return Signatures(
        by_id={signature.id: signature for signature in known},
        matchers=tuple(_matcher(owned[at : at + PATTERNS_AT_ONCE]) for at in range(0, len(owned), PATTERNS_AT_ONCE)),
        line_finder=line_finder(signature for signature in known if signature.role != "harmless"),
    )


def matching(signatures: Signatures, line: str) -> tuple[Signature, ...]:
    """Signatures that match the line without its prefixes, as in the table; a harmless one hides what it explains."""
    return matching_each(signatures, [line])[0]


def matching_each(signatures: Signatures, lines: Sequence[str]) -> list[tuple[Signature, ...]]:
    return [_telling(found) for found in _all_matching(signatures, lines)]


def is_told_by_none(signatures: Signatures, line: str) -> bool:
    """Whether no signature matches the line, not even a harmless one."""
    return not _all_matching(signatures, [line])[0]


def is_known(signatures: Signatures, line: str) -> bool:
    """Whether a signature names the line for what it is."""
    return any(signature.id != PROGRAM_ERROR for signature in matching(signatures, line))


def _all_matching(signatures: Signatures, lines: Sequence[str]) -> list[dict[str, Signature]]:
    """Part by part of the patterns over all lines: what the search needs of one part then stays near the processor."""
    found: list[dict[str, Signature]] = [{} for _ in lines]
    encoded = [line.encode("utf-8", "replace") for line in lines]
    for matcher in signatures.matchers:
        match, owners = matcher.patterns.Match, matcher.owners
        for line, named in zip(encoded, found, strict=True):
            for index in sorted(match(line) or ()):
                named[owners[index].id] = owners[index]
    return found


def _telling(found: Mapping[str, Signature]) -> tuple[Signature, ...]:
    if any(signature.role == "harmless" for signature in found.values()):
        return ()
    certain = tuple(signature for signature in found.values() if not signature.fallback)
    better = tuple(signature for signature in found.values() if signature.id != PROGRAM_ERROR)
    return certain or better or tuple(found.values())


def _matcher(owned: Iterable[tuple[str, Signature]]) -> Matcher:
    patterns, owners = re2.Filter(), []
    for pattern, signature in owned:
        patterns.Add(pattern, _options())
        owners.append(signature)
    patterns.Compile()
    return Matcher(owners=tuple(owners), patterns=patterns)


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    return options


def line_finder(signatures: Iterable[Signature]) -> Finder:
    owners: dict[str, set[str]] = {}
    rest: list[str] = []
    for signature in signatures:
        literals, others = literals_of(iter(signature.patterns))
        rest += map(_relaxed, others)
        for literal in literals:
            owners.setdefault(literal, set()).add(signature.id)
    ordered = sorted(owners)
    for index, literal in enumerate(ordered):
        for longer in takewhile(lambda word: word.startswith(literal), islice(ordered, index + 1, None)):  # noqa: B023
            owners[literal] |= owners[longer]
    re2.purge()  # else it would keep up to 128 of these, each with its states
    return Finder(
        places=re2.compile("|".join((*rest, *map(re2.escape, ordered))).encode(), bytes_of_latin1()),
        owners={literal.encode(): frozenset(names) for literal, names in owners.items()},
    )


def bytes_of_latin1() -> Any:
    """Options of patterns for blocks of raw bytes: any byte is a character, no match goes over a line end."""
    options = _options()
    options.never_nl = True
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = MAX_STATES_BYTES
    return options


def _relaxed(pattern: str) -> str:
    """Matches at any place of a line, since prefixes still stand there, and has no counters: they cost many states."""
    flags, pattern = ("im", pattern[4:]) if pattern.startswith("(?i)") else ("m", pattern)
    anywhere = _ANCHOR.sub("", _COUNTED.sub(r"\1*", pattern))
    return f"(?{flags}:{anywhere})"


def _signature(row: Mapping[str, Any], sources: Mapping[str, Source]) -> Signature:
    return Signature(
        id=row["id"],
        category=row["category"],
        role=row["role"],
        fallback=bool(row.get("fallback")),
        patterns=tuple(row["patterns"]),
        meaning=row["meaning"],
        causes=tuple(row["causes"]),
        fixes=tuple(row["fixes"]),
        ask=row.get("ask", ""),
        consequence_of=tuple(row.get("often_consequence_of", ())),
        source=tuple(sources[key] for key in row["source"]),
        said_as=tuple(row.get("said_as", ())),
    )


def _harmless(row: Mapping[str, Any], sources: Mapping[str, Source]) -> Signature:
    return Signature(
        id=row["id"],
        category="harmless",
        role="harmless",
        fallback=False,
        patterns=tuple(row["patterns"]),
        meaning=row["why"],
        causes=(),
        fixes=(),
        ask="",
        consequence_of=(),
        source=tuple(sources[key] for key in row["source"]),
        said_as=(),
    )
