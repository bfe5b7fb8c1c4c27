"""The store of results: round trip, once only, verdicts that follow what comes later, originals without texts."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from bench_examples import SHARED
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import create_engine

from bench_runner.collecting import collect
from bench_runner.dates import measured_on
from bench_runner.errors import StoreError
from bench_runner.importing import import_paths
from bench_runner.jsontext import finite
from bench_runner.pending import AT_ONCE
from bench_runner.plausibility.audit import audit
from bench_runner.result import result_id
from bench_runner.store import originals, results, schema
from bench_runner.store.database import HEAD, MIGRATIONS, Store, open_store
from bench_runner.store.schema import METADATA

HEADER = "Supercomputer,Partition,Model,Dataset,Framework,Concurrency Level,Number of Nodes,GPUs per Node,Total Used GPUs,Tensor"
HEADER += ",Additional Arguments,TTFT (ms),TPOT (ms),Output Throughput (tokens/s),Request Throughput (requests/s)\n"


def table(path: Path, *rates: tuple[int, float], flags: str = "", framework: str = "vllm") -> Path:
    """Rows of one series by (concurrency, output tok/s), whose other figures agree with Little's law."""
    rows = [
        f"Hydra,GPU,Some-8B,sonnet,{framework},{load},1,4,4,4,{flags},100.0,{(1000 * load * 200 / rate - 100) / 199:.3f},{rate},{rate / 200}\n"
        for load, rate in rates
    ]
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "bench")


def stored(store: Store) -> list[results.Stored]:
    with store.read() as connection:
        return results.load(connection)


def test_all_migrations_together_equal_the_tables(store: Store) -> None:
    with create_engine(f"sqlite:///{store.path}").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    assert max(path.name[:4] for path in (MIGRATIONS / "versions").glob("0*.py")) == HEAD


