"""Each defect of published results, imported as a file: the row gets its verdict, and the reason goes wherever it goes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench_runner.comparison.noise import floors
from bench_runner.comparison.repeats import configurations
from bench_runner.dashboard.data import table
from bench_runner.importing import import_paths
from bench_runner.plotting import points
from bench_runner.publish import publish
from bench_runner.store.database import Store, open_store
from bench_runner.store.results import Stored, load

FILES = Path(__file__).parents[1] / "data" / "bench"
LLAMA: Mapping[str, str | int] = {"model": "Llama-3.1-8B", "max_model_len": 512}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "bench")


def imported(store: Store, *names: str, **declared: str | int) -> list[Stored]:
    found = import_paths(store, [FILES / name for name in names], declared=declared)
    assert not found.collected.problems
    with store.read() as connection:
        return load(connection)


def reasons(row: Stored, rule: str) -> list[tuple[str, str]]:
    return [(finding.level, finding.reason) for finding in row.findings if finding.rule == rule]


@pytest.mark.parametrize(
    ("file", "declared", "rule", "verdict", "said"),
    [
        ("d12.csv", {}, "D12", "invalid", "the framework is 'results'"),
        ("d13_epochs.log", LLAMA, "D13", "suspect", "one pass over padded samples, but 3 epochs"),
        ("d13_bound.log", LLAMA, "D13", "invalid", "11.7 times what the data holds"),
        ("d14.log", LLAMA, "D14", "suspect", "64-fold apart"),
        ("d15.log", LLAMA, "D15", "suspect", "501891328 trainable parameters for Llama-3.1-8B are one of 16 shards"),
        ("d17.log", {}, "D17", "suspect", "996 of 1000 prompts completed, 4 are missing without a failure line"),
    ],
)
def test_a_row_alone(
    store: Store, file: str, declared: Mapping[str, str | int], rule: str, verdict: str, said: str
) -> None:
    (row,) = imported(store, file, **declared)
    assert row.verdict == verdict
    assert said in reasons(row, rule)[0][1]


def test_gpus_that_serve_nothing(store: Store) -> None:
    """D2, by the row itself and beside the others."""
    rows = imported(store, "d02.csv")
    assert [row.verdict for row in rows] == ["suspect"] * 3
    assert "4 stand idle" in reasons(rows[0], "D2")[0][1]
    assert "11300 tok/s on 8 nodes, 11300 on 2 with the same parallelism" in reasons(rows[2], "D2")[1][1]


def test_slower_across_nodes(store: Store) -> None:
    """D3: the fabric is what is suspected, not the framework."""
    rows = imported(store, "d03.csv")
    assert [bool(reasons(row, "D3")) for row in rows] == [False, False, True, True]
    assert all("network between the nodes" in reasons(row, "D3")[0][1] for row in rows[2:])


def test_answers_of_two_lengths(store: Store) -> None:
    vllm, sglang = imported(store, "d09.csv")
    assert "103 generated tokens a request, vllm 150" in reasons(sglang, "D9")[0][1]
    assert "150 generated tokens a request, sglang 103" in reasons(vllm, "D9")[0][1]


def test_declared_memory_is_called_so_with_every_figure(store: Store) -> None:
    rows = imported(store, "d11.csv")
    assert all("4 different values in 24 rows" in reasons(row, "D11")[0][1] for row in rows)
    (found, *_) = configurations(rows, floors(rows))
    assert found.figures["memory_mean"].how == found.figures["memory_peak"].how == "declared"
    assert found.figures["output_throughput"].how == "measured"


def test_sixteen_gpus_in_a_log_of_their_own_against_one(store: Store) -> None:
    """D16 over two files: a training run is a log."""
    imported(store, "d16_1.log", gpus=1, **LLAMA)
    one, sixteen = imported(store, "d16_16.log", gpus=16, **LLAMA)
    assert "16 GPUs are 31.8 times as fast as 1: more than proportional" in reasons(sixteen, "D16")[0][1]
    assert not reasons(one, "D16")


def test_the_reason_stands_wherever_the_number_does(store: Store, tmp_path: Path) -> None:
    rows = imported(store, "d02.csv")
    known = floors(rows)
    said = "stand idle"
    assert all(said in point["why"] and point["verdict"] == "suspect" for point in points(configurations(rows, known)))
    assert all(said in " ".join(told) for told in json.loads(table(rows).details)["reasons"])
    publish(rows, known, tmp_path / "out")
    with (tmp_path / "out/data/checks.csv").open(encoding="utf-8") as file:
        assert all(said in line["Reasons"] and line["Verdict"] == "suspect" for line in csv.DictReader(file))
    records = (tmp_path / "out/data/results.jsonl").read_text(encoding="utf-8").splitlines()
    assert all(said in " ".join(json.loads(record)["reasons"]) for record in records)
    assert said in (tmp_path / "out" / "plots" / next(iter(_pictures(tmp_path / "out")))).read_text(encoding="utf-8")


def _pictures(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "plots").glob("*throughput.svg"))


def test_the_commands_say_it_too(store: Store, tmp_path: Path) -> None:
    imported(store, "d02.csv")
    for arguments in (["results"], ["results", "--json"], ["export", str(tmp_path / "rows.csv")]):
        done = subprocess.run(
            [sys.executable, "-m", "agent", "bench", *arguments], capture_output=True, text=True, check=True,
            env={**_environment(), "MINERVA_DATA_DIR": str(tmp_path)},
        )  # fmt: skip
        assert "suspect" in done.stdout, arguments


def _environment() -> dict[str, str]:
    import os  # noqa: PLC0415

    return {name: value for name, value in os.environ.items() if not name.startswith("MINERVA_")}
