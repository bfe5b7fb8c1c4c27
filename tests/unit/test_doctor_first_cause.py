"""The first cause before, behind and among its consequences: every cause's own examples in logs made around them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from triage.doctor.facts import facts
from triage.doctor.logs import diagnose_log_text

CAUSES = [
    (row["id"], line, row["category"])
    for row in facts("error_signatures")["entries"]
    if row["role"] == "cause"
    for line in row["examples"]
    if "\n" not in line.strip()
]
STEPS = "".join(f"step {step} | loss {3 - step / 100:.2f} | 311 ms/step\n" for step in range(5))
WATCHDOG = (
    "[rank0]:[E302 11:30:15.000 ProcessGroupNCCL.cpp:629] [Rank 0] Watchdog caught collective operation timeout: "
    "WorkNCCL(SeqNum=8, OpType=ALLREDUCE, Timeout(ms)=600000) ran for 600000 milliseconds before timing out.\n"
)
REMOTE = (
    "[rank0]: torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:2006, remote process exited or "
    "there was a network error\n"
    "[rank0]: ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely.\n"
    "srun: error: n1: task 0: Exited with exit code 1\n"
)
ENDED = (
    "srun: error: n1: task 3: Exited with exit code 1\n"
    "slurmstepd: error: *** STEP 9.0 ON n1 CANCELLED AT 2026-03-02T11:31:15 ***\n"
)
LAUNCHER = (
    "E0302 torch/distributed/elastic/multiprocessing/api.py:874] failed (exitcode: 1) local_rank: 0 (pid: 88) of "
    "binary: /v/bin/python\ntorch.distributed.elastic.multiprocessing.errors.ChildFailedError:\n"
)
ALARMS = (
    "Lmod Warning: the module was reloaded with a version change\n"
    "[W302 socket.cpp:759] [c10d] The client socket cannot be initialized to connect to [n1]:29500 "
    "(errno: 97 - Address family not supported by protocol).\n"
)
LEAKED = (
    "[rank0]:[W602 ProcessGroupNCCL.cpp:1538] Warning: destroy_process_group() was not called before program exit\n"
)

MADE: dict[str, Callable[[str], str]] = {
    "before its consequences": lambda line: f"{STEPS}[rank3]: {line}\n{WATCHDOG}{ENDED}",
    "behind its consequences, told by time": lambda line: (
        f"{STEPS}2026-03-02 11:30:15 {WATCHDOG}2026-03-02 11:20:14 [rank3]: {line}\n2026-03-02 11:31:00 {ENDED}"
    ),
    "behind its consequences, without time": lambda line: f"{STEPS}{REMOTE}[rank3]: {line}\n{ENDED}",
    "among harmless alarms": lambda line: f"{ALARMS}{STEPS}{line}\n{LEAKED}",
}


@pytest.mark.parametrize("made", MADE.values(), ids=list(MADE))
def test_first_cause_is_named(made: Callable[[str], str]) -> None:
    found = [(name, diagnose_log_text(made(line), "log")) for name, line, _ in CAUSES]
    missed = [name for name, causes in found if not causes or causes[0].id != name]
    print(f"{len(found) - len(missed)} of {len(found)}, missed {missed}")
    assert len(missed) <= 0.01 * len(found), missed


def test_exception_of_a_traceback_is_the_cause() -> None:
    head = 'Traceback (most recent call last):\n  File "a.py", line 3, in <module>\n    f()\n'
    programs = [(name, line) for name, line, category in CAUSES if category not in ("slurm", "scheduler_reason")]
    missed = [
        name for name, line in programs if diagnose_log_text(f"{STEPS}{head}{line}\n{LAUNCHER}", "log")[0].id != name
    ]
    assert missed == []


UNKNOWN = [
    "terminate called after throwing an instance of 'lbm::GridError'\n  what():  cell 33 has negative volume\n{end}",
    "Fatal error:\nThere is no domain decomposition for 96 ranks that is compatible with the given box\n{end}",
    "ERROR on proc 0: Unknown pair style (src/force.cpp:279)\nMPI_ABORT was invoked on rank 0\n{end}",
    "--> FOAM FATAL IO ERROR: \nkeyword div(phi,U) is undefined in dictionary\nFOAM exiting\n{end}",
    "At line 33 of file read.f90 (unit = 10, file = 'in.dat')\nFortran runtime error: End of file\n{end}",
    "thread 'main' panicked at src/main.rs:12:5:\nindex out of bounds: the len is 3\n{end}",
    "2026-03-02 10:00:01,113 - trainer - ERROR - shard 17 has no index\n{end}",
    "solver: grid.cc:33: void refine(): Assertion `n > 0' failed.\nAborted (core dumped)\n",
    "ERROR: an early alarm\nstep 1 loss 2.0\nstep 2 loss 1.9\nstep 3 loss 1.8\nError: the table is empty\n{end}",
]


@pytest.mark.parametrize("log", UNKNOWN)
def test_a_message_that_no_signature_knows_is_named_before_what_it_led_to(log: str) -> None:
    first, *rest = diagnose_log_text(STEPS + log.format(end=ENDED), "log")
    assert first.id == "program_error"
    assert first.role == "cause"
    assert rest


def test_a_known_cause_is_named_rather_than_what_the_program_says_of_it() -> None:
    log = f"{STEPS}ERROR: the worker is gone\n[rank3]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1 GiB\n{ENDED}"
    assert diagnose_log_text(log, "log")[0].id == "oom_gpu_framework"
    assert "program_error" not in {item.id for item in diagnose_log_text(log, "log")}


@pytest.mark.parametrize(
    "log",
    [
        "ERROR: could not read the optional cache\n" + STEPS,
        "error: none of the optional plugins is there\n" + "line\n" * 40,
        "ERROR: 0 of 12 shards are damaged\nTraining completed\n",
        "start\nWARNING retry 1/5: HTTP Error 503: Service Unavailable\nbuilding the model\nwriting results\n",
        "start\n[ERROR] 0 files failed\nwriting results\n",
        "[rank0]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n"
        "Caught OOM, lowering micro batch from 8 to 4 and restarting from step 0\n" + STEPS,
        "start\nImportError: cannot import name 'x' from 'flash_attn' - falling back to sdpa\nwriting results\n",
        STEPS
        + "Exception ignored in: <function Pool.__del__ at 0x7f>\nTraceback (most recent call last):\n"
        + "  File \"pool.py\", line 271, in __del__\nAttributeError: 'NoneType' object has no attribute 'put'\n",
    ],
)
def test_alarms_after_which_a_program_goes_on_are_no_failure(log: str) -> None:
    assert diagnose_log_text(log, "log") == ()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("NVRM: Xid (PCI:0000:10:1c): 79, pid=1896, GPU has fallen off the bus.", "cuda_hardware_fault"),
        ("OSError: [Errno 24] Too many open files", "thread_or_file_limits"),
    ],
)
def test_a_line_that_may_be_the_cause_beats_what_others_saw_of_it(line: str, name: str) -> None:
    assert diagnose_log_text(f"{STEPS}{line}\n{WATCHDOG}{ENDED}", "log")[0].id == name
    assert diagnose_log_text(f"{STEPS}{REMOTE}{line}\n", "log")[0].id == name


@pytest.mark.parametrize(
    "prefix", ["[4] ", "[task3] ", "worker-1 | ", "Mar  2 11:20:14 n1 python[22]: ", "2026-03-02T11:20:14.111Z "]
)
def test_a_traceback_behind_any_prefix_is_read_to_its_end(prefix: str) -> None:
    lines = [
        "Traceback (most recent call last):",
        '  File "a.py", line 3, in <module>',
        "shard.BrokenIndex: shard 3",
        "end",
    ]
    first = diagnose_log_text("".join(f"{prefix}{line}\n" for line in lines), "log")[0]
    assert (first.id, first.line) == ("python_traceback", 3)


OOM_LINE = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.00 GiB."
OUR_END = "srun: error: n1: task 3: Exited with exit code 1\n"


def test_what_a_program_says_above_a_bare_exit_code_is_the_cause() -> None:
    found = diagnose_log_text(f"{STEPS}grid has 3 blocks\nsolver needs 4 blocks, cannot go on\nbye\n{OUR_END}", "log")
    assert [(item.id, item.line) for item in found] == [("program_error", 7), ("exit_1", 9)]
    warned = f"{STEPS}WARNING: cannot read cache, falling back to none\n{OUR_END}"
    assert [item.id for item in diagnose_log_text(warned, "log")] == ["exit_1"]


def test_last_line_that_plainly_says_so_is_a_failure() -> None:
    found = diagnose_log_text("reading mesh\nmesher: unable to close the surface of cell 12\n", "log")
    assert [(item.id, item.line, item.count) for item in found] == [("program_error", 2, 1)]
    assert diagnose_log_text("unable to find a checkpoint, starting from scratch\nreading mesh\n", "log") == ()
    assert diagnose_log_text("unable to find a checkpoint, starting from scratch\n", "log") == ()
    assert diagnose_log_text("failed to warm the cache\nTraining finished\n", "log") == ()


def test_message_below_the_line_of_an_exception_counts_for_the_same_process() -> None:
    refused = "hub.errors.BadRequestError:  (Request ID: 6)\n\n{}400 Client Error: Bad Request for url: https://x.eu\n"
    assert diagnose_log_text(refused.format(""), "log")[0].id == "http_refused"
    assert diagnose_log_text(f"KeyError: 'a'\n\n[rank1]: {OOM_LINE}\n", "log")[0].id == "python_traceback"


def test_number_of_an_error_is_no_rank() -> None:
    assert diagnose_log_text("[Errno 28] No space left on device: '/tmp/x'\n", "log")[0].id == "quota_or_disk_full"


@pytest.mark.parametrize("line", ["Error: 0.0012 after 100 iterations", "relative error = 3e-5", "errors: 12 of 500"])
def test_size_of_an_error_is_no_failure(line: str) -> None:
    assert diagnose_log_text(f"{line}\nconverged\n", "log") == ()


def test_driver_that_is_only_warned_of_explains_a_gpu_that_is_missing() -> None:
    warned = (
        "/v/torch/cuda/__init__.py:138: UserWarning: CUDA initialization: The NVIDIA driver on your system is too old\n"
    )
    head = 'Traceback (most recent call last):\n  File "a.py", line 3, in <module>\n    f()\n'
    failed = f"{head}AssertionError: cuda is not available. Please check your installation.\n"
    assert diagnose_log_text(warned + failed, "log")[0].id == "cuda_driver_too_old"
    other = f"{head}AssertionError: no shard has this name\n"
    assert diagnose_log_text(warned + other, "log")[0].id == "python_traceback"


def test_exception_that_says_what_is_wrong_counts_more_than_the_one_it_was_raised_over() -> None:
    head = 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    g()\n'
    said = "ValueError: Model type `q9`, but Transformers does not recognize this architecture\n"
    handled = "\nDuring handling of the above exception, another exception occurred:\n\n"
    caused = "\nThe above exception was the direct cause of the following exception:\n\n"
    assert diagnose_log_text(f"{head}KeyError: 'q9'\n{handled}{head}{said}", "log")[0].id == "hf_unknown_architecture"
    assert diagnose_log_text(f"{head}KeyError: 'q9'\n{caused}{head}{said}", "log")[0].id == "python_traceback"


WAITED = "srun: Job 8 step creation temporarily disabled, retrying (Requested nodes are busy)\n"
MADE_AT_LAST = "srun: Step created for StepId=8.1\n"
STEP_CANCELLED = "slurmstepd: error: *** STEP 8.0 ON n1 CANCELLED AT 2026-03-02T13:40:55 ***\n"
OUT_OF_TIME = "slurmstepd: error: *** JOB 8 ON n1 CANCELLED AT 2026-03-02T22:10:31 DUE TO TIME LIMIT ***\n"


def test_step_that_a_script_ends_when_its_work_is_done_is_no_failure() -> None:
    assert diagnose_log_text(f"{WAITED}{MADE_AT_LAST}{STEPS}{STEP_CANCELLED}sampling stopped\n", "log") == ()
    assert diagnose_log_text(f"{STEPS}{STEP_CANCELLED}", "log")[0].id == "slurm_cancelled"


def test_step_that_waited_to_the_end_explains_the_time_limit() -> None:
    assert diagnose_log_text(f"{WAITED}ready\n{OUT_OF_TIME}", "log")[0].id == "slurm_step_busy"
    assert diagnose_log_text(f"{WAITED}{MADE_AT_LAST}{OUT_OF_TIME}", "log")[0].id == "slurm_time_limit"
