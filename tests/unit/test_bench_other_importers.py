"""Trainer, MLPerf, ReFrame, milabench, AIPerf and guidellm."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

import pytest
from bench_examples import SOURCE
from hypothesis import given
from hypothesis import strategies as st

from bench_runner.importers import aiperf, guidellm, hf_trainer, milabench, mllog, reframe
from bench_runner.importers.secrets import without_secrets
from bench_runner.importers.source import Source
from bench_runner.plausibility.audit import audit
from bench_runner.reading import detect
from bench_runner.result import BenchmarkResult, Problem, Record

Lines = Callable[[Iterable[str], Source], Iterator[Record]]


def from_lines(read: Lines, text: str) -> list[Record]:
    return list(read(text.splitlines(keepends=True), SOURCE))


def only(records: Iterable[Record]) -> BenchmarkResult:
    (found,) = records
    assert isinstance(found, BenchmarkResult)
    return found


TRAINING = """[INFO|trainer.py:2128] 2026-01-01 00:00:00,000 >> ***** Running training *****
[INFO|trainer.py:2129] 2026-01-01 00:00:00,000 >>   Num examples = 51,760
  Num Epochs = 3
[rank3]: ***** Running training *****
  Instantaneous batch size per device = 4
  Total train batch size (w. parallel, distributed & accumulation) = 64
  Gradient Accumulation steps = 2
  Number of trainable parameters = 501,891,328
  0%|          | 0/100 [00:00<?, ?it/s]{'loss': 1.5, 'grad_norm': nan, 'learning_rate': 1e-05, 'epoch': 0.5}  5%| [rank1] x
{'loss': '0.9', 'epoch': '2.98'}
"""
SUMMARY = "{'train_runtime': 1000.0, 'train_samples_per_second': 155.28, 'train_steps_per_second': 2.43, 'train_loss': 1.1, 'epoch': 3.0}\n"


def test_trainer_lines_between_progress_bars_and_ranks() -> None:
    found = only(from_lines(hf_trainer.read_lines, TRAINING + SUMMARY + SUMMARY.replace("1000.0", "1000.4")))
    assert found.state == "finished"
    assert found.value("train_runtime") == 1000.0
    assert (found.value("train_samples"), found.value("epochs")) == (51_760, 3.0)
    assert found.value("trainable_parameters") == 501_891_328
    assert found.spec.setting("global_batch_size") == 64
    assert audit([found])[0].verdict == "verified"


def test_a_training_cut_off_is_partial_and_a_second_one_is_another_result() -> None:
    first, second = from_lines(hf_trainer.read_lines, TRAINING + SUMMARY + TRAINING)
    assert isinstance(first, BenchmarkResult) and isinstance(second, BenchmarkResult)
    assert (first.state, second.state) == ("finished", "partial")
    assert second.value("last_loss") == 0.9 and second.value("epochs") == 2.98


def test_the_block_of_train_metrics() -> None:
    text = "{'loss': 1.0, 'epoch': 1.0}\n***** train metrics *****\n  train_runtime            = 1:00:01.50\n"
    assert only(from_lines(hf_trainer.read_lines, text)).value("train_runtime") == 3601.5


def test_trainer_state() -> None:
    state = {"global_step": 100, "num_train_epochs": 3, "train_batch_size": 4, "total_flos": 1e18, "epoch": 3.0}
    history = [{"loss": 1.0, "step": 1}, {"train_runtime": 50.0, "train_loss": 0.5, "step": 100}]
    found = only(hf_trainer.read_state(json.dumps({**state, "log_history": history}), SOURCE))
    assert (found.state, found.value("train_runtime"), found.value("total_flos")) == ("finished", 50.0, 1e18)
    assert only(hf_trainer.read_state(json.dumps({**state, "log_history": []}), SOURCE)).state == "partial"


def event(key: str, value: object = None, time_ms: int = 0, **metadata: object) -> str:
    kind = "POINT_IN_TIME" if value is not None else "INTERVAL_START"
    line = {"namespace": "", "time_ms": time_ms, "event_type": kind, "key": key, "value": value, "metadata": metadata}
    return ":::MLLOG " + json.dumps(line) + "\n"


def run(status: str = "success") -> str:
    text = (
        event("submission_benchmark", "llama31_8b") + event("global_batch_size", 32) + event("run_start", time_ms=1000)
    )
    text += event("eval_accuracy", 3.4, 2000, samples_count=10) + event("eval_accuracy", 3.3, 3000, samples_count=20)
    text += event("tracked_stats", {"throughput": 50.0}, 2500, step=1)
    return text + event("run_stop", time_ms=61_000, status=status)


def test_every_rank_prints_the_same_events_once() -> None:
    text = "".join(f"{rank}: {line}" for line in run().splitlines(keepends=True) for rank in range(4))
    found = only(from_lines(mllog.read, text))
    assert (found.state, found.value("time_to_train"), found.value("eval_accuracy")) == ("finished", 60.0, 3.3)
    assert found.spec.model == "llama31_8b" and found.spec.setting("global_batch_size") == 32
    assert found.original["throughput"] == [50.0]


def test_aborted_and_unfinished_mlperf_runs() -> None:
    found = [item for item in from_lines(mllog.read, run() + run("aborted") + event("run_start")) if item]
    assert [item.state for item in found if isinstance(item, BenchmarkResult)] == ["finished", "failed", "partial"]
    assert isinstance(found[1], BenchmarkResult) and found[1].value("time_to_train") is None


def test_a_broken_mllog_line_is_named() -> None:
    problem, found = from_lines(mllog.read, "x\n:::MLLOG {broken\n" + run())
    assert isinstance(problem, Problem) and problem.line == 2
    assert isinstance(found, BenchmarkResult)


def test_mlperf_inference_summary() -> None:
    text = "MLPerf Results Summary\nSUT name : Hydra\nScenario : Server\nMode     : PerformanceOnly\n"
    text += "Completed tokens per second                 : 5103.25\nResult is : INVALID\n"
    found = only(from_lines(mllog.read_summary, text))
    assert found.value("output_throughput") == 5103.25
    assert found.notes == ("LoadGen calls the result INVALID",)


CASE = {
    "name": "StreamTest",
    "system": "hydra",
    "partition": "gpu",
    "environ": "gnu",
    "jobid": "42",
    "nodelist": ["n1"],
    "result": "pass",
    "num_tasks": 8,
    "num_tasks_per_node": 4,
    "perfvalues": {
        "hydra:gpu:triad": [350.5, 360.0, -0.1, None, "GB/s", "pass"],
        "hydra:gpu:copy": [None, 0, 0, 0, "s", "fail"],
    },
}
OLD_CASE = {"name": "Old", "system": "hydra:gpu", "environment": "gnu", "result": "success"}
FAILED_CASE = {"name": "Dead", "system": "hydra", "result": "fail", "fail_phase": "run", "fail_reason": "timed out"}


def test_reframe_reports_of_both_versions() -> None:
    old = {**OLD_CASE, "perfvars": [{"name": "triad", "value": 300.0, "unit": "GB/s", "reference": 0}]}
    report = {"session_info": {"version": "4.6.0"}, "runs": [{"testcases": [CASE, old, FAILED_CASE]}]}
    found = [item for item in reframe.read(json.dumps(report), SOURCE) if isinstance(item, BenchmarkResult)]
    assert [item.state for item in found] == ["finished", "finished", "failed"]
    assert found[0].metrics[0].value == 350.5 and found[0].metrics[0].unit == "GB/s"
    assert (found[0].provenance.job_id, found[0].provenance.nodes, found[0].spec.nodes) == ("42", ("n1",), 2)
    assert "copy has no value" in found[0].notes[1]
    assert (found[1].spec.system, found[1].spec.partition, found[1].value("triad")) == ("hydra", "gpu", 300.0)
    assert found[2].reason == "timed out (phase run)" and found[2].metrics == ()


def bench_events(*more: dict[str, object]) -> str:
    config = {"name": "llama", "tags": ["inference"], "system": {"sshkey": "id_rsa"}, "tag": ["llama", "D0"]}
    meta = {"milabench": {"tag": "v1", "commit": "abc"}, "pytorch": {"torch": "2.4"}, "date": 1.5}
    gpu = {"0": {"memory": [2048.0, 81920.0], "load": 0.5, "power": 200.0}}
    events: list[dict[str, object]] = [{"event": "config", "data": config}, {"event": "meta", "data": meta}]
    events += [{"event": "data", "data": {"task": "train", "rate": rate, "units": "Tok/s"}} for rate in (100.0, 300.0)]
    events += [
        {"event": "data", "data": {"gpudata": gpu}},
        {"event": "line", "data": "an answer of the model\n"},
        *more,
    ]
    return "".join(json.dumps(item) + "\n" for item in events)


def test_milabench_events() -> None:
    found = only(from_lines(milabench.read_data, bench_events({"event": "end", "data": {"return_code": 0}})))
    assert (found.state, found.value("rate_mean"), found.value("memory_peak")) == ("finished", 200.0, 2.0)
    assert (found.spec.kind, found.spec.model, found.spec.gpus) == ("inference", "llama", 1)
    assert found.provenance.commit == "abc"
    assert "id_rsa" not in str(found.original) and "an answer" not in str(found.original)
    assert only(from_lines(milabench.read_data, bench_events())).state == "partial"
    assert (
        only(from_lines(milabench.read_data, bench_events({"event": "end", "data": {"return_code": 1}}))).state
        == "failed"
    )


@pytest.mark.parametrize("bar", [" ", " | "])
def test_milabench_report(bar: str) -> None:
    rows = (
        ("bench", "fail", "n", "perf", "sem%", "peak_memory", "score"),
        ("brax", "0", "1", "7300.5", "0.1%", "2670", "7300.5"),
    )
    text = "\n".join(
        bar.join(f"{cell:>8}" for cell in row) for row in (*rows, ("t5", "2", "2", "nan", "nan%", "-1", "nan"))
    )
    brax, dead = from_lines(milabench.read_report, "====\nBenchmark results\n====\n" + text + "\n\nScores\n")
    assert isinstance(brax, BenchmarkResult) and brax.value("rate_mean") == 7300.5 and brax.provenance.line == 5
    assert isinstance(dead, BenchmarkResult) and dead.state == "failed" and dead.metrics == ()


AIPERF = {
    "schema_version": "1.3",
    "aiperf_version": "0.9.0",
    "request_latency": {"unit": "ms", "avg": 400.0, "p50": 390.0, "p99": 600.0, "count": 20},
    "time_to_first_token": {"unit": "s", "avg": 0.05},
    "request_throughput": {"unit": "requests/sec", "avg": 2.0},
    "output_token_throughput": {"unit": "tokens/sec", "avg": 200.0},
    "request_count": {"unit": "requests", "avg": 20.0},
    "benchmark_duration": {"unit": "sec", "avg": 10.0},
    "good_vibes": {"unit": "1", "avg": 7.0},
    "input_config": {"endpoint": {"model_names": ["x/Some-8B"], "api_key": "sk-secret"}, "loadgen": {"concurrency": 4}},
}


def test_aiperf_summary() -> None:
    found = only(aiperf.read(json.dumps(AIPERF), SOURCE))
    assert (found.value("ttft_mean"), found.value("e2el_median")) == (50.0, 390.0)
    assert (found.value("duration"), found.value("good_vibes")) == (10.0, 7.0)
    assert (found.spec.model, found.spec.concurrency) == ("x/Some-8B", 4)
    assert "sk-secret" not in str(found)
    assert only(aiperf.read(json.dumps({**AIPERF, "was_cancelled": True}), SOURCE)).state == "partial"


def block(mean: float, **more: float) -> dict[str, object]:
    return {
        "successful": {"mean": mean, "percentiles": {"p99": mean * 2}, **more},
        "errored": {},
        "incomplete": {},
        "total": {},
    }


def guidellm_report(successful: int) -> dict[str, object]:
    metrics = {
        "request_totals": {"successful": successful, "errored": 1, "incomplete": 2, "total": successful + 3},
        "requests_per_second": block(2.0),
        "output_tokens_per_second": block(64.0),
        "request_latency": block(1.9),
        "output_token_count": block(32.0, total_sum=640.0),
        "time_to_first_token_ms": block(50.0),
    }
    config = {
        "strategy": {"type_": "concurrent", "streams": 4},
        "backend": {"model": "Some-8B", "api_key": "sk-secret"},
    }
    config["constraints"] = {"max_requests": {"args": {"max_num": 23}}}
    one = {"type_": "generative_benchmark", "config": config, "metrics": metrics, "duration": 10.0, "start_time": 1.0}
    return {
        "metadata": {"version": 2, "guidellm_version": "0.8.1"},
        "benchmarks": [{**one, "requests": {"texts": ["secret ]"]}}],
    }


def test_guidellm_report() -> None:
    found = only(guidellm.read(json.dumps(guidellm_report(20)).encode(), SOURCE))
    assert (found.spec.model, found.spec.concurrency, found.spec.num_prompts) == ("Some-8B", 4, 23)
    assert (found.value("output_throughput"), found.value("e2el_mean"), found.value("ttft_p99")) == (
        64.0,
        1900.0,
        100.0,
    )
    assert found.notes == ("2 requests were still running at the end",)
    assert "secret" not in str(found)
    assert {"R1", "R2", "D7"} <= set(audit([found])[0].confirmed_by)
    assert only(guidellm.read(json.dumps(guidellm_report(0)).encode(), SOURCE)).state == "failed"


def test_secrets_are_dropped_at_any_depth() -> None:
    record = {"api_key": 1, "a": [{"headers": {}, "tokenizer": "t", "token": "x"}], "total_tokens": 5}
    assert without_secrets(record) == {"a": [{"tokenizer": "t"}], "total_tokens": 5}


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("Supercomputer,Partition,Model,Framework\n", "minerva-csv"),
        (json.dumps({"session_info": {}, "runs": []}), "reframe"),
        (bench_events(), "milabench-data"),
        (json.dumps(guidellm_report(1)), "guidellm"),
        (json.dumps(AIPERF), "aiperf"),
        (json.dumps({"epoch": 1, "log_history": []}), "trainer-state"),
        ('{"backend": "sglang", "total_output_tokens_retokenized": 1}', "sglang-jsonl"),
        ('[{"completed": 1}]', "vllm-serving-json"),
        ("0: " + run(), "mlperf-log"),
        ("MLPerf Results Summary\n", "mlperf-summary"),
        ("x\nStarting initial single prompt test run...\n", "vllm-text"),
        (TRAINING, "hf-trainer"),
        ("bench | fail | n | perf | score\n", "milabench-report"),
    ],
)
def test_formats_are_told_apart(head: str, name: str) -> None:
    found = detect(head.encode())
    assert found is not None and found.name == name


@pytest.mark.parametrize("head", ["", "{}", "a,b\n1,2\n", '{"name": "x"}', "#!/bin/bash\n"])
def test_other_files_are_left_alone(head: str) -> None:
    assert detect(head.encode()) is None


LINE_READERS = [hf_trainer.read_lines, mllog.read, mllog.read_summary, milabench.read_data, milabench.read_report]
TEXT_READERS = [hf_trainer.read_state, reframe.read, aiperf.read]
_NAMES = [
    "event",
    "data",
    "rate",
    "config",
    "runs",
    "testcases",
    "session_info",
    "perfvalues",
    "log_history",
    "request_latency",
    "unit",
    "avg",
    "benchmarks",
    "metrics",
]
JSON_TEXT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
).map(json.dumps)


@pytest.mark.parametrize("read", LINE_READERS)
@given(text=st.text(max_size=200) | JSON_TEXT)
def test_any_lines_are_survived(read: Lines, text: str) -> None:
    for prefix in ("", ":::MLLOG ", "bench fail perf score\n", "{'loss': ", "{'train_runtime': 1}\n"):
        assert all(isinstance(item, BenchmarkResult | Problem) for item in from_lines(read, prefix + text))


@pytest.mark.parametrize("read", TEXT_READERS)
@given(text=st.text(max_size=200) | JSON_TEXT)
def test_any_report_is_survived(read: Callable[[str, Source], Iterator[Record]], text: str) -> None:
    assert all(isinstance(item, BenchmarkResult | Problem) for item in read(text, SOURCE))


@given(JSON_TEXT)
def test_any_guidellm_report_is_survived(text: str) -> None:
    assert all(isinstance(item, BenchmarkResult | Problem) for item in guidellm.read(text.encode(), SOURCE))
