"""How well the doctor does on its labelled sets; prints the rates, frozen third apart (pytest -s)."""

from __future__ import annotations

import difflib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from doctor_cases import (
    Faulty,
    Labelled,
    Planted,
    correct_scripts,
    faulty_scripts,
    foreign,
    foreign_variants,
    fourth_variants,
    labelled,
    logs,
    planted_faults,
)

from triage.doctor.check import Checked, check_script, rules
from triage.doctor.logs import diagnose_log_text
from triage.doctor.pieces import Piece, pieces_of_script_file


def script_of(text: str) -> Piece:
    return next(piece for piece in pieces_of_script_file("job.sh", text) if piece.kind == "script")


def check(text: str) -> Checked:
    return check_script(script_of(text))


def errors_of(script: Labelled) -> list[str]:
    return [f"{script.name}:{item.line} {item.id}" for item in check(script.text).findings if item.severity == "error"]


def is_found(fault: Planted) -> bool:
    return any(item.id == fault.rule and fault.line in (None, item.line) for item in check(fault.text).findings)


def first_cause(log: Labelled) -> str:
    found = diagnose_log_text(log.text, log.name)
    return found[0].id if found else "none"


def rate(label: str, hits: Sequence[bool]) -> float:
    share = sum(hits) / len(hits)
    print(f"{label}: {sum(hits)} of {len(hits)} ({share:.1%})")
    return share


@pytest.mark.parametrize("frozen", [False, True])
def test_correct_scripts_have_no_errors(frozen: bool) -> None:
    scripts = [script for script in correct_scripts() if script.frozen == frozen]
    false = [error for script in scripts for error in errors_of(script)]
    print(f"correct scripts (frozen={frozen}): {len(false)} false errors on {len(scripts)}: {false}")
    assert len(false) <= 0.1 * len(scripts)


def test_sixty_correct_scripts_over_all_systems() -> None:
    scripts = correct_scripts()
    assert len(scripts) >= 60
    assert len({script.label for script in scripts} - {"unknown"}) >= 14


@pytest.mark.parametrize("frozen", [False, True])
def test_planted_faults_are_found(frozen: bool) -> None:
    faults = [fault for fault in planted_faults() if fault.frozen == frozen]
    missed = [f"{fault.base} {fault.rule}" for fault in faults if not is_found(fault)]
    assert (
        rate(f"planted faults found (frozen={frozen}, missed {missed})", [is_found(fault) for fault in faults]) >= 0.92
    )


@pytest.mark.parametrize("frozen", [False, True])
def test_first_causes_are_named(frozen: bool) -> None:
    cases = [log for log in logs() if log.frozen == frozen]
    missed = [f"{log.name}: {first_cause(log)}" for log in cases if first_cause(log) != log.label]
    assert (
        rate(f"first causes (frozen={frozen}, missed {missed})", [first_cause(log) == log.label for log in cases])
        >= 0.95
    )


def found_in(script: Faulty) -> list[bool]:
    found = {(item.id, item.line) for item in check(script.text).findings}
    return [
        any(name in rule.split("|") and (not lines or line in lines) for name, line in found)
        for rule, lines in script.faults
    ]


@pytest.mark.parametrize("frozen", [False, True])
def test_faults_of_foreign_scripts_are_found(frozen: bool) -> None:
    hits = [hit for script in faulty_scripts() if script.frozen == frozen for hit in found_in(script)]
    assert rate(f"faults of foreign scripts (frozen={frozen})", hits) >= (0.88 if frozen else 0.95)


@pytest.mark.parametrize("frozen", [False, True])
def test_foreign_correct_scripts_have_no_errors(frozen: bool) -> None:
    scripts = [script for script in foreign("foreign_correct.txt") if script.frozen == frozen]
    false = [error for script in scripts for error in errors_of(script)]
    print(f"foreign correct scripts (frozen={frozen}): {len(false)} false errors on {len(scripts)}: {false}")
    assert len(false) <= 0.1 * len(scripts)


@pytest.mark.parametrize("frozen", [False, True])
def test_first_causes_of_foreign_logs(frozen: bool) -> None:
    cases = [log for log in foreign("foreign_logs.txt") if log.frozen == frozen]
    assert rate(f"foreign logs (frozen={frozen})", [first_cause(log) in log.label.split("|") for log in cases]) >= 0.95


