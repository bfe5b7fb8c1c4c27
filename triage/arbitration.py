"""A language model's word where the classifier is not sure: it picks among the classifier's own likely labels.

It can change a label, never a confidence, so it cannot make a request be answered without a person; what it says is
checked against the labels that were allowed, and anything else leaves the classifier's placing as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from triage.dataset import LEVELS, NONE, TYPES
from triage.result import Request

UNSURE = 0.6
"""A label that is less probable is put to the model."""
LIKELY = 0.1
"""Labels that are less probable are not offered."""
MAX_LABELS = 3
MODEL_WAS_ASKED = "language model"
"""Stands in a reason of each placing that a model was asked about and replied to."""


class Arbiter(Protocol):
    def __call__(self, request: Request, levels: Sequence[str], types: Sequence[str]) -> tuple[str, str] | None:
        """One of the levels and one of the types; None when there is no model or no usable answer."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    level: str
    type: str
    reasons: tuple[str, ...]


def arbitrate(
    arbiter: Arbiter, request: Request, levels: Mapping[str, float], types: Mapping[str, float], placed: tuple[str, str]
) -> Verdict:
    """The placing after the model was asked; `placed` where it was sure, or where the model gave nothing usable."""
    allowed = allowed_labels(levels, types, placed)
    if all(len(labels) == 1 for labels in allowed):
        return Verdict(level=placed[0], type=placed[1], reasons=())
    answer = arbiter(request, *allowed)
    if answer is None:
        return Verdict(level=placed[0], type=placed[1], reasons=())
    if answer[0] not in allowed[0] or answer[1] not in allowed[1]:
        return Verdict(level=placed[0], type=placed[1], reasons=(f"{MODEL_WAS_ASKED}: a label that was not offered",))
    level, kind = answer
    if NONE in answer:
        level, kind = NONE, NONE
    said = "agrees" if (level, kind) == placed else f"says {level} {kind} instead of {placed[0]} {placed[1]}"
    return Verdict(
        level=level, type=kind, reasons=(f"{MODEL_WAS_ASKED}, asked because the placing was unsure: {said}",)
    )


def allowed_labels(
    levels: Mapping[str, float], types: Mapping[str, float], placed: tuple[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The likely labels of an unsure head; of a sure one the label itself. A text placed as no request stays that."""
    if NONE in placed:
        return (NONE,), (NONE,)
    level = likely(levels, LEVELS, placed[0])
    if len(level) > 1 and levels[NONE] >= LIKELY:
        level = (*level, NONE)
    return level, likely(types, TYPES, placed[1])


def likely(shares: Mapping[str, float], labels: Sequence[str], placed: str) -> tuple[str, ...]:
    if shares[placed] >= UNSURE:
        return (placed,)
    ranked = sorted(labels, key=lambda label: (-shares[label], label))[:MAX_LABELS]
    return tuple(label for label in ranked if shares[label] >= LIKELY) or (placed,)
