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

FEATURES = ("words", "headings", "unknown", "near")
MOST_TERMS = 12
"""A long mail says more than its question: no more than its rarest terms are expected in one passage."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    intercept: float
    coefficients: tuple[float, ...]
    """One for each of FEATURES."""

    def probability(self, features: NDArray[np.float64]) -> float:
        logit = self.intercept + float(np.dot(self.coefficients, features))
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, logit))))


def answerable_of(signals: Signals, terms: Sequence[str], fields: Fields) -> float:
    """Probability, 0 to 1, if as many questions can be answered as not."""
    return calibration().probability(features_of(signals, terms, fields))


def features_of(signals: Signals, terms: Sequence[str], fields: Fields) -> NDArray[np.float64]:
    """FEATURES of a question: how much of what it says the best passage and the best heading say, the share of its
    terms that no source knows, and the mean cosine of the five nearest passages."""
    counts = [fields.files_with(term) for term in dict.fromkeys(terms)]
    weights = sorted((fields.rarity(count) for count in counts), reverse=True)[:MOST_TERMS]
    expected = sum(weights) or 1.0
    unknown = sum(count == 0 for count in counts) / len(counts) if counts else 1.0
    near = float(np.sort(signals.dense)[::-1][:5].mean())
    words, headings = (min(float(scores.max()) / expected, 1.0) for scores in (signals.body, signals.place))
    return np.asarray([words, headings, unknown, near])


@cache
def calibration() -> Calibration:
    """As fitted by `python -m knowledge_base.calibrate`."""
    text = resources.files("knowledge_base").joinpath("answerable.json").read_text(encoding="utf-8")
    values = json.loads(text)
    return Calibration(
        intercept=float(values["intercept"]),
        coefficients=tuple(float(values["coefficients"][name]) for name in FEATURES),
    )
