"""A real vLLM on the CPU inside a Slurm job, measured by its own benchmark, ends as a row, a picture and an answer."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from integration.slurm_fixture import missing_for_slurm, running_slurm

from bench_runner.answers import answer_rows
from bench_runner.comparison.noise import floors
from bench_runner.comparison.repeats import configurations
from bench_runner.plotting import picture, rendered
from bench_runner.reruns import runs
from bench_runner.reruns.request import plans
from bench_runner.reruns.runs import RunState
from bench_runner.reruns.sites import Site
from bench_runner.reruns.slurm import Local
from bench_runner.reruns.watcher import Watcher
from bench_runner.store.database import open_store
from bench_runner.store.results import load

CACHE = Path(__file__).parents[2] / ".cache"
VLLM, MODEL = CACHE / "vllm" / "bin" / "python", CACHE / "tiny-llama"
missing = missing_for_slurm(accounts=True) or next((f"needs {path}" for path in (VLLM, MODEL) if not path.exists()), "")
pytestmark = [pytest.mark.skipif(bool(missing), reason=missing), pytest.mark.slow, pytest.mark.timeout(900)]

SPEC = """
{system: hydra, framework: vllm, model: tiny/Tiny-Llama-1B, dataset: random, input_len: 32, output_len: 32,
 concurrency: 8, num_prompts: 64, max_model_len: 256, walltime_min: 20}
"""
QUIET = "VLLM_CPU_KVCACHE_SPACE=1 HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 VLLM_NO_USAGE_STATS=1"


def test_from_a_specification_to_an_answer(tmp_path: Path) -> None:
    site = Site(
        system="hydra", partition="gpu", work_dir=str(tmp_path / "work"), gpus_per_node=4, gpu_request="--gres=gpu:{n}",
        setup=(f"export PATH={VLLM.parent}:$PATH {QUIET}", "unset PYTHONPATH"), environment="vLLM on the CPU",
        models=(("tiny/Tiny-Llama-1B", str(MODEL)),),
    )  # fmt: skip
    store, sites = open_store(tmp_path / "bench"), {"hydra": site}
    (plan,) = plans(SPEC, sites)
    with store.write() as connection:
        for holder, name in (("person", "ada"), ("project", "p"), ("system", "hydra")):
            runs.set_budget(connection, holder, name, 10, "bob")
        run = runs.propose(connection, plan, spec=plan.source, title=plan.title, by="ada", project="p")
        runs.approve(connection, run, "bob")
    partitions = "PartitionName=gpu Nodes=n1 Default=YES MaxTime=01:00:00 State=UP"
    (tmp_path / "slurm").mkdir()
    with running_slurm(
        tmp_path / "slurm", partitions=partitions, nodes=1, cpus=2, memory_mb=16_000, accounts=True
    ) as slurm:
        watcher = Watcher(store=store, sites=sites, transport=lambda _: Local(slurm.environment))
        end = time.monotonic() + 800
        while time.monotonic() < end and run.state not in (RunState.FINISHED, RunState.FAILED):
            watcher.tick()
            with store.read() as connection:
                run = runs.find(connection, run.id)
            time.sleep(3)
    assert run.state == RunState.FINISHED, run
    with store.read() as connection:
        (row,) = load(connection)
        (answer,) = answer_rows(connection, "What throughput does vLLM reach with Tiny-Llama-1B on Hydra?")
    assert row.verdict == "verified" and row.result.value("completed") == 64
    assert dict(row.result.provenance.versions).get("torch")
    assert rendered(picture("throughput", configurations([row], floors([row]))), "png").startswith(b"\x89PNG")
    assert answer.measured and f"run {row.id[:12]}" in answer.text
