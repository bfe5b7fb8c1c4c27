"""Results as the 29-column table of minerva-benchmarks, so that they can flow back there."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import TextIO

from bench_runner.importers.minerva_csv import FLAGS_COLUMN, METRIC_COLUMNS, SCORE_COLUMNS, TOOL_COLUMN
from bench_runner.result import BenchmarkResult

COLUMNS = (
    "Supercomputer",
    "Partition",
    "Model",
    "Dataset/Model Type",
    "Dataset",
    "Framework",
    TOOL_COLUMN,
    "Concurrency Level",
    "Number of Nodes",
    "GPUs per Node",
    "Total Used GPUs",
    "Tensor",
    "Pipeline",
    "Max Model Length",
    FLAGS_COLUMN,
    "GPU Memory Usage Avg (GB)",
    "GPU Memory Usage Peak (GB)",
    "Power Usage Avg (W)",
    "Power Usage Peak (W)",
    "TTFT (ms)",
    "ITL (ms)",
    "TPOT (ms)",
    "Output Throughput (tokens/s)",
    "Request Throughput (requests/s)",
    *SCORE_COLUMNS,
)


def write(results: Iterable[BenchmarkResult], out: TextIO, *, line_end: str = "\r\n") -> int:
    """Writes the header and one row a result, and returns how many.

    Rows that came from such a table keep every cell as it was printed. Scores are not computed: they are empty where
    the source had none. `out` must have been opened with `newline=""`.
    """
    writer = csv.writer(out, lineterminator=line_end)
    writer.writerow(COLUMNS)
    written = 0
    for result in results:
        writer.writerow(row(result))
        written += 1
    return written


def row(result: BenchmarkResult) -> list[str]:
    """Cells in the order of `COLUMNS`."""
    if result.provenance.format == "minerva-csv":
        cells = {name: str(value) for name, value in result.original.items()}
        return [cells.get(name, "") for name in COLUMNS] if COLUMNS[0] in cells else _from_values(result)
    return _from_values(result)


def _from_values(result: BenchmarkResult) -> list[str]:
    spec = result.spec
    stated: dict[str, str | int | None] = {
        "Supercomputer": spec.system,
        "Partition": spec.partition,
        "Model": spec.model,
        "Dataset/Model Type": spec.task,
        "Dataset": spec.dataset,
        "Framework": spec.framework,
        TOOL_COLUMN: result.provenance.tool,
        "Concurrency Level": spec.concurrency,
        "Number of Nodes": spec.nodes,
        "GPUs per Node": spec.gpus_per_node,
        "Total Used GPUs": spec.gpus,
        "Tensor": spec.tp,
        "Pipeline": spec.pp,
        "Max Model Length": spec.max_model_len,
        FLAGS_COLUMN: " ".join(spec.server_flags),
    }
    values = result.values
    cells = {name: "" if value is None else str(value) for name, value in stated.items()}
    cells |= {column: repr(values[name]) for column, name in METRIC_COLUMNS.items() if name in values}
    return [cells.get(name, "") for name in COLUMNS]
