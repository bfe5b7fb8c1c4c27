"""Snapshots of the index, and searching them."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from knowledge_base.catalogue import systems
from knowledge_base.encoder import UNRELATED, Encoder
from knowledge_base.errors import (
    EmptySourceError,
    EncoderMismatchError,
    IndexDamagedError,
    IndexMissingError,
    IndexUnwritableError,
    SchemaMismatchError,
)
from knowledge_base.index import build_index, open_index
from knowledge_base.scope import systems_named

PAGES = {
    "queue.md": "# Queue\n\n## Pending\n\nA job waits with the reason AssocGrpGRES when the group uses its limit.\n",
    "lumi.md": "---\ntitle: LUMI\nsystems: [lumi-g]\n---\n## Partitions\n\nPartition standard-g gives whole nodes.\n",
    "mn5.md": "---\ntitle: MN5\nsystems: [mn5-acc]\n---\n## Partitions\n\nPartition acc gives whole nodes.\n",
    "general.md": "# Nodes\n\nA partition is a set of nodes. Ask for whole nodes with --exclusive.\n",
    "nccl.md": "# NCCL\n\n## Interface\n\nSet NCCL_SOCKET_IFNAME to the name of the fast network.\n",
}


class CountingEncoder:
    """Passes on to another encoder and counts the texts."""

    def __init__(self, encoder: Encoder, name: str = "counting") -> None:
        self.name = name
        self.texts = 0
        self._encoder = encoder

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += len(texts)
        return self._encoder.encode(texts)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for name, text in PAGES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "index"


def snapshots(index: Path) -> list[str]:
    return sorted(entry.name for entry in (index / "snapshots").iterdir())


def test_a_built_index_finds_what_it_was_built_from(source: Path, index: Path, hashing_encoder: Encoder) -> None:
    report = build_index(source, index, hashing_encoder)
    assert (report.documents, report.passages, report.embedded) == (5, 5, 5)
    opened = open_index(index)
    result = opened.search("why AssocGrpGRES?", hashing_encoder, k=3)
    best = result.hits[0]
    assert (best.rank, best.passage.path, best.passage.heading) == (1, "queue.md", ("Queue", "Pending"))
    assert [hit.score for hit in result.hits] == sorted((hit.score for hit in result.hits), reverse=True)
    assert opened.passage(best.passage.id) == best.passage
    assert opened.passage("unknown") is None
    assert 0.0 <= result.answerable <= 1.0


def test_one_passage_of_each_file_at_most(tmp_path: Path, index: Path, hashing_encoder: Encoder) -> None:
    (tmp_path / "a.md").write_text("".join(f"## Part {n}\n\nnodes and nodes {n}\n\n" for n in range(5)))
    (tmp_path / "b.md").write_text("# Other\n\nNothing of that kind.\n")
    build_index(tmp_path, index, hashing_encoder)
    hits = open_index(index).search("nodes", hashing_encoder, one_per_file=True).hits
    assert [hit.passage.path for hit in hits] == ["a.md", "b.md"]
    assert [hit.rank for hit in hits] == [1, 2]


def test_a_named_system_gets_no_page_of_another(source: Path, index: Path, hashing_encoder: Encoder) -> None:
    build_index(source, index, hashing_encoder)
    found = open_index(index).search("partition with whole nodes on LUMI", hashing_encoder)
    assert found.hits[0].passage.path == "lumi.md"
    assert "mn5.md" not in {hit.passage.path for hit in found.hits}
    assert found.systems == ("lumi-g",)


def test_a_misspelt_question_finds_the_same(source: Path, index: Path, hashing_encoder: Encoder) -> None:
    build_index(source, index, hashing_encoder)
    opened = open_index(index)
    asked = ["what is a partition of nodes", "what is a partiiton of nodes"]
    well, badly = opened.search_many(asked, hashing_encoder, 1)
    assert well.hits[0].passage.path == badly.hits[0].passage.path
    assert badly.answerable == pytest.approx(well.answerable, abs=0.3)


def test_without_a_system_the_result_says_which_ones_it_is_about(
    source: Path, index: Path, hashing_encoder: Encoder
) -> None:
    build_index(source, index, hashing_encoder)
    found = open_index(index).search("partition with whole nodes", hashing_encoder)
    assert set(found.systems) == {"lumi-g", "mn5-acc"}


def test_two_systems_that_are_compared_are_both_found(source: Path, index: Path, hashing_encoder: Encoder) -> None:
    build_index(source, index, hashing_encoder)
    found = open_index(index).search("nodes of LUMI or MareNostrum 5", hashing_encoder)
    assert {"lumi.md", "mn5.md"} <= {hit.passage.path for hit in found.hits}


def test_nothing_about_a_system_is_not_answerable(tmp_path: Path, index: Path, hashing_encoder: Encoder) -> None:
    (tmp_path / "lumi.md").write_text("# LUMI\n\nStandard-g has whole nodes.\n")
    build_index(tmp_path, index, hashing_encoder)
    found = open_index(index).search("whole nodes of standard-g on Leonardo", hashing_encoder)
    assert (found.hits, found.answerable, found.systems) == ((), 0.0, ())


def test_no_question_about_one_system_gets_another_s_passage(
    tmp_path: Path, index: Path, hashing_encoder: Encoder
) -> None:
    """The same page for every system of the catalogue, so that only the scope tells them apart."""
    for system in systems():
        (tmp_path / f"{system.id}.md").write_text(
            f"---\nsystems: [{system.id}]\n---\n# Queue\n\nThe time limit of the queue is {len(system.id)} hours.\n"
        )
    (tmp_path / "general.md").write_text("# Time limit\n\nA queue has a time limit.\n")
    build_index(tmp_path, index, hashing_encoder)
    opened = open_index(index)
    for system in systems():
        for name in system.aliases:
            question = f"what is the time limit of the queue on {name}?"
            found = opened.search(question, hashing_encoder, k=50)
            assert found.hits, question
            assert set(found.systems) <= systems_named(question), question
            assert system.id in found.systems, question


@pytest.mark.parametrize("question", ["", " ", "???", "the of and", "日本語", "x" * 20_000, "\0", "\ud800"])
def test_strange_questions_have_an_answer(source: Path, index: Path, hashing_encoder: Encoder, question: str) -> None:
    build_index(source, index, hashing_encoder)
    result = open_index(index).search(question, hashing_encoder)
    assert len(result.hits) == 5
    assert 0.0 <= result.answerable <= 1.0


def test_searching_together_is_searching_one_by_one(source: Path, index: Path, hashing_encoder: Encoder) -> None:
    build_index(source, index, hashing_encoder)
    opened = open_index(index)
    questions = ["pending job", "NCCL_SOCKET_IFNAME"]
    assert opened.search_many(questions, hashing_encoder) == [opened.search(q, hashing_encoder) for q in questions]
    assert opened.search_many([], hashing_encoder) == []


def test_only_changed_passages_are_embedded_again(source: Path, index: Path, hashing_encoder: Encoder) -> None:
    encoder = CountingEncoder(hashing_encoder)
    build_index(source, index, encoder)
    (source / "nccl.md").write_text("# NCCL\n\nSomething else now.\n")
    (source / "queue.md").unlink()
    report = build_index(source, index, encoder)
    assert (report.passages, report.embedded, encoder.texts) == (4, 1, 6 + len(UNRELATED))
    assert all(hit.passage.path != "queue.md" for hit in open_index(index).search("pending", encoder).hits)
    assert build_index(source, index, CountingEncoder(hashing_encoder, name="another model")).embedded == 4


def test_readers_of_an_old_snapshot_go_on(source: Path, index: Path, hashing_encoder: Encoder) -> None:
    build_index(source, index, hashing_encoder)
    old = open_index(index)
    before = old.search("AssocGrpGRES", hashing_encoder)
    (source / "queue.md").unlink()
    for _ in range(3):
        build_index(source, index, hashing_encoder)
    assert old.search("AssocGrpGRES", hashing_encoder) == before
    assert len(snapshots(index)) == 2


def test_a_failed_build_leaves_the_index_as_it_was(source: Path, index: Path, hashing_encoder: Encoder) -> None:
    build_index(source, index, hashing_encoder)
    before = snapshots(index)
    for page in source.iterdir():
        page.unlink()
    with pytest.raises(EmptySourceError):
        build_index(source, index, hashing_encoder)
    assert snapshots(index) == before
    assert len(open_index(index)) == 5


def test_a_folder_that_cannot_be_written(source: Path, index: Path, hashing_encoder: Encoder) -> None:
    index.write_text("a file is in the way")
    with pytest.raises(IndexUnwritableError, match="another --index"):
        build_index(source, index, hashing_encoder)


def test_what_a_killed_build_left_is_removed(source: Path, index: Path, hashing_encoder: Encoder) -> None:
    left = index / "snapshots" / ".building-999999999-abc"
    left.mkdir(parents=True)
    build_index(source, index, hashing_encoder)
    assert not left.exists()


def test_builds_and_readers_at_the_same_time(source: Path, index: Path, hashing_encoder: Encoder) -> None:
    build_index(source, index, hashing_encoder)
    problems: list[BaseException] = []

    def repeat(action: Any) -> None:
        try:
            for _ in range(6):
                action()
        except BaseException as error:  # noqa: BLE001  # reported by the assertion below
            problems.append(error)

    def read() -> None:
        assert len(open_index(index).search("nodes", hashing_encoder).hits) == 5

    actions = [lambda: build_index(source, index, hashing_encoder)] * 2 + [read] * 2
    threads = [threading.Thread(target=repeat, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(snapshots(index)) == 2


def test_a_missing_index_says_what_to_run(index: Path) -> None:
    with pytest.raises(IndexMissingError, match=r"minerva kb build --source DIR --index"):
        open_index(index)


def test_another_model_is_refused(source: Path, index: Path, hashing_encoder: Encoder) -> None:
    build_index(source, index, hashing_encoder)
    with pytest.raises(EncoderMismatchError, match="hashing-test"):
        open_index(index).search("x", CountingEncoder(hashing_encoder))


@pytest.mark.parametrize(
    "name", ["passages.jsonl", "vectors.faiss", "terms.json", "file_of.npy", "file_vectors.npy", "manifest.json"]
)
def test_a_damaged_snapshot_says_what_to_run(source: Path, index: Path, hashing_encoder: Encoder, name: str) -> None:
    build_index(source, index, hashing_encoder)
    (snapshot,) = (index / "snapshots").iterdir()
    (snapshot / name).write_bytes(b"")
    with pytest.raises(IndexDamagedError, match="minerva kb build"):
        open_index(index)


@pytest.mark.parametrize("name", ["vectors.faiss", "file_vectors.npy", "file_of.npy", "passages.jsonl", "ids.txt"])
def test_a_file_that_was_cut_off_is_noticed_when_it_is_opened(
    source: Path, index: Path, hashing_encoder: Encoder, name: str
) -> None:
    """Not when it is read: the files are mapped, and a page that is not there would end the process."""
    build_index(source, index, hashing_encoder)
    (snapshot,) = (index / "snapshots").iterdir()
    os.truncate(snapshot / name, (snapshot / name).stat().st_size - 1)
    with pytest.raises(IndexDamagedError, match="minerva kb build"):
        open_index(index)


def test_another_layout_is_refused_and_can_be_built_over(source: Path, index: Path, hashing_encoder: Encoder) -> None:
    build_index(source, index, hashing_encoder)
    manifest = next((index / "snapshots").iterdir()) / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema": 0}))
    with pytest.raises(SchemaMismatchError, match="layout 0"):
        open_index(index)
    assert build_index(source, index, hashing_encoder).embedded == 5
    assert len(open_index(index)) == 5
