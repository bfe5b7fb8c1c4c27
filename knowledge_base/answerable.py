"""How likely it is that the sources answer a question: a small logistic model over what the search saw."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from knowledge_base.fields import Fields
from knowledge_base.lexical import is_code_like
from knowledge_base.ranking import Signals

FEATURES = ("top_dense", "margin", "file_dense", "covered", "rare_covered", "agreement", "best_place")
Features = NDArray[np.float64]


def answerable_of(signals: Signals, terms: Sequence[str], fields: Fields) -> float:
    """Probability, 0 to 1; the coefficients come from `python -m knowledge_base.calibrate`."""
    model = _model()
    features = features_of(signals, terms, fields)
    logit = model["intercept"] + sum(model[name] * value for name, value in zip(FEATURES, features, strict=True))
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, logit))))


def features_of(signals: Signals, terms: Sequence[str], fields: Fields) -> Features:
    """One number for each of FEATURES; the signals are those of the candidates, best first."""
    dense = np.sort(signals.dense)[::-1]
    top = float(dense[0])
    return np.asarray(
        [
            top,
            top - float(dense[min(20, len(dense) - 1)]),
            float(signals.file_dense.max()),
            _covered(terms, fields),
            _covered([term for term in terms if is_code_like(term) or 0 < fields.files_with(term) <= 5], fields),
            float(signals.dense[0]) / top if top > 0 else 0.0,
            float(signals.place[:5].max()) / 10.0,
        ]
    )


def _covered(terms: Sequence[str], fields: Fields) -> float:
    """Share of the distinct terms that the sources know at all; 1 when there are none."""
    distinct = set(terms)
    known = sum(1 for term in distinct if fields.files_with(term))
    return known / len(distinct) if distinct else 1.0


@cache
def _model() -> dict[str, float]:
    text = resources.files("knowledge_base").joinpath("answerable.json").read_text(encoding="utf-8")
    values = json.loads(text)["coefficients"]
    return {name: float(values[name]) for name in (*FEATURES, "intercept")}
