"""Training from labelled requests to files on disk, with the card that says how good the model is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from knowledge_base.encoder import Encoder
from triage.classifier import Classifier, choose
from triage.dataset import LEVELS, NONE, TYPES, Labelled, near_copy_rate
from triage.evaluation import Judged, judge
from triage.model import TriageModel, heads, save_model, softmax
from triage.report import report
from triage.training import HeldOut, train


def train_and_describe(rows: Sequence[Labelled], encoder: Encoder, folder: Path) -> str:
    """Trains, writes the model, and returns its card: held-out authors first, then the frozen test voices."""
    trained = train(rows, encoder)
    save_model(trained.model, folder)
    seen = [row for row in rows if not row.is_test]
    unseen = [row for row in rows if row.is_test]
    parts = [
        about(trained.model, seen, unseen),
        "## Training voices, cross-validated by voice",
        held_out_report(trained.model, seen, trained.held_out),
    ]
    if unseen:
        results = Classifier(encoder, folder).place_many([row.request for row in unseen])
        parts += ["## Frozen test voices", report(judge(unseen, results))]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def about(model: TriageModel, seen: Sequence[Labelled], unseen: Sequence[Labelled]) -> str:
    languages = Counter(row.language for row in seen if row.language)
    copies = near_copy_rate(seen)
    words, letters, asked = (len(block.terms) for block in model.space.sparse_blocks)
    return "\n".join(
        [
            f"# Triage model {model.version}",
            "",
            f"embedding model   {model.encoder}",
            f"data hash         {model.data_hash}",
            f"training          {len(seen)} requests by {voices_of(seen)} voices, near-copies {copies:.3f}",
            f"frozen test       {len(unseen)} requests by {voices_of(unseen)} voices",
            f"languages         {', '.join(f'{code} {count}' for code, count in languages.most_common())}",
            f"features          {model.space.size} ({words} words, {letters} letter groups, {asked} of what is asked)",
            f"temperatures      {', '.join(f'{name} {head.temperature:.2f}' for name, head in heads(model).items())}",
            f"none from         {model.none_threshold:.3f}",
        ]
    )


def voices_of(rows: Sequence[Labelled]) -> int:
    return len({row.voice for row in rows})


def held_out_report(model: TriageModel, rows: Sequence[Labelled], scores: HeldOut) -> str:
    return report([judged_from_scores(model, row, scores, at) for at, row in enumerate(rows)])


def judged_from_scores(model: TriageModel, row: Labelled, scores: HeldOut, at: int) -> Judged:
    none = float(softmax(scores.scope[at] / model.scope.temperature)[1])
    levels = with_none(LEVELS, softmax(scores.level[at] / model.level.temperature), none)
    types = with_none(TYPES, softmax(scores.type[at] / model.type.temperature), none)
    level, kind = choose(levels, types, model.none_threshold)
    return Judged(truth=row, level=level, type=kind, level_confidence=levels[level], type_confidence=types[kind])


def with_none(classes: Sequence[str], shares: Iterable[float], none: float) -> dict[str, float]:
    return {**{name: float(share) * (1 - none) for name, share in zip(classes, shares, strict=True)}, NONE: none}
