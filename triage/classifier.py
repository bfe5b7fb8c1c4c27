"""Placing requests: rules where they are certain, then the trained model, then the policy table.

A language model, where there is one, is asked only about what the trained model leaves unsure.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

from knowledge_base.encoder import Encoder
from triage.arbitration import UNSURE, Arbiter, Verdict, arbitrate
from triage.dataset import LEVELS, NONE, TYPES
from triage.features import Floats, Row, digest, embedded_part, make_row
from triage.incidents import fingerprint
from triage.language import DEFAULT, Languages
from triage.missing import IMAGES, has_file, lacking, load_wants
from triage.model import MODEL_FOLDER, TriageModel, load_model, probabilities
from triage.policy import Placing, load_policy, route_of
from triage.reasons import reasons_of
from triage.result import Level, Request, SupportType, TriageResult
from triage.rules import flags_of, load_rules
from triage.text import ReadText, read
from triage.topics import topics_of
from triage.urgency import load_urgency, urgency_of

CERTAIN = frozenset({"automatic", "empty", "only_image", "only_link"})
"""Flags that make a text no request, whatever the model says; route and confidence differ by the policy table."""
FEW_WORDS = 4
TOGETHER = 16
"""Requests that are embedded and placed together."""


class Classifier:
    """Loads the model and the policy once; `place` may be called from several threads."""

    def __init__(
        self,
        encoder: Encoder,
        model_folder: Path = MODEL_FOLDER,
        *,
        languages: Languages | None = None,
        arbiter: Arbiter | None = None,
    ) -> None:
        """`languages` is shared with whoever has loaded it already; loading it takes a second.

        `arbiter` is a language model that is asked about unsure placings, and about nothing else.
        """
        self.model = load_model(model_folder, encoder_name=encoder.name)
        self._encoder = encoder
        self._policy = load_policy()
        self._rules = load_rules()
        self._urgency = load_urgency()
        self._wants = load_wants()
        self._languages = languages or Languages()
        self._arbiter = arbiter

    def place(self, request: Request) -> TriageResult:
        text = read(request)
        return self._placed(request, text, self._encoder.encode([embedded_part(text)])[0])

    def place_many(self, requests: Sequence[Request]) -> list[TriageResult]:
        """Results in the order of the requests.

        Each core takes a few requests of about the same length at a time, so that one can embed, which leaves Python's
        lock, while another reads and scores.
        """
        texts = [read(request) for request in requests]
        parts = [embedded_part(text) for text in texts]
        ranked = sorted(range(len(parts)), key=lambda at: len(parts[at]), reverse=True)
        groups = [ranked[start : start + TOGETHER] for start in range(0, len(ranked), TOGETHER)]
        results: dict[int, TriageResult] = {}

        def place_group(group: Sequence[int]) -> None:
            vectors = self._encoder.encode([parts[at] for at in group])
            results.update(
                (at, self._placed(requests[at], texts[at], vector)) for at, vector in zip(group, vectors, strict=True)
            )

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
            list(threads.map(place_group, groups))
        return [results[at] for at in range(len(requests))]

    def _placed(self, request: Request, text: ReadText, vector: Floats) -> TriageResult:
        language = self._languages.of(text.prose) if text.prose else DEFAULT
        digested = digest(self.model.space.cues, text)
        flags = flags_of(self._rules, text) | attached_flags(request, text)
        row = make_row(self.model.space, digested, vector)
        levels, types = certain(flags) or joint(self.model, row, pasted=text.only_machine)
        level, kind = choose(levels, types, self.model.none_threshold)
        verdict = self._arbitrated(request, levels, types, (level, kind), flags)
        placed = reasons_of(self.model, row, level, kind, flags & CERTAIN)
        topics = topics_of(f"{request.subject}\n{text.whole}")
        lacks = lacking(self._wants, request, text, topics) if verdict.type == "T1" else ()
        urgency, urgency_reasons = urgency_of(self._urgency, text.prose)
        confidence = min(levels[verdict.level], types[verdict.type])
        flags |= {"no_details"} if lacks else set()
        placing = Placing(level=verdict.level, type=verdict.type, confidence=confidence, urgency=urgency, flags=flags)
        route, why = route_of(self._policy, placing)
        return TriageResult(
            id=request.id,
            level=cast("Level", verdict.level),
            level_confidence=round(levels[verdict.level], 4),
            type=cast("SupportType", verdict.type),
            type_confidence=round(types[verdict.type], 4),
            level_probabilities=levels,
            type_probabilities=types,
            language=language,
            urgency=urgency,
            route=route,
            topics=topics,
            questions=self._wants.ask(wanted_by(flags, lacks), language) if route == "ask" else (),
            fingerprint=None if text.is_empty else fingerprint(text, vector, topics, self._encoder.name),
            reasons=(*placed, *verdict.reasons, *urgency_reasons, f"route {route}: {why}"),
        )

    def _arbitrated(
        self,
        request: Request,
        levels: Mapping[str, float],
        types: Mapping[str, float],
        placed: tuple[str, str],
        flags: frozenset[str],
    ) -> Verdict:
        """Texts that address the machine, and those that a rule decides, are never put to a language model."""
        unsure = min(levels[placed[0]], types[placed[1]]) < UNSURE
        if self._arbiter is None or not unsure or flags & (CERTAIN | {"injection"}):
            return Verdict(level=placed[0], type=placed[1], reasons=())
        return arbitrate(self._arbiter, request, levels, types, placed)


def attached_flags(request: Request, text: ReadText) -> frozenset[str]:
    """`only_image` for a mail that says nothing and shows a picture."""
    bare = text.is_empty or (not text.machine and len(text.prose.split()) < FEW_WORDS)
    return frozenset({"only_image"}) if bare and has_file(request, IMAGES) else frozenset()


def wanted_by(flags: frozenset[str], lacks: Sequence[str]) -> Sequence[str]:
    """What to ask for, by what is the matter with the text."""
    if flags & {"only_image", "only_link"}:
        return ("text",)
    return lacks or ("wish",)


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
