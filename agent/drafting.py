"""Drafting without a language model: choose sentences from the best evidence, cite each, say what is missing."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.draft import Citation, Claim, Compose, Draft, Evidence, Outcome, Question
from agent.sentences import Unit, units_of
from knowledge_base.encoder import Encoder

MODEL_NAME = "embedded"

MAX_PASSAGES = 5
MAX_CLAIMS = 6
MAX_ENCODED_CHARS = 400
MAX_KEPT_PASSAGES = 5000
MAX_CLAIM_CHARS = 2200
MAX_QUESTION_CHARS = 1500
SAME_THING = 0.86
"""Cosine above which two sentences say the same."""
RELEVANT = 0.38
"""Score under which a sentence does not help."""
ANSWERED = 0.42
"""Similarity that a single question needs to one of the claims."""
SHORT_ASK_WORDS = 6
SURE, POSSIBLE = 0.6, 0.3
"""Of `answerable`: from SURE on a plain answer, from POSSIBLE on one with a caveat."""

_ABOUT_ITSELF = re.compile(r"^(?:this|the) (?:article|page|guide|section)\b", re.IGNORECASE)
_NEEDS_CONTEXT = re.compile(
    r"^(?:it|its|they|their|these|those|this|that|both|here|there|such|then|so)\b", re.IGNORECASE
)
CONTEXT_PENALTY = 0.08
"""For a sentence that leans on the one before it."""
_WORD = re.compile(r"[\w./=#-]{3,}")
_ASK = re.compile(r"[^.!?\n]{8,300}\?")


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    unit: Unit
    evidence: Evidence
    score: float
    vector: NDArray[np.float32]


class _Units:
    """The quotable units of evidence with their vectors; passages come up again and again, so theirs are kept."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._kept: dict[str, tuple[list[Unit], NDArray[np.float32]]] = {}

    def of(
        self, asked: Sequence[str], evidence: Sequence[Evidence]
    ) -> tuple[NDArray[np.float32], list[tuple[list[Unit], NDArray[np.float32]]]]:
        """Vectors of the questions, and units with vectors for each evidence; what is new is encoded in one batch."""
        new = {item.id: _quotable(item.text) for item in evidence if item.id not in self._kept}
        texts = [*asked, *(unit.text[:MAX_ENCODED_CHARS] for units in new.values() for unit in units)]
        vectors = self._encoder.encode(texts)
        position = len(asked)
        found: dict[str, tuple[list[Unit], NDArray[np.float32]]] = {}
        for key, units in new.items():
            found[key] = units, vectors[position : position + len(units)]
            position += len(units)
        for item in evidence:
            found.setdefault(item.id, self._kept.get(item.id, ([], vectors[:0])))
        if len(self._kept) > MAX_KEPT_PASSAGES:
            self._kept.clear()
        self._kept.update({item.id: found[item.id] for item in evidence if item.kind == "passage"})
        return vectors[: len(asked)], [found[item.id] for item in evidence]


def embedded_composer(encoder: Encoder) -> Compose:
    """The composer that needs neither GPU nor network. Make it once: it remembers the vectors of passages."""
    kept = _Units(encoder)

    def compose(question: Question, evidence: Sequence[Evidence], answerable: float) -> Draft:
        asks = [ask.strip() for ask in _ASK.findall(question.text[:MAX_QUESTION_CHARS])][:5]
        candidates, ask_vectors = _candidates(kept, question, asks, _considered(evidence))
        chosen = _choose(candidates) if answerable >= POSSIBLE else []
        return Draft(
            outcome=_outcome(chosen, answerable),
            claims=tuple(_claim(candidate) for candidate in chosen),
            unanswered=_unanswered(question, asks, ask_vectors, chosen, answerable),
            questions=(),
            evidence=tuple(evidence),
            answerable=answerable,
            model=MODEL_NAME,
        )

    return compose


def _considered(evidence: Sequence[Evidence]) -> list[Evidence]:
    """All rows, and the best passages."""
    passages = [item for item in evidence if item.kind == "passage"]
    return [*(item for item in evidence if item.kind == "row"), *passages[:MAX_PASSAGES]]