def test_what_is_read_comes_back_as_it_was(store: Store, tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", (10, 800.0), (20, 1500.0), flags="--enforce-eager")
    imported = import_paths(store, [path])
    assert (imported.added, imported.known) == ({"verified": 2}, 0)
    results_read = [result for _, result in collect([path])[0]]
    (first, second) = stored(store)
    for row, read, judged in zip((first, second), results_read, audit(results_read), strict=True):
        assert row.result == read
        assert (row.verdict, row.findings, row.confirmed_by) == (judged.verdict, judged.findings, judged.confirmed_by)
    assert first.verdict == "verified" and first.result.spec.server_flags == ("--enforce-eager",)


def test_importing_again_adds_nothing_and_changes_nothing(store: Store, tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", (10, 800.0), (20, 1500.0))
    import_paths(store, [path])
    before = stored(store)
    again = import_paths(store, [path, path])
    assert (again.added, again.known) == ({}, 2)
    assert stored(store) == before


def test_a_later_table_changes_the_verdict_of_an_earlier_one(store: Store, tmp_path: Path) -> None:
    loads = (10, 20, 30)
    import_paths(store, [table(tmp_path / "a.csv", *((load, 100.0 * load) for load in loads))])
    assert {row.verdict for row in stored(store)} == {"verified"}
    import_paths(store, [table(tmp_path / "b.csv", *((load, 190.0 * load) for load in loads))])
    assert {row.verdict for row in stored(store)} == {"suspect"}
    assert all("D4" in {finding.rule for finding in row.findings} for row in stored(store))


def test_a_declared_date_is_kept_as_declared(store: Store, tmp_path: Path) -> None:
    import_paths(store, [table(tmp_path / "a.csv", (10, 800.0))], measured="2026-01")
    (row,) = stored(store)
    assert row.measured_on == "2026-01" and "declared at import" in row.result.notes[0]


def test_a_table_of_many_chunks_is_stored_in_its_order_and_judged_as_a_whole(store: Store, tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", *((1 + number, 700.0 + number % 7) for number in range(2 * AT_ONCE + 3)))
    imported = import_paths(store, [path])
    read = [result for _, result in collect([path])[0]]
    rows = stored(store)
    assert [row.result.provenance.line for row in rows] == list(range(2, 2 * AT_ONCE + 5))
    assert [(row.verdict, row.findings) for row in rows] == [(item.verdict, item.findings) for item in audit(read)]
    assert sum(imported.added.values()) == len(rows)


def test_rows_that_are_new_in_a_longer_table_are_added(store: Store, tmp_path: Path) -> None:
    import_paths(store, [table(tmp_path / "a.csv", (10, 800.0))])
    again = import_paths(store, [table(tmp_path / "a.csv", (10, 800.0), (20, 1500.0))])
    assert (sum(again.added.values()), again.known) == (1, 1)
    assert [row.result.spec.concurrency for row in stored(store)] == [10, 20]


def test_names_of_columns_are_kept_once_for_all_rows_and_tables(store: Store, tmp_path: Path) -> None:
    import_paths(store, [table(tmp_path / "a.csv", (10, 800.0), (20, 1500.0)), table(tmp_path / "b.csv", (30, 900.0))])
    with store.read() as connection:
        (columns,) = connection.exec_driver_sql("SELECT columns FROM header").scalars()
    assert json.loads(columns) == HEADER.strip().split(",")
    assert {row.result.original["Supercomputer"] for row in stored(store)} == {"Hydra"}


def test_a_row_of_a_table_has_the_id_of_the_same_record_as_a_mapping(tmp_path: Path) -> None:
    ((identity, read),) = collect([table(tmp_path / "a.csv", (10, 800.0))])[0]
    assert identity == result_id(replace(read, original=dict(read.original)))


@pytest.mark.parametrize("odd", [{"model_id": "a\ud800b"}, {"note": "\udfff"}, {"max_concurrency": 10**30}])
def test_what_no_database_takes_is_stored_all_the_same(store: Store, tmp_path: Path, odd: dict[str, object]) -> None:
    (tmp_path / "run.json").write_text(json.dumps({**RUN, **odd}))
    assert sum(import_paths(store, [tmp_path / "run.json"]).added.values()) == 1
    (row,) = stored(store)
    assert (row.result.spec.concurrency, "\ufffd" in str(row.result)) == (None, "max_concurrency" not in odd)


ANSWERS = ['Paris, "said" the model: [1, {2}]', '\\"generated_texts\\": no']
RUN = {"backend": "vllm", "model_id": "Some-8B", "completed": 2, "output_throughput": 10.0, "request_throughput": 1.0}


def test_the_original_is_kept_without_generated_texts(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**RUN, "generated_texts": ANSWERS, "itls": [[0.1], [0.2]], "note": "{}"}))
    import_paths(store, [path])
    (kept,) = store.originals.rglob("*.gz")
    assert json.loads(gzip.decompress(kept.read_bytes())) == {
        **RUN,
        "generated_texts": None,
        "itls": [[0.1], [0.2]],
        "note": "{}",
    }
    with store.read() as connection:
        removed = connection.exec_driver_sql("SELECT texts_removed FROM original").scalar()
    assert removed == len(json.dumps(ANSWERS))
    assert "Paris" not in store.path.read_bytes().decode("latin-1")


@given(st.recursive(st.text() | st.integers(), st.lists, max_leaves=5), st.text())
def test_texts_are_cut_out_wherever_they_are(texts: object, other: str) -> None:
    record = {"a": other, "generated_texts": [texts], "b": [{"outputs": "x", "c": other}]}
    buffer = json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass")
    pieces = originals._without(buffer, originals.TEXT_MEMBERS["vllm-serving-json"])
    kept = json.loads(b"".join(piece for piece, _ in pieces).decode("utf-8", "surrogatepass"))
    assert kept == {"a": other, "generated_texts": None, "b": [{"outputs": None, "c": other}]}


def test_a_file_cut_off_inside_a_text_keeps_what_came_before() -> None:
    buffer = b'{"completed": 1, "generated_texts": ["secret answ'
    pieces = originals._without(buffer, originals.TEXT_MEMBERS["vllm-serving-json"])
    assert b"".join(piece for piece, _ in pieces) == b'{"completed": 1, "generated_texts": null'


def test_a_missing_original_is_said(store: Store) -> None:
    with pytest.raises(StoreError, match="restore"):
        originals.kept(store.originals, "00/none.gz")


def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "benchmarks.sqlite").write_bytes(b"no database, but a text of some length " * 50)
    with pytest.raises(StoreError, match=r"benchmarks\.sqlite: file is not a database"):
        open_store(tmp_path)


def test_a_store_of_a_newer_version_is_left_alone(store: Store) -> None:
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer version"):
        open_store(store.path.parent)


