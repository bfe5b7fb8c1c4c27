"""How good placings are, on any labelled requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from triage.dataset import LEVELS, NONE, TYPES, Labelled
from triage.result import TriageResult

BINS = 10
PRECISION_WANTED = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    truth: Labelled
    level: str
    type: str
    level_confidence: float
    type_confidence: float
    language: str | None = None
    """None, like the route, where only scores were judged."""
    route: str | None = None

    @property
    def level_right(self) -> bool:
        return self.truth.level == self.level

    @property
    def type_right(self) -> bool:
        return self.truth.type == self.type

    @property
    def both_right(self) -> bool:
        return self.level_right and self.type_right


@dataclass(frozen=True, kw_only=True, slots=True)
class Bin:
    low: float
    high: float
    count: int
    confidence: float
    """Mean, 0 to 1."""
    accuracy: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassFigures:
    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """Shares right among the in-scope requests of one tag or language."""

    name: str
    count: int
    level: float
    type: float
    both: float


def judge(rows: Sequence[Labelled], results: Sequence[TriageResult]) -> list[Judged]:
    return [
        Judged(
            truth=row,
            level=result.level,
            type=result.type,
            level_confidence=result.level_confidence,
            type_confidence=result.type_confidence,
            language=result.language,
            route=result.route,
        )
        for row, result in zip(rows, results, strict=True)
    ]


def share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else 0.0


def class_figures(truth: Sequence[str], placed: Sequence[str], labels: Sequence[str]) -> list[ClassFigures]:
    """Figures of the labels that occur in the truth."""
    figures = []
    for label in labels:
        support, named = truth.count(label), placed.count(label)
        hits = sum(left == right == label for left, right in zip(truth, placed, strict=True))
        if support:
            precision, recall = hits / named if named else 0.0, hits / support
            f1 = 2 * hits / (support + named)
            figures.append(ClassFigures(label=label, precision=precision, recall=recall, f1=f1, support=support))
    return figures


def level_figures(judged: Sequence[Judged]) -> list[ClassFigures]:
    truth, placed = [each.truth.level for each in judged], [each.level for each in judged]
    return class_figures(truth, list(placed), (*LEVELS, NONE))


def type_figures(judged: Sequence[Judged]) -> list[ClassFigures]:
    truth, placed = [each.truth.type for each in judged], [each.type for each in judged]
    return class_figures(truth, list(placed), (*TYPES, NONE))


def macro_f1(figures: Sequence[ClassFigures]) -> float:
    return sum(each.f1 for each in figures) / len(figures) if figures else 0.0


def in_scope(judged: Sequence[Judged]) -> list[Judged]:
    return [each for each in judged if each.truth.in_scope]


def none_recall(judged: Sequence[Judged]) -> float:
    return share([each.level == NONE for each in judged if not each.truth.in_scope])


def false_alarms(judged: Sequence[Judged]) -> float:
    """Share of the real requests that were taken for none."""
    return share([each.level == NONE for each in in_scope(judged)])


def slice_of(name: str, judged: Sequence[Judged]) -> Slice:
    return Slice(
        name=name,
        count=len(judged),
        level=share([each.level_right for each in judged]),
        type=share([each.type_right for each in judged]),
        both=share([each.both_right for each in judged]),
    )


def slices(judged: Sequence[Judged]) -> list[Slice]:
    """One for each tag, each language, and all languages but English; in-scope requests only."""
    asked = in_scope(judged)
    tags = sorted({tag for each in asked for tag in each.truth.tags})
    languages = sorted({each.truth.language for each in asked if each.truth.language})
    found = [slice_of(f"tag {tag}", [each for each in asked if tag in each.truth.tags]) for tag in tags]
    found += [
        slice_of(f"language {code}", [each for each in asked if each.truth.language == code]) for code in languages
    ]
    return [*found, slice_of("not English", [each for each in asked if each.truth.language not in {None, "en"}])]


def reliability(confidences: Sequence[float], right: Sequence[bool]) -> list[Bin]:
    """Ten bins of equal width; empty ones are left out."""
    bins = []
    for at in range(BINS):
        inside = [pair for pair in zip(confidences, right, strict=True) if min(int(pair[0] * BINS), BINS - 1) == at]
        if inside:
            mean = sum(confidence for confidence, _ in inside) / len(inside)
            accuracy = share([hit for _, hit in inside])
            bins.append(Bin(low=at / BINS, high=(at + 1) / BINS, count=len(inside), confidence=mean, accuracy=accuracy))
    return bins


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: mean gap between confidence and accuracy, weighted by bin size."""
    total = sum(each.count for each in bins)
    return sum(each.count * abs(each.confidence - each.accuracy) for each in bins) / total if total else 0.0


def level_bins(judged: Sequence[Judged]) -> list[Bin]:
    return reliability([each.level_confidence for each in judged], [each.level_right for each in judged])


def type_bins(judged: Sequence[Judged]) -> list[Bin]:
    return reliability([each.type_confidence for each in judged], [each.type_right for each in judged])


def both_confidence(each: Judged) -> float:
    return min(each.level_confidence, each.type_confidence)


def risk_coverage(judged: Sequence[Judged], right: Callable[[Judged], bool]) -> list[tuple[float, float]]:
    """(coverage, share right) when only the surest part is placed, in steps of a tenth."""
    ranked = sorted(judged, key=both_confidence, reverse=True)
    sizes = [max(1, round(len(ranked) * step / 10)) for step in range(1, 11)] if ranked else []
    return [(size / len(ranked), share([right(each) for each in ranked[:size]])) for size in sizes]


def coverage_at(
    judged: Sequence[Judged], right: Callable[[Judged], bool], precision: float = PRECISION_WANTED
) -> float:
    """The largest share of requests, surest first, that is placed with at least this precision."""
    ranked = sorted(judged, key=both_confidence, reverse=True)
    hits, best = 0, 0
    for size, each in enumerate(ranked, 1):
        hits += right(each)
        if hits / size >= precision:
            best = size
    return best / len(ranked) if ranked else 0.0


def confusion(truth: Sequence[str], placed: Sequence[str], labels: Sequence[str]) -> list[list[int]]:
    """Rows: truth; columns: placed."""
    counts = Counter(zip(truth, placed, strict=True))
    return [[counts[row, column] for column in labels] for row in labels]
