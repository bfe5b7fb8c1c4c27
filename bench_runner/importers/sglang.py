"""JSON lines that SGLang's `bench_serving` appends to its output file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench_runner.errors import ScanError
from bench_runner.importers.jsonscan import Buffer, Lines, objects
from bench_runner.importers.serving import TEXTS, serving_result, supersede
from bench_runner.importers.source import Source
from bench_runner.importers.vllm_json import ARRAYS, from_arrays
from bench_runner.metrics import text
from bench_runner.result import BenchmarkResult, Record


def read(buffer: Buffer, source: Source) -> Iterator[Record]:
    lines = Lines(buffer)
    results: list[BenchmarkResult] = []
    for found in objects(buffer, leave=ARRAYS | TEXTS):
        if isinstance(found, ScanError):
            yield source.problem(lines.at(found.offset), found.problem)
            continue
        line = lines.at(found.start)
        try:
            derived = from_arrays(buffer, found)
        except ScanError as error:
            yield source.problem(line, f"{error.problem} (arrays of this record left out)")
            derived = ()
        server = found.values.get("server_info")
        record = {**_from_server(server), **found.values} if isinstance(server, dict) else found.values
        results.append(
            serving_result(
                record,
                source,
                line,
                tool="sglang bench_serving",
                tool_version=text(record.get("version")),
                derived=derived,
            )
        )
    yield from supersede(results)


def _from_server(server: Mapping[str, object]) -> dict[str, object]:
    """What newer clients ask the server about itself, under the names of the record."""
    names = ("tp_size", "pp_size", "dp_size", "nnodes", "dtype", "quantization", "context_length", "version")
    told = {name: server[name] for name in names if server.get(name) is not None}
    model = server.get("served_model_name") or server.get("model_path")
    return {**told, "model": model} if model else told
