"""The watcher inside the service: it begins when the operators' file is there, and outlives what goes wrong."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agent.bench_watch import watch_benches
from agent.benchmarks import SITES_FILE
from bench_runner.reruns import runs
from bench_runner.reruns.request import plans
from bench_runner.reruns.runs import RunState
from bench_runner.reruns.sites import read_sites
from bench_runner.store.database import STORE_FILE, open_store

ADA = "ada@example.org"
SPEC = "{system: hydra, framework: vllm, model: tiny/Llama-1B, dataset: random, concurrency: 10}"


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs with Slurm's names that write down that they were called."""
    (folder := tmp_path / "programs").mkdir()
    called = tmp_path / "called"
    for name, says in (("sbatch", "42"), ("squeue", ""), ("sacct", "")):
        program = folder / name
        program.write_text(f'#!/bin/sh\ncat >/dev/null\necho {name} >> {called}\n[ -z "{says}" ] || echo {says}\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return called


def test_an_approved_run_is_submitted_once_the_file_is_there(tmp_path: Path, slurm: Path) -> None:
    folder = tmp_path / "bench"
    text = f"sites: {{hydra: {{partition: gpu, work_dir: {tmp_path / 'work'}, gpus_per_node: 4}}}}"
    store = open_store(folder)
    (plan,) = plans(SPEC, read_sites(text))
    with store.write() as connection:
        for holder, name in (("person", ADA), ("project", "p"), ("system", "hydra")):
            runs.set_budget(connection, holder, name, 100.0, ADA)
        run = runs.propose(connection, plan, spec=plan.source, title=plan.title, by=ADA, project="p")
        runs.approve(connection, run, ADA)

    def state() -> RunState:
        with store.read() as connection:
            return runs.find(connection, run.id).state

    stop = watch_benches(folder, every_s=0.02)
    try:
        time.sleep(0.2)
        assert state() == RunState.APPROVED and not slurm.exists()
        (folder / SITES_FILE).write_text(text, encoding="utf-8")
        until(lambda: state() == RunState.SUBMITTED)
    finally:
        stop()
    assert slurm.read_text().split().count("sbatch") == 1
    rounds = slurm.stat().st_size
    time.sleep(0.2)
    assert slurm.stat().st_size == rounds


def test_a_file_that_cannot_be_read_is_told_and_read_again_when_it_is_mended(tmp_path: Path) -> None:
    folder = tmp_path / "bench"
    folder.mkdir()
    (folder / SITES_FILE).write_text("sites: [", encoding="utf-8")
    with capture_logs() as logs:
        stop = watch_benches(folder, every_s=0.02)
        until(lambda: any(entry["event"] == "bench_round_failed" for entry in list(logs)))
        (folder / SITES_FILE).write_text("sites: {hydra: {partition: gpu, work_dir: /tmp}}", encoding="utf-8")
        until((folder / STORE_FILE).exists)
        stop()
    assert "sites.yaml cannot be used" in next(e["problem"] for e in logs if e["event"] == "bench_round_failed")


def test_without_the_file_nothing_is_made(tmp_path: Path) -> None:
    stop = watch_benches(tmp_path / "bench", every_s=0.01)
    time.sleep(0.1)
    stop()
    assert not (tmp_path / "bench").exists()
