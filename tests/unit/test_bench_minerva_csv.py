"""The MINERVA tables: both widths and narrower ones, read and written back."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from bench_examples import SHARED, SOURCE, result
from hypothesis import given
from hypothesis import strategies as st

from bench_runner.importers import minerva_csv, minerva_export
from bench_runner.importers.source import Source
from bench_runner.reading import read_file, recognise
from bench_runner.result import BenchmarkResult, Problem

HEADER = minerva_export.COLUMNS
CELLS = [
    "Hydra",
    "GPU",
    "Some-8B",
    "Text Generation",
    "sonnet",
    "vllm",
    "benchmark_serving.py",
    "100",
    "1",
    "4",
    "4",
    "4",
]
CELLS += [
    "1",
    "4096",
    "--enforce-eager --x 1",
    "60.1",
    "60.2",
    "300.5",
    "400",
    "50.0",
    "20.0",
    "20.5",
    "2000.10",
    "10.0",
]
CELLS += ["inf", "1e-3", "0.0", "7", "inf"]
TABLE = Source(name="t.csv", sha256="0" * 64, format="minerva-csv")


def read(*rows: list[str], header: tuple[str, ...] = HEADER) -> list[BenchmarkResult | Problem]:
    text = io.StringIO()
    csv.writer(text).writerows([list(header), *rows])
    return list(minerva_csv.read(io.StringIO(text.getvalue(), newline=""), TABLE))


def good(*rows: list[str], header: tuple[str, ...] = HEADER) -> BenchmarkResult:
    (found,) = read(*rows, header=header)
    assert isinstance(found, BenchmarkResult)
    return found


def with_cell(column: str, value: str) -> list[str]:
    return [value if name == column else cell for name, cell in zip(HEADER, CELLS, strict=True)]


def test_identity_and_figures_come_from_columns() -> None:
    found = good(CELLS)
    assert (found.spec.system, found.spec.framework, found.spec.model) == ("Hydra", "vllm", "Some-8B")
    assert (found.spec.tp, found.spec.gpus, found.spec.concurrency) == (4, 4, 100)
    assert found.spec.server_flags == ("--enforce-eager", "--x", "1")
    assert found.value("output_throughput") == 2000.1
    assert found.original["Latency Score"] == "inf"


def test_columns_are_found_by_name_whatever_their_order() -> None:
    turned = good(CELLS[::-1], header=HEADER[::-1])
    assert turned.spec == good(CELLS).spec


def test_the_narrow_table() -> None:
    header = (
        "Supercomputer",
        "Model",
        "Framework",
        "Number of GPUs",
        "GPU Memory Usage (GB)",
        "Power Usage (W)",
        "TTFT (ms)",
    )
    found = good(["Jupiter", "Some-8B", "vllm", "16", "70.5", "300", "0.0"], header=header)
    assert found.spec.gpus == 16 and found.spec.tp is None
    assert found.value("memory_mean") == 70.5
    assert found.not_measured == ("ttft_mean",)


def test_a_row_of_zeros_is_a_failed_run_without_figures() -> None:
    found = good(with_cell("Output Throughput (tokens/s)", "0.0"))
    assert found.state == "failed"
    assert set(found.values) == {"memory_mean", "memory_peak", "power_mean", "power_peak"}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (CELLS[:-1], "28 cells where the header has 29"),
        (with_cell("TTFT (ms)", "fast"), "'fast' in column 'TTFT (ms)' is not a number"),
        (with_cell("Tensor", "4.5"), "'4.5' in column 'Tensor' is not a whole number"),
    ],
)
def test_bad_rows_name_their_line_and_the_rest_is_read(row: list[str], said: str) -> None:
    found = read(CELLS, row, CELLS)
    assert [type(item) for item in found] == [BenchmarkResult, Problem, BenchmarkResult]
    assert str(found[1]) == f"t.csv:3: {said}"


def test_lines_are_counted_as_in_the_file() -> None:
    text = ",".join(HEADER) + '\n"a\nb"\n\n' + ",".join(CELLS) + "\n"
    found = list(minerva_csv.read(text.splitlines(keepends=True), TABLE))
    assert isinstance(found[0], Problem) and found[0].line == 2
    assert isinstance(found[1], BenchmarkResult) and found[1].provenance.line == 5


def test_a_table_without_identity_is_refused() -> None:
    (problem,) = read(["x"], header=("Supercomputer",))
    assert isinstance(problem, Problem) and "no column 'Framework'" in problem.what


def test_29_columns_are_written_back_as_they_were() -> None:
    rows = [CELLS, with_cell("TTFT (ms)", "0.0"), with_cell("Additional Arguments", "--a, b")]
    found = [item for item in read(*rows) if isinstance(item, BenchmarkResult)]
    out, expected = io.StringIO(), io.StringIO()
    assert minerva_export.write(found, out) == 3
    csv.writer(expected).writerows([HEADER, *rows])
    assert out.getvalue() == expected.getvalue()


def test_results_of_other_tools_fill_what_they_know() -> None:
    cells = dict(zip(HEADER, minerva_export.row(result({"output_throughput": 1234.56789})), strict=True))
    assert cells["Output Throughput (tokens/s)"] == "1234.56789"
    assert cells["Tensor"] == "4" and cells["Global Score"] == "" and cells["Power Usage Avg (W)"] == ""


@given(st.text(max_size=300))
def test_any_text_is_survived(text: str) -> None:
    lines = [",".join(HEADER) + "\n", *text.splitlines(keepends=True)]
    assert all(isinstance(item, BenchmarkResult | Problem) for item in minerva_csv.read(lines, SOURCE))


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=8), min_size=29, max_size=29)
)
def test_whatever_is_read_is_written_back(cells: list[str]) -> None:
    for found in read(cells):
        if isinstance(found, BenchmarkResult):
            assert minerva_export.row(found) == cells


TABLES = SHARED / "benchmarks" / "minerva-benchmarks"


@pytest.mark.skipif(not TABLES.exists(), reason="needs the material beside the checkout")
@pytest.mark.parametrize(
    ("name", "rows", "failed"),
    [
        ("mn5_acc.csv", 849, 10),
        ("mn5_acc_score.csv", 849, 10),
        ("mn5_acc_october_2025.csv", 420, 0),
        ("jean_zay_h100.csv", 147, 0),
    ],
)
def test_real_tables(name: str, rows: int, failed: int) -> None:
    form = recognise(TABLES / name)
    assert form is not None and form.name == "minerva-csv"
    found = list(read_file(TABLES / name, form))
    assert len(found) == rows and all(isinstance(item, BenchmarkResult) for item in found)
    assert sum(item.state == "failed" for item in found if isinstance(item, BenchmarkResult)) == failed


@pytest.mark.skipif(not TABLES.exists(), reason="needs the material beside the checkout")
def test_the_real_29_column_table_is_written_back_byte_for_byte(tmp_path: Path) -> None:
    file = TABLES / "mn5_acc_score.csv"
    form = recognise(file)
    assert form is not None
    found = [item for item in read_file(file, form) if isinstance(item, BenchmarkResult)]
    with (tmp_path / "out.csv").open("w", encoding="utf-8", newline="") as out:
        minerva_export.write(found, out, line_end="\n")
    assert (tmp_path / "out.csv").read_bytes() == file.read_bytes()
