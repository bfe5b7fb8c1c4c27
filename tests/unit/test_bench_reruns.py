"""Specifications, job scripts, Slurm's texts, and the life of a run with its budget; the jobs themselves run on a real
Slurm in tests/integration/test_bench_slurm.py."""

from __future__ import annotations

import ast
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_runner.collecting import collect
from bench_runner.errors import BudgetError, NotFoundError, RequestError, SlurmError, StateError
from bench_runner.reruns import runs, slurm
from bench_runner.reruns.causes import cause_of
from bench_runner.reruns.reframe_export import reframe_test
from bench_runner.reruns.request import Plan, plans
from bench_runner.reruns.runs import Run, RunState
from bench_runner.reruns.script import job_script
from bench_runner.reruns.sites import read_sites
from bench_runner.reruns.staleness import propose_stale
from bench_runner.reruns.watcher import Watcher
from bench_runner.store.database import Store, open_store

ADA, BOB = "ada@example.org", "bob@example.org"
SITES = read_sites(
    """
sites:
  MareNostrum 5: {partition: acc, work_dir: /gpfs/work/bench, account: ehpc1, qos: acc_ehpc, transport: "ssh:mn5",
                  setup: [module load vllm], datasets: {sharegpt: /gpfs/data/sharegpt.json}}
  LUMI: {partition: standard-g, work_dir: /scratch/p/bench}
"""
)
BASE = "system: MN5\nframework: vllm\nmodel: meta-llama/Llama-3.1-8B-Instruct\ndataset: random\n"


def one(more: str = "") -> Plan:
    (plan,) = plans(BASE + more, SITES)
    return plan


def test_a_specification_is_resolved_with_what_the_profile_and_the_site_know() -> None:
    plan = one("tp: 4\nconcurrency: 250\nserver_flags: --enforce-eager --max-num-seqs=512\n")
    assert (plan.spec.partition, plan.spec.gpus_per_node, plan.spec.gpus, plan.spec.num_prompts) == ("acc", 4, 4, 1250)
    assert plan.spec.server_flags == ("--enforce-eager", "--max-num-seqs", "512")
    assert plan.gpu_hours == 4.0
    assert plans(plan.source, SITES) == [plan]


def test_equal_specifications_have_equal_hashes_however_they_are_written() -> None:
    assert one("tp: 1\nprecision: auto\n").hash == one().hash != one("concurrency: 50\n").hash


def test_lists_are_sweeps_and_equal_points_count_once() -> None:
    found = plans(BASE + "tp: [1, 2, 4]\nconcurrency: [50, 100, 100]\n", SITES)
    assert len(found) == 6 and len({plan.hash for plan in found}) == 6


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("colour: red", "colour: there is no such field"),
        ("tp: four", "tp: 'four' is no whole number"),
        ("tp: 0", "tp: 0 must be at least 1"),
        ("tp: 8", "tp x pp: needs 8 GPUs, 1 nodes hold 4"),
        ("nodes: 2", "leaves a whole node idle (rule D2)"),
        ("nodes: 40\ntp: 160", "nodes: 40 is over the limit of 16"),
        ("walltime_min: 10000", "walltime_min: 10000 is over the limit"),
        ("model: $(reboot)", "is no model name"),
        ("model: a; rm -rf /", "is no model name"),
        ("dataset: sonnet", "sonnet has no file on mn5-acc"),
        ("dataset: mine", "'mine' is not allowed"),
        ("framework: sglang", "framework: 'sglang' is not allowed"),
        ("server_flags: --host 0.0.0.0", "'--host' is not allowed"),
        ("server_flags: --max-num-seqs $(id)", "--max-num-seqs does not take '$(id)'"),
        ("server_flags: --max-num-seqs", "--max-num-seqs does not take ''"),
        ("system: JUPITER", "is not set up for runs; set up are mn5-acc, lumi-g"),
        ("concurrency: [1,2,3,4,5,6,7,8,9]\ntp: [1,2,3,4]\nmax_model_len: [1,2,3]", "the sweep has 108 points"),
    ],
)
def test_what_cannot_run_is_refused_by_field(more: str, said: str) -> None:
    kept = [
        line
        for line in BASE.splitlines()
        if line.partition(":")[0] not in {m.partition(":")[0] for m in more.splitlines()}
    ]
    with pytest.raises(RequestError) as refused:
        plans("\n".join([*kept, more]), SITES)
    assert said in str(refused.value)


def test_several_problems_are_told_at_once() -> None:
    with pytest.raises(RequestError) as refused:
        plans(BASE + "tp: 8\nserver_flags: --host x\nprecision: int3\n", SITES)
    assert len(refused.value.problems) == 4


