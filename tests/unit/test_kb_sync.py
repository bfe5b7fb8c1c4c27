"""The index in step with its sources: what is read again, what stays, and that nothing is ever half done."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_kb_index import CountingEncoder

from knowledge_base.blocks import Block, Kind
from knowledge_base.documents import Document, Section
from knowledge_base.encoder import Encoder
from knowledge_base.errors import EmptySourceError, SyncRunningError
from knowledge_base.index import build_index, open_index
from knowledge_base.passage import Access, Passage
from knowledge_base.sources.config import FolderSource, articles_source
from knowledge_base.sources.fetch import Given
from knowledge_base.sources.sync import SyncReport, sync

TESTS = Path(__file__).parents[1]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    ours, wiki = tmp_path / "ours", tmp_path / "wiki"
    for folder, names in ((ours, "abc"), (wiki, "ad")):
        folder.mkdir()
        for name in names:
            page(folder, name)
    return ours, wiki


def page(folder: Path, name: str, words: str = "") -> None:
    (folder / f"{name}.md").write_text(f"# Page {name}\n\nWords of {folder.name} {name} {words}, all of them.\n")


class Helpdesk:
    def __init__(self, root: Path, encoder: Encoder, folders: tuple[Path, Path]) -> None:
        self.index, self.cache = root / "index", root / "cache"
        self.encoder = CountingEncoder(encoder)
        self.sources = [
            articles_source(folders[0]),
            FolderSource(name="wiki", path=folders[1], access=Access.ENGINEERS),
        ]

    def sync(self, given: list[Given] | None = None) -> SyncReport:
        return sync(self.sources, self.index, self.cache, self.encoder, given or [])

    def passages(self) -> list[Passage]:
        opened = open_index(self.index)
        return [opened.passages.at(row) for row in range(len(opened))]

    def paths(self) -> list[tuple[str, str]]:
        return sorted((passage.source, passage.path) for passage in self.passages())


@pytest.fixture
def desk(tmp_path: Path, hashing_encoder: Encoder, folders: tuple[Path, Path]) -> Helpdesk:
    return Helpdesk(tmp_path, hashing_encoder, folders)


def outcomes(report: SyncReport) -> dict[str, str]:
    return {source.name: source.outcome for source in report.sources}


def test_pages_of_the_same_name_in_two_sources_are_two_pages(desk: Helpdesk) -> None:
    report = desk.sync()
    assert (report.documents, report.passages, report.embedded) == (5, 5, 5)
    assert desk.paths() == [("", "a.md"), ("", "b.md"), ("", "c.md"), ("wiki", "a.md"), ("wiki", "d.md")]
    assert {passage.source: passage.access for passage in desk.passages()} == {"": "public", "wiki": "engineers"}
    assert len({passage.id for passage in desk.passages()}) == 5
    hits = open_index(desk.index).search("page a", desk.encoder, k=5, one_per_file=True).hits
    assert len(hits) == 5


def test_nothing_changed_makes_no_snapshot(desk: Helpdesk) -> None:
    desk.sync()
    opened, texts = open_index(desk.index), desk.encoder.texts
    report = desk.sync()
    assert (report.new_snapshot, report.embedded, report.documents) == (False, 0, 5)
    assert outcomes(report) == {"": "unchanged", "wiki": "unchanged"}
    assert opened.is_current()
    assert desk.encoder.texts == texts


def test_one_changed_page_embeds_only_its_passages_and_a_deleted_one_is_gone(
    desk: Helpdesk, folders: tuple[Path, Path]
) -> None:
    desk.sync()
    page(folders[0], "b", "anew")
    (folders[0] / "c.md").unlink()
    report = desk.sync()
    assert (report.new_snapshot, report.embedded) == (True, 1)
    assert outcomes(report) == {"": "changed", "wiki": "unchanged"}
    assert desk.paths() == [("", "a.md"), ("", "b.md"), ("wiki", "a.md"), ("wiki", "d.md")]
    assert any("anew" in passage.text for passage in desk.passages())


def test_a_failing_source_keeps_what_was_read_and_says_so(desk: Helpdesk, folders: tuple[Path, Path]) -> None:
    read_at = desk.sync().sources[1].record
    folders[1].rename(folders[1].with_name("away"))
    page(folders[0], "e")
    report = desk.sync()
    assert outcomes(report) == {"": "changed", "wiki": "failed"}
    assert report.failed[0].problem == f"no folder {folders[1]}"
    assert report.failed[0].record == read_at
    assert ("wiki", "d.md") in desk.paths()
    assert ("", "e.md") in desk.paths()
    assert json.loads((desk.index / "sync.json").read_text())["sources"][1]["outcome"] == "failed"
    folders[1].with_name("away").rename(folders[1])
    assert outcomes(desk.sync())["wiki"] == "unchanged"


def test_a_source_that_is_suddenly_empty_keeps_what_was_read(desk: Helpdesk, folders: tuple[Path, Path]) -> None:
    desk.sync()
    for file in folders[1].iterdir():
        file.unlink()
    report = desk.sync()
    assert "holds no document any more" in str(report.failed[0].problem)
    assert ("wiki", "d.md") in desk.paths()


def test_a_source_that_is_taken_out_of_the_file_is_gone(desk: Helpdesk) -> None:
    desk.sync()
    desk.sources.pop()
    assert outcomes(desk.sync()) == {"": "unchanged", "wiki": "removed"}
    assert {source for source, _ in desk.paths()} == {""}


def test_a_changed_entry_is_read_again(desk: Helpdesk, folders: tuple[Path, Path]) -> None:
    desk.sync()
    desk.sources[1] = FolderSource(name="wiki", path=folders[1], systems=("vega",))
    report = desk.sync()
    assert (outcomes(report)["wiki"], report.embedded) == ("changed", 0)
    assert {passage.systems for passage in desk.passages() if passage.source == "wiki"} == {("vega",)}


def test_another_model_embeds_all_and_keeps_failed_sources(
    desk: Helpdesk, folders: tuple[Path, Path], hashing_encoder: Encoder
) -> None:
    desk.sync()
    folders[1].rename(folders[1].with_name("away"))
    desk.encoder = CountingEncoder(hashing_encoder, name="other")
    report = desk.sync()
    assert (report.embedded, report.passages) == (5, 5)


def test_an_included_file_counts(desk: Helpdesk, folders: tuple[Path, Path]) -> None:
    (folders[0] / "limits.txt").write_text("At most 24 hours.\n")
    (folders[0] / "f.md").write_text('# Limits\n\n--8<-- "limits.txt"\n')
    desk.sync()
    (folders[0] / "limits.txt").write_text("At most 48 hours.\n")
    assert desk.sync().embedded == 1
    assert any("48 hours" in passage.text for passage in desk.passages())


def test_documents_that_are_no_files(desk: Helpdesk) -> None:
    section = Section(heading=("Answer",), anchor="", blocks=(Block(Kind.TEXT, "Ask for eight GPUs at most."),))
    answer = Document(path="7", title="GPUs", revision="1", sections=(section,), source="answers")
    given = Given(name="answers", documents=(answer,), fingerprint="1")
    assert outcomes(desk.sync([given]))["answers"] == "changed"
    assert ("answers", "7") in desk.paths()
    assert outcomes(desk.sync([given]))["answers"] == "unchanged"
    assert outcomes(desk.sync())["answers"] == "removed"


def test_an_index_that_was_built_directly_is_taken_over(desk: Helpdesk, folders: tuple[Path, Path]) -> None:
    build_index(folders[0], desk.index, desk.encoder)
    report = desk.sync()
    assert (report.new_snapshot, report.embedded) == (True, 2)


def test_no_source_at_all(desk: Helpdesk) -> None:
    desk.sources.clear()
    with pytest.raises(EmptySourceError):
        desk.sync()


PROCESS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from hashing_encoder import HashingEncoder
from knowledge_base.errors import SyncRunningError
from knowledge_base.index import build_index, open_index
from knowledge_base.sources.config import FolderSource
from knowledge_base.sources.sync import sync
task, root = sys.argv[2], Path(sys.argv[3])
for number in range(12):
    if task == "build":
        build_index(root / "ours", root / "index", HashingEncoder())
    elif task == "sync":
        (root / "ours" / "a.md").write_text(f"# Page a\\n\\nWords of turn {number}, all of them.\\n")
        try:
            sync([FolderSource.model_construct(name="", path=root / "ours")], root / "index", root / "cache", HashingEncoder())
        except SyncRunningError:
            pass
    else:
        hits = open_index(root / "index").search("words of page b", HashingEncoder(), k=3).hits
        assert hits[0].passage.path == "b.md", hits
"""


def test_builds_syncs_and_readers_at_once_in_processes_of_their_own(
    desk: Helpdesk, folders: tuple[Path, Path], hashing_encoder: Encoder
) -> None:
    build_index(folders[0], desk.index, hashing_encoder)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(TESTS), task, str(folders[0].parent)], stderr=subprocess.PIPE, text=True
        )
        for task in ("build", "build", "sync", "sync", "read")
    ]
    problems = [process.communicate(timeout=240)[1] for process in running]
    assert [process.returncode for process in running] == [0] * 5, problems
    assert len(open_index(desk.index)) == 3
    assert not list((desk.index / "snapshots").glob(".building-*"))


def test_a_second_sync_is_refused_while_one_runs(desk: Helpdesk, tmp_path: Path) -> None:
    desk.sync()
    holder = subprocess.Popen(
        [sys.executable, "-c", "import fcntl,sys; f=open(sys.argv[1],'w'); fcntl.flock(f, 2); print('held', flush=True); sys.stdin.read()",
         str(desk.index / "sync.lock")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(SyncRunningError, match="another sync"):
        desk.sync()
    holder.communicate()
    assert desk.sync().new_snapshot is False
