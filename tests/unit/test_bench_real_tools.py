"""Files that today's tools wrote against a scripted server on loopback, trimmed (tests/data/bench/README.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench_runner.dates import measured_on
from bench_runner.plausibility.audit import audit
from bench_runner.reading import detect, read_file, recognise
from bench_runner.result import BenchmarkResult

DATA = Path(__file__).parents[1] / "data" / "bench"


def result(name: str) -> BenchmarkResult:
    form = recognise(DATA / name)
    assert form is not None
    (found,) = read_file(DATA / name, form)
    assert isinstance(found, BenchmarkResult)
    return found


@pytest.mark.parametrize(
    ("name", "dataset", "lengths"),
    [
        ("aiperf_0.13.json", "synthetic", {"isl_mean": 32.0, "osl_mean": 20.0}),
        ("guidellm_0.8.1.json", "synthetic_text", {"data_prompt_tokens": 32, "data_output_tokens": 20}),
    ],
)
def test_what_was_asked_for_is_read_and_the_figures_agree(name: str, dataset: str, lengths: dict[str, float]) -> None:
    found = result(name)
    spec = found.spec
    assert (spec.model, spec.dataset, spec.concurrency, spec.num_prompts) == ("tiny/Llama-1B", dataset, 4, 20)
    assert lengths.items() <= dict(spec.settings).items()
    assert found.value("completed") == 20
    assert measured_on(found.provenance.date) == "2026-11-29"
    judged = audit([found])[0]
    assert (judged.verdict, judged.findings) == ("verified", ())
    assert {"R1", "R2", "R3", "D7"} <= set(judged.confirmed_by)


def test_aiperf_keeps_no_address() -> None:
    assert "127.0.0.1" not in str(dict(result("aiperf_0.13.json").original))
    assert "127.0.0.1" not in str(result("aiperf_0.13.json").provenance.flags)
    assert "--concurrency" in result("aiperf_0.13.json").provenance.flags


def test_single_requests_of_aiperf_are_no_summary() -> None:
    """`profile_export.jsonl`, which lies beside the summary."""
    line = '{"metadata": {"session_num": 0}, "metrics": {"request_latency": {"value": 137.6, "unit": "ms"}}}\n'
    assert detect((line * 2).encode()) is None


def test_mlperf_log() -> None:
    found = result("mlperf_logging_4.1.log")
    assert (found.spec.model, found.spec.system, found.state) == ("llama31_8b", "mn5", "finished")
    assert (found.value("time_to_train"), found.value("train_samples_per_second")) == (0.209, 512.5)
    assert measured_on(found.provenance.date) == "2026-11-29"
