"""The #SBATCH lines of a job script, read as sbatch reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from triage.doctor.facts import facts

Trouble = Literal[
    "",
    "unknown",
    "ambiguous",
    "srun-only",
    "one-dash",
    "equals-after-short",
    "blank-around-equals",
    "three-dashes",
    "stray-word",
    "backslash",
    "takes-no-value",
    "underscore",
]

_MARKER = re.compile(r"^(\s*)([#/][#/!\-\s]*)([A-Za-z]{4,8}|(?i:s ?b ?a ?t ?c ?h)):?(?=$|[\s\-])\s*(.*)$")
_WORD = re.compile(r"""(?:\$\([^()]*\)|`[^`]*`|[^\s"'#]|"[^"]*"|'[^']*')+|["'].*$""")


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One option of one directive."""

    name: str
    """Long name, without dashes; as written when sbatch does not know it."""
    value: str
    line: int
    column: int
    raw: str
    """As written, with its value."""
    trouble: Trouble
    """What sbatch would not read as meant."""
    active: bool
    """Whether sbatch sees it: the marker is right and it stands in the directive block."""

    @property
    def meant(self) -> str:
        """Name of the option of sbatch that is most likely meant; as written where none is near."""
        misspelt = self.trouble in ("unknown", "ambiguous", "underscore", "one-dash", "three-dashes")
        return (nearest_option(self.name) if misspelt else None) or self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Directive:
    line: int
    text: str
    payload: str
    payload_column: int
    """From 1."""
    state: Literal["active", "late", "marker"]
    marker: str
    options: tuple[Option, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class OptionTable:
    value_required: frozenset[str]
    value_optional: frozenset[str]
    no_value: frozenset[str]
    short: dict[str, str]
    srun_only: frozenset[str]
    plugin: tuple[str, ...]
    wrong: dict[str, str]

    @property
    def names(self) -> frozenset[str]:
        return self.value_required | self.value_optional | self.no_value


@cache
def option_table() -> OptionTable:
    table = facts("script_rules")
    options = table["sbatch_options"]
    plugins = [prefix.strip(" -") for row in table["plugin_options"] for prefix in row["prefix"].split(",")]
    return OptionTable(
        value_required=frozenset(options["value_required"]),
        value_optional=frozenset(options["value_optional"]),
        no_value=frozenset(options["no_value"]),
        short=dict(options["short_forms"]),
        srun_only=frozenset(table["srun_only_options"]["names"]),
        plugin=tuple(prefix for prefix in plugins if prefix and " " not in prefix),
        wrong={name.strip("-"): row["right"] for name, row in table["common_wrong_options"].items()},
    )


def directives_of(lines: Sequence[str]) -> tuple[tuple[Directive, ...], int]:
    """All directives, and the line after the directive block (from 1)."""
    found: list[Directive] = []
    end = len(lines) + 1
    here_word = ""
    for number, line in enumerate(lines, start=1):
        if here_word:
            here_word = "" if line.strip() == here_word else here_word
            continue
        in_block = number < end
        if in_block and number > 1 and line.strip(" \t") and not line.startswith("#") and not _marker(line):
            end, in_block = number, False
        if in_block and number == 1 and line.strip() and not line.startswith("#"):
            end, in_block = number, False
        if not in_block:
            here = re.search(r"<<-?\s*[\"']?(\w+)", line)
            here_word = here.group(1) if here and "<<<" not in line and not line.lstrip().startswith("#") else ""
        directive = _directive(line, number, in_block=in_block)
        if directive:
            found.append(directive)
    return tuple(found), end


def _marker(line: str) -> bool:
    match = _MARKER.match(line)
    return bool(match and _is_sbatch(match.group(3)) and match.group(4).startswith("-"))


def _directive(line: str, number: int, *, in_block: bool) -> Directive | None:
    exact = re.match(r"^#SBATCH(?=$|[\s\-])\s*(.*)$", line)
    loose = None if exact else _MARKER.match(line)
    if exact:
        payload, marker = exact.group(1), "#SBATCH"
        state: Literal["active", "late", "marker"] = "active" if in_block else "late"
    elif loose and _is_sbatch(loose.group(3)) and loose.group(4).startswith("-"):
        payload, marker = loose.group(4), (loose.group(1) + loose.group(2) + loose.group(3)).rstrip()
        plain = marker.strip() == "#SBATCH" and not in_block
        state = "late" if plain else "marker"
    else:
        return None
    column = len(line) - len(line[len(line) - len(payload) :]) + 1 if payload else len(line) + 1
    return Directive(
        line=number,
        text=line,
        payload=payload,
        payload_column=column,
        state=state,
        marker=marker,
        options=tuple(_options(payload, number, column, active=state == "active")),
    )


def _is_sbatch(word: str) -> bool:
    upper = word.upper().replace(" ", "")
    return upper == "SBATCH" or distance_at_most(upper, "SBATCH", 2)


def words_of(payload: str) -> list[tuple[str, int]]:
    """Words of a directive and their offsets; an unquoted # ends it."""
    found = []
    at = 0
    while at < len(payload):
        if payload[at].isspace():
            at += 1
            continue
        if payload[at] == "#":
            break
        match = _WORD.match(payload, at)
        if not match:
            break
        found.append((match.group(), at))
        at = match.end()
    return found


def unquoted(word: str) -> str:
    return word.replace('"', "").replace("'", "")


def _options(payload: str, line: int, column: int, *, active: bool) -> Iterator[Option]:
    words = words_of(payload)
    at = 0
    while at < len(words):
        word, offset = words[at]
        following = words[at + 1][0] if at + 1 < len(words) else ""
        name, value, trouble, used = _read(unquoted(word), unquoted(following))
        if used >= 2 and at + 2 < len(words) and trouble == "blank-around-equals" and not value:
            value, used = unquoted(words[at + 2][0]), 3
        yield Option(
            name=name,
            value=value,
            line=line,
            column=column + offset,
            raw=" ".join(item[0] for item in words[at : at + used]),
            trouble=trouble,
            active=active,
        )
        at += used


def _read(word: str, following: str) -> tuple[str, str, Trouble, int]:
    """Name, value, trouble and number of words of the option that begins with `word`."""
    if word == "\\":
        return word, "", "backslash", 1
    if word in ("hetjob", "packjob"):
        return word, "", "", 1
    if word.startswith("---"):
        return word.lstrip("-").split("=")[0], word.partition("=")[2], "three-dashes", 1
    if word.startswith("--"):
        return _read_long(word[2:], following)
    if word.startswith("-") and len(word) > 1:
        return _read_short(word[1:], following)
    return word, "", "stray-word", 1


def _read_long(word: str, following: str) -> tuple[str, str, Trouble, int]:
    table = option_table()
    written, equals, value = word.partition("=")
    name, trouble = resolve(written)
    if following == "=" or (following.startswith("=") and not equals):
        return name, following[1:], "blank-around-equals", 2
    if equals and not value and following and not following.startswith("-"):
        return name, following, "blank-around-equals", 2
    if trouble:
        takes = not equals and following and not following.startswith("-")
        return name, (following if takes else value), trouble, 2 if takes else 1
    if name in table.no_value and equals:
        return name, value, "takes-no-value", 1
    if name in table.value_required and not equals:
        return name, following, "", 2 if following else 1
    return name, value, "", 1


def _read_short(word: str, following: str) -> tuple[str, str, Trouble, int]:
    table = option_table()
    head = word.split("=", maxsplit=1)[0]
    if len(head) > 1 and (head in table.names or head in table.srun_only or head in table.wrong):
        equals = "=" in word
        takes = not equals and head in table.value_required and bool(following) and not following.startswith("-")
        return head, following if takes else word.partition("=")[2], "one-dash", 2 if takes else 1
    name = table.short.get(word[0])
    if name is None:
        takes = len(word) == 1 and bool(following) and not following.startswith("-")
        return word[0] if takes else word, following if takes else "", "unknown", 2 if takes else 1
    if name in table.no_value or (name in table.value_optional and len(word) == 1):
        return name, "", "", 1
    if len(word) > 1:
        trouble: Trouble = "equals-after-short" if word[1] == "=" else ""
        return name, word[1:].lstrip("="), trouble, 1
    if following.startswith("="):
        return name, following[1:], "blank-around-equals", 2
    return name, following, "", 2 if following else 1


def resolve(written: str) -> tuple[str, Trouble]:
    """Full name of a long option; an unambiguous prefix is enough for sbatch."""
    table = option_table()
    if written in table.names:
        return {"tasks-per-node": "ntasks-per-node"}.get(written, written), ""
    if written in table.srun_only:
        return written, "srun-only"
    if any(written.startswith(prefix) for prefix in table.plugin):
        return written, ""
    if written == "cores":
        return written, "unknown"
    matching = [name for name in table.names if name.startswith(written)]
    if len(matching) == 1 and written:
        return matching[0], ""
    return written, "ambiguous" if matching else "underscore" if "_" in written else "unknown"


def distance_at_most(one: str, other: str, limit: int) -> bool:
    """Whether so few insertions, deletions, replacements or swaps of neighbours lead from one to the other."""
    if abs(len(one) - len(other)) > limit:
        return False
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, char in enumerate(one, start=1):
        last, row_before = row, before
        row = [i]
        for j, target in enumerate(other, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (char != target))
            if i > 1 and j > 1 and char == other[j - 2] and one[i - 2] == target:
                cost = min(cost, row_before[j - 2] + 1)
            row.append(cost)
        before = last
    return row[-1] <= limit


def nearest_option(written: str) -> str | None:
    """What a misspelt option most likely means, or None."""
    table = option_table()
    if written in table.wrong:
        right = table.wrong[written].split(" or ")[0]
        return right.removeprefix("--") if right.startswith("--") else None
    if len(written) == 1:
        return table.short.get(written.swapcase())
    dashed = written.replace("_", "-").lower()
    if dashed in table.names:
        return dashed
    for limit in (1, 2):
        near = sorted(name for name in table.names if distance_at_most(dashed, name, limit))
        if len(near) == 1 or (near and limit == 1):
            return near[0]
        known = [name for name in table.wrong if limit == 1 and distance_at_most(dashed, name, 1)]
        if known:
            return nearest_option(min(known))
    return None
