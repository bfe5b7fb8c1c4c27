"""The committed model on voices that it never saw: the bars that a change may not fall below."""

from __future__ import annotations

import pytest

from knowledge_base.encoder import SentenceEncoder
from triage.classifier import Classifier
from triage.dataset import NONE, load_all
from triage.evaluation import (
    Judged,
    calibration_error,
    false_alarms,
    in_scope,
    judge,
    level_bins,
    level_figures,
    macro_f1,
    none_recall,
    share,
    slices,
    type_bins,
    type_figures,
)

LEVEL_BAR = 0.90
TYPE_BAR = 0.92
BOTH_BAR = 0.88
NONE_BAR = 0.90
FALSE_ALARM_BAR = 0.02
CALIBRATION_BAR = 0.05
SLICE_BARS = [("tag adversarial", 0.80, 0.90), ("tag no-cue", 0.80, 0.85), ("not English", 0.85, 0.90)]
"""A little under what the model reached on the frozen voices; raise them with it, never tune on them."""


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    rows = [row for row in load_all() if row.is_test]
    results = Classifier(SentenceEncoder()).place_many([row.request for row in rows])
    return judge(rows, results)


def test_level(judged: list[Judged]) -> None:
    assert macro_f1([each for each in level_figures(judged) if each.label != NONE]) >= LEVEL_BAR


def test_type(judged: list[Judged]) -> None:
    assert macro_f1([each for each in type_figures(judged) if each.label != NONE]) >= TYPE_BAR


def test_both_right(judged: list[Judged]) -> None:
    assert share([each.both_right for each in in_scope(judged)]) >= BOTH_BAR


def test_out_of_scope(judged: list[Judged]) -> None:
    assert none_recall(judged) >= NONE_BAR
    assert false_alarms(judged) <= FALSE_ALARM_BAR


@pytest.mark.parametrize(("name", "level", "kind"), SLICE_BARS)
def test_hard_parts(judged: list[Judged], name: str, level: float, kind: float) -> None:
    part = next(part for part in slices(judged) if part.name == name)
    assert part.level >= level
    assert part.type >= kind


def test_calibration(judged: list[Judged]) -> None:
    assert calibration_error(level_bins(judged)) <= CALIBRATION_BAR
    assert calibration_error(type_bins(judged)) <= CALIBRATION_BAR
