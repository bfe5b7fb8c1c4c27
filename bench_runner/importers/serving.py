"""What the serving benchmarks of vLLM and SGLang have in common: a flat record of names and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from bench_runner.importers.secrets import without_secrets
from bench_runner.importers.source import Source
from bench_runner.metrics import count, latency_name, metric, number, text
from bench_runner.result import BenchmarkResult, Metric, State
from bench_runner.spec import BenchmarkSpec, Setting

METRIC_KEYS: Mapping[str, str] = {
    "duration": "duration",
    "completed": "completed",
    "failed": "failed",
    "total_input_tokens": "input_tokens",
    "total_output_tokens": "output_tokens",
    "total_output_tokens_retokenized": "output_tokens_retokenized",
    "request_throughput": "request_throughput",
    "request_goodput": "request_goodput",
    "request_goodput:": "request_goodput",  # vLLM 0.6.4 to 0.9 wrote the colon into the name
    "input_throughput": "input_throughput",
    "output_throughput": "output_throughput",
    "total_token_throughput": "total_throughput",
    "total_throughput": "total_throughput",
    "max_output_tokens_per_s": "peak_output_throughput",
    "max_concurrent_requests": "peak_concurrency",
    "concurrency": "mean_concurrency",
    "accept_length": "accept_length",
}
"""Names in the JSON of vLLM and SGLang -> ours."""

FRAMEWORKS: Mapping[str, str] = {
    "vllm": "vllm",
    "vllm-chat": "vllm",
    "sglang": "sglang",
    "sglang-native": "sglang",
    "sglang-oai": "sglang",
    "sglang-oai-chat": "sglang",
    "deepspeed-mii": "deepspeed-mii",
    "tgi": "tgi",
    "tensorrt-llm": "tensorrt-llm",
    "lmdeploy": "lmdeploy",
    "scalellm": "scalellm",
    "gserver": "gserver",
}
"""Backends of the client that name the server; `openai` and the like speak to any server and name none."""

SPEC_COUNTS: Mapping[str, tuple[str, ...]] = {
    "tp": ("tensor_parallel_size", "tp_size", "tp"),
    "pp": ("pipeline_parallel_size", "pp_size", "pp"),
    "dp": ("data_parallel_size", "dp_size", "dp"),
    "gpus": ("gpus", "num_gpus", "n_gpus"),
    "gpus_per_node": ("gpus_per_node",),
    "nodes": ("nodes", "num_nodes", "nnodes"),
    "max_model_len": ("max_model_len", "context_length"),
}
"""Keys that users add with `--metadata`, or that the server reports about itself."""

TEXTS = frozenset({"generated_texts", "output_texts", "prompts", "input_texts", "outputs"})
"""Members that hold prompts or answers; they are never read."""

_UNMEASURED_AT_ZERO = ("ttft", "itl", "tpot", "e2el")


def metrics_of(record: Mapping[str, object]) -> tuple[tuple[Metric, ...], tuple[str, ...]]:
    """Metrics, and the names of those whose zero means that nobody measured."""
    found: dict[str, Metric] = {}
    zero: dict[str, None] = {}
    for key, raw in record.items():
        name = METRIC_KEYS.get(key) or latency_name(key)
        value = number(raw)
        if name is None or value is None:
            continue
        if value == 0 and _zero_is_no_measurement(name):
            zero[name] = None
            continue
        found[name] = metric(name, value)
    return tuple(found.values()), tuple(zero)


def _zero_is_no_measurement(name: str) -> bool:
    """A latency of zero is not possible; a standard deviation of zero is."""
    stem, _, statistic = name.partition("_")
    return stem in _UNMEASURED_AT_ZERO and statistic != "std"


def model_name(value: object) -> str | None:
    """The model as it was asked for; of a local folder, the folder's own name."""
    name = text(value)
    if name is None or not name.startswith(("/", "./", "~")):
        return name
    return name.rstrip("/").rpartition("/")[2] or None


def request_rate(value: object) -> str | float | None:
    """Requests per second, or `inf` for all at once, in whichever form it was written."""
    if value in ("inf", float("inf")):
        return "inf"
    return number(value)


