"""Result files of vLLM's serving benchmark, in the three shapes it has had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench_runner.errors import ScanError
from bench_runner.importers.jsonscan import Buffer, Lines, Scanned, load, objects, sum_and_count
from bench_runner.importers.serving import TEXTS, serving_result
from bench_runner.importers.source import Source
from bench_runner.metrics import metric
from bench_runner.result import Metric, Record

ARRAYS = frozenset({"input_lens", "output_lens", "ttfts", "itls", "errors", "latencies", "queue_times", "start_times"})
"""One item per request; summed up, never kept."""
_OLD = frozenset({"use_beam_search", "best_of"})
_NOW = frozenset({"endpoint_type", "max_output_tokens_per_s", "max_concurrent_requests", "rtfx", "label", "failed"})


def read(buffer: Buffer, source: Source) -> Iterator[Record]:
    lines = Lines(buffer)
    for found in objects(buffer, leave=ARRAYS | TEXTS):
        if isinstance(found, ScanError):
            yield source.problem(lines.at(found.offset), found.problem)
            continue
        line = lines.at(found.start)
        if "completed" not in found.values and "output_throughput" not in found.values:
            yield source.problem(line, "is no serving result: neither `completed` nor `output_throughput` in it")
            continue
        try:
            derived = from_arrays(buffer, found)
        except ScanError as error:
            yield source.problem(line, f"{error.problem} (arrays of this record left out)")
            derived = ()
        yield serving_result(
            found.values,
            source,
            line,
            tool="vllm serving benchmark",
            tool_version=generation(found.values),
            derived=derived,
        )


def generation(record: Mapping[str, object]) -> str:
    """Range of vLLM versions that wrote such a record; the files do not name their version."""
    if _NOW & record.keys():
        return ">=0.10"
    if _OLD & record.keys() and "total_token_throughput" not in record:
        return "<=0.6.0"
    return "0.6.4 to 0.9" if "request_goodput:" in record else "0.6 to 0.9"


def from_arrays(buffer: Buffer, found: Scanned) -> tuple[Metric, ...]:
    """Sums and means over the requests, to hold against the printed figures."""
    spans = found.spans
    derived: list[Metric] = []
    for key, name in (("output_lens", "recomputed_output_tokens"), ("input_lens", "recomputed_input_tokens")):
        if key in spans:
            total, items = sum_and_count(buffer, spans[key])
            if items:
                derived.append(metric(name, total, how="derived"))
    for key, name in (("ttfts", "recomputed_ttft_mean"), ("itls", "recomputed_itl_mean")):
        if key in spans:
            total, items = sum_and_count(buffer, spans[key])
            if items:
                derived.append(metric(name, 1000 * total / items, how="derived"))
    derived.extend(_per_request(buffer, spans))
    return tuple(derived)


def _per_request(buffer: Buffer, spans: Mapping[str, tuple[int, int]]) -> Iterator[Metric]:
    if "output_lens" in spans:
        lengths = load(buffer, spans["output_lens"])
        if isinstance(lengths, list):
            yield metric("zero_outputs", float(sum(length == 0 for length in lengths)), how="derived")
    if "errors" in spans:
        errors = load(buffer, spans["errors"])
        if isinstance(errors, list):
            yield metric("errors_recorded", float(sum(bool(error) for error in errors)), how="derived", unit="requests")