def test_later_scripts_and_logs() -> None:
    hits = [hit for script in faulty_scripts("later_faults.txt") for hit in found_in(script)]
    assert rate("faults of later scripts", hits) >= 0.9
    scripts = foreign("later_correct.txt")
    assert sum(len(errors_of(script)) for script in scripts) <= 0.1 * len(scripts)
    logs_of = foreign("later_logs.txt")
    assert rate("later logs", [first_cause(log) in log.label.split("|") for log in logs_of]) >= 0.95


@pytest.mark.parametrize("frozen", [False, True])
def test_third_scripts_and_logs(frozen: bool) -> None:
    scripts = [script for script in faulty_scripts("third_faults.txt") if script.frozen == frozen]
    hits = [hit for script in scripts for hit in found_in(script)]
    assert rate(f"faults of third scripts (frozen={frozen})", hits) >= 0.92
    correct = [script for script in foreign("third_correct.txt") if script.frozen == frozen]
    false = [error for script in correct for error in errors_of(script)]
    print(f"third correct scripts (frozen={frozen}): {len(false)} false errors on {len(correct)}: {false}")
    assert len(false) <= 0.1 * len(correct)
    cases = [log for log in foreign("third_logs.txt") if log.frozen == frozen]
    right = [first_cause(log) in log.label.split("|") for log in cases]
    assert rate(f"third logs (frozen={frozen})", right) >= 0.95
    assert not [log.name for log in cases if log.label == "none" and first_cause(log) != "none"]


@pytest.mark.parametrize("name", ["voices", "guests", "visitors", "tenth"])
def test_scripts_of_other_users(name: str) -> None:
    hits = [hit for script in faulty_scripts(f"{name}_faults.txt") for hit in found_in(script)]
    assert rate(f"faults of {name}", hits) >= 0.95
    correct = foreign(f"{name}_correct.txt")
    false = [error for script in correct for error in errors_of(script)]
    print(f"correct scripts of {name}: {len(false)} false errors on {len(correct)}: {false}")
    assert len(false) <= 0.1 * len(correct)


def test_frozen_scripts_of_another_author() -> None:
    """Nothing was ever mended for this set."""
    scripts = faulty_scripts("eleventh_faults.txt")
    assert rate("faults of eleventh", [hit for script in scripts for hit in found_in(script)]) >= 0.92
    correct = foreign("eleventh_correct.txt")
    false = [error for script in correct for error in errors_of(script)]
    print(f"correct scripts of eleventh: {len(false)} false errors on {len(correct)}: {false}")
    assert len(false) <= 0.1 * len(correct)
    gone = [hit for script in scripts for hit in gone_from_corrected(script)]
    assert rate("faults gone from the corrected scripts of eleventh", gone) >= 0.88


def gone_from_corrected(script: Faulty) -> list[bool]:
    """For each fault that is found and needs no answer of the user."""
    checked = check(script.text)
    todo = [rule for rule, lines in script.faults if not is_for_the_user(rule) and in_findings(rule, lines, checked)]
    left = check(checked.corrected) if checked.corrected is not None else checked
    return [not in_findings(rule, frozenset(), left) for rule in todo]


def test_fourth_variants_and_logs() -> None:
    faults = fourth_variants()
    missed = [f"{fault.base} {fault.rule}" for fault in faults if not is_found(fault)]
    assert rate(f"fourth variants (missed {missed})", [is_found(fault) for fault in faults]) >= 0.95
    cases = foreign("fourth_logs.txt")
    assert rate("fourth logs", [first_cause(log) in log.label.split("|") for log in cases]) >= 0.95


@pytest.mark.parametrize(
    "name", ["fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth", "thirteenth"]
)
def test_logs_of_public_reports(name: str) -> None:
    cases = foreign(f"{name}_logs.txt")
    right = [first_cause(log) in log.label.split("|") for log in cases]
    assert rate(f"{name} logs", right) >= 0.95
    assert not [log.name for log in cases if log.label == "none" and first_cause(log) != "none"]


@pytest.mark.parametrize("log", labelled("nothing_failed.txt"), ids=lambda log: log.name)
def test_no_failure_is_invented(log: Labelled) -> None:
    assert first_cause(log) == "none"


def test_variants_of_spelling_are_found() -> None:
    faults = foreign_variants()
    missed = [f"{fault.base} {fault.rule}" for fault in faults if not is_found(fault)]
    assert rate(f"variants of spelling (missed {missed})", [is_found(fault) for fault in faults]) >= 0.98


@pytest.mark.parametrize("script", correct_scripts(), ids=lambda script: script.name)
def test_system_is_recognised(script: Labelled) -> None:
    assert (check(script.text).job.guess.system or "unknown") == script.label


