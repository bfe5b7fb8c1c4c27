"""Which systems, frameworks and models a request names, by the catalogues."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from knowledge_base import catalogue
from knowledge_base.catalogue import read_yaml
from triage.doctor.systems import named_systems, systems
from triage.errors import RulesFileError
from triage.result import Topic

TOPICS_FILE = Path(__file__).parent / "topics.yaml"
HEAD_CHARS = 30_000
MAX_TOPICS = 8
"""Of one kind."""
SIZE = re.compile(r"(?i)\b\d+(?:\.\d+)?B\b")
PLACE = "on|at|from|to|auf|bei|von|sur|de|en|desde|su|da|@"
UNTOLD = re.compile(r"\s+(?:Instruct|base|it)\b.*$|\s*[(/].*$")
VERSION = re.compile(r"(?:(?<=[a-zA-Z])|\s+)V?\d+(?:\.\d+)?\b.*$")
"""What follows the name that a person would say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """Models that share a name and differ in size."""

    name: str
    needs_size: bool
    rows: Mapping[str, Mapping[str, Any]]
    """By size, as in `8b`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Patterns:
    pattern: re.Pattern[str]
    names: tuple[str, ...]
    """By number of the group."""


def topics_of(text: str) -> tuple[Topic, ...]:
    """Systems, frameworks and models in the order in which each kind is first named; every one once."""
    head = text[:HEAD_CHARS]
    found = [*_systems_in(head), *_frameworks_in(head), *_models_in(head)]
    kept: dict[tuple[str, str], Topic] = {}
    for topic in found:
        kept.setdefault((topic.kind, topic.id), topic)
    return tuple(topic for kind in ("system", "framework", "model") for topic in _first(kind, kept))


def _first(kind: str, kept: Mapping[tuple[str, str], Topic]) -> list[Topic]:
    return [topic for topic in kept.values() if topic.kind == kind][:MAX_TOPICS]


def _systems_in(text: str) -> Iterator[Topic]:
    lower = (_lower_case().names[int((match.lastgroup or "g0")[1:])] for match in _lower_case().pattern.finditer(text))
    for found in (*named_systems(text), *lower):
        row = systems().get(found)
        yield Topic(kind="system", id=found, name=row["name"] if row else found)


@cache
def _lower_case() -> Patterns:
    """Systems written small: only after a word of place, for their names are also words and names of people."""
    aliases = {row.id: row.aliases for row in reversed(catalogue.systems())}
    groups = [f"(?P<g{at}>{'|'.join(map(re.escape, names))})" for at, names in enumerate(aliases.values())]
    pattern = rf"(?<!\w)(?:{PLACE}) (?:the )?(?:{'|'.join(groups)})(?![\w-])"
    return Patterns(pattern=re.compile(pattern), names=tuple(aliases))


def _frameworks_in(text: str) -> Iterator[Topic]:
    patterns = _frameworks()
    for match in patterns.pattern.finditer(text):
        name = patterns.names[int((match.lastgroup or "g0")[1:])]
        yield Topic(kind="framework", id=name, name=name)


def _models_in(text: str) -> Iterator[Topic]:
    patterns = _family_patterns()
    for match in patterns.pattern.finditer(text):
        family = _families()[patterns.names[int((match.lastgroup or "g0")[1:])]]
        size = SIZE.search(text, match.end(), match.end() + 30)
        row = family.rows.get(size.group().lower() if size else "")
        if row is not None:
            yield Topic(kind="model", id=row["id"], name=row["name"])
        elif not family.needs_size:
            yield Topic(kind="model", id=family.name, name=family.name)


@cache
def _frameworks() -> Patterns:
    return _patterns(_table()["frameworks"], end=r"(?!\w)")


@cache
def _family_patterns() -> Patterns:
    longest_first = sorted(_families(), key=lambda name: (-len(name), name))
    return _patterns({name: re.escape(name) for name in longest_first}, end=r"(?![a-z])")


def _patterns(table: Mapping[str, str], *, end: str) -> Patterns:
    """One pattern of named groups; blank, `-` and `_` inside a name are one and may be missing before a digit."""
    groups = []
    for at, words in enumerate(table.values()):
        loose = re.sub(r"(?<!\(\?)(?:\\?[- ])(?=\d)", r"[-_ ]?", words)
        loose = re.sub(r"(?<![\[\\])\\?[- ](?![_\]])", r"[-_ ]", loose)
        groups.append(f"(?P<g{at}>{loose})")
    return Patterns(pattern=re.compile(rf"(?i)(?<![\w.])(?:{'|'.join(groups)}){end}"), names=tuple(table))


@cache
def _families() -> Mapping[str, Family]:
    """By the part of the catalogue's names before the size."""
    ambiguous = frozenset(_table()["ambiguous"])
    rows: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in read_yaml("facts/models.yaml")["language_models"]:
        size = SIZE.search(row["name"])
        family = UNTOLD.sub("", row["name"][: size.start()] if size else row["name"]).strip()
        rows.setdefault(family, {})[size.group().lower() if size else ""] = row
        rows.setdefault(VERSION.sub("", family), {})
    return {
        name: Family(name=name, needs_size=name.casefold() in ambiguous, rows=sizes) for name, sizes in rows.items()
    }


@cache
def _table() -> Mapping[str, Any]:
    try:
        table = yaml.safe_load(TOPICS_FILE.read_text("utf-8"))
        return {"frameworks": dict(table["frameworks"]), "ambiguous": list(table["ambiguous"])}
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise RulesFileError(TOPICS_FILE, str(error)) from error
