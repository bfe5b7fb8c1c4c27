"""Whether a draft is on its way, read from the history of a ticket. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from agent.store.tables import Event

PATIENCE = timedelta(minutes=10)
"""Longer than models need to load and a draft to be tried three times."""

_BEGINS = {"opened", "replied", "asked for another draft"}
_ENDS = {"drafted", "approved", "approved after editing", "rejected", "took the approval back"}
_FAILED = "no draft"
MOVES = frozenset({*_BEGINS, *_ENDS, _FAILED})
TURNS = MOVES | {"automatic mail", "asked a colleague", "no longer asks a colleague"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    stage: Literal["none", "writing", "late", "failed", "done"]
    """`none`: nobody waits for a draft; `late`: it should be there by now."""
    detail: str = ""
    """What went wrong, when it failed."""

    @property
    def is_writing(self) -> bool:
        return self.stage == "writing"


def progress_of(events: Sequence[Event], at: datetime) -> Progress:
    """`events` as they happened."""
    last = next((event for event in reversed(events) if event.what in MOVES), None)
    if last is None:
        return Progress(stage="none")
    if last.what == _FAILED:
        return Progress(stage="failed", detail=last.detail)
    if last.what in _ENDS:
        return Progress(stage="done")
    return Progress(stage="writing" if at - last.at < PATIENCE else "late")


def latest_turn(events: Sequence[Event]) -> int:
    """Key of the newest event that changes what there is to read or to decide; 0 when there is none."""
    return next((event.id or 0 for event in reversed(events) if event.what in TURNS), 0)
