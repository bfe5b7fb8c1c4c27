"""What can be told of a text with certainty, before any model is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from triage.errors import RulesFileError
from triage.text import ReadText, folded

RULES_FILE = Path(__file__).parent / "rules.yaml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    automatic: re.Pattern[str]
    injection: re.Pattern[str]
    measurement: re.Pattern[str]


def load_rules(path: Path = RULES_FILE) -> Rules:
    """The rules of the table.

    Raises:
        RulesFileError: the file cannot be read or a pattern is wrong.
    """
    try:
        table = yaml.safe_load(path.read_text("utf-8"))
        return Rules(**{name: re.compile("".join(lines.splitlines())) for name, lines in table.items()})
    except (OSError, yaml.YAMLError, re.error, TypeError, AttributeError) as error:
        raise RulesFileError(path, str(error)) from error


def flags_of(rules: Rules, text: ReadText) -> frozenset[str]:
    """The flags of the policy table that hold for the text."""
    words = re.sub(r"[ \t]+", " ", folded(text.prose))
    found = {
        "empty": text.is_empty and not text.links,
        "automatic": bool(rules.automatic.search(words)) and not asks(text),
        "only_link": text.only_links,
        "only_machine": text.only_machine,
        "injection": bool(rules.injection.search(words)),
        "measurement": bool(rules.measurement.search(words)),
    }
    return frozenset(name for name, holds in found.items() if holds)


def asks(text: ReadText) -> bool:
    """A question or a log stands in the text: a subject that looks automatic may head a real request."""
    return "?" in text.prose or bool(text.machine)
