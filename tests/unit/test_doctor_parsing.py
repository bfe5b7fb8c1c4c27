"""Directives, shell, values, pieces: on cases and on any text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.doctor import units
from triage.doctor.diagnosis import diagnose
from triage.doctor.directives import Option, directives_of, distance_at_most, nearest_option
from triage.doctor.pieces import pieces_of
from triage.doctor.shell import inner_commands, parse_shell

SCRIPT_WORDS = st.sampled_from(
    [
        "#!/bin/bash",
        "#SBATCH ",
        "--time=",
        "-N 2",
        "--gres=gpu:4",
        "srun ",
        "python train.py",
        "\\",
        "\n",
        "'",
        '"',
        "$(",
        ")",
        "`",
        "<<EOF",
        "EOF",
        "&",
        "|",
        "if ",
        "then",
        "fi",
        "torchrun --nproc_per_node=4",
        "export A=",
        "$SLURM_PROCID",
        "bash -c '",
        "module load ",
        "> ",
        "```",
        "\u00a0",
        "–",
        "for i in 1 2; do",
        "done",
        "singularity exec --nv ",
        "vllm serve m",
        "--array=0-9",
        "\t",
        " ",
        "{",
        "}",
        "((",
        "Traceback (most recent call last):",
        "CUDA out of memory. Tried to allocate",
        "[rank3]: ",
        "(AssocGrpGRES)",
        "\r\n",
        "\x1b[31m",
        "\x00",
        "\ud800",
        "é",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(SCRIPT_WORDS, max_size=60).map("".join))
def test_diagnose_never_raises_on_script_like_text(text: str) -> None:
    diagnosis = diagnose(text, attachments=[("job.sh", text), ("run.log", text), ("x.py", text)])
    assert len(diagnosis.questions) <= 3


@pytest.mark.parametrize("name", ["text", "job.sh"])
def test_a_fence_on_the_line_of_the_interpreter_ends_nothing(name: str) -> None:
    """As in chats; it was read for ever."""
    text = "```#!/bin/bash\n#SBATCH --gres=gpu:4\nsrun python train.py\n```\n"
    scripts = [piece for piece in pieces_of("", [(name, text)]) if piece.kind == "script"]
    assert [piece.lines[1] for piece in scripts] == ["#SBATCH --gres=gpu:4"]


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=400))
def test_diagnose_never_raises_on_any_text(text: str) -> None:
    diagnose(text)


def options_of(line: str) -> list[Option]:
    return [option for directive in directives_of(["#!/bin/bash", line])[0] for option in directive.options]


@pytest.mark.parametrize(
    ("line", "name", "value", "trouble"),
    [
        ("#SBATCH --time=01:00:00", "time", "01:00:00", ""),
        ("#SBATCH --time 01:00:00 # one hour", "time", "01:00:00", ""),
        ("#SBATCH -N2", "nodes", "2", ""),
        ("#SBATCH -n 4", "ntasks", "4", ""),
        ("#SBATCH --part=gpu", "partition", "gpu", ""),
        ('#SBATCH --job-name="a b"', "job-name", "a b", ""),
        ("#SBATCH --time=5#comment", "time", "5", ""),
        ("#SBATCH--time=5", "time", "5", ""),
        ("#SBATCH -time=01:00:00", "time", "01:00:00", "one-dash"),
        ("#SBATCH -p=gpu", "partition", "gpu", "equals-after-short"),
        ("#SBATCH --mem = 64G", "mem", "64G", "blank-around-equals"),
        ("#SBATCH --mem= 64G", "mem", "64G", "blank-around-equals"),
        ("#SBATCH ---mem=64G", "mem", "64G", "three-dashes"),
        ("#SBATCH --gpu=2", "gpu", "2", "ambiguous"),
        ("#SBATCH --walltime=2", "walltime", "2", "unknown"),
        ("#SBATCH --cpu-bind=cores", "cpu-bind", "cores", "srun-only"),
        ("#SBATCH --exclusive", "exclusive", "", ""),
    ],
)
def test_option(line: str, name: str, value: str, trouble: str) -> None:
    option = options_of(line)[0]
    assert (option.name, option.value, option.trouble) == (name, value, trouble)


def test_block_ends_at_the_first_command() -> None:
    directives, end = directives_of(["#!/bin/bash", "#SBATCH -N 1", "", "# note", "cd x", "#SBATCH -n 2"])
    assert [directive.state for directive in directives] == ["active", "late"]
    assert end == 5


def test_directives_of_an_inner_script_are_not_ours() -> None:
    assert directives_of(["#!/bin/bash", "cat <<EOF", "#SBATCH -N 1", "EOF"])[0] == ()


@pytest.mark.parametrize(
    ("value", "minutes"),
    [
        ("30", 30),
        ("90:00", 90),
        ("1:30:00", 90),
        ("1-12", 2160),
        ("1-12:30", 2190),
        ("2-00:00:00", 2880),
        ("1:30", 2),
        ("25:61:00", 1561),
        ("2h", None),
        ("01.00.00", None),
    ],
)
def test_walltime(value: str, minutes: int | None) -> None:
    assert units.minutes_of(value) == minutes


@pytest.mark.parametrize(
    ("value", "gib"),
    [("60G", 60), ("64gb", 64), ("1024", 1), ("1T", 1024), ("60GiB", None), ("1.5G", None), ("64 G", None)],
)
def test_memory(value: str, gib: float | None) -> None:
    assert units.gib_of(value) == gib


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("0-9", (10, 9, None)),
        ("1-10%3", (10, 10, 3)),
        ("1,3,5", (3, 5, None)),
        ("0-8:2", (5, 8, None)),
        ("10-1", None),
        ("1..10", None),
    ],
)
def test_array(value: str, size: tuple[int, int, int | None] | None) -> None:
    assert units.array_size(value) == size


@given(st.text(alphabet="abc-", max_size=8), st.text(alphabet="abc-", max_size=8))
def test_distance_is_symmetric(one: str, other: str) -> None:
    assert distance_at_most(one, other, 2) == distance_at_most(other, one, 2)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("walltime", "time"),
        ("gpus_per_node", "gpus-per-node"),
        ("partion", "partition"),
        ("ntask-per-node", "ntasks-per-node"),
        ("zzz", None),
    ],
)
def test_nearest_option(written: str, meant: str | None) -> None:
    assert nearest_option(written) == meant


def test_commands_with_their_surroundings() -> None:
    shell = parse_shell("for i in 1 2; do\n  srun -n1 python a.py &\ndone\nwait\nsrun x 2>&1 | tee log || true\n")
    srun = next(command for command in shell.commands if command.name == "srun")
    assert (srun.line, srun.around.background, srun.around.loop) == (2, True, True)
    piped = [command for command in shell.commands if command.name == "srun"][1]
    assert piped.around.pipe == ("tee",)
    assert piped.around.guarded == "true"


def test_commands_inside_bash_c_run_in_the_step() -> None:
    command = parse_shell("srun bash -c 'RANK=$SLURM_PROCID exec python t.py'\n").commands[0]
    inner = list(inner_commands(command))
    assert [item.name for item in inner] == ["exec"]
    assert inner[0].around.in_step


def test_parser_goes_on_after_a_syntax_error() -> None:
    shell = parse_shell("if then fi (\nsrun python t.py\n")
    assert "srun" in {command.name for command in shell.commands}


def test_script_and_log_are_found_in_a_mail() -> None:
    mail = "Hello,\n\n#!/bin/bash\n#SBATCH -N 1\nsrun python t.py\n\nIt stops with:\nRuntimeError: No CUDA GPUs are available\nThanks for your help, Anna\n"
    pieces = {piece.kind: piece for piece in pieces_of(mail)}
    assert pieces["script"].lines[:2] == ("#!/bin/bash", "#SBATCH -N 1")
    assert pieces["script"].numbers[0] == 3
    assert "RuntimeError: No CUDA GPUs are available" in pieces["log"].lines
