"""Corrected scripts through shellcheck: no error, and no warning that the faulty script did not have."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "evals"))

from doctor_cases import faulty_scripts, foreign_variants, planted_faults

from triage.doctor.check import check_script
from triage.doctor.pieces import pieces_of_script_file

pytestmark = pytest.mark.skipif(shutil.which("shellcheck") is None, reason="apt-get install shellcheck")


DECLARE_AND_ASSIGN = 2155
"""`export NAME=$(...)`: the usual way in job scripts, of the users and of the sites."""


def seen_in(text: str) -> tuple[set[int], set[int]]:
    """Codes of errors, and of errors and warnings."""
    done = subprocess.run(
        ["shellcheck", "--shell=bash", "--severity=warning", "--format=json", "-"],
        input=text,
        text=True,
        capture_output=True,
        check=False,
    )
    rows = json.loads(done.stdout)
    return {row["code"] for row in rows if row["level"] == "error"}, {row["code"] for row in rows}


def faulty_texts() -> list[str]:
    """Every third script with faults, of all sets."""
    sets = [script for kind in ("foreign", "later", "third") for script in faulty_scripts(f"{kind}_faults.txt")]
    return [item.text for item in (*planted_faults(), *foreign_variants(), *sets)][::3]


def test_corrected_scripts_have_no_error_and_no_new_warning() -> None:
    for text in faulty_texts():
        piece = next(piece for piece in pieces_of_script_file("job.sh", text) if piece.kind == "script")
        corrected = check_script(piece).corrected
        if corrected is not None:
            errors, seen = seen_in(corrected)
            assert not errors, corrected
            assert seen <= seen_in(text.replace("\r", ""))[1] | {DECLARE_AND_ASSIGN}, corrected
