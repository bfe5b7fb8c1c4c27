"""Every rule on its fault in unlike spellings, and on near misses: `doctor/spellings.txt`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from doctor_cases import FOLDER, Faulty, faulty

from triage.doctor.check import Checked, check_script, rules
from triage.doctor.pieces import pieces_of_script_file


@dataclass(frozen=True, kw_only=True)
class Spelling:
    script: Faulty
    absent: frozenset[str]
    left: frozenset[str]
    """Faults that the corrected script still has."""


def spellings() -> list[Spelling]:
    text = (FOLDER / "spellings.txt").read_bytes().decode("utf-8")
    head, *parts = re.split(r"^=== ", text, flags=re.MULTILINE)
    heads = {line.split()[0]: line.split()[1:] for line in head.split("\n") if line.startswith("@")}
    return [_spelling(part, heads) for part in parts]


def _spelling(part: str, heads: dict[str, list[str]]) -> Spelling:
    title, text = part.split("\n", 1)
    words = title.split()
    given = [word for word in words if not word.startswith(("not:", "left:"))]
    full = re.sub(r"^(@\w+)(.*)$", lambda match: _head(heads, match.group(1), match.group(2)), text, flags=re.MULTILINE)
    return Spelling(
        script=faulty(" ".join(given), full),
        absent=frozenset(word[4:] for word in words if word.startswith("not:")),
        left=frozenset(word[5:] for word in words if word.startswith("left:")),
    )


def _head(heads: dict[str, list[str]], name: str, rest: str) -> str:
    changes, mark = re.match(r"((?: [-+]\S+)*)(.*)", rest).groups()  # type: ignore[union-attr]
    added = [word[1:] for word in changes.split() if word.startswith("+")]
    out = {word[1:] for word in changes.split() if word.startswith("-")} | {word.split("=")[0] for word in added}
    kept = [option for option in heads[name] if option.split("=")[0] not in out]
    shell = "#!/bin/bash -l" if name.startswith(("@veg", "@jz")) else "#!/bin/bash"
    return "\n".join([shell, *(f"#SBATCH --{option}" for option in (*kept, *added))]) + mark


def check(text: str) -> Checked:
    return check_script(next(piece for piece in pieces_of_script_file("job.sh", text) if piece.kind == "script"))


CASES = spellings()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.script.name)
def test_spelling(case: Spelling) -> None:
    checked = check(case.script.text)
    found = {(item.id, item.line) for item in checked.findings}
    for rule, lines in case.script.faults:
        assert any(name in rule.split("|") and (not lines or line in lines) for name, line in found), rule
    if case.absent:
        loud = [item for item in checked.findings if item.severity != "hint"]
        assert not [item.what for item in loud if item.id in case.absent or item.severity == "error"]


@pytest.mark.parametrize("case", [case for case in CASES if case.script.faults], ids=lambda case: case.script.name)
def test_corrected_spelling(case: Spelling) -> None:
    corrected = check(case.script.text).corrected
    if corrected is None:
        assert {rule for rule, _ in case.script.faults} <= case.left | {
            name for name, rule in rules().items() if rule.autofix == "ask"
        }
        return
    if shutil.which("bash"):
        done = subprocess.run(["bash", "-n"], input=corrected, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    still = {item.id for item in check(corrected).findings}
    assert not {rule for rule, _ in case.script.faults if still & set(rule.split("|"))} - case.left
