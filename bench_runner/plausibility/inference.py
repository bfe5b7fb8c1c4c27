"""Checks of one row of a serving benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from operator import attrgetter

from bench_runner.plausibility.findings import Finding, Level, Values, about, closeness
from bench_runner.plausibility.hardware import accelerator_of, active_parameters
from bench_runner.result import BenchmarkResult
from bench_runner.spec import BenchmarkSpec, allocated_gpus, engaged_gpus

_Said = tuple[Finding, ...] | None

ENOUGH_PROMPTS = 3
"""Prompts per slot of concurrency: filling and draining take about one request's time each."""
HELD, CONTRADICTED = 0.8, 1.15
"""Share of the allowed concurrency that the means account for; more than all of it cannot be, but for rounding."""


def output_tokens_per_request(values: Values) -> float | None:
    """Generated tokens of a mean request, from counts or from the two throughputs."""
    tokens, completed = values.get("output_tokens"), values.get("completed")
    if tokens is not None and completed:
        return tokens / completed
    throughput, requests = values.get("output_throughput"), values.get("request_throughput")
    return throughput / requests if throughput is not None and requests else None


_held = attrgetter("gpus", "nodes", "gpus_per_node", "tp", "pp", "dp")
"""What a spec says about GPUs. The same few combinations come again and again."""


def gpus_at_work(spec: BenchmarkSpec) -> int | None:
    """By the parallelism if it is stated, else those allocated."""
    return _at_work(*_held(spec))


@lru_cache(maxsize=4096)
def _at_work(gpus: int | None, nodes: int | None, per_node: int | None, *parallel: int | None) -> int | None:
    return engaged_gpus(*parallel) or allocated_gpus(gpus, nodes, per_node)


def gpu_count(result: BenchmarkResult, _: Values) -> Iterable[Finding] | None:
    """D1: gpus = nodes x GPUs per node = TP x PP x DP."""
    return _gpu_count(*_held(result.spec))


@lru_cache(maxsize=4096)
def _gpu_count(gpus: int | None, nodes: int | None, per_node: int | None, *parallel: int | None) -> _Said:
    allocated, engaged = allocated_gpus(gpus, nodes, per_node), engaged_gpus(*parallel)
    if gpus is None or (allocated == gpus and engaged is None):
        return None
    if allocated is not None and gpus != allocated:
        reason = f"{gpus} GPUs are stated, but {nodes} nodes of {per_node} GPUs hold {allocated}"
        if nodes and gpus == allocated * nodes:
            reason += "; the total was multiplied by the nodes once more"
        return (about("D1", "suspect", reason),)
    if engaged is not None and engaged > gpus:
        return (about("D1", "suspect", f"TP x PP x DP needs {engaged} GPUs, {gpus} are stated"),)
    return ()


def idle_gpus(result: BenchmarkResult, _: Values) -> Iterable[Finding] | None:
    """D2: GPUs that were allocated and serve nothing count in every figure per GPU."""
    return _idle_gpus(*_held(result.spec))


@lru_cache(maxsize=4096)
def _idle_gpus(gpus: int | None, nodes: int | None, per_node: int | None, *parallel: int | None) -> _Said:
    allocated, engaged = allocated_gpus(gpus, nodes, per_node), engaged_gpus(*parallel)
    if allocated is None or engaged is None:
        return None
    if engaged >= allocated:
        return ()
    reason = f"{allocated} GPUs are allocated and TP x PP x DP uses {engaged}: {allocated - engaged} stand idle"
    return (about("D2", "suspect", reason),)


def output_rate(_: BenchmarkResult, values: Values) -> Iterator[Finding] | None:
    """R1: output tok/s = generated tokens / duration."""
    return _rate("R1", "output_throughput", values.get("output_tokens"), values)


def request_rate(_: BenchmarkResult, values: Values) -> Iterator[Finding] | None:
    """R2: req/s = completed requests / duration."""
    return _rate("R2", "request_throughput", values.get("completed"), values)


def total_rate(_: BenchmarkResult, values: Values) -> Iterator[Finding] | None:
    """R3: total tok/s = (prompt + generated tokens) / duration: no token is lost or made."""
    tokens = [values.get("input_tokens"), values.get("output_tokens")]
    total = None if None in tokens else sum(number for number in tokens if number is not None)
    return _rate("R3", "total_throughput", total, values)


def _rate(rule: str, name: str, amount: float | None, values: Values) -> Iterator[Finding] | None:
    printed, duration = values.get(name), values.get("duration")
    if printed is None or amount is None or not duration:
        return None
    computed = amount / duration
    if closeness(printed, computed):
        return iter(())
    text = f"{printed:g} is printed, {amount:g} in {duration:g} s make {computed:.2f}: one of the three is wrong"
    return iter((about(rule, "suspect", text, name, "duration"),))


SAMPLED = ("output_tokens", "input_tokens", "ttft_mean", "itl_mean")
"""Totals that single requests give again, as `recomputed_...`."""


def samples_agree(_: BenchmarkResult, values: Values) -> Iterator[Finding] | None:
    """R4: sums and means over single requests give the printed totals."""
    pairs = [
        (name, values[name], values[f"recomputed_{name}"])
        for name in SAMPLED
        if name in values and f"recomputed_{name}" in values
    ]
    return _disagreeing(pairs) if pairs else None


def _disagreeing(pairs: list[tuple[str, float, float]]) -> Iterator[Finding]:
    for name, printed, computed in pairs:
        if not closeness(printed, computed, relative=0.02):
            yield about("R4", "suspect", f"{name} is {printed:g}, the single requests give {computed:g}", name)


