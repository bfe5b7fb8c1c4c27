"""What triage says of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

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
    attachments: tuple[str, ...] = ()
    """File names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """Something that the request names."""

    kind: Literal["system", "framework", "model"]
    id: str
    """Of the catalogue's row; for a family of models or a framework, its name."""
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprint:
    """What a request is compared by."""

    vector: NDArray[np.float32]
    """The embedding of what it says, of length 1."""
    encoder: str
    """Name of the embedding model; vectors of different ones are never compared."""
    parts: frozenset[str]
    """Parts of a centre that it reports in trouble."""
    systems: frozenset[str]
    """Ids of the systems that it names."""


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
    topics: tuple[Topic, ...] = ()
    """Systems, frameworks and models that are named."""
    questions: tuple[str, ...] = ()
    """What to ask the requester when the route is `ask`: what the text lacks, nothing else."""
    fingerprint: Fingerprint | None = None
    """What the request is compared by with others; None when there was nothing to read."""
    reasons: tuple[str, ...]
    """What decided: rules that fired and the words that weighed most, for a person to read."""
