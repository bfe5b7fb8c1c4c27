"""Corrected scripts through shellcheck: no error that the faulty script did not have."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "evals"))

from doctor_cases import planted_faults

from triage.doctor.check import check_script
from triage.doctor.pieces import pieces_of_script_file

pytestmark = pytest.mark.skipif(shutil.which("shellcheck") is None, reason="apt-get install shellcheck")


def errors_in(text: str) -> set[int]:
    done = subprocess.run(
        ["shellcheck", "--shell=bash", "--severity=error", "--format=json", "-"],
        input=text,
        text=True,
        capture_output=True,
        check=False,
    )
    return {item["code"] for item in json.loads(done.stdout)}


def test_corrected_scripts_have_no_new_errors() -> None:
    for fault in planted_faults()[::3]:
        piece = next(piece for piece in pieces_of_script_file("job.sh", fault.text) if piece.kind == "script")
        corrected = check_script(piece).corrected
        if corrected is not None:
            assert errors_in(corrected) <= errors_in(fault.text), f"{fault.base} {fault.rule}\n{corrected}"
