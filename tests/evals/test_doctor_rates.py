"""How well the doctor does on its labelled sets; prints the rates, frozen third apart (pytest -s)."""

from __future__ import annotations

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
    logs,
    planted_faults,
)

from triage.doctor.check import Checked, check_script
from triage.doctor.logs import diagnose_log_text
from triage.doctor.pieces import pieces_of_script_file


def check(text: str) -> Checked:
    return check_script(next(piece for piece in pieces_of_script_file("job.sh", text) if piece.kind == "script"))


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
    return [any(name == rule and (not lines or line in lines) for name, line in found) for rule, lines in script.faults]


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


def test_variants_of_spelling_are_found() -> None:
    faults = foreign_variants()
    missed = [f"{fault.base} {fault.rule}" for fault in faults if not is_found(fault)]
    assert rate(f"variants of spelling (missed {missed})", [is_found(fault) for fault in faults]) >= 0.98


@pytest.mark.parametrize("script", correct_scripts(), ids=lambda script: script.name)
def test_system_is_recognised(script: Labelled) -> None:
    assert (check(script.text).job.guess.system or "unknown") == script.label


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_corrected_scripts_are_clean_and_mostly_mended() -> None:
    mended, changeable = [], 0
    for fault in planted_faults():
        checked = check(fault.text)
        if checked.corrected is None:
            continue
        assert (
            subprocess.run(
                ["bash", "-n"], input=checked.corrected, text=True, capture_output=True, check=False
            ).returncode
            == 0
        ), fault.base
        if any(item.id == fault.rule and item.autofix != "ask" for item in checked.findings):
            changeable += 1
            mended.append(fault.rule not in {item.id for item in check(checked.corrected).findings})
    assert rate("faults gone from the corrected script", mended) >= 0.85


def test_corrected_script_keeps_comments_and_order() -> None:
    for fault in planted_faults():
        checked = check(fault.text)
        if checked.corrected is None or fault.rule.startswith("form-"):
            continue
        before = [line for line in fault.text.split("\n") if line.startswith("# ")]
        after = [line for line in checked.corrected.split("\n") if line.startswith("# ") and "SBATCH" not in line]
        assert after == [line for line in before if "SBATCH" not in line]
