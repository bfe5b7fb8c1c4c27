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

MAX_EVIDENCE = 5
MAX_CLAIMS = 7
MAX_CLAIM_CHARS = 2200
MAX_QUESTION_CHARS = 1500
SAME_THING = 0.86
"""Cosine above which two sentences say the same."""
RELEVANT = 0.38
"""Score under which a sentence does not help."""
ANSWERED = 0.42
"""Similarity that a single question needs to one of the claims."""
SURE, POSSIBLE = 0.6, 0.3
"""Of `answerable`: from SURE on a plain answer, from POSSIBLE on one with a caveat."""

_WORD = re.compile(r"[\w./=#-]{3,}")
_ASK = re.compile(r"[^.!?\n]{8,300}\?")


@dataclass(frozen=True, slots=True)
class _Candidate:
    unit: Unit
    evidence: Evidence
    score: float
    vector: NDArray[np.float32]


def embedded_composer(encoder: Encoder) -> Compose:
    """The composer that needs neither GPU nor network."""

    def compose(question: Question, evidence: Sequence[Evidence], answerable: float) -> Draft:
        asked = f"{question.subject}\n{question.instruction}\n{question.text[:MAX_QUESTION_CHARS]}".strip()
        asks = [ask.strip() for ask in _ASK.findall(question.text[:MAX_QUESTION_CHARS])][:5]
        candidates, ask_vectors = _candidates(encoder, asked, asks, evidence)
        chosen = _choose(candidates)
        unanswered = _unanswered(question, asks, ask_vectors, chosen, answerable)
        return Draft(
            outcome=_outcome(chosen, answerable),
            claims=tuple(_claim(candidate) for candidate in chosen),
            unanswered=unanswered,
            questions=(),
            evidence=tuple(evidence),
            answerable=answerable,
            model=MODEL_NAME,
        )

    return compose


def _candidates(
    encoder: Encoder, asked: str, asks: Sequence[str], evidence: Sequence[Evidence]
) -> tuple[list[_Candidate], NDArray[np.float32]]:
    """All quotable sentences of the evidence with their scores, and the vectors of the single questions."""
    pairs = [(unit, item) for item in evidence[:MAX_EVIDENCE] for unit in units_of(item.text)]
    vectors = encoder.encode([asked, *asks, *(unit.text[:400] for unit, _ in pairs)])
    asked_vector, ask_vectors, unit_vectors = vectors[0], vectors[1 : 1 + len(asks)], vectors[1 + len(asks) :]
    words = _rare_words(asked, [unit.text for unit, _ in pairs])
    best = max((item.score for item in evidence if item.kind == "passage"), default=1.0) or 1.0
    candidates = []
    for (unit, item), vector in zip(pairs, unit_vectors, strict=True):
        similar = float(max(vector @ asked_vector, *(ask_vectors @ vector), -1.0))
        prior = 0.25 if item.kind == "row" else 0.15 * item.score / best
        candidates.append(_Candidate(unit, item, similar + 0.25 * _overlap(unit.text, words) + prior, vector))
    return candidates, ask_vectors


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
    """The best sentences, no two that say the same, in the order of the evidence and then of its text."""
    chosen: list[_Candidate] = []
    size = 0
    for candidate in sorted(candidates, key=lambda c: -c.score):
        if len(chosen) == MAX_CLAIMS or candidate.score < RELEVANT:
            break
        repeats = any(float(candidate.vector @ other.vector) > SAME_THING for other in chosen)
        if repeats or size + len(candidate.unit.text) > MAX_CLAIM_CHARS:
            continue
        chosen.append(candidate)
        size += len(candidate.unit.text)
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