@pytest.mark.parametrize(
    "text", ["", "[1]", "a: [", "system: 3\nframework: vllm\nmodel: x\ndataset: random", "just words"]
)
def test_what_is_no_specification_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        plans(text, SITES)


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_hostile_text_never_reaches_a_script_unchecked(model: str, flags: str) -> None:
    import yaml  # noqa: PLC0415

    content = {"system": "MN5", "framework": "vllm", "model": model, "dataset": "random", "server_flags": flags}
    try:
        (plan,) = plans(yaml.safe_dump(content), SITES)
    except RequestError:
        return
    assert not set(job_script(plan, "r").partition("server=(")[2].partition("\n")[0]) & set("`$;&|<>\\")


def test_the_job_script() -> None:
    script = job_script(one("tp: 4\nserver_flags: --enforce-eager\nmax_model_len: 4096\n"), "abc123")
    for line in (
        "#SBATCH --partition=acc", "#SBATCH --account=ehpc1", "#SBATCH --qos=acc_ehpc", "#SBATCH --nodes=1",
        "#SBATCH --gpus-per-node=4", "#SBATCH --time=60", "#SBATCH --chdir=/gpfs/work/bench/abc123", "module load vllm",
        "server=(python -m vllm.entrypoints.openai.api_server --model meta-llama/Llama-3.1-8B-Instruct "
        "--tensor-parallel-size 4 --pipeline-parallel-size 1 --max-model-len 4096 --enforce-eager)",
    ):  # fmt: skip
        assert f"{line}\n" in script
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_queue_and_accounts_are_read_as_slurm_prints_them() -> None:
    queued = slurm.parse_queue("12|minerva-a-1|PENDING|Resources|minerva:a:1\nbroken\n13|x|RUNNING|None|(null)\n")
    assert [(row.job, row.state, row.reason) for row in queued] == [
        ("12", "PENDING", "Resources"),
        ("13", "RUNNING", "None"),
    ]
    rows = slurm.parse_accounting(
        "7|minerva-a-1|NODE_FAIL|60|billing=4,cpu=4,gres/gpu=8,mem=1M,node=2|n[1-2]|2026-11-28T10:00:00\n"
        "7|minerva-a-1|COMPLETED|120|billing=4,gres/gpu=8,gres/gpu:a100=8,node=2|n[3-4]|2026-11-28T10:02:00\n"
        "8|minerva-b-1|CANCELLED by 0|0||None assigned|2026-11-28T10:00:00\n7.batch|batch|COMPLETED|1|cpu=1|n3|x\n"
    )
    assert [row.state for row in rows] == ["NODE_FAIL", "COMPLETED", "CANCELLED"]
    assert sum(row.gpu_hours for row in rows) == pytest.approx(8 * 180 / 3600)


@pytest.mark.parametrize(
    ("tres", "gpus"),
    [("gres/gpu=4", 4), ("gres/gpu:a100=2,gres/gpu:h100=1", 3), ("cpu=4", 0), ("", 0), ("gres/gpu=x", 0)],
)
def test_gpus_of_an_allocation(tres: str, gpus: int) -> None:
    assert slurm.gpus_in(tres) == gpus


@pytest.mark.parametrize(
    ("state", "tail", "again", "said"),
    [
        ("NODE_FAIL", "", True, "a node failed"),
        ("PREEMPTED", "", True, "preempted"),
        ("FAILED", "torch.OutOfMemoryError: CUDA out of memory", False, "raise tp or pp"),
        ("OUT_OF_MEMORY", "", False, "host memory"),
        ("TIMEOUT", "", False, "raise walltime_min"),
        ("CANCELLED by 0", "", False, "cancelled"),
        ("FAILED", "line one\nValueError: no\n\n", False, "ValueError: no"),
        ("FAILED", "", False, "Its log is empty"),
    ],
)
def test_failures_are_retried_by_cause(state: str, tail: str, again: bool, said: str) -> None:
    retried, why = cause_of(state, tail)
    assert retried is again and said in why


def test_transports_by_name() -> None:
    assert slurm.transport_of("ssh:mn5") == slurm.Ssh("mn5") and slurm.transport_of("local") == slurm.Local()
    for name in ("ssh:", "ssh:-oProxyCommand=x", "http", ""):
        with pytest.raises(SlurmError):
            slurm.transport_of(name)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path)


def proposed(store: Store, more: str = "") -> Run:
    plan = one(more)
    with store.write() as connection:
        return runs.propose(connection, plan, spec=plan.source, title=plan.title, by=ADA, project="p1")


