"""Placing requests: rules where they are certain, then the trained model, then the policy table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from knowledge_base.encoder import Encoder
from triage.dataset import LEVELS, NONE, TYPES
from triage.features import Floats, Row, digest, embedded_part, make_row
from triage.language import DEFAULT, Languages
from triage.model import MODEL_FOLDER, TriageModel, load_model, probabilities
from triage.policy import Placing, load_policy, route_of
from triage.reasons import reasons_of
from triage.result import Level, Request, SupportType, TriageResult
from triage.rules import flags_of, load_rules
from triage.text import ReadText, read
from triage.urgency import load_urgency, urgency_of

CERTAIN = frozenset({"automatic", "empty", "only_link"})
"""Flags that make a text no request, whatever the model says; route and confidence differ by the policy table."""


class Classifier:
    """Loads the model and the policy once; `place` may be called from several threads."""

    def __init__(
        self, encoder: Encoder, model_folder: Path = MODEL_FOLDER, *, languages: Languages | None = None
    ) -> None:
        """`languages` is shared with whoever has loaded it already; loading it takes a second."""
        self.model = load_model(model_folder, encoder_name=encoder.name)
        self._encoder = encoder
        self._policy = load_policy()
        self._rules = load_rules()
        self._urgency = load_urgency()
        self._languages = languages or Languages()

    def place(self, request: Request) -> TriageResult:
        return self.place_many([request])[0]

    def place_many(self, requests: Sequence[Request]) -> list[TriageResult]:
        """Results in the order of the requests; the embeddings are computed in batches."""
        texts = [read(request) for request in requests]
        vectors = self._encoder.encode([embedded_part(text) for text in texts]) if texts else ()
        return [self._placed(*each) for each in zip(requests, texts, vectors, strict=True)]

    def _placed(self, request: Request, text: ReadText, vector: Floats) -> TriageResult:
        flags = flags_of(self._rules, text)
        row = make_row(self.model.space, digest(self.model.space.cues, text), vector)
        levels, types = certain(flags) or joint(self.model, row, pasted=text.only_machine)
        level, kind = choose(levels, types, self.model.none_threshold)
        urgency, urgency_reasons = urgency_of(self._urgency, text.prose)
        confidence = min(levels[level], types[kind])
        placing = Placing(level=level, type=kind, confidence=confidence, urgency=urgency, flags=flags)
        route, why = route_of(self._policy, placing)
        return TriageResult(
            id=request.id,
            level=cast("Level", level),
            level_confidence=round(levels[level], 4),
            type=cast("SupportType", kind),
            type_confidence=round(types[kind], 4),
            level_probabilities=levels,
            type_probabilities=types,
            language=self._languages.of(text.prose) if text.prose else DEFAULT,
            urgency=urgency,
            route=route,
            reasons=(
                *reasons_of(self.model, row, level, kind, flags & CERTAIN),
                *urgency_reasons,
                f"route {route}: {why}",
            ),
        )


def certain(flags: frozenset[str]) -> tuple[dict[str, float], dict[str, float]] | None:
    if not flags & CERTAIN:
        return None
    return {**dict.fromkeys(LEVELS, 0.0), NONE: 1.0}, {**dict.fromkeys(TYPES, 0.0), NONE: 1.0}


def joint(model: TriageModel, row: Row, *, pasted: bool = False) -> tuple[dict[str, float], dict[str, float]]:
    """Probabilities over levels and over types, `none` among both; each sums to 1.

    A bare log or script (`pasted`) always counts as a request: nobody sends one without wanting help with it.
    """
    none = 0.0 if pasted else probabilities(model.scope, row)[NONE]
    levels = {name: share * (1 - none) for name, share in probabilities(model.level, row).items()}
    types = {name: share * (1 - none) for name, share in probabilities(model.type, row).items()}
    return {**levels, NONE: none}, {**types, NONE: none}


def choose(levels: Mapping[str, float], types: Mapping[str, float], none_threshold: float) -> tuple[str, str]:
    """Level and type; `none` for both or for neither, from the threshold on."""
    if levels[NONE] >= none_threshold:
        return NONE, NONE
    return max(LEVELS, key=levels.__getitem__), max(TYPES, key=types.__getitem__)
