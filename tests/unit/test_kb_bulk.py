"""Embedding by a job array, as far as it goes without Slurm: the job on paper, the shards, the merge."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hashing_encoder import HashingEncoder
from test_kb_index import CountingEncoder

from knowledge_base.bulk import SCRIPT, Bulk, embed_shard, read_plan
from knowledge_base.errors import BulkError, BulkPlanned
from knowledge_base.index import open_index
from knowledge_base.sources.config import articles_source
from knowledge_base.sources.sync import SyncReport, sync
from knowledge_base.vectors import all_of
from triage.doctor.diagnosis import diagnose

TEXTS = [f"Text number {number}, with words of its own." for number in range(5)]


def planned(folder: Path) -> str:
    with pytest.raises(BulkPlanned) as done:
        Bulk(HashingEncoder(), folder, shard_texts=2).encode(TEXTS)
    return str(done.value)


def test_the_job_on_paper(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    assert "5 passages to embed in 3 shards" in planned(folder)
    script = (folder / SCRIPT).read_text()
    assert "#SBATCH --array=0-2\n" in script
    assert subprocess.run(["bash", "-n", str(folder / SCRIPT)], check=False).returncode == 0
    assert f"kb embed-shard '{folder}' \"$SLURM_ARRAY_TASK_ID\"" in script
    found = diagnose(script, attachments=())
    assert not [finding for finding in found.findings if finding.severity == "error"], found.findings
    assert read_plan(folder).encoder == HashingEncoder.name


def test_shards_are_embedded_once_and_merged_in_order(tmp_path: Path) -> None:
    planned(tmp_path)
    encoder = CountingEncoder(HashingEncoder(), HashingEncoder.name)
    assert [embed_shard(tmp_path, number, encoder) for number in (2, 0, 1)] == [1, 2, 2]
    assert embed_shard(tmp_path, 0, encoder) == 2
    assert encoder.texts == 5, "a shard that is done is left alone"
    later = [TEXTS[3], "A text that came after the plan.", TEXTS[0]]
    assert np.array_equal(Bulk(encoder, tmp_path).encode(later), HashingEncoder().encode(later))
    assert encoder.texts == 6


def test_shards_that_are_missing_are_named_with_what_to_run(tmp_path: Path) -> None:
    planned(tmp_path)
    embed_shard(tmp_path, 1, HashingEncoder())
    with pytest.raises(BulkError, match=r"2 of 3 shards .*`sbatch --array=0,2 ") as raised:
        Bulk(HashingEncoder(), tmp_path).encode(TEXTS)
    assert str(tmp_path / SCRIPT) in str(raised.value)


def test_damaged_and_foreign_folders(tmp_path: Path) -> None:
    with pytest.raises(BulkError, match="no plan"):
        read_plan(tmp_path)
    with pytest.raises(BulkError, match="shard 0"):
        embed_shard(tmp_path, 0, HashingEncoder())
    planned(tmp_path)
    with pytest.raises(BulkError, match="shard 7"):
        embed_shard(tmp_path, 7, HashingEncoder())
    for number in range(3):
        embed_shard(tmp_path, number, HashingEncoder())
    with pytest.raises(BulkError, match="'hashing-test', not 'other'"):
        Bulk(CountingEncoder(HashingEncoder(), "other"), tmp_path).encode(TEXTS)
    (tmp_path / "vectors-00001.npy").write_bytes(b"torn")
    with pytest.raises(BulkError, match=r"vectors-00001.npy is damaged .*embed shard 1 again"):
        Bulk(HashingEncoder(), tmp_path).encode(TEXTS)
    (tmp_path / "file").write_text("")
    with pytest.raises(BulkError, match="cannot be written"):
        Bulk(HashingEncoder(), tmp_path / "file").encode(TEXTS)


def test_a_sync_in_two_steps_makes_the_index_of_a_sync_in_one(tmp_path: Path) -> None:
    pages, work = tmp_path / "pages", tmp_path / "work"
    pages.mkdir()
    for name in "abcde":
        (pages / f"{name}.md").write_text(f"# Page {name}\n\nWords about {name}, all of them.\n")

    def synced(index: str, encoder: Bulk | HashingEncoder) -> SyncReport:
        return sync([articles_source(pages)], tmp_path / index, tmp_path / "cache", encoder)

    with pytest.raises(BulkPlanned):
        synced("bulk", Bulk(HashingEncoder(), work, shard_texts=2))
    assert read_plan(work).shards == 3
    assert not (tmp_path / "bulk" / "current").exists(), "the first step changes no index"
    for number in range(read_plan(work).shards):
        embed_shard(work, number, HashingEncoder())
    assert synced("bulk", Bulk(HashingEncoder(), work)).embedded == 5
    synced("plain", HashingEncoder())
    bulk, plain = open_index(tmp_path / "bulk"), open_index(tmp_path / "plain")
    assert np.array_equal(all_of(bulk._vectors), all_of(plain._vectors))
    assert list(bulk.passages.ids()) == list(plain.passages.ids())
    assert synced("bulk", Bulk(HashingEncoder(), tmp_path / "other")).new_snapshot is False, "nothing to plan"
