"""Literals of which one must stand in every text that a pattern matches.

The patterns of the facts are a small dialect (no look-around, no back-references, bounded gaps). One search for all
literals at once passes over megabytes of harmless lines at hundreds of megabytes a second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

Choice = tuple[str, ...]
"""Literals of which at least one must occur; empty when none is known."""

_CLASS_ESCAPES = "bBdDsSwWAZ"
_PLAIN = re.compile(r"[ :']*[A-Za-z]?[a-z]{0,8}(?: [a-z]{0,5})?[ :]*")
"""A short common word tells too little: megabytes of lines may hold it."""


@cache
def required_literals(pattern: str) -> Choice:
    """The best choice of literals for the pattern, or an empty one."""
    branches, _ = _alternatives(pattern, 0)
    return _either(branches)


def _alternatives(pattern: str, at: int) -> tuple[list[Choice], int]:
    """Best choice of each branch from `at` to the closing parenthesis or the end, and where that is."""
    branches: list[Choice] = []
    choices: list[Choice] = []
    run = ""
    while at < len(pattern) and pattern[at] != ")":
        char = pattern[at]
        if char == "|":
            branches.append(_best([*choices, (run,)]))
            choices, run, at = [], "", at + 1
            continue
        item, at = _item(pattern, at)
        least, at, repeated = _repeat(pattern, at)
        if isinstance(item, str) and not repeated:
            run += item
            continue
        if isinstance(item, str) and least:
            choices.append((run + item,))
        else:
            choices.extend([(run,), item] if least and not isinstance(item, str) else [(run,)])
        run = ""
    branches.append(_best([*choices, (run,)]))
    return branches, at


def _item(pattern: str, at: int) -> tuple[str | Choice, int]:
    """The character, or the choice of a group or class, that begins at `at`."""
    char = pattern[at]
    if char == "(":
        start = at + 3 if pattern.startswith("(?:", at) else at + 1
        branches, end = _alternatives(pattern, start)
        return _either(branches), end + 1
    if char == "[":
        return (), _class_end(pattern, at)
    if char == "\\":
        escaped = pattern[at + 1]
        return (() if escaped in _CLASS_ESCAPES else escaped), at + 2
    return (() if char in ".^$" else char), at + 1


def _class_end(pattern: str, at: int) -> int:
    at += 2 if pattern.startswith("[^", at) else 1
    at += 1 if pattern.startswith("]", at) else 0
    while pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at + 1


def _repeat(pattern: str, at: int) -> tuple[int, int, bool]:
    """Least number of times, where the quantifier ends, whether there is one."""
    if at >= len(pattern) or pattern[at] not in "?*+{":
        return 1, at, False
    if pattern[at] != "{":
        return (1 if pattern[at] == "+" else 0), at + 1, True
    end = pattern.index("}", at)
    return int(pattern[at + 1 : end].split(",", maxsplit=1)[0]), end + 1, True


def _either(branches: list[Choice]) -> Choice:
    return tuple(literal for branch in branches for literal in branch) if all(branches) else ()


def _best(choices: list[Choice]) -> Choice:
    known = [choice for choice in choices if choice and all(choice)]
    return max(known, key=lambda choice: (min(len(word) for word in choice), -len(choice)), default=())


def literals_of(patterns: Iterator[str]) -> tuple[set[str], list[str]]:
    """Literals that cover patterns, and the patterns for which no telling literal is known."""
    found: set[str] = set()
    rest: list[str] = []
    for pattern in patterns:
        choice = () if pattern.startswith("(?i)") else required_literals(pattern)
        if choice and not any(len(word) < 3 or _PLAIN.fullmatch(word) for word in choice):
            found.update(choice)
        else:
            rest.append(pattern)
    return found, rest
