"""Bulk embedding on a real Slurm: planned, run as a job array, merged; and a task that was lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from integration.slurm_fixture import Slurm, missing_for_slurm, running_slurm

from knowledge_base.bulk import SHARD_TEXTS, embed_shard, read_plan
from knowledge_base.encoder import SentenceEncoder
from knowledge_base.index import open_index
from knowledge_base.vectors import all_of

missing = missing_for_slurm()
pytestmark = [pytest.mark.skipif(bool(missing), reason=missing), pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
PAGES = 70
SECTIONS = 30
"""More short sections than one shard holds, so that the array has two tasks."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    partitions = "PartitionName=cpu Nodes=n[1-2] Default=YES MaxTime=04:00:00 State=UP"
    folder = tmp_path_factory.mktemp("slurm")
    with running_slurm(folder, partitions=partitions, nodes=2, cpus=2, memory_mb=8000) as made:
        yield made


@pytest.fixture
def sync(tmp_path: Path, cluster: Slurm) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`minerva kb sync` over some pages, with an index and a data folder of its own."""
    (tmp_path / "pages").mkdir()
    for page in range(PAGES):
        sections = "".join(f"## Part {page}-{n}\n\nJob {page * SECTIONS + n} waits.\n\n" for n in range(SECTIONS))
        (tmp_path / "pages" / f"{page}.md").write_text(f"# Page {page}\n\n{sections}")
    (tmp_path / "sources.toml").write_text(
        f'articles = false\n[[source]]\nname = "pages"\nkind = "folder"\npath = "{tmp_path}/pages"\n'
    )

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agent", "kb", "sync", "--sources", str(tmp_path / "sources.toml"), *options]
        environment = {**cluster.environment, "PYTHONPATH": str(ROOT), "MINERVA_DATA_DIR": str(tmp_path / "var")}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    return run


def test_a_corpus_is_embedded_by_a_job_array(
    cluster: Slurm, tmp_path: Path, sync: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    work = tmp_path / "work"
    step = sync("--bulk", str(work))
    assert step.returncode == 0, step.stderr
    assert f"{PAGES * SECTIONS} passages to embed in 2 shards" in step.stdout
    assert read_plan(work).shards == 2 == -(-PAGES * SECTIONS // SHARD_TEXTS)

    early = sync("--bulk", str(work))
    assert early.returncode == 1
    assert "2 of 2 shards are not embedded yet" in early.stderr

    submitted = cluster.run("sbatch", "--wait", "--array=1", str(work / "embed.sh"), cwd=ROOT)
    assert submitted.returncode == 0, submitted.stderr + (work / "log-1.txt").read_text()
    lost = sync("--bulk", str(work))
    assert lost.returncode == 1
    assert f"sbatch --array=0 {work / 'embed.sh'}" in lost.stderr
    submitted = cluster.run("sbatch", "--wait", str(work / "embed.sh"), cwd=ROOT)
    assert submitted.returncode == 0, submitted.stderr

    merged = sync("--bulk", str(work))
    assert merged.returncode == 0, merged.stderr
    assert f"{PAGES} documents, {PAGES * SECTIONS} passages; {PAGES * SECTIONS} passages embedded" in merged.stdout
    index = open_index(tmp_path / "var" / "index")
    hit = index.search("Job 77 waits", SentenceEncoder(), k=1).hits[0]
    assert "Job 77 waits" in hit.passage.text
    assert all_of(index._vectors).shape == (PAGES * SECTIONS, index.manifest.dimension)
    assert embed_shard(work, 0, SentenceEncoder()) == SHARD_TEXTS, "done, so nothing is computed"
