"""Runs on a real Slurm with accounting: submitted once, followed, collected, settled; nodes killed, watcher restarted."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from integration.slurm_fixture import Slurm, missing_for_slurm, running_slurm
from integration.sshd_fixture import missing_for_ssh, running_sshd

from bench_runner.answers import answer_rows
from bench_runner.reruns import runs, slurm
from bench_runner.reruns.cancelling import cancel_submitted
from bench_runner.reruns.measured import already
from bench_runner.reruns.request import plans
from bench_runner.reruns.runs import Run, RunState
from bench_runner.reruns.sites import Site
from bench_runner.reruns.slurm import Local, Transport
from bench_runner.reruns.watcher import Watcher
from bench_runner.store.database import Store, open_store
from bench_runner.store.results import load

missing = missing_for_slurm(accounts=True)
pytestmark = [pytest.mark.skipif(bool(missing), reason=missing), pytest.mark.slow, pytest.mark.timeout(900)]

ADA = "ada@example.org"
SPEC = "{system: hydra, framework: vllm, model: tiny/Llama-1B, dataset: random, concurrency: 10, num_prompts: 100"
STAND_IN = Path(__file__).with_name("served_by_stand_in.py")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    partitions = (
        "PreemptType=preempt/partition_prio\nPreemptMode=REQUEUE\n"
        "PartitionName=gpu Nodes=n[1-4] Default=YES MaxTime=01:00:00 State=UP PriorityTier=1\n"
        "PartitionName=urgent Nodes=n[1-4] MaxTime=01:00:00 State=UP PriorityTier=10 PreemptMode=OFF"
    )
    with running_slurm(
        tmp_path_factory.mktemp("slurm"), partitions=partitions, cpus=2, memory_mb=2000, accounts=True
    ) as made:
        yield made


@dataclass(frozen=True, kw_only=True)
class Bench:
    cluster: Slurm
    store: Store
    sites: dict[str, Site]
    calls: list[str] = field(default_factory=list)

    def watcher(self) -> Watcher:
        return Watcher(store=self.store, sites=self.sites, transport=self.transport)

    def transport(self, _: str) -> Transport:
        return Counting(Local(self.cluster.environment), self.calls)

    def approved(self, more: str = "") -> Run:
        (plan,) = plans(SPEC + more + "}", self.sites)
        with self.store.write() as connection:
            for holder, name in (("person", ADA), ("project", "p"), ("system", "hydra")):
                runs.set_budget(connection, holder, name, 100.0, ADA)
            made = runs.propose(connection, plan, spec=plan.source, title=plan.title, by=ADA, project="p")
            runs.approve(connection, made, ADA)
        return made

    def state(self, run: Run) -> Run:
        with self.store.read() as connection:
            return runs.find(connection, run.id)

    def until(self, run: Run, wanted: Callable[[Run], bool], seconds: float = 240) -> Run:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.watcher().tick()
            found = self.state(run)
            if wanted(found):
                return found
            time.sleep(1)
        raise AssertionError(f"{self.state(run)}\n{self.cluster.run('squeue', '--states=all').stdout}")


@dataclass(frozen=True)
class Counting:
    """The transport itself, with the programs it was asked for written down."""

    inner: Transport
    calls: list[str]

    def run(self, argv: list[str], *, stdin: str = "") -> tuple[int, str, str]:
        self.calls.append(argv[0])
        return self.inner.run(argv, stdin=stdin)


@pytest.fixture
def bench(cluster: Slurm, tmp_path: Path) -> Bench:
    work = tmp_path / "work"
    work.mkdir()
    (work / "python").write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
    (work / "python").chmod(0o755)
    site = Site(
        system="hydra", partition="gpu", work_dir=str(work), gpus_per_node=4, gpu_request="--gres=gpu:{n}",
        setup=(f"export PATH={work}:$PATH",), environment="stand-in",
    )  # fmt: skip
    return Bench(cluster=cluster, store=open_store(tmp_path / "bench"), sites={"hydra": site})


def behave(bench: Bench, how: str) -> None:
    Path(bench.sites["hydra"].work_dir, "behaviour").write_text(how)


def behave_alone(run: Run, how: str) -> None:
    """What one run of a batch does, whatever the others do and whenever its turn comes."""
    Path(run.work_dir).mkdir(parents=True, exist_ok=True)
    Path(run.work_dir, "behaviour").write_text(how)


def ended(run: Run) -> bool:
    return run.state in (RunState.FINISHED, RunState.FAILED, RunState.CANCELLED)


def test_a_run_ends_as_a_row_an_answer_and_a_settled_budget(bench: Bench) -> None:
    behave(bench, "sleep 4")
    run = bench.approved(", tp: 4")
    done = bench.until(run, lambda r: r.state == RunState.FINISHED and r.used_gpu_hours is not None)
    with bench.store.read() as connection:
        (row,) = load(connection)
        (told,) = answer_rows(connection, "throughput of Llama-1B on Hydra with vLLM?") or ("",)
        before = already(connection, plans(run.spec, bench.sites)[0])
        left = runs.remaining(connection, "person", ADA)
    assert row.id == done.result_id and row.verdict == "verified"
    assert (row.result.spec.system, row.result.spec.tp, row.result.spec.gpus) == ("hydra", 4, 4)
    provenance = row.result.provenance
    assert (provenance.job_id, provenance.environment) == (done.job, "stand-in") and provenance.nodes[0].startswith("n")
    assert done.used_gpu_hours is not None and 4 * 3 / 3600 <= done.used_gpu_hours <= 4 * 60 / 3600
    assert left == pytest.approx(100 - done.used_gpu_hours)
    assert any("is finished with result" in text for text in before)
    assert "secret answer" not in str(row.result.original) and told is not None


def test_a_crash_between_sbatch_and_its_answer_starts_nothing_twice(bench: Bench) -> None:
    """What a killed process leaves behind: claimed, submitted, its answer never written down."""
    behave(bench, "sleep 1")
    run = bench.approved()
    with bench.store.write() as connection:
        runs.move(connection, run.id, RunState.SUBMITTING, of=(RunState.APPROVED,), who="test", why="")
    name, comment = f"minerva-{run.id}-1", f"minerva:{run.id}:1"
    job = slurm.submit(bench.transport(""), run.work_dir, run.script, name=name, comment=comment)
    done = bench.until(run, ended)
    assert (done.state, done.job) == (RunState.FINISHED, job)
    query = ("sacct", "-X", "-n", "-P", f"--name={name}", "--format=JobID")
    until = time.monotonic() + 30
    while not (listed := bench.cluster.run(*query).stdout.split()) and time.monotonic() < until:
        time.sleep(0.5)  # accounting writes down a job a little after the controller knows its end
    assert listed == [job]


def test_a_crash_before_sbatch_is_submitted_once(bench: Bench) -> None:
    run = bench.approved()
    with bench.store.write() as connection:
        runs.move(connection, run.id, RunState.SUBMITTING, of=(RunState.APPROVED,), who="test", why="")
    done = bench.until(run, ended)
    assert (done.state, done.attempts) == (RunState.FINISHED, 1)


def test_two_watchers_submit_once_and_a_tick_asks_once_for_all(bench: Bench) -> None:
    behave(bench, "sleep 8")
    several = [bench.approved(f", max_model_len: {512 + n}") for n in range(6)]
    one, two = bench.watcher(), bench.watcher()
    one.tick()
    two.tick()
    assert bench.calls.count("sbatch") == 6
    bench.calls.clear()
    bench.watcher().tick()
    assert bench.calls.count("squeue") == 1 and bench.calls.count("sacct") == 1
    for run in several:
        bench.until(run, ended)


def test_out_of_memory_is_not_retried_and_says_what_to_change(bench: Bench) -> None:
    behave(bench, "oom")
    done = bench.until(bench.approved(), ended)
    assert (done.state, done.attempts) == (RunState.FAILED, 1)
    assert "GPU memory ran out: raise tp or pp" in done.reason


def test_cancel_and_the_kill_switch_end_jobs(bench: Bench) -> None:
    behave(bench, "sleep 300")
    run, waiting = bench.approved(), bench.approved(", max_model_len: 600")
    started = bench.until(run, lambda r: r.slurm_state == "RUNNING")
    slurm.cancel(bench.transport(""), started.job or "")
    assert bench.until(run, ended).state == RunState.CANCELLED
    bench.until(waiting, lambda r: r.slurm_state == "RUNNING")
    later = bench.approved(", max_model_len: 700")
    with bench.store.write() as connection:
        runs.stop(connection, ADA)
    assert bench.until(waiting, ended).state == RunState.CANCELLED
    assert bench.state(later).state == RunState.APPROVED


def test_what_will_never_start_is_said(bench: Bench) -> None:
    held = bench.approved()
    script = held.script.replace("set -euo pipefail", "#SBATCH --hold\nset -euo pipefail", 1)
    with bench.store.write() as connection:
        connection.exec_driver_sql("UPDATE run SET script = ? WHERE id = ?", (script, held.id))
    found = bench.until(held, lambda r: r.slurm_state == "PENDING" and "will not start" in r.reason)
    assert "held by its user (JobHeldUser)" in found.reason
    slurm.cancel(bench.transport(""), found.job or "")
    bench.until(held, ended)


def test_a_killed_node_is_survived_and_all_its_starts_are_paid(bench: Bench) -> None:
    """Slurm requeues the job under the same id; if it does not, the run is submitted again."""
    behave(bench, "sleep 20")
    run = bench.approved()
    started = bench.until(run, lambda r: r.slurm_state == "RUNNING")
    listed = bench.cluster.run("squeue", "-h", "-j", started.job or "", "-o", "%N").stdout.strip()
    node = bench.cluster.nodes[listed]
    time.sleep(3)
    node.send_signal(signal.SIGKILL)
    for process in Path("/proc").glob("[0-9]*"):
        command = (process / "cmdline").read_bytes().replace(b"\0", b" ") if (process / "cmdline").exists() else b""
        if run.id.encode() in command or (b"slurmstepd" in command and (started.job or "").encode() in command):
            bench.cluster.run("kill", "-9", process.name)
    behave(bench, "sleep 2")
    done = bench.until(run, ended, seconds=400)
    assert done.state == RunState.FINISHED, done
    settled = bench.until(run, lambda r: r.used_gpu_hours is not None)
    rows = slurm.accounting(bench.transport(""), [settled.job or ""]) or []
    starts = [row for row in rows if row.name.startswith(f"minerva-{run.id}")]
    assert len(starts) >= 2 or settled.attempts == 2
    assert settled.used_gpu_hours == pytest.approx(sum(row.gpu_hours for row in starts) + settled.earlier_gpu_hours)
    assert replace(settled, reason="").state == RunState.FINISHED


@pytest.mark.skipif(bool(missing_for_ssh()), reason=missing_for_ssh())
def test_a_run_on_a_cluster_behind_ssh(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    behave(bench, "sleep 1")
    run = bench.approved(", max_model_len: 900")
    (folder := tmp_path / "sshd").mkdir()
    with running_sshd(folder, environment={"SLURM_CONF": bench.cluster.environment["SLURM_CONF"]}) as server:
        monkeypatch.setenv("PATH", f"{server.path}{os.pathsep}{os.environ['PATH']}")
        remote = {"hydra": replace(bench.sites["hydra"], transport="ssh:cluster")}
        end = time.monotonic() + 240
        while not ended(bench.state(run)) and time.monotonic() < end:
            Watcher(store=bench.store, sites=remote).tick()
            time.sleep(1)
    done = bench.state(run)
    assert done.state == RunState.FINISHED, done
    assert bench.calls == []  # nothing went around ssh
    with bench.store.read() as connection:
        assert [row.id for row in load(connection)] == [done.result_id]


def test_a_preempted_run_waits_goes_on_and_pays_for_both_starts(bench: Bench) -> None:
    behave(bench, "sleep 25")
    run = bench.approved(", max_model_len: 950")
    started = bench.until(run, lambda r: r.slurm_state == "RUNNING")
    node = bench.cluster.run("squeue", "-h", "-j", started.job or "", "-o", "%N").stdout.strip()
    urgent = ("sbatch", "-p", "urgent", "-w", node, "--exclusive", "-o", "/dev/null", "--wrap", "sleep 6")
    assert bench.cluster.run(*urgent, cwd=bench.cluster.folder).returncode == 0
    waiting = bench.until(run, lambda r: r.slurm_state in ("PENDING", "REQUEUED"))
    assert waiting.job == started.job
    behave(bench, "sleep 2")
    done = bench.until(run, ended, seconds=400)
    assert (done.state, done.attempts) == (RunState.FINISHED, 1), done
    settled = bench.until(run, lambda r: r.used_gpu_hours is not None)
    starts = slurm.accounting(bench.transport(""), [settled.job or ""]) or []
    assert len(starts) == 2
    assert settled.used_gpu_hours == pytest.approx(sum(row.gpu_hours for row in starts))


def test_runs_that_share_an_allocation_end_each_as_its_own(bench: Bench) -> None:
    """One fails, two are measured, one is cancelled before its turn: one job in all, and all of it is paid."""
    batching = {"hydra": replace(bench.sites["hydra"], batch_walltime_min=60)}
    bench = replace(bench, sites=batching)
    several = [bench.approved(f", walltime_min: 15, max_model_len: {1000 + n}") for n in range(4)]
    for run, how in zip(several, ("oom", "sleep 12", "sleep 2", "sleep 2"), strict=True):
        behave_alone(run, how)
    bench.watcher().tick()
    assert bench.calls.count("sbatch") == 1
    first = bench.until(several[0], ended)
    assert first.state == RunState.FAILED and "GPU memory ran out" in first.reason
    told = cancel_submitted(bench.store, bench.transport(""), bench.state(several[3]), ADA)
    assert told == f"its turn in job {first.job}"
    done = [bench.until(run, ended) for run in several]
    assert [run.state for run in done][1:] == [RunState.FINISHED, RunState.FINISHED, RunState.CANCELLED]
    settled = [bench.until(run, lambda r: r.used_gpu_hours is not None) for run in several]
    assert len({run.job for run in settled}) == 1
    rows = slurm.accounting(bench.transport(""), [settled[0].job or ""]) or []
    whole = sum(row.gpu_hours for row in rows if not row.step)
    assert sum(run.used_gpu_hours or 0.0 for run in settled) == pytest.approx(whole)
    with bench.store.read() as connection:
        assert {row.id for row in load(connection)} == {run.result_id for run in done if run.result_id}


def test_a_batch_that_loses_its_node_is_finished_by_another(bench: Bench) -> None:
    bench = replace(bench, sites={"hydra": replace(bench.sites["hydra"], batch_walltime_min=60)})
    one, two = (bench.approved(f", walltime_min: 20, max_model_len: {2000 + n}") for n in range(2))
    behave_alone(one, "sleep 1")
    behave_alone(two, "sleep 60")
    bench.until(one, ended)
    started = bench.until(two, lambda r: r.slurm_state == "RUNNING")
    name = bench.cluster.run("squeue", "-h", "-j", started.job or "", "-o", "%N").stdout.strip()
    bench.cluster.run("scontrol", "update", f"nodename={name}", "state=down", "reason=test")
    behave_alone(two, "sleep 1")
    done = bench.until(two, ended, seconds=400)
    bench.cluster.run("scontrol", "update", f"nodename={name}", "state=resume")
    assert (done.state, done.attempts) == (RunState.FINISHED, 2), done
    assert bench.state(one).attempts == 1
