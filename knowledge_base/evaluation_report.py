"""The search measured on several sources, each by itself and all together, as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from knowledge_base.encoder import Encoder
from knowledge_base.evaluation import METRICS, Abstention, Measured, Rewriting, measure, measure_abstention
from knowledge_base.index import Index
from knowledge_base.questions import LabelledQuestion
from knowledge_base.reranker import Reranker

THRESHOLD = 0.5
"""Of `answerable`: below it the search says that the sources do not answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceMeasured:
    source: str
    rankings: list[Measured]
    """Empty when no question of the source has an answer."""
    abstention: Abstention
    missing: tuple[str, ...] = ()
    """Files that should answer and are not in the index; a question counts as missed when all of its are."""


def folders_of(folder: Path, corpora: Iterable[str]) -> dict[str, Path]:
    """The folder of each corpus: the one below `folder` that is named like it (or like its last part, for
    owner/name), or else `folder` itself."""
    found = {}
    for corpus in sorted(set(corpora)):
        named = [folder / corpus, folder / Path(corpus).name]
        found[corpus] = next((place for place in named if place.is_dir()), folder)
    return found


def measure_source(
    source: str,
    index: Index,
    questions: Sequence[LabelledQuestion],
    encoder: Encoder,
    *,
    reranker: Reranker | None = None,
    rewriting: Rewriting | None = None,
) -> SourceMeasured:
    """With a reranker or a rewriting, also the search with it."""
    return SourceMeasured(
        source=source,
        rankings=measure(index, questions, encoder, reranker, rewriting)
        if any(question.gold_paths for question in questions)
        else [],
        abstention=measure_abstention(index, questions, encoder),
        missing=_missing(index, questions),
    )


def _missing(index: Index, questions: Sequence[LabelledQuestion]) -> tuple[str, ...]:
    known = {index.passages.at(row).path for row in range(len(index))}
    return tuple(sorted(frozenset().union(*(question.gold_paths for question in questions)) - known))


def together(parts: Sequence[SourceMeasured]) -> SourceMeasured:
    """All questions as one set, each with the same weight."""
    ranked = [part.rankings for part in parts if part.rankings]
    return SourceMeasured(
        source="all",
        rankings=[
            Measured(
                ranking=same[0].ranking,
                values=np.concatenate([item.values for item in same]),
                rewritten=None if same[0].rewritten is None else sum(item.rewritten or 0 for item in same),
            )
            for same in zip(*ranked, strict=True)
        ],
        abstention=Abstention(
            answerable=np.concatenate([part.abstention.answerable for part in parts]),
            unanswerable=np.concatenate([part.abstention.unanswerable for part in parts]),
        ),
    )


def report(parts: Sequence[SourceMeasured]) -> Iterator[str]:
    """Lines: a table for each source, one for all when there are several, and the reliability curve of all."""
    whole = together(parts)
    for part in [*parts, whole] if len(parts) > 1 else parts:
        yield from _table(part)
    if len(whole.abstention.answerable) and len(whole.abstention.unanswerable):
        yield "answerable, both kinds weighing the same: estimate, questions, mean estimate, share answered"
        for row in whole.abstention.reliability():
            yield f"  from {row.low:.1f} {row.questions:5} {row.estimated:6.2f} {row.answered:6.2f}"


def _table(part: SourceMeasured) -> Iterator[str]:
    with_answer, without = len(part.abstention.answerable), len(part.abstention.unanswerable)
    yield f"{part.source}: {with_answer} questions with an answer, {without} without; [95 % bootstrap interval]"
    if part.missing:
        shown = ", ".join(part.missing[:5]) + (", …" if len(part.missing) > 5 else "")
        yield f"{len(part.missing)} of the files that should answer are not in the index: {shown}"
    if part.rankings:
        yield f"{'':9}" + "".join(f"{name:>22}" for name in METRICS)
    for measured in part.rankings:
        low, high = measured.interval()
        cells = zip(measured.mean(), low, high, strict=True)
        yield f"{measured.ranking:9}" + "".join(f"   {m:.3f} [{a:.3f} {b:.3f}]" for m, a, b in cells)
        if measured.rewritten is not None:
            yield f"  other words for {measured.rewritten} of the {with_answer} questions, the rest as they are"
    if without:
        unanswerable, answerable = part.abstention.flagged(THRESHOLD)
        yield f"flagged as not answered: {unanswerable:.3f} of those without, {answerable:.3f} of those with"