@pytest.mark.parametrize(
    ("printed", "date"),
    [
        ("20260115-101112", "2026-01-15"),
        ("2026-01-15T10:11:12+01:00", "2026-01-15"),
        ("2026-01-15 10:11", "2026-01-15"),
        ("2026-01", "2026-01"),
        ("1768471872.25", "2026-01-15"),
        ("2026-13-15", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_dates(printed: str | None, date: str | None) -> None:
    assert measured_on(printed) == date


@given(st.text())
def test_any_text_is_a_date_or_none(printed: str) -> None:
    assert measured_on(printed) is None or len(measured_on(printed) or "") in (7, 10)


@pytest.mark.skipif(not (SHARED / "benchmarks").exists(), reason="needs the material beside the checkout")
def test_the_real_folder_round_trips(store: Store) -> None:
    folder = SHARED / "benchmarks" / "minerva-benchmarks"
    imported = import_paths(store, [folder])
    rows = {row.id: row for row in stored(store)}
    assert len(rows) == sum(imported.added.values()) == 849 + 849 + 420 + 147 + 17
    read, _ = collect([folder])
    for (identity, result), judged in zip(read, audit([result for _, result in read]), strict=True):
        row = rows[identity]
        assert row.result == replace(result, original=finite(result.original))  # infinity becomes text
        assert (row.verdict, row.findings, row.confirmed_by) == (judged.verdict, judged.findings, judged.confirmed_by)


def test_a_store_of_the_version_before_keeps_its_figures_and_adds_none_twice(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", (10, 800.0), (20, 1500.0))
    now = open_store(tmp_path / "now")
    import_paths(now, [path])
    (old := tmp_path / "old").mkdir()
    _as_before(old / now.path.name, now)
    migrated = open_store(old)
    for row, kept in zip(stored(now), stored(migrated), strict=True):
        assert (kept.id, kept.findings, kept.result.values) == (row.id, row.findings, row.result.values)
        assert set(kept.result.metrics) == set(row.result.metrics)
    assert import_paths(migrated, [path]).added == {}
    with migrated.read() as connection:
        (answered,) = connection.exec_driver_sql("SELECT result_id FROM run").scalars()
    assert answered == stored(now)[0].id


def _as_before(path: Path, source: Store) -> None:
    """A file of migration 0002 with the rows of `source`, as the program wrote it then."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with source.read() as connection:
        originals_then = connection.exec_driver_sql("SELECT * FROM original").all()
        rows = [dict(row) for row in connection.exec_driver_sql("SELECT * FROM result").mappings()]
        headers = {str(name): str(columns) for name, columns in connection.exec_driver_sql("SELECT * FROM header")}
    with create_engine(f"sqlite:///{path}").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.exec_driver_sql(
            "INSERT INTO original VALUES (?, ?, ?, ?, ?, ?, ?)", [tuple(r) for r in originals_then]
        )
        for row in rows:
            metrics = [(row["id"], *metric) for metric in json.loads(row.pop("metrics"))]
            row["record"] = _record_then(row["record"], headers)
            row |= {"spec_hash": "x", "result_id": f"then-{row['id']}"}
            insert = f"INSERT INTO result ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
            connection.exec_driver_sql(insert, tuple(row.values()))
            connection.exec_driver_sql("INSERT INTO metric VALUES (?, ?, ?, ?, ?)", metrics)
        columns = [column.name for column in schema.RUN.columns if not column.nullable]
        values = {"id": "r1", "reserved_gpu_hours": 0, "earlier_gpu_hours": 0, "attempts": 1, "result_id": "then-1"}
        connection.exec_driver_sql(
            f"INSERT INTO run ({', '.join(columns)}, result_id) VALUES ({', '.join('?' * (len(columns) + 1))})",
            (*(values.get(name, "x") for name in columns), "then-1"),
        )


def _record_then(record: str, headers: Mapping[str, str]) -> str:
    """Every name of a column in every row, and empty lists too."""
    now = json.loads(record)
    original = dict(zip(json.loads(headers[now.pop("header")]), now.pop("cells"), strict=True))
    empty: dict[str, object] = {"server_flags": [], "settings": [], "not_measured": [], "notes": []}
    return json.dumps({**empty, **now, "original": original})