def faulty_texts() -> list[tuple[str, str, tuple[tuple[str, frozenset[int]], ...]]]:
    """Name, text and faults of every script of the sets that has one."""
    single = [*planted_faults(), *foreign_variants(), *fourth_variants()]
    several = [
        script
        for kind in ("foreign", "later", "third", "voices", "guests", "visitors", "tenth")
        for script in faulty_scripts(f"{kind}_faults.txt")
    ]
    return [
        *(
            (item.base, item.text, ((item.rule, frozenset() if item.line is None else frozenset({item.line})),))
            for item in single
        ),
        *((script.name, script.text, script.faults) for script in several),
    ]


def is_for_the_user(rule: str) -> bool:
    return all(rules()[name].autofix == "ask" for name in rule.split("|"))


def in_findings(rule: str, lines: frozenset[int], checked: Checked) -> bool:
    return any(item.id in rule.split("|") and (not lines or item.line in lines) for item in checked.findings)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_corrected_scripts_are_clean_and_mostly_mended() -> None:
    mended, missed = [], []
    for name, text, faults in faulty_texts():
        checked = check(text)
        todo = [rule for rule, lines in faults if not is_for_the_user(rule) and in_findings(rule, lines, checked)]
        if checked.corrected is None:
            mended += [False] * len(todo)
            missed += [f"{name} {rule}" for rule in todo]
            continue
        if not text.startswith("#!/bin/tcsh"):
            done = subprocess.run(["bash", "-n"], input=checked.corrected, text=True, capture_output=True, check=False)
            assert done.returncode == 0, (name, done.stderr)
        left = check(checked.corrected)
        mended += [not in_findings(rule, frozenset(), left) for rule in todo]
        missed += [f"{name} {rule}" for rule in todo if in_findings(rule, frozenset(), left)]
    assert rate(f"faults gone from the corrected script (left {missed})", mended) >= 0.95


def unexplained(text: str, checked: Checked) -> list[str]:
    """Lines that the corrected script changes though no finding names them, and new lines that no finding speaks of."""
    piece = script_of(text)
    before, after = (
        "\n".join(lines).rstrip("\n").split("\n") for lines in (piece.lines, (checked.corrected or "").split("\n"))
    )
    named = {item.line - piece.numbers[0] + 1 for item in checked.findings}
    said = " ".join(f"{item.what} {item.fix}" for item in checked.findings)
    found = []
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            found += [before[i] for i in range(i1, i2) if i + 1 not in named]
        if kind == "insert":
            words = [re.findall(r"--[\w-]+|[A-Z][A-Z_]{3,}(?==)|[a-z]{4,}", after[j]) for j in range(j1, j2)]
            found += [
                after[j1 + at]
                for at, keys in enumerate(words)
                if after[j1 + at].strip() not in said and not any(key in said for key in keys)
            ]
    return found


def test_corrected_scripts_are_otherwise_unchanged() -> None:
    """Scripts that are mended in every line (Windows line ends, quoted by a mail client) are left out."""
    kept = []
    for _, text, _ in faulty_texts():
        checked = check(text)
        if checked.corrected is not None and "\r" not in text and not script_of(text).lines[0].startswith((">", " ")):
            kept.append(not unexplained(text, checked))
    assert rate("corrected scripts whose every change a finding on that line explains", kept) >= 0.95


@pytest.mark.parametrize(
    "name",
    [
        "correct_scripts.txt",
        "foreign_correct.txt",
        "later_correct.txt",
        "third_correct.txt",
        "voices_correct.txt",
        "guests_correct.txt",
        "visitors_correct.txt",
        "tenth_correct.txt",
    ],
)
def test_what_is_changed_in_a_correct_script_is_explained(name: str) -> None:
    kept = []
    for script in labelled(name):
        checked = check(script.text)
        kept.append(checked.corrected is None or not unexplained(script.text, checked))
    assert rate(f"{name}: untouched, or every change explained on its line", kept) >= 0.95


def test_corrected_script_keeps_comments_and_order() -> None:
    for fault in planted_faults():
        checked = check(fault.text)
        if checked.corrected is None or fault.rule.startswith("form-"):
            continue
        before = [line for line in fault.text.split("\n") if line.startswith("# ")]
        after = [
            line
            for line in checked.corrected.split("\n")
            if line.startswith("# ") and "SBATCH" not in line and (not line.startswith("# submit") or line in before)
        ]
        assert after == [line for line in before if "SBATCH" not in line]
