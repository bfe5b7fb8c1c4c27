"""Applies the changes of findings to a script."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from triage.doctor.rules.found import Edit


def apply_edits(
    lines: Sequence[str], groups: Sequence[Sequence[Edit]], origins: Sequence[int] | None = None
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The changes of all findings that do not touch the same line; the first one wins, the rest waits.

    `groups`: the edits of each finding, which are made all or none. Returns the lines and, for each, the number
    (from 1) that its place has in `origins`, by default in `lines`.
    """
    result, places = list(lines), list(origins or range(1, len(lines) + 1))
    order = sorted(
        enumerate(_chosen(groups, len(lines))), key=lambda pair: (pair[1].first, pair[1].last, -pair[0]), reverse=True
    )
    for _, edit in order:
        new = _places(places, edit)
        result[edit.first - 1 : edit.last] = edit.lines
        places[edit.first - 1 : edit.last] = new
    return tuple(result), tuple(places)


def _chosen(groups: Sequence[Sequence[Edit]], length: int) -> list[Edit]:
    taken: set[int] = set()
    chosen: dict[Edit, None] = {}
    for group in groups:
        new = [edit for edit in group if edit not in chosen]
        spans = [set(range(edit.first, edit.last + 1)) for edit in new]
        if any(span & taken for span in spans) or any(edit.first < 1 or edit.last > length for edit in new):
            continue
        taken.update(*spans)
        chosen.update(dict.fromkeys(new))
    return list(chosen)


def _places(places: Sequence[int], edit: Edit) -> list[int]:
    """Where the new lines of an edit come from: the line they replace, else the line above them."""
    old = places[edit.first - 1 : edit.last] or places[max(edit.first - 2, 0) : edit.first - 1] or [1]
    return [old[min(index, len(old) - 1)] for index in range(len(edit.lines))]


def unified_diff(before: str, after: str, name: str) -> str:
    made = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), name, f"{name} (corrected)"
    )
    return "".join(made)