def give(store: Store, **hours: float) -> None:
    with store.write() as connection:
        for holder, name in (("person", ADA), ("project", "p1"), ("system", "mn5-acc")):
            if holder in hours:
                runs.set_budget(connection, holder, name, hours[holder], BOB)


def approve(store: Store, run: Run) -> None:
    with store.write() as connection:
        runs.approve(connection, runs.find(connection, run.id), BOB)


def test_nothing_starts_without_a_budget_of_all_three(store: Store) -> None:
    run = proposed(store, "tp: 4\n")
    with pytest.raises(BudgetError, match=r"person ada@example.org has no budget"):
        approve(store, run)
    give(store, person=10, project=10)
    with pytest.raises(BudgetError, match="system mn5-acc has no budget"):
        approve(store, run)
    give(store, system=3.9)
    with pytest.raises(BudgetError, match=r"system mn5-acc has 3\.90 GPU-hours left, the run needs up to 4\.00"):
        approve(store, run)


def test_approval_reserves_and_settling_gives_back(store: Store) -> None:
    give(store, person=10, project=10, system=5)
    first, second = proposed(store, "tp: 4\n"), proposed(store, "tp: 4\nconcurrency: 50\n")
    approve(store, first)
    with pytest.raises(BudgetError, match=r"system mn5-acc has 1\.00"):
        approve(store, second)
    with store.write() as connection:
        of = (RunState.APPROVED,)
        runs.move(connection, first.id, RunState.FINISHED, of=of, who="x", why="", job="7", used_gpu_hours=0.5)
    approve(store, second)
    with store.read() as connection:
        assert runs.remaining(connection, "system", "mn5-acc") == pytest.approx(0.5)
        assert runs.find(connection, second.id[:6]).decided_by == BOB
        assert next(what for _, _, what in runs.events(connection, first.id)).startswith("proposed for up to 4.00")


def test_decisions_are_made_once(store: Store) -> None:
    give(store, person=10, project=10, system=10)
    run = proposed(store)
    approve(store, run)
    with pytest.raises(StateError, match="does not wait"):
        approve(store, run)
    with store.write() as connection, pytest.raises(StateError):
        runs.reject(connection, runs.find(connection, run.id), BOB, "no")
    with store.read() as connection, pytest.raises(NotFoundError):
        runs.find(connection, "nothing")


def test_the_kill_switch_stops_approvals_and_submissions(store: Store) -> None:
    give(store, person=10, project=10, system=10)
    run, later = proposed(store), proposed(store, "concurrency: 5\n")
    approve(store, run)
    with store.write() as connection:
        runs.stop(connection, BOB)
    with pytest.raises(StateError, match="stopped"):
        approve(store, later)
    scripted = Scripted()
    Watcher(store=store, sites=SITES, transport=lambda _: scripted).tick()
    assert "sbatch" not in scripted.programs


def test_a_wish_of_a_ticket_is_kept_once_and_waits_for_a_specification(store: Store) -> None:
    give(store, person=10, project=10, system=10)
    with store.write() as connection:
        wish = runs.request(connection, words="vLLM on JUPITER?", by="grace@example.org", origin="MIN-2026-000001")
        again = runs.request(connection, words="and again", by="grace@example.org", origin="MIN-2026-000001")
    assert wish is not None and again is None and wish.state == RunState.REQUESTED
    with pytest.raises(StateError):
        approve(store, wish)


@dataclass
class Scripted:
    """A Slurm that answers what the test says: for gaps and late accounts, which a real one makes only by chance."""

    queue: str = ""
    accounts: str | None = ""
    submitted: str = "77"
    error: str = ""
    programs: list[str] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, stdin: str = "") -> tuple[int, str, str]:
        self.programs.append(argv[0])
        if argv[0] == "sbatch":
            return (1, "", self.error) if self.error else (0, f"{self.submitted};cluster\n", "")
        if argv[0] == "sacct":
            return (1, "", "Slurm accounting storage is disabled") if self.accounts is None else (0, self.accounts, "")
        return (0, self.queue, "") if argv[0] in ("squeue", "mkdir") else (1, "", "")


def submitted(store: Store, more: str = "") -> Run:
    give(store, person=1000, project=1000, system=1000)
    run = proposed(store, more)
    approve(store, run)
    return run


def tick(store: Store, scripted: Scripted, run: Run) -> Run:
    Watcher(store=store, sites=SITES, transport=lambda _: scripted).tick()
    with store.read() as connection:
        return runs.find(connection, run.id)


