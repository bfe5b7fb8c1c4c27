"""The figures of an evaluation as plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from triage.arbitration import MODEL_WAS_ASKED
from triage.dataset import LEVELS, NONE, TYPES, near_copy_rate
from triage.evaluation import (
    Judged,
    calibration_error,
    confusion,
    coverage_at,
    false_alarms,
    in_scope,
    level_bins,
    level_figures,
    macro_f1,
    none_recall,
    risk_coverage,
    share,
    slices,
    type_bins,
    type_figures,
)
from triage.result import TriageResult


def report(judged: Sequence[Judged]) -> str:
    """Everything that is to be known, as plain text."""
    parts = [
        headline(judged),
        classes_text(judged),
        slices_text(judged),
        calibration_text(judged),
        coverage_text(judged),
        confusion_text(judged),
    ]
    return "\n\n".join([*parts, *languages_and_routes(judged)]) + "\n"


def arbitration_report(without: Sequence[Judged], settled: Sequence[Judged], results: Sequence[TriageResult]) -> str:
    """What a language model changed that was asked about the unsure placings; the three are of the same requests."""
    asked = sum(any(MODEL_WAS_ASKED in reason for reason in result.reasons) for result in results)
    changed = [
        (before.both_right, after.both_right)
        for before, after in zip(without, settled, strict=True)
        if (before.level, before.type) != (after.level, after.type)
    ]
    lines = [
        f"with the language model: asked about {asked} of {len(settled)}, changed {len(changed)}, "
        f"to right {sum(after and not before for before, after in changed)}, "
        f"from right {sum(before and not after for before, after in changed)}",
        headline(settled),
    ]
    return "\n".join(lines) + "\n"


def headline(judged: Sequence[Judged]) -> str:
    asked = in_scope(judged)
    none_count = len(judged) - len(asked)
    levels = [each for each in level_figures(judged) if each.label != NONE]
    types = [each for each in type_figures(judged) if each.label != NONE]
    return "\n".join(
        [
            f"requests             {len(judged)}, of them {none_count} out of scope",
            f"near-copies          {near_copy_rate([each.truth for each in judged]):.3f} of the requests",
            f"level macro-F1       {macro_f1(levels):.3f} (L1-L5)   {macro_f1(level_figures(judged)):.3f} (with none)",
            f"type macro-F1        {macro_f1(types):.3f} (T1-T4)   {macro_f1(type_figures(judged)):.3f} (with none)",
            f"both right           {share([each.both_right for each in asked]):.3f} (in scope)   "
            f"{share([each.both_right for each in judged]):.3f} (all)",
            f"out-of-scope recall  {none_recall(judged):.3f} at {false_alarms(judged):.3f} false alarms",
        ]
    )


def classes_text(judged: Sequence[Judged]) -> str:
    lines = ["class  precision  recall  F1     count"]
    figures = [*level_figures(judged), *type_figures(judged)]
    lines += [
        f"{each.label:5}  {each.precision:9.3f}  {each.recall:6.3f}  {each.f1:.3f}  {each.support:5}"
        for each in figures
    ]
    return "\n".join(lines)


def slices_text(judged: Sequence[Judged]) -> str:
    lines = ["part                  count  level  type   both (share right)"]
    lines += [
        f"{part.name:20} {part.count:6}  {part.level:.3f}  {part.type:.3f}  {part.both:.3f}" for part in slices(judged)
    ]
    return "\n".join(lines)


def calibration_text(judged: Sequence[Judged]) -> str:
    lines = []
    for name, bins in (("level", level_bins(judged)), ("type", type_bins(judged))):
        lines.append(f"{name} calibration error (ECE) {calibration_error(bins):.3f}")
        lines += [
            f"  {each.low:.1f}-{each.high:.1f}  {each.count:5}  said {each.confidence:.3f}  was {each.accuracy:.3f}"
            for each in bins
        ]
    return "\n".join(lines)


def coverage_text(judged: Sequence[Judged]) -> str:
    lines = ["coverage  level right  both right (surest first)"]
    curves = zip(
        risk_coverage(judged, lambda each: each.level_right),
        risk_coverage(judged, lambda each: each.both_right),
        strict=True,
    )
    lines += [f"{left[0]:8.2f}  {left[1]:11.3f}  {right[1]:10.3f}" for left, right in curves]
    lines.append(
        f"placed at 95 % precision: level {coverage_at(judged, lambda each: each.level_right):.2f} of the requests,"
    )
    lines.append(f"  level and type {coverage_at(judged, lambda each: each.both_right):.2f}")
    return "\n".join(lines)


def confusion_text(judged: Sequence[Judged]) -> str:
    levels, types = (*LEVELS, NONE), (*TYPES, NONE)
    level_table = confusion([each.truth.level for each in judged], [each.level for each in judged], levels)
    type_table = confusion([each.truth.type for each in judged], [each.type for each in judged], types)
    return f"{table_text('level', level_table, levels)}\n\n{table_text('type', type_table, types)}"


def languages_and_routes(judged: Sequence[Judged]) -> list[str]:
    """Nothing where no languages and routes were judged."""
    told = [each for each in judged if each.language and each.truth.language and each.truth.in_scope]
    routes = Counter(each.route for each in judged if each.route)
    lines = [
        f"language right        {share([each.language == each.truth.language for each in told]):.3f} of {len(told)}"
    ]
    lines.append("routes                " + ", ".join(f"{route} {count}" for route, count in routes.most_common()))
    return ["\n".join(lines)] if told else []


def table_text(name: str, table: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    head = f"{name:6}" + "".join(f"{label:>6}" for label in labels) + "   (columns: placed)"
    rows = [
        f"{label:6}" + "".join(f"{count:6}" for count in counts) for label, counts in zip(labels, table, strict=True)
    ]
    return "\n".join([head, *rows])
