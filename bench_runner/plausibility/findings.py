"""What a check says about a result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from msgspec import Struct

from bench_runner.result import BenchmarkResult

Level = Literal["note", "suspect", "invalid"]
Verdict = Literal["verified", "suspect", "invalid"]
Values = Mapping[str, float]


class Finding(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    rule: str
    level: Level
    """`note`: true, but to be said wherever the number is compared; it leaves the verdict alone."""
    reason: str
    metrics: tuple[str, ...] = ()
    """Metrics that it is about; empty when it is about the whole row."""


RowCheck = Callable[[BenchmarkResult, Values], Iterable[Finding] | None]
"""None: the row does not say enough for this check. Empty: it passed."""


class Alone(Struct, frozen=True, gc=False):
    """What a row says by itself."""

    findings: tuple[Finding, ...]
    confirmed_by: tuple[str, ...]


class Judged(Struct, frozen=True, kw_only=True, gc=False):
    id: str
    """`result_id`."""
    result: BenchmarkResult
    verdict: Verdict
    findings: tuple[Finding, ...]
    confirmed_by: tuple[str, ...]
    """Rules that recomputed a figure of this row and agreed."""


def about(rule: str, level: Level, reason: str, *metrics: str) -> Finding:
    return Finding(rule=rule, level=level, reason=reason, metrics=metrics)


def closeness(printed: float, computed: float, *, relative: float = 0.01, absolute: float = 0.006) -> bool:
    """Whether two figures agree within 1 % or the rounding of two decimals."""
    return abs(printed - computed) <= max(absolute, relative * abs(computed))