def test_a_job_that_neither_queue_nor_accounts_know_is_waited_for_and_never_started_again(store: Store) -> None:
    run = submitted(store)
    assert tick(store, Scripted(), run).state == RunState.SUBMITTED
    gap = Scripted()
    for _ in range(3):
        found = tick(store, gap, run)
    assert found.state == RunState.SUBMITTED and "looked for again" in found.reason and "sbatch" not in gap.programs
    late = Scripted(accounts=f"77|minerva-{run.id}-1|TIMEOUT|3600|gres/gpu=1|n1|x\n")
    ended = tick(store, late, run)
    assert (ended.state, ended.used_gpu_hours) == (RunState.FAILED, 1.0) and "walltime_min" in ended.reason


def test_another_job_with_the_same_id_is_not_ours(store: Store) -> None:
    run = submitted(store)
    tick(store, Scripted(), run)
    foreign = Scripted(accounts="77|somebody-elses|FAILED|3600|gres/gpu=8|n1|x\n")
    assert tick(store, foreign, run).state == RunState.SUBMITTED


def test_without_accounts_an_old_submission_is_uncertain_and_stays_so(store: Store) -> None:
    run = submitted(store)
    old = "2026-01-01T00:00:00+00:00"
    with store.write() as connection:
        of = (RunState.APPROVED,)
        runs.move(connection, run.id, RunState.SUBMITTING, of=of, who="x", why="", submitted_at=old)
    silent = Scripted(accounts=None)
    for _ in range(2):
        assert tick(store, silent, run).state == RunState.UNCERTAIN
    assert "sbatch" not in silent.programs
    appeared = Scripted(accounts=None, queue=f"5|minerva-{run.id}-1|RUNNING|None|x\n")
    assert tick(store, appeared, run).job == "5"


def test_a_refused_submission_fails_and_an_unclear_one_is_looked_up_first(store: Store) -> None:
    refused = tick(store, Scripted(error="sbatch: error: Invalid account"), submitted(store))
    assert refused.state == RunState.FAILED and "Invalid account" in refused.reason
    unclear = submitted(store, "concurrency: 7\n")
    assert tick(store, Scripted(error="Socket timed out on send/recv operation"), unclear).state == RunState.SUBMITTING
    there = Scripted(accounts=f"9|minerva-{unclear.id}-1|RUNNING|5|gres/gpu=1|n1|x\n")
    found = tick(store, there, unclear)
    assert found.job == "9" and "sbatch" not in there.programs


def test_a_preempted_job_is_submitted_again_with_what_it_used_before_counted(store: Store) -> None:
    run = submitted(store)
    tick(store, Scripted(), run)
    lost = Scripted(accounts=f"77|minerva-{run.id}-1|PREEMPTED|1800|gres/gpu=1|n1|x\n")
    assert tick(store, lost, run).state == RunState.APPROVED
    assert tick(store, Scripted(submitted="78"), run).job == "78"
    ended = tick(store, Scripted(accounts=f"78|minerva-{run.id}-2|TIMEOUT|3600|gres/gpu=1|n1|x\n"), run)
    assert ended.used_gpu_hours == pytest.approx(1.5)


def test_a_thousand_jobs_cost_one_call_each(store: Store) -> None:
    give(store, person=1e6, project=1e6, system=1e6)
    with store.write() as connection:
        plan = one()
        for number in range(1000):
            made = runs.propose(connection, plan, spec=plan.source, title="t", by=ADA, project="p1")
            of = (RunState.PROPOSED,)
            runs.move(connection, made.id, RunState.SUBMITTED, of=of, who="x", why="running", job=str(number), slurm_state="RUNNING", attempts=1)  # fmt: skip
        listed = runs.runs(connection)
    queue = "".join(f"{run.job}|minerva-{run.id}-1|RUNNING|None|x\n" for run in listed)
    scripted = Scripted(queue=queue)
    Watcher(store=store, sites=SITES, transport=lambda _: scripted).tick()
    assert sorted(scripted.programs) == ["sacct", "squeue"]


def test_recovering_many_costs_one_call_too(store: Store) -> None:
    give(store, person=1e6, project=1e6, system=1e6)
    with store.write() as connection:
        plan = one()
        for _ in range(50):
            made = runs.propose(connection, plan, spec=plan.source, title="t", by=ADA, project="p1")
            of, at = (RunState.PROPOSED,), "2026-01-01T00:00:00+00:00"
            runs.move(connection, made.id, RunState.SUBMITTING, of=of, who="x", why="", submitted_at=at)
        listed = runs.runs(connection)
    accounts = "".join(f"{n}|minerva-{run.id}-1|RUNNING|5|gres/gpu=1|n1|x\n" for n, run in enumerate(listed))
    scripted = Scripted(accounts=accounts)
    Watcher(store=store, sites=SITES, transport=lambda _: scripted).tick()
    assert sorted(scripted.programs) == ["sacct", "squeue"]
    with store.read() as connection:
        assert {run.state for run in runs.runs(connection)} == {RunState.SUBMITTED}


