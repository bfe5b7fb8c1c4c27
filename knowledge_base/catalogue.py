"""The facts as typed rows, read at their first use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from knowledge_base.errors import FactsError


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    id: str
    name: str
    aliases: tuple[str, ...]
    """Lower case, as people write them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorSignature:
    id: str
    patterns: tuple[str, ...]
    """Regular expressions for one line of a log."""
    meaning: str
    causes: tuple[str, ...]
    fixes: tuple[str, ...]
    role: str
    level: str
    status: str


def read_yaml(name: str) -> dict[str, Any]:
    """A mapping that ships with this package, by its path in the package.

    Raises:
        FactsError: the file is missing or no mapping.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # both are safe; ten times as fast where libyaml is there
    try:
        text = resources.files("knowledge_base").joinpath(name).read_text(encoding="utf-8")
        content = yaml.load(text, Loader=loader)  # noqa: S506
    except (OSError, yaml.YAMLError) as error:
        raise FactsError(f"knowledge_base/{name} cannot be read ({error}): install the package again") from error
    if not isinstance(content, dict):
        raise FactsError(f"knowledge_base/{name} is no mapping: install the package again")
    return content


@cache
def systems() -> tuple[System, ...]:
    aliases = read_yaml("glossary.yaml").get("systems", {})
    return tuple(_system(row, aliases) for row in read_yaml("facts/systems.yaml")["systems"])


@cache
def language_names() -> dict[str, str]:
    """Language as the facts call it by each of its names, lower case, in five languages."""
    others = read_yaml("glossary.yaml").get("languages", {})
    return {name.lower(): language for language, names in others.items() for name in [language, *names]}


def _system(row: dict[str, Any], aliases: dict[str, list[str]]) -> System:
    base = row["name"].split("(")[0].strip().lower()
    names = dict.fromkeys([row["id"], base, *aliases.get(row["id"], [])])
    return System(id=row["id"], name=row["name"], aliases=tuple(names))


@cache
def error_signatures() -> tuple[ErrorSignature, ...]:
    return tuple(
        ErrorSignature(
            id=row["id"],
            patterns=tuple(row["patterns"]),
            meaning=row["meaning"],
            causes=tuple(row.get("causes") or ()),
            fixes=tuple(row.get("fixes") or ()),
            role=row["role"],
            level=row.get("level_hint") or "",
            status=row["status"],
        )
        for row in read_yaml("facts/error_signatures.yaml")["entries"]
    )
