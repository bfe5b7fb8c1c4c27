"""What the corrected script changes, and how a mail's lines are named."""

from __future__ import annotations

from triage.doctor.diagnosis import Diagnosis, diagnose

HEAD = "#!/bin/bash\n#SBATCH --account=project_465000001\n#SBATCH --partition=small-g\n#SBATCH --nodes=1\n"
SHARED = HEAD + "#SBATCH --gpus-per-node=2\n#SBATCH --mem=120G\n#SBATCH --time=01:00:00\n"
TWO_NODES = "#!/bin/bash\n#SBATCH --nodes=2\n#SBATCH --ntasks-per-node=1\n#SBATCH --gpus-per-node=4\n"


def attached(text: str) -> Diagnosis:
    return diagnose("", attachments=(("job.sh", text),))


def corrected(text: str) -> str:
    return attached(text).corrected_script or ""


def test_line_changed_for_another_one_says_so() -> None:
    text = SHARED + "#SBATCH --cpus-per-task=64\nsrun -c 64 torchrun --standalone --nproc_per_node=2 train.py\n"
    hints = [item.what for item in attached(text).findings if item.line == 9 and item.severity == "hint"]
    assert any(what.startswith("changed together with line 8: ") for what in hints)
    assert "srun -c 14 torchrun" in corrected(text)


def test_srun_goes_in_front_of_the_container() -> None:
    text = SHARED + "apptainer exec a.sif srun -n 2 --exact ./solver input\n"
    assert "-n 2 --exact apptainer exec --rocm a.sif ./solver input" in corrected(text)


def test_srun_options_that_may_have_a_value_are_left_alone() -> None:
    text = SHARED + "apptainer exec a.sif srun --mpi none ./solver input\n"
    assert "apptainer exec --rocm a.sif srun --mpi none ./solver input" in corrected(text)


def test_machine_rank_is_read_in_the_step() -> None:
    options = "--num_machines 2 --num_processes 8 --machine_rank 0 --main_process_ip $HEAD --main_process_port $PORT"
    text = f"{TWO_NODES}srun -c 32 accelerate launch {options} train.py\n"
    step = "srun -c 32 bash -c 'exec accelerate launch --machine_rank $SLURM_NODEID \"$@\"' bash --num_machines 2"
    assert step in corrected(text)


def test_directives_of_pbs_that_stand_there_already_are_dropped() -> None:
    text = "#!/bin/bash\n#PBS -N a\n#PBS -q gpu\n#SBATCH --job-name=b\n#SBATCH --time=1:00:00\npython x.py\n"
    assert "--job-name=a" not in corrected(text)
    assert "#SBATCH --partition=gpu" in corrected(text)


def test_steps_side_by_side_share_the_gpus() -> None:
    steps = "".join(f"srun -n 1 -c 7 python train.py --seed {seed} &\n" for seed in (1, 2))
    text = SHARED + "#SBATCH --ntasks-per-node=2\n#SBATCH --cpus-per-task=7\n" + steps + "wait\n"
    assert corrected(text).count("srun --exact --gpus=1 -n 1 -c 7") == 2


def test_sentences_name_the_lines_of_the_mail() -> None:
    script = SHARED + "#SBATCH --cpus-per-task=14\nvllm serve m --tensor-parallel-size 2\npython client.py\n"
    findings = diagnose(f"Hello,\n\nmy script:\n\n{script}").findings
    said = next(item.what for item in findings if item.id == "serve-readiness")
    assert said == "the server blocks the script: line 14 is never reached"


def test_lines_wrapped_by_the_mail_are_no_errors() -> None:
    would_fit = (
        "srun -c 14 python train.py\n--save_steps 100\n# a comment as long as the longest of the lines of this mail\n"
    )
    wrapped = "srun -c 14 singularity exec /appl/local/laifs/containers/multitorch.sif\n--pwd /work train.sh\n"
    for text, severity in ((would_fit, "error"), (wrapped, "warning")):
        found = [
            item.severity
            for item in diagnose(f"Hello,\nmy script\n\n{SHARED}{text}").findings
            if item.id == "form-broken-continuation" and item.severity != "hint"
        ]
        assert found
        assert found[0] == severity


def test_name_below_a_script_is_no_part_of_it() -> None:
    made = diagnose(f"Hello,\nmy script\n\n{SHARED.replace('2', '9')}python train.py\n\nZdravím vás\nJaroslav Ø.\n")
    assert made.corrected_script
    assert "Jaroslav" not in made.corrected_script


def test_comment_above_the_interpreter_line_goes_below_it() -> None:
    made = attached("# my job\n" + SHARED + "#SBATCH --cpus-per-task=14\nsrun -c 14 ./solver\n")
    lines = [item.line for item in made.findings if item.id == "form-first-line"]
    assert lines == [1, 2]
    assert (made.corrected_script or "").startswith("#!/bin/bash\n# my job\n#SBATCH")


def test_line_that_begins_with_a_function_of_the_script_is_no_rest() -> None:
    step = "step train python train.py --data /scratch/project_465000001/corpus --resume\n"
    made = attached(SHARED + 'step() { shift; srun -c 14 "$@"; }\n' + step + "step export python export.py\n")
    assert "form-broken-continuation" not in {item.id for item in made.findings}


def test_gpu_model_as_constraint_does_not_name_a_system() -> None:
    head = "#!/bin/bash\n#SBATCH --partition=gpuq\n#SBATCH --constraint=a100\n#SBATCH --gres=gpu:1\n"
    assert attached(head + "#SBATCH --time=30:00:00\npython train.py\n").system is None


def test_other_line_of_a_fault_has_a_hint() -> None:
    made = attached(SHARED + "#SBATCH --ntasks-per-node=2\nsrun torchrun --standalone --nproc_per_node=2 train.py\n")
    lines = {item.line: item.severity for item in made.findings if item.id == "launch-torchrun-per-gpu"}
    assert lines == {8: "error", 9: "hint"}


def test_docker_is_an_error_and_podman_which_some_sites_have_a_warning() -> None:
    text = TWO_NODES.replace("--nodes=2", "--nodes=1")
    for tool, severity in (("docker", "error"), ("podman", "warning")):
        script = f"{text}{tool} run --rm -v $PWD:/w quay.io/lab/img:1 python train.py\n"
        said = [item.severity for item in attached(script).findings if item.id == "env-container-flags"]
        assert said == [severity]
        assert "apptainer exec --nv -B $PWD:/w img_1.sif python train.py" in corrected(script)
