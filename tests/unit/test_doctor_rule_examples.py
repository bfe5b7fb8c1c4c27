"""Every rule of script_rules.yaml on its own example: it names the bad form at its line, and not the good one."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from triage.doctor.check import CHECKS, Checked, check_script
from triage.doctor.facts import facts
from triage.doctor.pieces import pieces_of_script_file

TABLE = facts("script_rules")
EVALS = Path(__file__).parents[1] / "evals"
SURROUNDINGS = yaml.safe_load((EVALS / "doctor/rule_examples.yaml").read_text(encoding="utf-8"))


def check(text: str, system: str) -> Checked:
    script = next(piece for piece in pieces_of_script_file("job.sh", text) if piece.kind == "script")
    return check_script(script, hint=system)


def head_of(rule: dict[str, Any], around: dict[str, Any]) -> str:
    head = str(around.get("head", ""))
    return head if rule["id"].startswith("form-") or head.startswith("#!") else f"#!/bin/bash\n{head}"


def bad_of(rule: dict[str, Any], around: dict[str, Any]) -> str:
    text = str(around.get("bad", rule["example_bad"])).replace("<CR>", "\r").replace("<LONG>", "true\n" * 10_001)
    return text.rstrip("\n")


@pytest.mark.parametrize("rule", TABLE["rules"], ids=lambda rule: rule["id"])
def test_rule_on_its_own_example(rule: dict[str, Any]) -> None:
    around = SURROUNDINGS.get(rule["id"], {})
    head, tail, system = head_of(rule, around), around.get("tail", ""), around.get("system", "")
    bad = bad_of(rule, around)
    good = around.get("good", rule["example_good"]).rstrip("\n")
    on_bad = check(f"{head}{bad}\n{tail}", system)
    on_good = check(f"{head}{good}\n{tail}", system)
    allowed = {finding.id for finding in on_good.findings}
    new = {
        finding.id for finding in on_bad.findings if finding.severity != "hint" or finding.id == rule["id"]
    } - allowed
    assert new == {rule["id"]}
    assert (rule["id"], head.count("\n") + around.get("line", 1)) in [(item.id, item.line) for item in on_bad.findings]


@pytest.mark.parametrize("rule", TABLE["rules"], ids=lambda rule: rule["id"])
def test_autofix_class_is_kept(rule: dict[str, Any]) -> None:
    """What must be asked is not changed; what is changed no longer has the finding."""
    around = SURROUNDINGS.get(rule["id"], {})
    bad = bad_of(rule, around)
    checked = check(f"{head_of(rule, around)}{bad}\n{around.get('tail', '')}", around.get("system", ""))
    finding = next(item for item in checked.findings if item.id == rule["id"])
    assert finding.autofix == rule["autofix"]
    if rule["autofix"] == "safe" and not rule["id"].startswith(("launch-world", "env-omp")):
        assert checked.corrected is not None
        again = check(checked.corrected, around.get("system", ""))
        assert rule["id"] not in {item.id for item in again.findings}


CLAUSES = [
    part.split("\n", 1)
    for part in re.split(r"^=== ", (EVALS / "doctor/clauses.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
]


@pytest.mark.parametrize(
    ("rule", "script"), [pytest.param(*part, id=f"{part[0]}-{at}") for at, part in enumerate(CLAUSES)]
)
def test_clause_of_a_rule(rule: str, script: str) -> None:
    """The parts of the `detect` texts that the rules' own examples do not show."""
    assert rule in {finding.id for finding in check(script.replace("␗", "\ufeff"), "").findings}


def test_counts_are_right() -> None:
    counts = TABLE["meta"]["counts"]
    rules = TABLE["rules"]
    assert counts["rules"] == len(rules) == len({rule["id"] for rule in rules})
    assert counts["by_severity"] == Counter(rule["severity"] for rule in rules)
    assert counts["by_status"] == Counter(rule["status"] for rule in rules)
    assert counts["by_autofix"] == Counter(rule["autofix"] for rule in rules)
    assert counts["by_group"] == Counter(rule["id"].split("-")[0] for rule in rules)


def test_checks_are_there() -> None:
    assert len(CHECKS) >= 60


def test_what_is_not_checked_of_a_long_script_stays_and_is_said() -> None:
    tail = "true\n" * 10_000 + "echo the end\n"
    checked = check(f"#!/bin/bash\n#SBATCH -time=01:00:00\n{tail}", "")
    assert checked.corrected is not None
    assert checked.corrected == f"#!/bin/bash\n#SBATCH --time=01:00:00\n{tail}"
    assert [item.line for item in checked.findings if item.id == "form-too-long"] == [10_001]


def test_no_bash_is_written_into_other_languages() -> None:
    python = "#!/usr/bin/env python3\n#SBATCH -time=01:00:00\n#SBATCH --gpus-per-node=2\nimport os\nprint(os.environ)\n"
    assert check(python, "").corrected == python.replace("-time=", "--time=")
    csh = "#!/bin/tcsh\n#SBATCH -time=01:00:00\n#SBATCH --gpus-per-node=2 --nodes=2\nsetenv MASTER_ADDR localhost\n"
    corrected = check(f"{csh}torchrun --standalone --nproc_per_node=2 train.py\n", "").corrected or ""
    assert "--time=01:00:00" in corrected
    assert "export" not in corrected
    assert "$(" not in corrected


@pytest.mark.parametrize(("cpus", "binding"), [("7", "mask_cpu:0x00fe000000000000,0xfe"), ("1", "map_cpu:49,57,17,25")])
def test_tasks_of_a_full_lumi_node_are_bound_to_all_their_cores(cpus: str, binding: str) -> None:
    head = "#!/bin/bash\n#SBATCH --account=project_465000123 --partition=standard-g --nodes=1 --time=01:00:00\n"
    text = f"{head}#SBATCH --ntasks-per-node=8 --gpus-per-node=8 --cpus-per-task={cpus}\nsrun python -u t.py\n"
    assert f"--cpu-bind={binding}" in (check(text, "lumi-g").corrected or "")
