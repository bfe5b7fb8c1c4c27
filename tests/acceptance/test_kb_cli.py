"""`minerva kb` as a user runs it, with the packaged model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MINERVA = [sys.executable, "-c", "from agent.cli import main; main()"]
ROOT = Path(__file__).parents[2]


def minerva(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MINERVA, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="surrogateescape",  # a test sends bytes that are no UTF-8
        cwd=ROOT,
        check=False,
        timeout=240,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An index of three pages, and what the build printed."""
    folder = tmp_path_factory.mktemp("kb")
    source = folder / "source"
    (source / "jobs").mkdir(parents=True)
    (source / "jobs" / "queue.md").write_text(
        "# Queue\n\n## Cancel a job\n\nUse `scancel <jobid>` to remove a job from the queue.\n"
    )
    (source / "jobs" / "storage.rst").write_text(
        "Storage\n=======\n\nQuota\n-----\n\nEach project has 50 TB of scratch space.\n"
    )
    (source / "binary.md").write_bytes(b"\0\1\2")
    index = folder / "index"
    done = minerva("kb", "build", "--source", str(source), "--index", str(index))
    assert done.returncode == 0, done.stderr
    return index, done.stdout


def test_the_build_reports_what_it_did(built: tuple[Path, str]) -> None:
    assert "2 documents, 2 passages" in built[1]
    assert "binary.md: binary, not text" in built[1]


def test_questions_as_json_lines(built: tuple[Path, str]) -> None:
    questions = [{"id": "a", "question": "how can I stop my job"}, {"id": 2, "question": "disk space of my group"}]
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    done = minerva("kb", "search", "--index", str(built[0]), "--jsonl", "-k", "1", stdin=lines)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert (first["id"], second["id"]) == ("a", 2)
    assert 0 <= first["answerable"] <= 1
    (hit,) = first["hits"]
    assert (hit["rank"], hit["path"], hit["heading"]) == (1, "jobs/queue.md", "Queue > Cancel a job")
    assert "scancel" in hit["text"]
    assert second["hits"][0]["path"] == "jobs/storage.rst"


def test_bad_lines_are_named_and_the_rest_is_answered(built: tuple[Path, str]) -> None:
    lines = 'nonsense\n{"id": "\udcff"}\n\n{"id": 3, "question": "quota \\ud800"}\n'
    done = minerva("kb", "search", "--index", str(built[0]), "--jsonl", stdin=lines)
    assert done.returncode == 1
    assert [json.loads(line)["line"] for line in done.stderr.splitlines()] == [1, 2]
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [3]


def test_a_missing_index_says_what_to_run(tmp_path: Path) -> None:
    done = minerva("kb", "search", "--index", str(tmp_path), "--jsonl", stdin='{"id": 1, "question": "x"}\n')
    assert done.returncode == 1
    assert "minerva kb build --source" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_search_is_measured_for_each_corpus_and_for_all(tmp_path: Path) -> None:
    questions = tmp_path / "questions.jsonl"
    asked = [
        ("1", "how do apples ripen", "owner/fruit", ["a.md"]),
        ("2", "when does a boat sink", "boats", ["b.md"]),
        ("3", "what do zebras eat", "boats", []),
    ]
    questions.write_text(
        "".join(
            json.dumps({"id": id_, "question": question, "corpus": corpus, "gold_paths": paths}) + "\n"
            for id_, question, corpus, paths in asked
        )
    )
    for corpus, name, text in (("fruit", "a", "Apples ripen in autumn."), ("boats", "b", "A boat with a hole sinks.")):
        (tmp_path / "trees" / corpus).mkdir(parents=True)
        (tmp_path / "trees" / corpus / f"{name}.md").write_text(f"# {name}\n\n{text}\n")
    done = minerva("eval", "retrieval", str(questions), "--source", str(tmp_path / "trees"))
    assert done.returncode == 0, done.stderr
    heads = [line for line in done.stdout.splitlines() if "bootstrap" in line]
    assert [head.split(",")[0] for head in heads] == [
        "boats: 1 questions with an answer",
        "owner/fruit: 1 questions with an answer",
        "all: 2 questions with an answer",
    ]
    assert all(done.stdout.count(f"\n{ranking}") == 3 for ranking in ("bm25", "dense", "rrf", "ours"))
    assert done.stdout.count("flagged as not answered: 1.000 of those without") == 2
    assert "share answered" in done.stdout


def test_bad_usage(tmp_path: Path) -> None:
    assert minerva("kb", "search", "--index", str(tmp_path)).returncode == 2
    assert minerva("eval", "retrieval", str(tmp_path / "no.jsonl"), "--index", str(tmp_path)).returncode == 1
    assert minerva("kb", "build", "--index", str(tmp_path)).returncode == 2
    assert minerva("kb", "build", "--source", str(tmp_path / "no"), "--index", str(tmp_path)).returncode == 1


def test_status_tells_how_the_last_sync_went(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINERVA_DATA_DIR", str(tmp_path / "var"))
    (tmp_path / "wiki").mkdir()
    (tmp_path / "wiki" / "page.md").write_text("# Page\n\nThe quota of a project is 50 TB.\n")
    sources = tmp_path / "sources.toml"
    sources.write_text('articles = false\n[[source]]\nname = "wiki"\nkind = "folder"\npath = "wiki"\n')

    def told() -> tuple[bool, str]:
        part = json.loads(minerva("status", "--json").stdout)["parts"]["sources"]
        return part["ok"], part["detail"]

    assert told() == (True, "never synced: the index was built from one folder, or not yet")
    assert minerva("kb", "sync", "--sources", str(sources)).returncode == 0
    assert told()[0]
    assert told()[1].startswith("1 at the last sync, 20")
    (tmp_path / "wiki").rename(tmp_path / "away")
    failed = minerva("kb", "sync", "--sources", str(sources))
    assert failed.returncode == 1
    assert "wiki: failed, 1 documents" in failed.stdout
    assert told()[0] is False
    assert f"wiki (no folder {tmp_path}/wiki)" in told()[1]