def little(result: BenchmarkResult, values: Values) -> Iterable[Finding] | None:
    """D7: requests in flight = req/s x mean time of a request; it can neither exceed the limit nor fall far below."""
    concurrency, share = result.spec.concurrency, little_share(result, values)
    return None if share is None or not concurrency else _little(concurrency, share, "ttft_mean" in values)


def little_share(result: BenchmarkResult, values: Values) -> float | None:
    """(req/s x mean end-to-end latency) / concurrency; without a TTFT it is too small by that."""
    requests, concurrency = values.get("request_throughput"), result.spec.concurrency
    if requests is None or not concurrency:
        return None
    latency_ms, per_token = values.get("e2el_mean"), values.get("tpot_mean")
    if latency_ms is None and per_token is not None:
        tokens = output_tokens_per_request(values)
        latency_ms = values.get("ttft_mean", 0.0) + per_token * max(tokens - 1, 0) if tokens is not None else None
    if latency_ms is None:
        return None
    return requests * latency_ms / 1000 / concurrency


def _little(concurrency: int, share: float, complete: bool) -> Iterable[Finding]:
    if share > CONTRADICTED:
        text = f"req/s and latency need {share * concurrency:.0f} requests in flight, the client allowed {concurrency}"
        return (about("D7", "suspect", text, "request_throughput", "ttft_mean", "tpot_mean"),)
    if share < HELD and complete:
        text = f"on average {share:.0%} of the {concurrency} requests were in flight: no steady state was measured"
        return (about("D7", "suspect", text, "request_throughput", "output_throughput"),)
    return ()


def enough_prompts(result: BenchmarkResult, _: Values) -> Iterator[Finding] | None:
    """D7: prompts >= 3 x concurrency."""
    prompts, concurrency = result.spec.num_prompts, result.spec.concurrency
    if not prompts or not concurrency:
        return None
    return _enough(prompts, concurrency)


def _enough(prompts: int, concurrency: int) -> Iterator[Finding]:
    if prompts < ENOUGH_PROMPTS * concurrency:
        text = f"{prompts} prompts at concurrency {concurrency}: mostly filling and draining was measured"
        yield about("D7", "suspect", text, "request_throughput", "output_throughput")


def zero_latency(result: BenchmarkResult, _: Values) -> Iterator[Finding] | None:
    """D8: a latency of zero was not measured."""
    if not result.not_measured:
        return None
    names = ", ".join(result.not_measured)
    return iter((about("D8", "note", f"printed as 0 and so not measured: {names}", *result.not_measured),))


def failed_run(result: BenchmarkResult, _: Values) -> Iterable[Finding]:
    """D10: a failed run is a state, never a number."""
    if result.state == "finished":
        return ()
    if result.state == "partial":
        return (about("D10", "suspect", f"the run is partial: {result.reason or 'no reason is given'}"),)
    infinite = [key for key, value in result.original.items() if str(value).strip() in ("inf", "Infinity")]
    more = f"; its {', '.join(infinite)} are printed as inf" if infinite else ""
    return (about("D10", "invalid", f"the run failed: {result.reason or 'no reason is given'}{more}"),)


def completed_all(result: BenchmarkResult, values: Values) -> Iterator[Finding] | None:
    """D17: completed = number of prompts, and every answer has tokens."""
    completed, prompts = values.get("completed"), result.spec.num_prompts
    if completed is None or (prompts is None and "failed" not in values):
        return None
    return _completed(completed, prompts, values)


def _completed(completed: float, prompts: int | None, values: Values) -> Iterator[Finding]:
    failed = values.get("failed", 0.0)
    if failed:
        yield about("D17", _by_share(failed, completed + failed), f"{failed:g} of {completed + failed:g} failed")
    if prompts is not None and completed + failed < prompts:
        lost = prompts - completed - failed
        text = f"{completed:g} of {prompts} prompts completed, {lost:g} are missing without a failure line"
        yield about("D17", _by_share(lost, prompts), text, "completed")
    elif prompts is not None and completed > prompts:
        yield about("D17", "invalid", f"{completed:g} requests completed of {prompts} prompts", "completed")
    if values.get("zero_outputs"):
        yield about("D17", "suspect", f"{values['zero_outputs']:g} answers have no token", "output_tokens")


def _by_share(lost: float, total: float) -> Level:
    return "invalid" if lost > total / 2 else "suspect"


def model_utilisation(result: BenchmarkResult, values: Values) -> Iterable[Finding] | None:
    """D16: model FLOP/s cannot exceed the peak of the GPUs (MFU <= 1): 2 FLOP per parameter and token."""
    spec = result.spec
    rate = values.get("total_throughput") or values.get("output_throughput")
    accelerator, size = accelerator_of(spec), active_parameters(spec.model)
    gpus = gpus_at_work(spec)
    if spec.kind != "inference" or rate is None or accelerator is None or size is None or not gpus:
        return None
    factor = 2.0 if accelerator.has_fp8 else 1.0
    share = 2 * size * rate / (gpus * accelerator.peak_tflops * 1e12 * factor)
    if share <= 1:
        return ()
    text = f"{rate:g} tok/s of {size / 1e9:g} B parameters need {share:.1f} times the peak of {gpus} {accelerator.name}"
    return (about("D16", "invalid", text, "output_throughput"),)


def within_context(result: BenchmarkResult, values: Values) -> Iterable[Finding] | None:
    """R6: a request cannot be longer than the context."""
    limit = result.spec.max_model_len
    tokens = output_tokens_per_request(values) if limit else None
    if tokens is None or not limit:
        return None
    if tokens <= limit * 1.01:
        return ()
    text = f"{tokens:.0f} generated tokens a request do not fit a context of {limit}"
    return (about("R6", "invalid", text, "output_throughput", "request_throughput"),)
