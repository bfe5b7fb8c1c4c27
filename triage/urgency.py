"""How soon a request wants an answer: from deadlines and blocked work, never from shouting."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from triage.errors import RulesFileError
from triage.result import Urgency
from triage.text import folded

URGENCY_FILE = Path(__file__).parent / "urgency.yaml"
Patterns = dict[str, re.Pattern[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class UrgencyRules:
    high: Patterns
    low: Patterns


def load_urgency(path: Path = URGENCY_FILE) -> UrgencyRules:
    """The rules of the table.

    Raises:
        RulesFileError: the file cannot be read or a pattern is wrong.
    """
    try:
        table = yaml.safe_load(path.read_text("utf-8"))
        return UrgencyRules(high=compiled(table["high"]), low=compiled(table["low"]))
    except (OSError, yaml.YAMLError, re.error, KeyError, TypeError, AttributeError) as error:
        raise RulesFileError(path, str(error)) from error


def compiled(table: dict[str, str]) -> Patterns:
    return {name: re.compile("".join(lines.splitlines())) for name, lines in table.items()}


def urgency_of(rules: UrgencyRules, prose: str) -> tuple[Urgency, tuple[str, ...]]:
    """Urgency and the rules that decided; a reason to hurry outweighs a polite `no hurry`."""
    text = re.sub(r"[ \t]+", " ", folded(prose))
    high = tuple(name for name, pattern in rules.high.items() if pattern.search(text))
    if high:
        return "high", tuple(f"urgency: {name}" for name in high)
    low = tuple(name for name, pattern in rules.low.items() if pattern.search(text))
    if low:
        return "low", tuple(f"urgency: {name}" for name in low)
    return "normal", ()
