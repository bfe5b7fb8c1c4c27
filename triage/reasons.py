"""Why a request was placed as it was: the features that weighed most, in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from triage.dataset import NONE
from triage.features import Floats, Row
from triage.model import Head, TriageModel

SHOWN = 3
LEAST = 0.05
RULES = {
    "automatic": "rule: an automatic reply or delivery report by its own words (RFC 3834)",
    "empty": "rule: no readable text",
    "only_image": "rule: nothing but a picture",
    "only_link": "rule: nothing but a link",
}


def reasons_of(model: TriageModel, row: Row, level: str, kind: str, rules: frozenset[str]) -> tuple[str, ...]:
    """The rule that decided, or for level and type each the strongest features in favour."""
    if rules:
        return tuple(RULES[name] for name in sorted(rules))
    if level == NONE:
        return tuple(strongest(model, model.scope, row, NONE))
    return (*strongest(model, model.level, row, level), *strongest(model, model.type, row, kind))


def strongest(model: TriageModel, head: Head, row: Row, label: str) -> Iterator[str]:
    """`word 'lora' (+1.3 for L4)`: how far a feature lifts the label above the mean of the others."""
    pulls = named_pulls(model, row, *advantage(head, label, row))
    for name, pull in sorted(pulls.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]:
        if pull >= LEAST:
            yield f"{name} (+{pull:.1f} for {'no request' if label == NONE else label})"


def advantage(head: Head, label: str, row: Row) -> tuple[Floats, Floats]:
    """Weights of the label less the mean weights of the others, calibrated: of the dense and of the sparse columns."""
    at = head.classes.index(label)
    parts = (head.weights[:, : len(row.dense)], head.weights[:, row.indices])
    dense, sparse = ((part[at] - np.delete(part, at, axis=0).mean(axis=0)) / head.temperature for part in parts)
    return dense, sparse


def named_pulls(model: TriageModel, row: Row, dense_weights: Floats, sparse_weights: Floats) -> dict[str, float]:
    space = model.space
    dense = dense_weights * row.dense
    pulls = {"meaning of the text": float(dense[: space.dimension].sum())}
    for mark in np.flatnonzero(row.dense[space.dimension :]).tolist():
        pulls[with_evidence(space.mark_name(mark), row, mark)] = float(dense[space.dimension + mark])
    first_letter = space.dense_size + len(space.words.terms)
    sparse = sparse_weights * row.values
    for column, pull in zip(row.indices.tolist(), sparse.tolist(), strict=True):
        if column < first_letter:
            pulls[f"word '{space.words.terms[column - space.dense_size]}'"] = pull
    first_asked = first_letter + len(space.letters.terms)
    asked, letters = row.indices >= first_asked, row.indices >= first_letter
    pulls["parts of words"] = float(sparse[letters & ~asked].sum())
    pulls["parts of words in what is asked"] = float(sparse[asked].sum())
    return pulls


def with_evidence(name: str, row: Row, mark: int) -> str:
    phrases = row.found[mark % len(row.found)].phrases if mark < 2 * len(row.found) else ()
    return f"{name}: {', '.join(repr(phrase) for phrase in phrases[:2])}" if phrases else name
