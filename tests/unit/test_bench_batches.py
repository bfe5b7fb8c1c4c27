"""Runs that share an allocation: how they are grouped, their script, what the accounts say, and what a crash leaves."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_runner.reruns import runs
from bench_runner.reruns.accounts import NO_TURN, Accounts, state_of_step
from bench_runner.reruns.batches import Member, batch_name, batch_script, grouped, queue_name, step_name
from bench_runner.reruns.cancelling import cancel_submitted
from bench_runner.reruns.causes import cause_of
from bench_runner.reruns.request import Plan, plans
from bench_runner.reruns.runs import Run, RunState
from bench_runner.reruns.sites import read_sites
from bench_runner.reruns.slurm import AccountRow, parse_accounting
from bench_runner.reruns.watcher import Watcher
from bench_runner.store.database import Store, open_store

ADA = "ada@example.org"
SITES = read_sites(
    "sites: {hydra: {partition: gpu, work_dir: /work dir/bench, gpus_per_node: 4, batch_walltime_min: 100}}"
)
SITE = SITES["hydra"]


def plan(load: int = 10, *, minutes: int = 30, nodes: int = 1, tp: int = 1) -> Plan:
    text = "system: hydra\nframework: vllm\nmodel: tiny/Llama-1B\ndataset: random\n"
    (found,) = plans(f"{text}concurrency: {load}\nwalltime_min: {minutes}\nnodes: {nodes}\ntp: {tp}\n", SITES)
    return found


def run(number: int, **changes: object) -> Run:
    made = Run(
        id=f"{number:012x}", spec_hash="h", spec="", title="t", system="hydra", project="p", state=RunState.SUBMITTED,
        reason="", requested_by=ADA, origin="desk", requested_at="", decided_by=None, decided_at=None,
        reserved_gpu_hours=1.0, used_gpu_hours=None, earlier_gpu_hours=0.0, script="echo one\n",
        work_dir=f"/work dir/bench/{number}", job="77", slurm_state=None, attempts=1, submitted_at=None, ended_at=None,
        result_id=None, rerun_of=None, batch="abc",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def row(name: str, state: str, elapsed: int = 60, *, step: str = "", job: str = "77", gpus: int = 1) -> AccountRow:
    return AccountRow(job=job, step=step, name=name, state=state, elapsed_s=elapsed, gpus=gpus, nodes="n1", submit="")


PLANS = {
    (minutes, nodes, tp): plan(minutes=minutes, nodes=nodes, tp=tp)
    for minutes in (10, 30, 60, 100)
    for nodes, tp in ((1, 1), (1, 2), (2, 8))
}


@given(st.lists(st.sampled_from(sorted(PLANS)), max_size=20))
def test_everybody_is_in_one_group_and_no_group_is_too_long_or_of_two_shapes(
    shapes: list[tuple[int, int, int]],
) -> None:
    members = [Member(run=run(number), plan=PLANS[shape]) for number, shape in enumerate(shapes)]
    groups = grouped(members, SITE)
    assert sorted(member.run.id for group in groups for member in group) == [member.run.id for member in members]
    for group in groups:
        assert len(group) == 1 or sum(member.plan.walltime_min for member in group) <= 100
        assert len({(member.plan.spec.nodes, member.plan.spec.gpus_per_node) for member in group}) == 1
        assert len(group) == 1 or group[0].plan.spec.nodes == 1
    assert all(len(group) == 1 for group in grouped(members, replace(SITE, batch_walltime_min=None)))


def test_the_script_gives_each_step_its_own_time_name_and_folder_and_goes_on_after_a_failure(tmp_path: Path) -> None:
    members = [
        Member(run=run(n, attempts=0, job=None, work_dir=str(tmp_path / f"a run {n}"), script=f"echo {n}\n"), plan=plan(minutes=30 + n))
        for n in (1, 2, 3)
    ]  # fmt: skip
    script = batch_script(members, "/work")
    assert "#SBATCH --time=96" in script and "#SBATCH --no-requeue" in script
    (tmp_path / "a run 2").mkdir()
    (tmp_path / "a run 2" / "skip").touch()
    (programs := tmp_path / "programs").mkdir()
    (programs / "srun").write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {tmp_path}/called\nexit 1\n')
    (programs / "srun").chmod(0o755)
    done = subprocess.run(
        ["bash", "-eu"], input=script, text=True, env={"PATH": f"{programs}:/usr/bin:/bin"}, check=False
    )
    assert done.returncode == 0
    one, three = (tmp_path / "called").read_text().splitlines()
    assert f"--job-name=minerva-{members[0].run.id}-1" in one and "--time=31" in one
    assert f"--chdir={tmp_path}/a run 3" in three and "--time=33" in three
    assert (tmp_path / "a run 1" / "step.sh").read_text() == "echo 1\n"


@pytest.mark.parametrize(
    ("of_job", "step", "expected"),
    [
        ("PENDING", None, "PENDING"),
        ("RUNNING", None, "PENDING"),
        ("RUNNING", "RUNNING", "RUNNING"),
        ("RUNNING", "COMPLETED", "COMPLETED"),
        ("RUNNING", "FAILED", "FAILED"),
        ("RUNNING", "CANCELLED", "RUNNING"),
        ("COMPLETED", "CANCELLED", "CANCELLED"),
        ("COMPLETED", "COMPLETED", "COMPLETED"),
        ("COMPLETED", None, "COMPLETED"),
        ("NODE_FAIL", "COMPLETED", "COMPLETED"),
        ("NODE_FAIL", "CANCELLED", "NODE_FAIL"),
        ("NODE_FAIL", "RUNNING", "NODE_FAIL"),
        ("NODE_FAIL", None, "NODE_FAIL"),
        ("CANCELLED", None, "CANCELLED"),
        ("TIMEOUT", None, NO_TURN),
        ("TIMEOUT", "TIMEOUT", "TIMEOUT"),
    ],
)
def test_state_of_a_run_from_its_allocation_and_its_step(of_job: str, step: str | None, expected: str) -> None:
    assert state_of_step(of_job, row("s", step, step="0") if step else None) == expected


def test_a_run_without_a_turn_is_tried_again() -> None:
    assert cause_of(NO_TURN, "") == (True, "the allocation ended before its turn")


def test_the_whole_allocation_is_paid_by_the_time_of_the_steps() -> None:
    one, two, never = run(1), run(2), run(3)
    job, steps = batch_name("abc"), [row(step_name(r), "COMPLETED", s, step=str(n)) for n, (r, s) in enumerate(((one, 900), (two, 2700)))]  # fmt: skip
    ended = Accounts([row(job, "COMPLETED", 4000, gpus=2), *steps])
    paid = [ended.gpu_hours(r) for r in (one, two, never)]
    assert paid == [pytest.approx(2 * 1000 / 3600), pytest.approx(2 * 3000 / 3600), 0.0]
    assert sum(hours or 0.0 for hours in paid) == pytest.approx(2 * 4000 / 3600)
    assert Accounts([row(job, "RUNNING", 4000), *steps]).gpu_hours(one) is None
    assert Accounts(None).gpu_hours(one) is None


def test_steps_are_told_from_jobs_and_from_slurms_own() -> None:
    text = "7|minerva-batch-x|RUNNING|9|gres/gpu=2|n1|a\n7.batch|batch|RUNNING|9|gres/gpu=2|n1|a\n7.extern|extern|RUNNING|9||n1|a\n7.0|minerva-r-1|COMPLETED|4|gres/gpu=2|n1|a\n"
    assert [(found.job, found.step, found.name) for found in parse_accounting(text)] == [
        ("7", "", "minerva-batch-x"),
        ("7", "0", "minerva-r-1"),
    ]


@dataclass
class Scripted:
    """A Slurm that answers what the test says, and keeps what it was asked."""

    queue: str = ""
    accounts: str = ""
    error: str = ""
    calls: list[list[str]] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)

    def run(self, argv: list[str], *, stdin: str = "") -> tuple[int, str, str]:
        self.calls.append(list(argv))
        if argv[0] == "sbatch":
            self.scripts.append(stdin)
            return (1, "", self.error) if self.error else (0, "77\n", "")
        answers = {"sacct": self.accounts, "squeue": self.queue, "mkdir": "", "touch": "", "scancel": ""}
        return (0, answers[argv[0]], "") if argv[0] in answers else (1, "", "")

    def asked(self, program: str) -> list[list[str]]:
        return [argv for argv in self.calls if argv[0] == program]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path)


def approved(store: Store, *loads: int) -> list[Run]:
    made = []
    with store.write() as connection:
        for holder, name in (("person", ADA), ("project", "p"), ("system", "hydra")):
            runs.set_budget(connection, holder, name, 100.0, ADA)
        for load in loads:
            found = plan(load)
            one = runs.propose(connection, found, spec=found.source, title="t", by=ADA, project="p")
            runs.approve(connection, one, ADA)
            made.append(one)
    return made


def tick(store: Store, slurm: Scripted) -> list[Run]:
    Watcher(store=store, sites=SITES, transport=lambda _: slurm).tick()
    with store.read() as connection:
        return runs.runs(connection)[::-1]


def test_runs_that_fit_are_one_job(store: Store) -> None:
    approved(store, 1, 2, 3, 4)
    slurm = Scripted()
    found = tick(store, slurm)
    assert len(slurm.asked("sbatch")) == 2  # three of 30 minutes fit into 100
    assert [run.state for run in found] == [RunState.SUBMITTED] * 4
    batches = {run.batch for run in found}
    assert len(batches) == 2 and None in batches  # the fourth is a job of its own
    assert sorted(script.count("srun") for script in slurm.scripts) == [0, 3]


def test_after_an_answer_that_was_lost_the_batch_is_found_by_its_name(store: Store) -> None:
    approved(store, 1, 2)
    found = tick(store, Scripted(error="Socket timed out on send/recv operation"))
    assert {run.state for run in found} == {RunState.SUBMITTING}
    (name,) = {queue_name(run) for run in found}
    slurm = Scripted(queue=f"91|{name}|RUNNING|None|x\n")
    found = tick(store, slurm)
    assert {(run.state, run.job) for run in found} == {(RunState.SUBMITTED, "91")} and not slurm.asked("sbatch")


def test_a_batch_that_slurm_does_not_have_goes_back_and_is_submitted_once_more(store: Store) -> None:
    approved(store, 1, 2)
    tick(store, Scripted(error="Socket timed out on send/recv operation"))
    slurm = Scripted()
    assert {run.state for run in tick(store, slurm)} == {RunState.APPROVED}
    assert {run.state for run in tick(store, slurm)} == {RunState.SUBMITTED}
    assert len(slurm.asked("sbatch")) == 1


def test_one_fails_by_itself_one_lost_its_node_and_is_tried_again(store: Store) -> None:
    approved(store, 1, 2)
    one, two = tick(store, Scripted())
    job = queue_name(one)
    slurm = Scripted(accounts=f"77|{job}|NODE_FAIL|3600|gres/gpu=1|n1|a\n77.0|{step_name(one)}|FAILED|900|gres/gpu=1|n1|a\n77.1|{step_name(two)}|CANCELLED by 0|2700|gres/gpu=1|n1|a\n")  # fmt: skip
    one, two = tick(store, slurm)
    assert (one.state, one.used_gpu_hours) == (RunState.FAILED, pytest.approx(0.25))
    assert (two.state, two.batch, two.job) == (RunState.APPROVED, None, None)
    assert two.earlier_gpu_hours == pytest.approx(0.75) and "a node failed" in two.reason


def test_cancelling_one_leaves_the_others(store: Store) -> None:
    approved(store, 1, 2)
    one, two = tick(store, Scripted())
    running = f"77|{queue_name(one)}|RUNNING|60|gres/gpu=1|n1|a\n77.0|{step_name(one)}|RUNNING|50|gres/gpu=1|n1|a\n"
    slurm = Scripted(accounts=running)
    assert cancel_submitted(store, slurm, one, ADA) == "step 0 of job 77"
    assert slurm.asked("scancel") == [["scancel", "77.0"]]
    assert cancel_submitted(store, slurm, two, ADA) == "its turn in job 77"
    assert ["touch", "--", f"{two.work_dir}/skip"] in slurm.calls and len(slurm.asked("scancel")) == 1
    with store.read() as connection:
        assert [runs.find(connection, run.id).state for run in (one, two)] == [RunState.SUBMITTED, RunState.CANCELLED]


def test_a_specification_that_is_no_longer_allowed_is_not_submitted(store: Store) -> None:
    (one,) = approved(store, 1)
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE run SET spec = replace(spec, 'vllm', 'homemade')")
    slurm = Scripted()
    (found,) = tick(store, slurm)
    assert (found.id, found.state) == (one.id, RunState.FAILED) and "homemade" in found.reason
    assert not slurm.asked("sbatch")