def _quotable(text: str) -> list[Unit]:
    return [unit for unit in units_of(text) if not _ABOUT_ITSELF.match(unit.text)]


def _candidates(
    kept: _Units, question: Question, asks: Sequence[str], evidence: Sequence[Evidence]
) -> tuple[list[_Candidate], NDArray[np.float32]]:
    """All quotable sentences of the evidence with their scores, and the vectors of the single questions."""
    asked = f"{question.subject}\n{question.instruction}\n{question.text[:MAX_QUESTION_CHARS]}".strip()
    questions, found = kept.of([asked, *asks], evidence)
    words = _rare_words(asked, [unit.text for units, _ in found for unit in units])
    best = max((item.score for item in evidence if item.kind == "passage"), default=1.0) or 1.0
    candidates = []
    for item, (units, vectors) in zip(evidence, found, strict=True):
        prior = 0.25 if item.kind == "row" else 0.15 * item.score / best
        for unit, vector in zip(units, vectors, strict=True):
            penalty = CONTEXT_PENALTY if _NEEDS_CONTEXT.match(unit.text) else 0.0
            score = float((questions @ vector).max()) + 0.25 * _overlap(unit.text, words) + prior - penalty
            candidates.append(_Candidate(unit, item, score, vector))
    return candidates, questions[1:]


def _rare_words(asked: str, texts: Sequence[str]) -> dict[str, float]:
    """Weight of each word of the question: the fewer sentences hold it, the more it tells."""
    words = {word.casefold() for word in _WORD.findall(asked)}
    lowered = [text.casefold() for text in texts]
    counts = {word: sum(word in text for text in lowered) for word in words}
    return {word: math.log(1 + len(texts) / count) for word, count in counts.items() if count}


def _overlap(text: str, words: dict[str, float]) -> float:
    total = sum(words.values())
    lowered = text.casefold()
    return sum(weight for word, weight in words.items() if word in lowered) / total if total else 0.0


def _choose(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """The best sentences, no two that say the same, in the order of the evidence and then of its text.

    What the diagnosis found is always among them: it is about the requester's own script or log.
    """
    first_of_rows = {c.evidence.id: c for c in reversed(candidates) if c.evidence.kind == "row"}
    diagnosed = sorted(first_of_rows.values(), key=lambda c: c.evidence.number)
    others = sorted((c for c in candidates if c.score >= RELEVANT), key=lambda c: -c.score)
    chosen: list[_Candidate] = []
    size = 0
    for candidate in [*diagnosed, *others]:
        repeats = candidate in chosen or any(float(candidate.vector @ o.vector) > SAME_THING for o in chosen)
        if repeats or size + len(candidate.unit.text) > MAX_CLAIM_CHARS:
            continue
        chosen.append(candidate)
        size += len(candidate.unit.text)
        if len(chosen) >= max(MAX_CLAIMS, len(diagnosed)):
            break
    return sorted(chosen, key=lambda c: (c.evidence.number, c.unit.start))


def _claim(candidate: _Candidate) -> Claim:
    citation = Citation(evidence=candidate.evidence.number, quote=candidate.unit.quote)
    return Claim(text=candidate.unit.text, citations=(citation,))


def _unanswered(
    question: Question,
    asks: Sequence[str],
    ask_vectors: NDArray[np.float32],
    chosen: Sequence[_Candidate],
    answerable: float,
) -> tuple[str, ...]:
    if not chosen or (not asks and answerable < POSSIBLE):
        return tuple(asks) or (question.subject or question.text[:200].strip(),)
    claims = np.stack([candidate.vector for candidate in chosen])
    return tuple(
        ask for ask, vector in zip(asks, ask_vectors, strict=True) if float((claims @ vector).max()) < ANSWERED
    )


def _outcome(chosen: Sequence[_Candidate], answerable: float) -> Outcome:
    if not chosen or answerable < POSSIBLE:
        return "escalate"
    return "answer" if answerable >= SURE else "caveat"
