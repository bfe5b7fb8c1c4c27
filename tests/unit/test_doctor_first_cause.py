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
