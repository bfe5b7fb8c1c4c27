"""The cue lexicon: one feature per meaning, whatever the language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import re2  # type: ignore[import-untyped]
import yaml

from triage.errors import RulesFileError
from triage.text import asking, folded, sentences

CUES_FILE = Path(__file__).parent / "cues.yaml"
MAX_CHARS = 6_000
"""Cues are looked for in the first part of the folded prose."""
MAX_EVIDENCE = 4
SCREEN_BYTES = 64_000_000
WORD_END = r"(?!\w)"
REST_OF_WORD = re.compile(r"(?:(?<!\\\w)(?<=\w)|(?<=[^ ]\)))\*")
"""A star after a letter or after a group of words; `\\S*` and `(the )*` keep their meaning in regular expressions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cue:
    name: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lexicon:
    """The cues in file order, and one automaton over all of them that says which are worth a look."""

    cues: tuple[Cue, ...]
    screen: re2.Set

    def __len__(self) -> int:
        return len(self.cues)

    def __iter__(self) -> Iterator[Cue]:
        return iter(self.cues)


def load_cues(path: Path = CUES_FILE) -> Lexicon:
    """The lexicon of a file.

    Raises:
        RulesFileError: the file cannot be read, or a phrase is no valid pattern.
    """
    try:
        table = yaml.load(path.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (OSError, yaml.YAMLError) as error:
        raise RulesFileError(path, str(error)) from error
    if not isinstance(table, dict):
        raise RulesFileError(path, "not a mapping of cue name to phrases by language")
    cues = tuple(make_cue(path, name, languages) for name, languages in table.items())
    return Lexicon(cues=cues, screen=screen_of(cues))


def screen_of(cues: tuple[Cue, ...]) -> re2.Set:
    """Finds at least the cues that the patterns find, in one pass: RE2 has no look-ahead, so ends of words are free."""
    options = re2.Options()
    options.max_mem = SCREEN_BYTES
    screen = re2.Set.SearchSet(options)
    for cue in cues:
        screen.Add(cue.pattern.pattern.replace(WORD_END, ""))
    screen.Compile()
    return screen


def make_cue(path: Path, name: str, languages: Mapping[str, list[str]]) -> Cue:
    phrases = [phrase for listed in languages.values() for phrase in listed]
    try:
        return Cue(name=name, pattern=re.compile("|".join(phrase_pattern(phrase) for phrase in phrases)))
    except re.error as error:
        raise RulesFileError(path, f"cue '{name}': {error}") from error


def phrase_pattern(phrase: str) -> str:
    """The regular expression of a phrase; the small notation is described at the head of the file."""
    pattern = phrase.replace(" .. ", r" (?:\S+ ){0,4}?")
    pattern = pattern.replace("#", r"\d+(?:[.,]\d+)?")
    pattern = REST_OF_WORD.sub(r"\\w*", pattern)
    start = r"\b" if re.match(r"[\w(\\]", phrase) and not phrase.startswith(("\\.", "\\$")) else ""
    return rf"{start}(?:{pattern}){WORD_END}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A cue in a text."""

    phrases: tuple[str, ...]
    """Distinct, at most four; empty when the cue does not occur."""
    asked: bool
    """One of them stands in a sentence that puts the request."""


NOT_FOUND = Found(phrases=(), asked=False)


def find_cues(lexicon: Lexicon, prose: str) -> list[Found]:
    """For each cue what was found."""
    parts = sentences(prose[:MAX_CHARS])
    text, spans = joined([folded(part) for part in parts], asking(parts))
    worth = frozenset(lexicon.screen.Match(text) or ())
    return [found_in(cue, text, spans) if at in worth else NOT_FOUND for at, cue in enumerate(lexicon.cues)]


def joined(parts: list[str], marks: list[bool]) -> tuple[str, list[tuple[int, int]]]:
    """The parts in one text, and the spans of the marked ones in it."""
    spans, start = [], 0
    for part, mark in zip(parts, marks, strict=True):
        if mark:
            spans.append((start, start + len(part)))
        start += len(part) + 1
    return " ".join(parts), spans


def found_in(cue: Cue, text: str, spans: list[tuple[int, int]]) -> Found:
    phrases: dict[str, None] = {}
    asked = False
    for match in cue.pattern.finditer(text):
        phrases.setdefault(match.group(0).strip())
        asked = asked or any(start <= match.start() < end for start, end in spans)
        if len(phrases) == MAX_EVIDENCE and asked:
            break
    return Found(phrases=tuple(phrases)[:MAX_EVIDENCE], asked=asked)
