"""How likely it is that the sources answer a question: a small logistic model over what the search saw."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from knowledge_base.fields import Fields
from knowledge_base.ranking import Signals

FEATURES = ("nearest", "nearest_file", "lead", "headings", "unknown", "length")
MOST_TERMS = 12
"""A long mail says more than its question: no more than its rarest terms are expected in one passage."""
FOLLOWING = 20
"""How far down the ranking the first passage's lead is measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    intercept: float
    coefficients: tuple[float, ...]
    """One for each of FEATURES."""

    def probability(self, features: NDArray[np.float64]) -> float:
        logit = self.intercept + float(np.dot(self.coefficients, features))
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, logit))))


def answerable_of(signals: Signals, terms: Sequence[str], fields: Fields) -> float:
    """Probability, 0 to 1, when SHARE_ANSWERED of the questions (see calibrate.py) have an answer; 0 when nothing was
    found at all."""
    return calibration().probability(features_of(signals, terms, fields)) if len(signals.dense) else 0.0


def features_of(signals: Signals, terms: Sequence[str], fields: Fields) -> NDArray[np.float64]:
    """FEATURES of a question: how near the nearest passage and file are, how far the best passage is ahead of a later
    one, how much of what is asked the best heading says, the share of its terms that no source knows, and how many
    terms it has."""
    different = list(dict.fromkeys(terms))
    counts = [fields.files_with(term) for term in different]
    rarest = sorted((fields.rarity(count) for count in counts), reverse=True)[:MOST_TERMS]
    ranked = np.sort(signals.fused())[::-1]
    return np.asarray(
        [
            float(signals.dense.max()),
            float(signals.file_dense.max()),
            float(ranked[0] - ranked[min(FOLLOWING, len(ranked) - 1)]),
            min(float(signals.place.max()) / (sum(rarest) or 1.0), 1.0),
            sum(count == 0 for count in counts) / len(counts) if counts else 1.0,
            min(len(different), MOST_TERMS) / MOST_TERMS,
        ]
    )


@cache
def calibration() -> Calibration:
    """As fitted by `python -m knowledge_base.calibrate`."""
    text = resources.files("knowledge_base").joinpath("answerable.json").read_text(encoding="utf-8")
    values = json.loads(text)
    return Calibration(
        intercept=float(values["intercept"]),
        coefficients=tuple(float(values["coefficients"][name]) for name in FEATURES),
    )
