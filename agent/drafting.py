"""Drafting without a language model: choose sentences from the best evidence, cite each, say what is missing."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.checks.outcome import POSSIBLE, SURE
from agent.draft import Citation, Claim, Compose, Draft, Evidence, Outcome, Question
from agent.sentence_vectors import SentenceVectors
from agent.sentences import Unit, quotable

MODEL_NAME = "embedded"

MAX_PASSAGES = 5
MAX_CLAIMS = 6
MAX_SENTENCES_EACH = 6
MAX_CLAIM_CHARS = 2200
MAX_QUESTION_CHARS = 1500
SAME_THING = 0.87
"""Nearness above which two sentences say the same."""
RELEVANT = 0.36
"""Score under which a sentence does not help."""
ANSWERED = 0.40
"""Nearness that a single question needs to one of the claims."""
SHORT_ASK_WORDS = 6
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


def embedded_composer(vectors: SentenceVectors) -> Compose:
    """The composer that needs neither GPU nor network."""

    def compose(question: Question, evidence: Sequence[Evidence], answerable: float) -> Draft:
        asks = [ask.strip() for ask in _ASK.findall(question.text[:MAX_QUESTION_CHARS])][:5]
        candidates, ask_vectors = _candidates(vectors, question, asks, _considered(evidence))
        chosen = _choose(vectors, candidates) if answerable >= POSSIBLE else []
        return Draft(
            outcome=_outcome(chosen, answerable),
            claims=tuple(_claim(candidate) for candidate in chosen),
            unanswered=_unanswered(vectors, question, list(zip(asks, ask_vectors, strict=True)), chosen, answerable),
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


def _candidates(
    vectors: SentenceVectors, question: Question, asks: Sequence[str], evidence: Sequence[Evidence]
) -> tuple[list[_Candidate], NDArray[np.float32]]:
    """The sentences worth comparing with their scores, and the vectors of the single questions."""
    asked = f"{question.subject}\n{question.instruction}\n{question.text[:MAX_QUESTION_CHARS]}".strip()
    sentences = [(item, quotable(item.text)) for item in evidence]
    words = _rare_words(asked, [unit.text for _, units in sentences for unit in units])
    pairs = [(unit, item) for item, units in sentences for unit in _promising(units, words)]
    questions, rows = vectors.of([asked, *asks], [(item.id, unit) for unit, item in pairs])
    best = max((item.score for item in evidence if item.kind == "passage"), default=1.0) or 1.0
    candidates = []
    for (unit, item), vector in zip(pairs, rows, strict=True):
        prior = 0.25 if item.kind == "row" else 0.15 * item.score / best
        penalty = CONTEXT_PENALTY if _NEEDS_CONTEXT.match(unit.text) else 0.0
        score = float(vectors.nearness(questions @ vector).max()) + 0.25 * _overlap(unit.text, words) + prior - penalty
        candidates.append(_Candidate(unit, item, score, vector))
    return candidates, questions[1:]


def _promising(units: Sequence[Unit], words: dict[str, float]) -> list[Unit]:
    """The sentences of one passage that share most with the question, in their order: comparing all would cost most."""
    by_overlap = sorted(units, key=lambda unit: -_overlap(unit.text, words))
    return sorted(by_overlap[:MAX_SENTENCES_EACH], key=lambda unit: unit.start)


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


def _choose(vectors: SentenceVectors, candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """The best sentences, no two that say the same, in the order of the evidence and then of its text.

    What the diagnosis found is always among them: it is about the requester's own script or log.
    """
    first_of_rows = {c.evidence.id: c for c in reversed(candidates) if c.evidence.kind == "row"}
    diagnosed = sorted(first_of_rows.values(), key=lambda c: c.evidence.number)
    others = sorted((c for c in candidates if c.score >= RELEVANT), key=lambda c: -c.score)
    chosen: list[_Candidate] = []
    size = 0
    for candidate in [*diagnosed, *others]:
        repeats = candidate in chosen or any(vectors.nearness(candidate.vector @ o.vector) > SAME_THING for o in chosen)
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
    vectors: SentenceVectors,
    question: Question,
    asks: Sequence[tuple[str, NDArray[np.float32]]],
    chosen: Sequence[_Candidate],
    answerable: float,
) -> tuple[str, ...]:
    if not chosen or (not asks and answerable < POSSIBLE):
        return tuple(ask for ask, _ in asks) or (question.subject or question.text[:200].strip(),)
    claims = np.stack([candidate.vector for candidate in chosen])
    return tuple(ask for ask, vector in asks if vectors.nearness(claims @ vector).max() < ANSWERED)


def _outcome(chosen: Sequence[_Candidate], answerable: float) -> Outcome:
    if not chosen or answerable < POSSIBLE:
        return "escalate"
    return "answer" if answerable >= SURE else "caveat"
