"""Applies the changes of findings to a script."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from triage.doctor.rules.found import Edit


def apply_edits(lines: Sequence[str], edits: Sequence[Edit]) -> tuple[str, ...]:
    """All edits that do not touch the same line; the first one wins, the rest waits for the next pass."""
    taken: set[int] = set()
    chosen: list[Edit] = []
    for edit in dict.fromkeys(edits):
        span = set(range(edit.first, edit.last + 1))
        if span & taken or edit.first < 1 or edit.last > len(lines):
            continue
        taken |= span
        chosen.append(edit)
    result = list(lines)
    order = sorted(enumerate(chosen), key=lambda pair: (pair[1].first, pair[1].last, -pair[0]), reverse=True)
    for _, edit in order:
        result[edit.first - 1 : edit.last] = edit.lines
    return tuple(result)


def unified_diff(before: str, after: str, name: str) -> str:
    made = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), name, f"{name} (corrected)"
    )
    return "".join(made)
