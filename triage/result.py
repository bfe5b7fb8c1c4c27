"""What triage says of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Level = Literal["L1", "L2", "L3", "L4", "L5", "none"]
SupportType = Literal["T1", "T2", "T3", "T4", "none"]
Urgency = Literal["low", "normal", "high"]
Route = Literal["answer", "approve", "ask", "human", "benchmark", "ignore"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What triage reads."""

    id: str
    channel: str
    subject: str
    body: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TriageResult:
    id: str
    level: Level
    """`none` when the text is no request for support."""
    level_confidence: float
    type: SupportType
    type_confidence: float
    level_probabilities: Mapping[str, float]
    type_probabilities: Mapping[str, float]
    language: str
    """ISO 639-1, lower case."""
    urgency: Urgency
    route: Route
    reasons: tuple[str, ...]
    """What decided: rules that fired and the words that weighed most, for a person to read."""