STALE_SITES = {name: replace(site, stale_after_days=90) for name, site in SITES.items()}


def finished(store: Store, more: str = "", *, days_ago: int) -> Run:
    run = proposed(store, more)
    at = (datetime.now(UTC) - timedelta(days=days_ago)).isoformat(timespec="seconds")
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE run SET requested_at = ? WHERE id = ?", (at, run.id))
        runs.move(connection, run.id, RunState.FINISHED, of=(RunState.PROPOSED,), who="x", why="", ended_at=at)
    return run


def test_what_has_grown_old_is_proposed_once_and_waits_for_a_person(store: Store) -> None:
    old, fresh = finished(store, days_ago=100), finished(store, "concurrency: 7\n", days_ago=80)
    (again,) = propose_stale(store, STALE_SITES)
    assert (again.rerun_of, again.state, again.spec_hash) == (old.id, RunState.PROPOSED, old.spec_hash)
    assert (again.requested_by, again.origin) == ("minerva", "staleness")
    assert propose_stale(store, STALE_SITES) == [] and fresh.spec_hash != old.spec_hash
    with pytest.raises(BudgetError, match="person minerva has no budget"):
        approve(store, again)


def test_a_rejected_proposal_is_not_made_again_at_once(store: Store) -> None:
    finished(store, days_ago=100)
    (again,) = propose_stale(store, STALE_SITES)
    with store.write() as connection:
        runs.reject(connection, again, BOB, "not now")
    assert propose_stale(store, STALE_SITES) == []


def test_nothing_grows_old_where_the_site_states_no_time_or_what_ran_is_no_longer_allowed(store: Store) -> None:
    old = finished(store, days_ago=1000)
    assert propose_stale(store, SITES) == []
    with store.write() as connection:
        spec = old.spec.replace("framework: vllm", "framework: homemade")
        connection.exec_driver_sql("UPDATE run SET spec = ? WHERE id = ?", (spec, old.id))
    assert propose_stale(store, STALE_SITES) == []


def test_the_watcher_proposes_what_has_grown_old(store: Store) -> None:
    finished(store, days_ago=100)
    scripted = Scripted()
    Watcher(store=store, sites=STALE_SITES, transport=lambda _: scripted).tick()
    with store.read() as connection:
        assert [run.origin for run in runs.runs(connection, (RunState.PROPOSED,))] == ["staleness"]
    assert scripted.programs == []


def test_a_site_that_is_gone_or_silent_leaves_the_run_as_it_is(store: Store) -> None:
    run = submitted(store)
    Watcher(store=store, sites={}).tick()
    with store.read() as connection:
        assert runs.find(connection, run.id).state == RunState.APPROVED


def test_a_plan_as_a_reframe_test_comes_back_with_what_it_measured(tmp_path: Path) -> None:
    """Seen to run with ReFrame 4.10.4 and a real vLLM; here its source compiles, and a report in its form is read."""
    plan = one("tp: 4\nserver_flags: --enforce-eager\n")
    source = reframe_test(plan)
    compile(source, "test.py", "exec")
    assert "#SBATCH" not in source and "vllm.entrypoints.openai.api_server" in source
    assert "${SLURM_JOB_ID:-$$}" in source  # ReFrame's own scheduler sets none
    stated = ast.literal_eval(source.partition("variable(dict, value=")[2].partition(")\n")[0])
    values = {"mn5:acc:output_throughput": [2000.0, None, None, None, "tok/s", "pass"]}
    case = {"name": "Minerva", "system": "mn5", "result": "pass", "spec": stated, "perfvalues": values}
    report = {"session_info": {"version": "4.10.4", "data_version": "4.2"}, "runs": [{"testcases": [case]}]}
    (tmp_path / "report.json").write_text(json.dumps(report))
    ((_, result),) = collect([tmp_path / "report.json"])[0]
    assert result.value("output_throughput") == 2000.0
    assert (result.spec.system, result.spec.framework, result.spec.tp) == ("MN5", "vllm", 4)
    assert result.spec.server_flags == ("--enforce-eager",) and result.spec.kind == "inference"
