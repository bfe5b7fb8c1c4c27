"""Reads the doctor's labelled scripts, faults and logs.

Every third script, fault and log is frozen: rules are never tuned on those, they only show how far the rest can be trusted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "doctor"


@dataclass(frozen=True, kw_only=True)
class Labelled:
    name: str
    label: str
    """Of a script its system (`unknown` for none), of a log the id of the first cause (`none` when nothing failed)."""
    text: str
    frozen: bool


@dataclass(frozen=True, kw_only=True)
class Planted:
    rule: str
    base: str
    text: str
    line: int | None
    """None when any line is right: something is missing, or two lines contradict each other."""
    frozen: bool


def _read(name: str) -> str:
    with (FOLDER / name).open(encoding="utf-8", newline="") as stream:
        return stream.read()


def labelled(name: str) -> list[Labelled]:
    parts = re.split(r"^=== ", _read(name), flags=re.MULTILINE)[1:]
    found = []
    for index, part in enumerate(parts):
        head, text = part.split("\n", 1)
        title, label = head.split()
        found.append(Labelled(name=title, label=label, text=text, frozen=index % 3 == 2))
    return found


def correct_scripts() -> list[Labelled]:
    return labelled("correct_scripts.txt")


def logs() -> list[Labelled]:
    return labelled("logs.txt")


def planted_faults() -> list[Planted]:
    bases = {script.name: script.text for script in correct_scripts()}
    rows = [row for row in _read("planted_faults.txt").split("\n") if row and not row.startswith("#")]
    return [_planted(row, bases, frozen=index % 3 == 2) for index, row in enumerate(rows)]


def _planted(row: str, bases: dict[str, str], *, frozen: bool) -> Planted:
    base, rule, old, new = _fields(row)
    text = bases[base]
    if old not in text:
        raise ValueError(f"planted_faults.txt: {old!r} does not stand in {base}")
    anywhere = new.startswith("*")
    new = new[1:].rstrip(" ") if anywhere else new
    at = text.index(old)
    mark = at + max(new.find("@@"), 0)
    made = text[:at] + new.replace("@@", "", 1) + text[at + len(old) :]
    return Planted(
        rule=rule, base=base, text=made, line=None if anywhere else made[:mark].count("\n") + 1, frozen=frozen
    )


def _fields(row: str) -> Iterator[str]:
    base, rule, old, new = (row if row.count(" | ") > 2 else f"{row} ").split(" | ", 3)
    yield from (base.strip(), rule.strip())
    yield _unescaped(old).replace(" / ", " | ")
    yield _unescaped(new).replace("//", "||")


def _unescaped(text: str) -> str:
    return text.replace("\\n", "\n").replace("\\r", "\r")
