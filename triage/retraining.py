"""Training on engineers' corrections too, as long as the frozen test gets no worse."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from knowledge_base.encoder import Encoder
from triage.card import train_and_describe
from triage.classifier import Classifier
from triage.dataset import Labelled
from triage.errors import CorrectionsError
from triage.evaluation import Judged, judge
from triage.language import Languages


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """Requests of the frozen test that were placed right."""

    level: int
    type: int

    def __str__(self) -> str:
        return f"level {self.level}, type {self.type}"


def retrain(
    rows: Sequence[Labelled], corrections: Sequence[Labelled], encoder: Encoder, *, in_use: Path, target: Path
) -> str:
    """Trains on `rows` and `corrections`, writes the model to `target`, and returns its card.

    Raises:
        CorrectionsError: there are none, or the frozen test gets worse than with the model `in_use`, in level or in
            type; the model in use stays as it is.
    """
    if not corrections:
        raise CorrectionsError("no corrections are stored; correct a placing on the desk first")
    test = [row for row in rows if row.is_test]
    languages = Languages()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / "model"
        card = train_and_describe([*rows, *corrections], encoder, made)
        before, after = (
            score_of(judge(test, Classifier(encoder, model, languages=languages).place_many([r.request for r in test])))
            for model in (in_use, made)
        )
        if after.level < before.level or after.type < before.type:
            raise CorrectionsError(
                f"refused: of {len(test)} frozen test requests it would place right {after} instead of {before}; "
                "the model in use stays. Look through the corrections, or label more requests like them"
            )
        replace_folder(made, target)
    return f"{card}\nfrozen test: {before} right before, {after} with {len(corrections)} corrections\n"


def score_of(judged: Sequence[Judged]) -> Score:
    return Score(level=sum(each.level_right for each in judged), type=sum(each.type_right for each in judged))


def replace_folder(made: Path, target: Path) -> None:
    """Move the new model in; a reader sees the old files or the new ones, and for a moment none."""
    old = target.with_name(f"{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    made.rename(target)
    shutil.rmtree(old, ignore_errors=True)
