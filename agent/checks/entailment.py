"""Whether quotes carry their claim, by a model for natural language inference; it only ever adds doubts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.checks.outcome import outcome_of
from agent.draft import Check, Draft
from agent.errors import HelpdeskError

LABELS = ("contradiction", "entailment", "neutral")
DOUBT_BELOW = 0.5
"""Probability of entailment below which a claim is doubted: another label is then the likelier one."""


class Judge(Protocol):
    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Of (premise, hypothesis) pairs; shape (pairs, 3), columns as in LABELS, rows sum to 1."""
        ...


class InferenceModel:
    """A cross-encoder with the three labels, loaded at the first use; may be used from several threads.

    Raises:
        HelpdeskError: there is no model in the folder, or sentence-transformers is not installed.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "config.json").is_file():
            raise HelpdeskError(f"no model in {folder}: `nli_model` is a folder with a config.json and its weights")
        if find_spec("sentence_transformers") is None:
            raise HelpdeskError('`nli_model` needs the extra: pip install "minerva-helpdesk[models]"')
        self._folder = folder
        self._lock = threading.Lock()
        self._model: Any = None

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Raises HelpdeskError for a model with other labels."""
        from sentence_transformers import CrossEncoder  # noqa: PLC0415  # seconds to import

        with self._lock:
            if self._model is None:
                self._model = CrossEncoder(str(self._folder), local_files_only=True)
            names = {int(key): str(name).casefold() for key, name in self._model.config.id2label.items()}
            if sorted(names.values()) != sorted(LABELS):
                raise HelpdeskError(
                    f"the model in {self._folder} has the labels {sorted(names.values())}, not {LABELS}"
                )
            found = self._model.predict(list(pairs), apply_softmax=True, show_progress_bar=False)
        columns = [next(key for key, name in names.items() if name == label) for label in LABELS]
        return np.asarray(found, dtype=np.float32)[:, columns]


def judge_at(folder: Path | None) -> Judge | None:
    """None when none is set. Raises what InferenceModel raises."""
    return InferenceModel(folder) if folder is not None else None


def judged(judge: Judge, draft: Draft) -> Draft:
    """Claims that their quotes do not entail become amber, with why; all of a draft are judged in one batch."""
    asked = [check for check in draft.checks if check.part == "claim" and check.colour != "red"]
    pairs = [_pair(draft, check) for check in asked]
    if not pairs:
        return draft
    doubts = {id(check): _doubt(row) for check, row in zip(asked, judge.probabilities(pairs), strict=True)}
    checks = tuple(_doubted(check, doubts.get(id(check), "")) for check in draft.checks)
    if checks == draft.checks:
        return draft
    outcome, reasons = outcome_of(replace(draft, checks=checks))
    return replace(draft, checks=checks, outcome=outcome, reasons=reasons)


def _pair(draft: Draft, check: Check) -> tuple[str, str]:
    claim = draft.claims[check.position]
    return " ".join(citation.quote for citation in claim.citations), claim.text


def _doubt(row: NDArray[np.float32]) -> str:
    contradicts, entails, _ = (float(value) for value in row)
    if entails >= DOUBT_BELOW:
        return ""
    what = "contradict it" if contradicts > max(entails, 1 - entails - contradicts) else "do not carry it"
    return f"its quotes {what}, by a model for inference ({100 * entails:.0f} % entailed)"


def _doubted(check: Check, doubt: str) -> Check:
    return replace(check, colour="amber", reasons=(*check.reasons, doubt)) if doubt else check
