"""Corrected scripts in the hands of a real Slurm: `sbatch --test-only` refuses the faulty one and takes the corrected one."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

sys.path.insert(0, str(Path(__file__).parents[1] / "evals"))

from doctor_cases import faulty_scripts, foreign, labelled
from slurm_fixture import Slurm, missing_for_slurm, running_slurm

from triage.doctor.check import check_script, rules
from triage.doctor.pieces import pieces_of_script_file

MISSING = missing_for_slurm()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no local Slurm: {MISSING}")

PARTITIONS = "PartitionName=boost_usr_prod Nodes=n[1-4] Default=YES MaxTime=24:00:00 State=UP"
HEAD = "#!/bin/bash\n#SBATCH --partition=boost_usr_prod\n#SBATCH --account=IscrC_TEST\n"
BODY = "srun hostname\n"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with running_slurm(tmp_path_factory.mktemp("slurm"), partitions=PARTITIONS, memory_mb=494_000) as running:
        yield running


def corrected(text: str) -> str:
    piece = next(piece for piece in pieces_of_script_file("job.sh", text) if piece.kind == "script")
    checked = check_script(piece, hint="leonardo-booster")
    assert checked.corrected is not None
    return checked.corrected


@pytest.mark.parametrize(
    "fault",
    [
        "#SBATCH --walltime=02:00:00\n",
        "#SBATCH -time=01:00:00\n",
        "#SBATCH --gpu=2\n",
        "#SBATCH --gres=gpus:2\n",
        "#SBATCH --gres=gpu:8\n",
        "#SBATCH --mem=60GiB\n",
        "#SBATCH --mem=60G\n#SBATCH --mem-per-cpu=2G\n",
        "#SBATCH --cpu-bind=cores\n",
        "#SBATCH —time=01:00:00\n",
        "#SBATCH --array=10-1\n",
        "#SBATCH --nodes=2 --ntasks-per-node=4 --cpus-per-task=16 --gres=gpu:4\n",
        "#SBATCH --dependency=after_ok:5\n",
    ],
)
def test_faulty_script_is_refused_and_corrected_one_taken(fault: str, slurm: Slurm) -> None:
    faulty = f"{HEAD}{fault}{BODY}"
    refused = slurm.test_only(faulty)
    assert refused.returncode != 0, refused.stderr
    mended = corrected(faulty)
    if "dependency" in mended:  # job 5 need not exist: only the form is judged
        assert "afterok:5" in mended
        return
    taken = slurm.test_only(mended)
    assert taken.returncode == 0, f"{taken.stderr}\n{mended}"


def test_windows_line_ends(slurm: Slurm) -> None:
    faulty = f"{HEAD}{BODY}".replace("\n", "\r\n")
    assert slurm.test_only(faulty).returncode != 0
    assert slurm.test_only(corrected(faulty)).returncode == 0


def is_for_the_user(rule: str) -> bool:
    return all(rules()[name].autofix == "ask" for name in rule.removeprefix("any:").split("|"))


def leonardo(scripts: Iterable[tuple[str, str, str]]) -> list[tuple[str, str]]:
    """Name and text of the scripts for Leonardo that fit four nodes, whose every fault the doctor may change."""
    return [(name, text) for name, system, text in scripts if system == "leonardo-booster" and not BIG.search(text)]


BIG = re.compile(r"(?:--nodes[= ]|-N ?)(?:[5-9]\b|\d\d)|lrd_all_serial|--dependency|boost_qos_lprod|--time 26:")
FAULTY = leonardo(
    (item.name, item.system, item.text)
    for kind in ("foreign", "later", "third")
    for item in faulty_scripts(f"{kind}_faults.txt")
    if not any(is_for_the_user(rule) for rule, _ in item.faults)
)
CORRECT = leonardo(
    (item.name, item.label, item.text)
    for item in (*labelled("correct_scripts.txt"), *foreign("foreign_correct.txt"), *foreign("third_correct.txt"))
)


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in FAULTY])
def test_corrected_scripts_of_the_sets_are_taken(text: str, slurm: Slurm) -> None:
    mended = corrected(text)
    taken = slurm.test_only(mended)
    assert taken.returncode == 0, f"{taken.stderr}\n{mended}"


def test_correct_scripts_are_taken(slurm: Slurm) -> None:
    assert len(CORRECT) >= 5
    for name, text in CORRECT:
        script = "\n".join(
            next(piece for piece in pieces_of_script_file("job.sh", text) if piece.kind == "script").lines
        )
        taken = slurm.test_only(f"{script}\n")
        assert taken.returncode == 0, f"{name}: {taken.stderr}"
