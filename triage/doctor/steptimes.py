"""Times of training steps in a log: how much of a step waits for data, and whether the steps became slower."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

MIN_STEPS = 3
MIN_FOR_TREND = 6
SLOWED = 2.0
"""Times slower at the end than at the beginning, to be said."""

_NUMBER = rb"[0-9.]{1,9}"
_DATA = rb"(?:data(?:_time| time|loader|_loading)?|load(?:er|ing)?(?: time)?)[ :=]{1,3}(" + _NUMBER + rb") ?s?\b"
_STEP = rb"(?:step|iter|batch|total|time)(?:_time| time)?[ :=]{1,3}(" + _NUMBER + rb")"
_DATA_FIRST = re.compile(_DATA + rb".{0,80}?" + _STEP)
_STEP_FIRST = re.compile(
    rb"\b(?:step_time|iter_time|batch_time|time)[ :=]{1,3}(" + _NUMBER + rb") ?s?\b.{0,40}?\b" + _DATA
)
_TIME = re.compile(
    rb"(?:elapsed time per iteration \(ms\)|\b(?:step|iter(?:ation)?|batch)[_ ]time(?: \(m?s\))?)[ :=]{1,4}("
    + _NUMBER
    + rb")"
)
_TQDM = re.compile(rb"\d{1,9}/(\d{1,9}) \[[^\]]{0,60}?(\d{1,6}\.\d{1,4})s/it")


@dataclass(slots=True)
class StepTimes:
    shares: list[float] = field(default_factory=list)
    """Of each step that told it, the part that waited for data."""
    first_share: int = 0
    times: dict[bytes, list[tuple[int, float]]] = field(default_factory=dict)
    """Line and time of each step, by the number of steps of the loop; in one unit, whatever it is."""

    def read(self, line: bytes, number: int) -> None:
        share = _share(line)
        if share is not None:
            self.shares.append(share)
            self.first_share = self.first_share or number
        time, bar = _TIME.search(line), _TQDM.search(line)
        found = time or bar
        value = _float(found.group(found.lastindex or 1)) if found else 0.0
        if value > 0:
            self.times.setdefault(bar.group(1) if bar else b"", []).append((number, value))

    def waiting(self) -> float:
        """Median share of a step that waits for data; 0 when too few steps told."""
        return median(self.shares) if len(self.shares) >= MIN_STEPS else 0.0

    def slowed(self) -> tuple[int, float] | None:
        """Line from which the steps are slower, and how many times; None when they are not."""
        return next((found for times in self.times.values() if (found := _slowed(times))), None)


def _slowed(times: Sequence[tuple[int, float]]) -> tuple[int, float] | None:
    if len(times) < MIN_FOR_TREND:
        return None
    third = len(times) // 3
    before = median(value for _, value in times[:third])
    after = median(value for _, value in times[-third:])
    if after < SLOWED * before:
        return None
    return next(number for number, value in times if value >= SLOWED * before), after / before


def _share(line: bytes) -> float | None:
    data_first = _DATA_FIRST.search(line)
    step_first = None if data_first else _STEP_FIRST.search(line)
    if not data_first and not step_first:
        return None
    groups = data_first.groups() if data_first else step_first.groups()[::-1] if step_first else ()
    data, step = _float(groups[0]), _float(groups[1])
    return data / step if 0 < data <= step else None


def _float(text: bytes) -> float:
    return float(text) if re.fullmatch(rb"\d+(?:\.\d+)?|\.\d+", text) else 0.0
