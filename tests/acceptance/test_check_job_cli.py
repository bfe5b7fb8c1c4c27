"""`minerva check-job` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli.check_job import check_job

SCRIPT = "#!/bin/bash\n#SBATCH --account=project_465000123\n#SBATCH --partition=standard-g\n#SBATCH --nodes=1\n#SBATCH --gpus-per-node=8\n#SBATCH --time=3-00:00:00\nsrun python train.py\n"
LOG = "step 1 loss 2\n[rank3]: torch.OutOfMemoryError: HIP out of memory. Tried to allocate 2.00 GiB.\nsrun: error: n1: task 3: Exited with exit code 1\n"
RUN = "import typer; from agent.cli.check_job import check_job; app = typer.Typer(); app.command()(check_job); app()"


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments], cwd=root, text=True, capture_output=True, check=False
    )


def test_script_and_log_as_json(tmp_path: Path) -> None:
    (tmp_path / "job.sh").write_text(SCRIPT)
    (tmp_path / "run.log").write_text(LOG)
    done = run(str(tmp_path / "job.sh"), "--log", str(tmp_path / "run.log"), "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {
        "system",
        "system_confidence",
        "scheduler",
        "findings",
        "log_findings",
        "corrected_script",
        "diff",
        "questions",
        "next_commands",
    } <= set(found)
    assert found["system"] == "lumi-g"
    assert ("res-time-over-limit", 6) in [(item["id"], item["line"]) for item in found["findings"]]
    assert {"id", "severity", "line", "column", "what", "why", "fix", "evidence", "source"} <= set(found["findings"][0])
    wanted = {"id", "line", "excerpt", "meaning", "causes", "fixes", "confidence"}
    assert all(wanted <= set(item) for item in found["log_findings"])
    assert found["scheduler"] == "slurm"
    assert found["log_findings"][0]["id"] == "oom_gpu_framework"
    assert found["log_findings"][0]["rank"] == "rank 3"
    assert len(found["questions"]) <= 3


def test_mail_on_standard_input(tmp_path: Path) -> None:
    mail = f"Hello,\n\nwhy does this not start?\n\n```\n{SCRIPT}```\n\nThanks, Ana\n"
    done = subprocess.run(
        [sys.executable, "-m", "agent", "check-job", "-", "--json"],
        input=mail,
        text=True,
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    found = json.loads(done.stdout)
    assert ("res-time-over-limit", 11) in [(item["id"], item["line"]) for item in found["findings"]]
    assert found["corrected_script"] is None or "Hello" not in found["corrected_script"]


@pytest.mark.parametrize(
    ("directive", "scheduler"),
    [
        ("#PBS -l walltime=1:00:00", "pbs"),
        ("#BSUB -W 1:00", "lsf"),
        ("#OAR -l walltime=1:00:00", "oar"),
        ("#$ -cwd", "sge"),
    ],
)
def test_other_batch_systems_are_said_to_be_so(directive: str, scheduler: str, tmp_path: Path) -> None:
    (tmp_path / "job.sh").write_text(f"#!/bin/bash\n{directive}\nconda activate x\npython -u t.py\n")
    text = run(str(tmp_path / "job.sh"), folder=tmp_path).stdout
    assert f"scheduler: {scheduler}" in text
    assert "This is no Slurm script" in text
    assert "env-conda-activate" in text, "what does not depend on the batch system is checked"


def test_speed_of_a_log_is_judged(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_text(
        "".join(f"iter {n}: data_time: 0.61 step_time: 0.90 loss: 2.0\n" for n in range(9))
    )
    found = json.loads(run("--log", str(tmp_path / "run.log"), "--json", folder=tmp_path).stdout)
    assert [item["id"] for item in found["findings"]] == ["perf-loader-bound"]
    assert found["log_findings"] == []


def test_text_shows_the_offending_line(tmp_path: Path) -> None:
    (tmp_path / "job.sh").write_text(SCRIPT)
    done = run(str(tmp_path / "job.sh"), folder=tmp_path)
    assert "job.sh:6:9: error:" in done.stdout
    assert "   6 | #SBATCH --time=3-00:00:00" in done.stdout


def test_stated_system_decides(tmp_path: Path) -> None:
    (tmp_path / "job.sh").write_text(
        "#!/bin/bash\n#SBATCH --partition=gpu\n#SBATCH --gres=gpu:8\nsrun python -u t.py\n"
    )
    done = run(str(tmp_path / "job.sh"), "--system", "meluxina", "--json", folder=tmp_path)
    assert "res-gpus-over-node" in {item["id"] for item in json.loads(done.stdout)["findings"]}


@pytest.mark.parametrize("arguments", [(), ("missing.sh",), ("job.sh", "--system", "nowhere")])
def test_wrong_use_is_said(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "job.sh").write_text(SCRIPT)
    done = run(*(str(tmp_path / word) if word.endswith(".sh") else word for word in arguments), folder=tmp_path)
    assert done.returncode != 0
    assert done.stderr


def test_command_is_importable() -> None:
    assert callable(check_job)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("job.sh", b"", "empty"),
        ("job.sh", b" \n\n", "empty"),
        ("job.sh", bytes(range(256)) * 300, "binary"),
        ("job.sh", b"\x1f\x8b\x08\x00", "compressed"),
        ("job.sh", "#!/bin/bash\n".encode("utf-16"), "UTF-16"),
        ("job.sh", b"#!/bin/bash\n" * 400_000, "--log"),
        ("job.log", b"", "sacct"),
        ("job.log", bytes(range(256)) * 300, "binary"),
    ],
)
def test_unusable_file_is_a_clear_error(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    option = ("--log",) if name.endswith(".log") else ()
    done = subprocess.run(
        [sys.executable, "-m", "agent", "check-job", *option, str(tmp_path / name)],
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_bad_usage_is_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "job.sh").write_text(SCRIPT)
    for arguments in ((), (str(tmp_path / "job.sh"), "--system", "nowhere"), ("--nonsense",)):
        assert run(*arguments, folder=tmp_path).returncode == 2


def test_start_loads_no_model_library() -> None:
    code = "import sys, agent.cli.check_job; print([n for n in ('torch', 'numpy', 'sqlalchemy', 'fastapi') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert done.stdout.strip() == "[]"


def test_json_says_what_the_script_bills(tmp_path: Path) -> None:
    (tmp_path / "job.sh").write_text(SCRIPT)
    done = run(str(tmp_path / "job.sh"), "--json", folder=tmp_path)
    assert json.loads(done.stdout)["cost"]["gpu_hours"] == 8 * 72
    assert "Bills up to 288 GPU-hours" in run(str(tmp_path / "job.sh"), folder=tmp_path).stdout
