"""A row as an answer cites it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

SURE = frozenset({"verified", "tested", "given", "derived"})
"""Statuses of the facts that may be stated as fact (knowledge_base/facts)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    id: str
    """`systems/lumi-g/partitions/small-g`: where it stands in the facts, or the id of a benchmark result."""
    title: str
    """Of the table."""
    heading: str
    text: str
    """The answer in whole sentences, with status and date."""
    url: str | None
    systems: tuple[str, ...] = ()
    known: bool = True
    """False when the row only says that the tables hold no answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkRow:
    """One measured throughput; who has results gives them as such rows."""

    id: str
    model: str
    system: str
    """Id of the facts."""
    tokens_per_s: float
    """Output tokens a second of the whole run."""
    setting: str
    """Engine, GPUs, data set, concurrency, in words."""
    date: str
    status: str
    url: str | None = None


BenchmarkRows = Callable[[], Sequence[BenchmarkRow]]


def standing(status: str, as_of: str) -> str:
    """How sure a row is, for its end: `(verified, as of 2026-11-23)`."""
    if status in SURE:
        return f"({status}, as of {as_of})"
    return f"(status {status or 'unknown'}, as of {as_of}: check before relying on it)"
