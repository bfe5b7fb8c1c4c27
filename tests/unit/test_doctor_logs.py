"""Logs: first cause before consequences, tracebacks folded, ranks, streams, speed, and failures named in sentences."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.doctor.diagnosis import diagnose
from triage.doctor.logs import diagnose_log, diagnose_log_text
from triage.doctor.logscan import BLOCK_BYTES, COUNTED_PER_ID
from triage.doctor.performance import speed_findings

OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.00 GiB. GPU 0 has a total capacity of 39.50 GiB"


def test_time_stamps_decide_between_ranks() -> None:
    log = f"2026-03-02 11:25:00,100 ERROR ncclSystemError: System call failed\n2026-03-02 11:20:00,100 ERROR {OOM}\n"
    assert diagnose_log_text(log, "log")[0].id == "oom_gpu_framework"


def test_traceback_is_folded_into_its_exception_line() -> None:
    log = "[rank2]: Traceback (most recent call last):\n[rank2]:   File 'a.py', line 1, in f\n[rank2]: KeyError: 'lr'\n"
    found = diagnose_log_text(log, "log")
    assert [(item.id, item.line, item.rank) for item in found] == [("python_traceback", 3, "rank 2")]
    assert found[0].excerpt == "KeyError: 'lr'"


def test_same_line_of_many_ranks_is_one_finding() -> None:
    log = "".join(f"[rank{rank}]: {OOM}\n" for rank in range(64))
    found = diagnose_log_text(log, "log")
    assert [(item.id, item.count, item.line) for item in found] == [("oom_gpu_framework", 64, 1)]


def test_first_cause_behind_very_many_other_errors_is_found() -> None:
    others = "".join(
        f"[rank{n % 64}]: ValueError: {n * 7919:x} failed: Killed by {n * 104729:x}\n" for n in range(5000)
    )
    *_, last = found = diagnose_log_text(f"{others}{OOM}\nKilled\n", "log")
    assert {item.id: item.line for item in found} == {
        "python_traceback": 1,
        "oom_gpu_framework": 5001,
        "oom_cpu_killed": 5002,
    }
    assert {item.id: item.count for item in found}["python_traceback"] == COUNTED_PER_ID
    assert last.count == 1


def test_a_rare_error_on_a_line_with_one_that_is_counted_to_the_end_is_found() -> None:
    often = "".join(f"w{n * 7919:x} ModuleNotFoundError: No module named '{n:x}'\n" for n in range(COUNTED_PER_ID + 10))
    log = f"{often}ModuleNotFoundError: No module named 'a'; then CUDA out of memory. Tried to allocate 1 GiB\n"
    found = {item.id: (item.line, item.count) for item in diagnose_log_text(log, "log")}
    assert found == {"python_module_missing": (1, COUNTED_PER_ID), "oom_gpu_framework": (COUNTED_PER_ID + 11, 1)}


def test_colours_and_progress_bars_hide_nothing() -> None:
    log = f"  10%|#  | 1/10 [00:10<01:30]\r  20%|## | 2/10 [00:20<01:20]\r\x1b[31m{OOM}\x1b[0m\n"
    assert diagnose_log_text(log, "log")[0].id == "oom_gpu_framework"


def test_cause_on_the_border_of_two_blocks_is_found_at_its_line() -> None:
    filler = b"step 1 loss 2.0\n" * (BLOCK_BYTES // 16 - 2)
    log = filler + OOM.encode() + b"\n" + filler
    found = diagnose_log(io.BytesIO(log), "log")
    assert [(item.id, item.line) for item in found] == [("oom_gpu_framework", BLOCK_BYTES // 16 - 1)]


@pytest.mark.parametrize(
    "line",
    [
        "a" * 3_000_000,
        "Traceback (most recent call last):" * 20_000,
        "cp: " * 100_000,
        "\r" * 100_000,
        "\x00" * 100_000,
        "RuntimeError: " * 200_000,
        "1/1 [" * 100_000,
        "\x1b[" * 100_000,
    ],
)
def test_adversarial_lines_end(line: str) -> None:
    diagnose_log_text(f"{line}\n{OOM}\n", "log")


def test_rank_that_failed_first_is_found_among_two_hundred() -> None:
    steps = [f"{rank}: [rank{rank}] step {step} loss 2.0\n" for step in range(20) for rank in range(200)]
    ends = [
        f"{rank}: [rank{rank}]: ncclRemoteError: A call failed possibly due to a network error\n" for rank in range(200)
    ]
    ends[117] = f"117: [rank117]: {OOM}\n"
    first, *rest = diagnose_log_text("".join([*steps, *ends]), "log")
    assert (first.id, first.rank, first.count) == ("oom_gpu_framework", "rank 117", 1)
    assert [(item.id, item.count) for item in rest] == [("nccl_remote_exit", 199)]


def test_message_under_the_line_of_the_exception_counts() -> None:
    log = (
        'Traceback (most recent call last):\n  File "v.py", line 1, in <module>\n'
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for VllmConfig\n"
        "  Value error, World size (8) is larger than the number of available GPUs (4) in this node.\n"
    )
    assert [(item.id, item.line) for item in diagnose_log_text(log, "log")] == [("vllm_parallel_size", 4)]


NO_ALGORITHM = "  Profiling failure on CUDNN engine eng11{}: UNKNOWN: CUDNN_STATUS_ALLOC_FAILED\n"
NAMELESS = (
    'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    g()\nlib.GraphError: Graph execution error:\n'
)


def test_exception_without_a_name_is_explained_by_the_line_above_it() -> None:
    assert diagnose_log_text(NO_ALGORITHM + NAMELESS, "log")[0].id == "cuda_cudnn_failure"
    warned = f"WARNING: ignored {NO_ALGORITHM.strip()}\n{NAMELESS}"
    assert diagnose_log_text(warned, "log")[0].id == "python_traceback"
    went_on = NO_ALGORITHM + "step 10 loss 2.0 tok/s 100\n" + NAMELESS
    assert diagnose_log_text(went_on, "log")[0].id == "python_traceback"


def test_running_program_that_passed_over_a_network_error_has_not_failed() -> None:
    alarm = "wandb: Network error (ConnectTimeout), entering retry loop.\n"
    assert diagnose_log_text(f"{alarm}step 10 loss 2.0 tok/s 100\n", "log") == ()
    assert [item.id for item in diagnose_log_text(f"step 10 loss 2.0 tok/s 100\n{alarm}", "log")] == ["wandb_failure"]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_are_read(raw: bytes) -> None:
    diagnose_log(io.BytesIO(raw), "log")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("my job on LUMI stays pending with AssocGrpGRES", "reason_group_limit_now"),
        ("squeue says AssocGrpGRESMinutes for my job", "reason_budget_used"),
        ("I get CUDA out of memory when fine-tuning on Leonardo", "oom_gpu_framework"),
        ("after an hour there is an NCCL timeout", "nccl_watchdog_timeout"),
        (
            "it says: sbatch: error: Batch job submission failed: Invalid qos specification",
            "slurm_partition_or_qos_refused",
        ),
    ],
)
def test_failure_named_in_a_sentence(text: str, wanted: str) -> None:
    assert diagnose(text).log_findings[0].id == wanted


@pytest.mark.parametrize(
    "text",
    ["Which call fits our project?", "We had no out of memory problem so far.", "We attach our proposal, regards"],
)
def test_nothing_is_invented(text: str) -> None:
    diagnosis = diagnose(text)
    assert (diagnosis.findings, diagnosis.log_findings, diagnosis.questions) == ((), (), ())


def test_systems_named_in_the_text() -> None:
    diagnosis = diagnose("We moved from LUMI to MareNostrum 5 and it fails with CUDA out of memory")
    assert diagnosis.systems == ("lumi-g", "mn5-acc")


SMI = "|   {gpu}  NVIDIA A100-SXM4-64GB     On  | 00000000:1D:00.0 Off |   0 |\n| N/A   40C    P0   60W / 400W |  {used}MiB / 65536MiB |     {busy}%      Default |\n"


def test_idle_and_unused_gpus() -> None:
    sample = SMI.format(gpu=0, used=60000, busy=40) + "".join(SMI.format(gpu=gpu, used=3, busy=0) for gpu in (1, 2, 3))
    assert {item.id for item in speed_findings((sample * 5).encode(), "smi")} == {"perf-gpus-unused", "perf-gpu-idle"}


def test_loader_bound_step() -> None:
    log = "".join(f"iter {step}: data_time: 0.61 step_time: 0.90 loss: 2.0\n" for step in range(20))
    found = speed_findings(log.encode(), "log")
    assert [item.id for item in found] == ["perf-loader-bound"]
    assert found[0].severity != "error"


def test_busy_gpus_are_no_finding() -> None:
    sample = "".join(SMI.format(gpu=gpu, used=60000, busy=96) for gpu in range(4))
    assert speed_findings((sample * 5).encode(), "smi") == ()


@pytest.mark.parametrize(
    ("text", "systems"),
    [
        ("My job on Karolina is stuck", ("karolina",)),
        ("Best regards,\nKarolina Novakova\n", ()),
        ("Dear Karolina, thanks", ()),
        ("we use Vega for training", ("vega",)),
        ("Greetings\nMaria Vega", ()),
        ("HPC Vega and LUMI", ("vega", "lumi-g")),
    ],
)
def test_people_are_no_systems(text: str, systems: tuple[str, ...]) -> None:
    assert diagnose(text).systems == systems
