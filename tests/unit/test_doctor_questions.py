"""Questions to the requester: few, and only those whose answer could change the diagnosis."""

from __future__ import annotations

import pytest

from triage.doctor.diagnosis import diagnose
from triage.doctor.questions import MAX_QUESTIONS

SCRIPT = """\
#!/bin/bash
#SBATCH --account=project_465001881
#SBATCH --partition=small-g
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=7
#SBATCH --mem=60G
#SBATCH --time=01:00:00
#SBATCH --no-requeue
#SBATCH --output=%x-%j.out
export HF_HOME=/scratch/project_465001881/hf
srun --cpus-per-task=7 python -u train.py
"""
ORDINAL = "RuntimeError: CUDA error: invalid device ordinal\n"
OOM = "slurmstepd: error: Detected 1 oom_kill event in StepId=812345.0.\n"
TASK = "srun: error: nid001234: task 3: Exited with exit code 1\n"


def asked(*attachments: tuple[str, str]) -> str:
    return " ".join(diagnose("", attachments=attachments).questions)


def test_what_the_script_tells_is_not_asked() -> None:
    alone, with_script = asked(("job.out", ORDINAL)), asked(("job.sh", SCRIPT), ("job.out", ORDINAL))
    assert "Tasks per node" in alone
    assert "per node" not in with_script
    assert "set_device" in with_script


def test_what_no_correction_can_tell_is_asked() -> None:
    array = SCRIPT.replace("#SBATCH --no-requeue", "#SBATCH --no-requeue\n#SBATCH --array=0-9")
    assert "differ between the tasks of the array" in asked(("job.sh", array))
    whole = SCRIPT.replace("small-g", "standard-g").replace("#SBATCH --time=01:00:00", "#SBATCH --time=04:00:00")
    assert "could share it" in asked(("job.sh", whole))
    assert "share it" not in asked(("job.sh", SCRIPT))


def test_what_only_the_requester_knows_is_asked() -> None:
    assert "MaxRSS" in asked(("job.sh", SCRIPT), ("job.out", OOM))


def test_log_is_asked_for_when_the_script_is_right() -> None:
    assert "sacct" in asked(("job.sh", SCRIPT))
    assert "sacct" not in asked(("job.sh", SCRIPT), ("job.out", OOM))


def test_first_error_is_asked_for_when_only_a_consequence_is_seen() -> None:
    assert "first error" in asked(("job.out", TASK))


def test_system_is_asked_for_when_unknown() -> None:
    assert "On which system" in asked(("job.out", OOM))
    assert "On which system" not in asked(("job.sh", SCRIPT), ("job.out", OOM))


def test_no_question_where_the_script_explains_the_log() -> None:
    refused = "sbatch: unrecognized option '--walltime=02:00:00'\n"
    script = SCRIPT.replace("--time=01", "--walltime=01")
    assert "#SBATCH" in asked(("job.out", refused))
    assert not asked(("job.sh", script), ("job.out", refused))


@pytest.mark.parametrize("log", [ORDINAL, OOM, TASK, "", "all fine\n"])
@pytest.mark.parametrize("script", [SCRIPT, SCRIPT.replace("project_465001881", "<project>"), "#!/bin/bash\nsrun a\n"])
def test_never_more_than_three(script: str, log: str) -> None:
    assert len(diagnose("", attachments=(("job.sh", script), ("job.out", log))).questions) <= MAX_QUESTIONS


def test_surest_log_comes_first() -> None:
    missing = "ModuleNotFoundError: No module named 'peft'\n"
    found = diagnose("", attachments=(("job.out", TASK), ("job.err", missing))).log_findings
    assert [item.id for item in found] == ["python_module_missing", "exit_1"]