def serving_spec(record: Mapping[str, object], *, framework: str | None = None) -> BenchmarkSpec:
    """From a flat record with the names of the client's arguments."""
    backend = text(record.get("backend"))
    counts = {name: _first_count(record, keys) for name, keys in SPEC_COUNTS.items()}
    return BenchmarkSpec(
        kind="inference",
        system=text(record.get("system")) or text(record.get("supercomputer")),
        partition=text(record.get("partition")),
        framework=text(record.get("framework")) or framework or FRAMEWORKS.get(backend or ""),
        model=model_name(record.get("model_id")) or model_name(record.get("model")),
        dataset=text(record.get("dataset_name")) or text(record.get("dataset")),
        precision=text(record.get("precision")) or text(record.get("dtype")) or text(record.get("quantization")),
        concurrency=count(record.get("max_concurrency")),
        num_prompts=count(record.get("num_prompts")),
        settings=_settings(record),
        tp=counts["tp"],
        pp=counts["pp"],
        dp=counts["dp"],
        gpus=counts["gpus"],
        gpus_per_node=counts["gpus_per_node"],
        nodes=counts["nodes"],
        max_model_len=counts["max_model_len"],
    )


def _first_count(record: Mapping[str, object], keys: tuple[str, ...]) -> int | None:
    return next((found for key in keys if (found := count(record.get(key))) is not None), None)


_SETTINGS = (
    "backend",
    "best_of",
    "burstiness",
    "endpoint_type",
    "goodput",
    "ignore_eos",
    "random_input_len",
    "random_output_len",
    "random_range_ratio",
    "seed",
    "sharegpt_output_len",
    "sonnet_input_len",
    "sonnet_output_len",
    "temperature",
    "use_beam_search",
)


def _settings(record: Mapping[str, object]) -> tuple[Setting, ...]:
    found: list[Setting] = []
    rate = request_rate(record.get("request_rate"))
    if rate is not None:
        found.append(("request_rate", rate))
    for key in _SETTINGS:
        value = record.get(key)
        if isinstance(value, str | int | float | bool):
            found.append((key, value))
    return tuple(sorted(found))


def state_of(metrics: tuple[Metric, ...]) -> tuple[State, str | None]:
    """A run without a completed request or a generated token is a failed run, not a slow one."""
    values = {item.name: item.value for item in metrics}
    if values.get("completed") == 0:
        return "failed", "no request was completed"
    if values.get("output_throughput") == 0 or values.get("request_throughput") == 0:
        return "failed", "throughput is printed as 0"
    if "output_throughput" not in values and "completed" not in values:
        return "partial", "neither a throughput nor a number of completed requests is given"
    return "finished", None


def without_numbers(result: BenchmarkResult) -> BenchmarkResult:
    """A failed run keeps no performance figures: zero would sort among the results."""
    kept = tuple(item for item in result.metrics if item.name in ("completed", "failed"))
    return replace(result, metrics=kept)


def serving_result(
    record: Mapping[str, object],
    source: Source,
    line: int,
    *,
    tool: str,
    tool_version: str | None,
    framework: str | None = None,
    derived: tuple[Metric, ...] = (),
) -> BenchmarkResult:
    metrics, zero = metrics_of(record)
    state, reason = state_of(metrics)
    provenance = replace(
        source.at(line, tool=tool, tool_version=tool_version),
        date=text(record.get("date")),
        job_id=text(record.get("job_id")) or text(record.get("slurm_job_id")),
        commit=text(record.get("commit")),
    )
    result = BenchmarkResult(
        spec=serving_spec(record, framework=framework),
        state=state,
        metrics=metrics + derived,
        provenance=provenance,
        original=without_secrets({key: value for key, value in record.items() if key not in TEXTS}),
        not_measured=zero,
        reason=reason,
    )
    return without_numbers(result) if state == "failed" else result


def supersede(results: list[BenchmarkResult]) -> Iterator[BenchmarkResult]:
    """In files that are appended to, the last line of a configuration counts; earlier ones are kept with a note."""
    last = {result.spec: result.provenance.line for result in results}
    for result in results:
        line = last[result.spec]
        if line == result.provenance.line:
            yield result
        else:
            note = f"the same configuration was appended again in line {line}, which counts"
            yield replace(result, notes=(*result.notes, note))
