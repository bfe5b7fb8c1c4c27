"""What every store of vectors promises: FAISS files and PostgreSQL with pgvector."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psycopg
import pytest
from hashing_encoder import HashingEncoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge_base.build import build_index
from knowledge_base.errors import VectorStoreError
from knowledge_base.index import open_index
from knowledge_base.snapshot import KEPT, current_snapshot
from knowledge_base.sources.config import articles_source
from knowledge_base.sources.sync import sync
from knowledge_base.vectors import TABLE_FILE, Floats, VectorStore, all_of, vector_store
from knowledge_base.vectors_faiss import FILE, FaissFiles
from knowledge_base.vectors_postgres import PostgresVectors

ROOT = Path(__file__).parents[2]
SMALL = 500
"""Vectors up to which the stores of these tests compare one by one."""
DIMENSION = 24


@pytest.fixture(params=["faiss", "postgres"])
def store(request: pytest.FixtureRequest) -> VectorStore:
    if request.param == "faiss":
        return FaissFiles(SMALL)
    return PostgresVectors(request.getfixturevalue("postgres_url"), SMALL)


def unit(values: Floats) -> Floats:
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), dtype=np.float32)


def some(count: int, seed: int = 0) -> Floats:
    return unit(np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32))


def best(vectors: Floats, vector: Floats, count: int) -> list[int]:
    return [int(row) for row in np.argsort(-(vectors @ vector), kind="stable")[:count]]


def test_what_is_written_is_read(store: VectorStore, tmp_path: Path) -> None:
    vectors = some(50)
    store.write(tmp_path, vectors)
    opened = store.open(tmp_path)
    assert len(opened) == 50
    assert np.array_equal(all_of(opened), vectors)
    rows = np.asarray([7, 3, 49], dtype=np.int64)
    assert np.array_equal(opened.at(rows), vectors[rows]), "in the order asked for"
    store.drop(tmp_path)


def test_few_vectors_are_compared_one_by_one(store: VectorStore, tmp_path: Path) -> None:
    vectors = some(SMALL)
    store.write(tmp_path, vectors)
    opened = store.open(tmp_path)
    for question in some(20, seed=1):
        assert opened.nearest(question, 10).tolist() == best(vectors, question, 10)
    assert sorted(opened.nearest(question, SMALL * 2).tolist()) == list(range(SMALL)), "no more than there are"
    store.drop(tmp_path)


def test_many_are_searched_through_a_graph_that_finds_nearly_all(store: VectorStore, tmp_path: Path) -> None:
    vectors = some(3000)
    store.write(tmp_path, vectors)
    opened = store.open(tmp_path)
    assert np.allclose(all_of(opened), vectors), "the vectors themselves stay exact"
    found = [set(opened.nearest(question, 100).tolist()) for question in some(30, seed=1)]
    wanted = [set(best(vectors, question, 10)) for question in some(30, seed=1)]
    assert all(len(rows) == 100 for rows in found)
    assert np.mean([len(rows & exact) / 10 for rows, exact in zip(found, wanted, strict=True)]) > 0.97
    store.drop(tmp_path)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 2**31), min_size=1, max_size=30), st.integers(1, 40))
def test_equal_vectors_are_all_found(store: VectorStore, tmp_path: Path, seeds: list[int], count: int) -> None:
    vectors = np.concatenate([some(1, seed) for seed in seeds])
    store.write(tmp_path, vectors)
    found = store.open(tmp_path).nearest(vectors[0], count)
    cosines = vectors @ vectors[0]
    assert len(set(found.tolist())) == len(found) == min(count, len(seeds))
    assert np.allclose(np.sort(cosines[found])[::-1], np.sort(cosines)[::-1][: len(found)], atol=1e-6)
    store.drop(tmp_path)


def pages(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.md").write_text(f"# Page {name}\n\nWords about {name}, all of them of one kind.\n")
    return folder


def test_an_index_finds_the_same_in_both(store: VectorStore, tmp_path: Path) -> None:
    encoder = HashingEncoder()
    source = pages(tmp_path / "source", *"abcdefgh")
    build_index(source, tmp_path / "files", encoder)
    build_index(source, tmp_path / "index", encoder, store)
    expected = open_index(tmp_path / "files").search("words about page c", encoder)
    assert open_index(tmp_path / "index", store).search("words about page c", encoder) == expected
    pages(source, "i")
    assert build_index(source, tmp_path / "index", encoder, store).embedded == 1, "known vectors are taken over"
    store.drop(current_snapshot(tmp_path / "index"))


@pytest.fixture
def tables(postgres_url: str) -> Callable[[], set[str]]:
    def now() -> set[str]:
        with psycopg.connect(postgres_url) as connection:
            rows = connection.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'minerva%'").fetchall()
        return {name for (name,) in rows}

    return now


def test_tables_go_with_their_snapshots(postgres_url: str, tables: Callable[[], set[str]], tmp_path: Path) -> None:
    before, store = tables(), PostgresVectors(postgres_url)
    source = pages(tmp_path / "source", "a")
    for name in "bcdef":
        pages(source, name)
        build_index(source, tmp_path / "index", HashingEncoder(), store)
    snapshots = (tmp_path / "index" / "snapshots").iterdir()
    named = {(folder / TABLE_FILE).read_text() for folder in snapshots if folder.is_dir()}
    assert tables() - before == named
    assert len(named) == KEPT


def test_builds_at_the_same_time_on_a_new_database(postgres_url: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh")
    store = PostgresVectors(postgres_url.replace("/postgres?", "/fresh?"), SMALL)
    folders = [tmp_path / str(number) for number in range(6)]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda folder: store.write(folder, some(10, seed=int(folder.name))), folders))
    assert all(np.array_equal(all_of(store.open(folder)), some(10, seed=int(folder.name))) for folder in folders)
    assert len({(folder / TABLE_FILE).read_text() for folder in folders}) == 6


class Broken(PostgresVectors):
    """Loses its disk just after the vectors were written."""

    def write(self, folder: Path, vectors: Floats) -> None:
        super().write(folder, vectors)
        raise OSError("no space left on device")


def test_a_build_that_fails_leaves_no_table(postgres_url: str, tables: Callable[[], set[str]], tmp_path: Path) -> None:
    before = tables()
    with pytest.raises(Exception, match="no space left"):
        build_index(pages(tmp_path / "source", "a"), tmp_path / "index", HashingEncoder(), Broken(postgres_url))
    assert tables() == before


def test_a_lost_connection_is_made_again(postgres_url: str, tmp_path: Path) -> None:
    store = PostgresVectors(postgres_url)
    store.write(tmp_path, some(5))
    opened = store.open(tmp_path)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
        )
    assert len(opened.nearest(some(1)[0], 3)) == 3
    store.drop(tmp_path)
    with pytest.raises(VectorStoreError, match="minerva_vectors"):
        opened.nearest(some(1)[0], 3)


def test_a_server_that_is_not_there_is_named_without_the_password(tmp_path: Path) -> None:
    store = vector_store("postgresql://helpdesk:pw-4711@127.0.0.1:9/minerva")
    with pytest.raises(VectorStoreError, match="MINERVA_VECTORS_URL") as raised:
        store.write(tmp_path, some(1))
    assert "pw-4711" not in str(raised.value)
    (tmp_path / TABLE_FILE).write_text("minerva_vectors_0")
    store.drop(tmp_path)
    with pytest.raises(VectorStoreError):
        store.open(tmp_path)


def test_from_files_to_postgres_and_back(postgres_url: str, tmp_path: Path) -> None:
    index, encoder = tmp_path / "index", HashingEncoder()
    source = articles_source(pages(tmp_path / "source", "a", "b"))
    sync([source], index, tmp_path / "cache", encoder)
    store = vector_store(postgres_url)
    assert open_index(index, store).search("page a", encoder).hits, "a snapshot in files stays readable"
    pages(source.path, "c")
    assert sync([source], index, tmp_path / "cache", encoder, vectors_url=postgres_url).embedded == 1
    assert not (current_snapshot(index) / FILE).exists()
    assert len(open_index(index, store)) == 3
    with pytest.raises(VectorStoreError, match="MINERVA_VECTORS_URL is not set"):
        open_index(index)
    store.drop(current_snapshot(index))


def test_the_commands_keep_them_in_postgres(
    postgres_url: str, tables: Callable[[], set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages(tmp_path / "pages", "quota", "queue")
    (tmp_path / "sources.toml").write_text(
        'articles = false\n[[source]]\nname = "p"\nkind = "folder"\npath = "pages"\n'
    )
    monkeypatch.setenv("MINERVA_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("MINERVA_SOURCES_FILE", str(tmp_path / "sources.toml"))
    (tmp_path / "url").write_text(f"{postgres_url}\n")
    monkeypatch.setenv("MINERVA_VECTORS_URL_FILE", str(tmp_path / "url"))

    def minerva(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agent", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)

    before = tables()
    done = minerva("kb", "sync")
    assert done.returncode == 0, done.stderr
    assert len(tables() - before) == 1
    found = minerva("kb", "search", "--index", str(tmp_path / "var" / "index"), "-k", "1", "words about the quota")
    assert "quota.md" in found.stdout
    assert "2 passages" in minerva("status").stdout
    vector_store(postgres_url).drop(current_snapshot(tmp_path / "var" / "index"))

    (tmp_path / "url").write_text("postgresql://helpdesk:pw-4711@127.0.0.1:9/minerva")
    pages(tmp_path / "pages", "new")
    failed = minerva("kb", "sync")
    assert failed.returncode == 1
    assert failed.stderr.startswith("minerva: the vectors in PostgreSQL cannot be reached")
    assert "pw-4711" not in failed.stderr
    assert "Traceback" not in failed.stderr
