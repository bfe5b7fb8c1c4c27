"""What a script bills, directives of other batch systems, secrets kept out of what the doctor says, wrapped starts."""

from __future__ import annotations

import json

import pytest

from triage.doctor.check import Checked, check_script
from triage.doctor.cost import cost_of
from triage.doctor.diagnosis import diagnose
from triage.doctor.pieces import pieces_of_script_file
from triage.doctor.report import as_json, as_text
from triage.doctor.rules.translate import translated_directive


def check(text: str, *, hint: str = "") -> Checked:
    return check_script(next(iter(pieces_of_script_file("job.sh", text))), hint=hint)


def script(*options: str, body: str = "srun python -u t.py") -> str:
    return "\n".join(("#!/bin/bash", *(f"#SBATCH {option}" for option in options), body, ""))


@pytest.mark.parametrize(
    ("system", "options", "gpu_hours", "billed"),
    [
        ("lumi-g", ("-p standard-g", "-N 2", "--gpus-per-node=1", "-t 10:00:00"), 160.0, 80.0),
        ("lumi-g", ("-p small-g", "--gpus-per-node=2", "-t 02:00:00"), 4.0, 2.0),
        ("mn5-acc", ("-q acc_ehpc", "--gres=gpu:1", "-c 20", "-t 05:00:00"), 5.0, 100.0),
        ("jupiter-booster", ("-p booster", "--gres=gpu:1", "-t 01:00:00"), 4.0, 288.0),
        ("deucalion", ("-p normal-a100-40", "--gres=gpu:1", "-c 64", "-t 01:00:00"), 2.0, 2.0),
        ("karolina", ("-p qgpu", "--gpus-per-node=1", "--array=0-9%2", "-t 00:30:00"), 5.0, 5.0),
        ("karolina", ("-p qgpu", "--gpus-per-node=1"), 24.0, 24.0),
    ],
)
def test_cost_is_what_is_held_until_the_walltime(
    system: str, options: tuple[str, ...], gpu_hours: float, billed: float
) -> None:
    cost = cost_of(check(script(*options), hint=system).job)
    assert cost is not None
    assert (cost.gpu_hours, cost.billed) == (gpu_hours, billed)


def test_energy_only_where_the_board_limit_is_on_record() -> None:
    on_record = cost_of(check(script("-p boost_usr_prod", "--gres=gpu:4", "-t 10:00:00"), hint="leonardo-booster").job)
    unknown = cost_of(check(script("--gpus=4", "-t 10:00:00")).job)
    assert on_record is not None and on_record.max_kwh == 16.0
    assert unknown is not None and unknown.max_kwh is None


@pytest.mark.parametrize("options", [("-t 01:00:00",), ("--gpus=1",)])
def test_no_cost_without_gpus_or_walltime(options: tuple[str, ...]) -> None:
    assert cost_of(check(script(*options)).job) is None


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("#PBS -l walltime=24:00:00,mem=64gb", "--time=24:00:00 --mem=64G"),
        (
            "#PBS -l select=2:ncpus=32:ngpus=4:mpiprocs=4",
            "--nodes=2 --ntasks-per-node=4 --cpus-per-task=8 --gpus-per-node=4",
        ),
        ("#PBS -l nodes=2:ppn=8", "--nodes=2 --ntasks-per-node=8"),
        ("#PBS -J 1-10", "--array=1-10"),
        ("#BSUB -W 4:00", "--time=04:00:00"),
        ('#BSUB -gpu "num=4"', "--gpus-per-node=4"),
        ("#OAR -l /nodes=1/gpu=2,walltime=2:00:00", "--nodes=1 --gpus-per-node=2 --time=2:00:00"),
        ("#$ -pe smp 8", "--cpus-per-task=8"),
        ("#$ -l h_rt=01:00:00,gpu=1", "--time=01:00:00 --gpus-per-node=1"),
        ("#PBS -l place=scatter", ""),
        ("#OAR -p gpu_model='A100'", ""),
        ("#PBS -l select=1:ncpus=4:model=sky", ""),
    ],
)
def test_directives_of_other_batch_systems(line: str, right: str) -> None:
    assert translated_directive(line) == (f"#SBATCH {right}" if right else "")


PBS = "#!/bin/bash\n#PBS -l select=1:ncpus=16:ngpus=4\n#PBS -l place=excl\ncd $PBS_O_WORKDIR\nconda activate t\n"


def test_foreign_script_is_named_and_left_alone_where_no_slurm_is_in_sight() -> None:
    found = diagnose("", attachments=[("job.sh", PBS)])
    assert found.scheduler == "pbs"
    assert found.corrected_script is None
    assert {item.severity for item in found.findings if item.id == "dir-foreign-scheduler"} == {"warning"}
    assert "env-conda-activate" in {item.id for item in found.findings}
    assert not any("sbatch" in command for command in found.next_commands)


def test_foreign_script_is_translated_for_a_system_that_runs_slurm() -> None:
    corrected = check(PBS, hint="karolina").corrected
    assert corrected is not None
    assert "--gpus-per-node=4" in corrected
    assert "# #PBS -l place=excl" in corrected, "what has no counterpart stays as a comment"
    assert "cd $SLURM_SUBMIT_DIR" in corrected


def test_secrets_do_not_leave_the_doctor() -> None:
    token = "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYz"
    body = f"export HF_TOKEN={token}\nexport HF_TOKEN={token} CUDA_LAUNCH_BLOCKING=1\npython -u t.py"
    found = diagnose("", attachments=[("job.sh", script("--gpus=1", body=body))])
    assert "env-secret-in-script" in {item.id for item in found.findings}
    assert token not in as_json(found)
    assert token not in as_text(found)


RANKS = (
    "export MASTER_ADDR=$(hostname) MASTER_PORT=1 WORLD_SIZE=4\nexport RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID\n"
)


def test_ranks_are_moved_into_the_step() -> None:
    text = script(
        "-N 1", "--ntasks-per-node=4", "--gpus-per-node=4", body=f'{RANKS}srun python -u train.py --name "a b"'
    )
    checked = check(text)
    assert ("launch-early-expansion", 6) in {(item.id, item.line) for item in checked.findings}
    corrected = checked.corrected or ""
    started = """srun bash -c 'RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID exec "$@"' bash python -u train.py --name "a b\""""
    assert started in corrected
    assert "export RANK" not in corrected
    assert {item.id for item in check(corrected).findings} & {"launch-early-expansion", "launch-rank-env"} == set()


def test_program_behind_a_wrapping_function_is_seen() -> None:
    body = 'run() {\n  srun --label "$@"\n}\nrun torchrun --standalone --nproc_per_node=2 t.py'
    job = check(script("-N 2", "--ntasks-per-node=1", "--gpus-per-node=2", "-c 8", body=body)).job
    assert [(launch.launcher, launch.srun is not None) for launch in job.launches] == [("torchrun", True)]


def test_every_column_points_into_its_line() -> None:
    found = json.loads(as_json(diagnose("", attachments=[("job.sh", script("--gpus=1", "--walltime=1:00:00"))])))
    assert all(1 <= item["column"] <= max(1, len(item["evidence"])) for item in found["findings"])
    assert next(item for item in found["findings"] if item["id"] == "dir-unknown-option")["column"] == 9
