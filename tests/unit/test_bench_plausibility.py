"""Every check on made-up rows that break it and that do not; then the counts on real tables."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from bench_examples import SHARED, result, spec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bench_runner.metrics import metric
from bench_runner.plausibility.audit import TITLES, audit
from bench_runner.plausibility.findings import Judged
from bench_runner.plausibility.hardware import ACCELERATORS, accelerator_of, active_parameters, parameters
from bench_runner.reading import read_file, recognise
from bench_runner.result import BenchmarkResult, Metric
from knowledge_base.catalogue import read_yaml


def rules_of(judged: Judged) -> set[str]:
    return {finding.rule for finding in judged.findings}


def judge(one: BenchmarkResult) -> Judged:
    return audit([one])[0]


def training(values: dict[str, float], *, settings: dict[str, Any] | None = None, **of_spec: Any) -> BenchmarkResult:
    made = spec(kind="training", dataset="alpaca", concurrency=None, framework="pytorch", **of_spec)
    made = replace(made, settings=tuple(sorted((settings or {}).items())))
    return result(spec=made, metrics=tuple(metric(name, value) for name, value in values.items()))


def test_a_sound_row_is_verified_by_recomputation() -> None:
    judged = judge(result())
    assert (judged.verdict, judged.findings) == ("verified", ())
    assert set(judged.confirmed_by) == {"D7", "R1", "R2", "R3"}


def test_what_nothing_confirms_is_not_verified() -> None:
    judged = judge(result({"duration": None, "tpot_mean": None, "input_tokens": None}))
    assert (judged.verdict, rules_of(judged)) == ("suspect", {"R0"})


@pytest.mark.parametrize(
    ("broken", "rule", "verdict", "said"),
    [
        (result(spec=spec(nodes=4, gpus=64, tp=16)), "D1", "suspect", "multiplied by the nodes once more"),
        (result(spec=spec(gpus=4, nodes=None, tp=8)), "D1", "suspect", "needs 8 GPUs, 4 are stated"),
        (result(spec=spec(nodes=2, gpus=8, tp=4)), "D2", "suspect", "4 stand idle"),
        (result({"ttft_mean": 6000.0}), "D7", "suspect", "the client allowed 100"),
        (result({"tpot_mean": 20.0}), "D7", "suspect", "no steady state"),
        (
            result(spec=spec(num_prompts=200), values={"completed": 200.0}),
            "D7",
            "suspect",
            "200 prompts at concurrency 100",
        ),
        (result(state="failed", reason="no memory"), "D10", "invalid", "no memory"),
        (result(state="partial", reason="cut"), "D10", "suspect", "partial: cut"),
        (result(spec=spec(framework="results", dataset="vllm")), "D12", "invalid", "a folder's name"),
        (result(spec=spec(dataset="vllm")), "D12", "invalid", "is a framework"),
        (result(spec=spec(framework="homemade")), "D12", "suspect", "not known"),
        (result(spec=spec(num_prompts=1004)), "D17", "suspect", "4 are missing without a failure line"),
        (result({"failed": 600.0, "completed": 400.0}), "D17", "invalid", "600 of 1000 failed"),
        (result({"zero_outputs": 3.0}, spec=spec(num_prompts=1000)), "D17", "suspect", "3 answers have no token"),
        (result({"output_throughput": 2100.0}), "R1", "suspect", "2100 is printed"),
        (result({"request_throughput": 12.0}), "R2", "suspect", "12 is printed"),
        (result({"total_throughput": 3000.0}), "R3", "suspect", "3000 is printed"),
        (result({"recomputed_output_tokens": 150_000.0}), "R4", "suspect", "single requests"),
        (result({"ttft_median": 200.0, "ttft_p99": 150.0}), "R5", "invalid", "exceeds its p99"),
        (result({"power_mean": -1.0}), "R5", "invalid", "negative"),
        (result(spec=spec(max_model_len=100)), "R6", "invalid", "do not fit"),
        (result({"memory_mean": 61.0, "memory_peak": 60.0}), "R7", "invalid", "exceeds the peak"),
        (result({"power_mean": 900.0}), "R7", "suspect", "700 W"),
        (result({"output_throughput": 3e6, "total_throughput": None}), "D16", "invalid", "times the peak"),
    ],
)
def test_a_broken_row_is_named(broken: BenchmarkResult, rule: str, verdict: str, said: str) -> None:
    judged = judge(broken)
    reasons = [finding.reason for finding in judged.findings if finding.rule == rule]
    assert judged.verdict == verdict
    assert any(said in reason for reason in reasons), judged.findings


def test_infinite_scores_of_a_failed_run_are_named() -> None:
    failed = result(state="failed", metrics=(), reason="throughput is printed as 0", original={"Global Score": "inf"})
    assert "Global Score are printed as inf" in judge(failed).findings[0].reason


def test_zero_latency_is_a_note() -> None:
    judged = judge(result(not_measured=("ttft_mean",)))
    assert (judged.verdict, rules_of(judged)) == ("verified", {"D8"})


BATCHES = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "world_size": 8, "num_train_epochs": 3}
TRAINED = {
    "train_runtime": 1000.0,
    "train_samples": 51_200.0,
    "train_samples_per_second": 153.6,
    "train_steps_per_second": 2.4,
}


def test_a_sound_training_is_verified() -> None:
    judged = judge(training(TRAINED, settings=BATCHES))
    assert (judged.verdict, set(judged.confirmed_by)) == ("verified", {"D14", "R8"})


@pytest.mark.parametrize(
    ("values", "settings", "rule", "verdict"),
    [
        ({"train_tokens_per_second": 5e6}, {"max_seq_length": 512}, "D13", "invalid"),
        ({"train_tokens_per_second": 51_200 * 512 / 1000}, {"max_seq_length": 512}, "D13", "suspect"),
        ({"train_samples_per_second": 153.6 * 64}, {}, "D14", "suspect"),
        ({"trainable_parameters": 501_891_328.0}, {}, "D15", "suspect"),
        ({"train_tokens_per_second": 1e6}, {"max_seq_length": 1_000_000}, "D16", "invalid"),
        ({"train_samples_per_second": 51.2, "train_steps_per_second": 0.8}, {}, "R8", "suspect"),
    ],
)
def test_a_broken_training_is_named(
    values: dict[str, float], settings: dict[str, Any], rule: str, verdict: str
) -> None:
    judged = judge(training({**TRAINED, **values}, settings={**BATCHES, **settings}))
    assert rule in rules_of(judged)
    assert judged.verdict == verdict


def test_one_shard_of_sixteen_is_named_and_an_adapter_is_not() -> None:
    shard = judge(training({**TRAINED, "trainable_parameters": 501_891_328.0}, settings=BATCHES))
    assert "one of 16 shards" in shard.findings[0].reason
    adapter = judge(training({**TRAINED, "trainable_parameters": 20_971_520.0}, settings=BATCHES))
    assert adapter.verdict == "verified"


def series(*points: tuple[dict[str, Any], float], file: str = "a") -> list[BenchmarkResult]:
    """Results with only a throughput, by what their specs have in particular."""
    return [
        result(spec=spec(**of_spec), metrics=(metric("output_throughput", rate),), file=file)
        for of_spec, rate in points
    ]


def test_the_same_parallelism_on_more_nodes_is_no_faster() -> None:
    rows = series(*((({"nodes": nodes, "gpus": 4 * nodes}), 11_300.0 + nodes) for nodes in (1, 2, 4)))
    judged = audit(rows)
    assert ["D2" in rules_of(item) for item in judged] == [False, True, True]
    assert any("added GPUs do no work" in finding.reason for finding in judged[2].findings)


def test_negative_scaling_over_nodes_points_to_the_network() -> None:
    rows = series(
        ({"tp": 1, "gpus": 1}, 6522.0),
        ({"tp": 4, "gpus": 4}, 12_960.0),
        ({"tp": 8, "nodes": 2, "gpus": 8}, 2028.0),
    )
    judged = audit(rows)
    assert ["D3" in rules_of(item) for item in judged] == [False, False, True]
    assert "network between the nodes" in next(f.reason for f in judged[2].findings if f.rule == "D3")


def test_more_than_proportional_scaling() -> None:
    judged = audit(series(({"tp": 1, "gpus": 1}, 100.0), ({"tp": 16, "nodes": 4, "gpus": 16}, 3180.0)))
    assert "31.8 times as fast" in next(f.reason for f in judged[1].findings if f.rule == "D16")


def with_ttft(concurrency: int, rate: float, ttft: float) -> BenchmarkResult:
    rates = (metric("output_throughput", rate), metric("ttft_mean", ttft))
    return result(spec=spec(concurrency=concurrency), metrics=rates)


def test_beyond_the_knee_requests_only_wait() -> None:
    rows = [with_ttft(100, 3000.0, 60.0), with_ttft(250, 5200.0, 94.0), with_ttft(1000, 5250.0, 5400.0)]
    assert ["D6" in rules_of(item) for item in audit(rows)] == [False, False, True]


def test_rows_with_and_without_cuda_graphs_are_labelled() -> None:
    rows = [result(spec=spec(server_flags=("--enforce-eager",))), result(spec=spec(framework="sglang"))]
    judged = audit(rows)
    assert ["D5" in rules_of(item) for item in judged] == [True, False]
    assert judged[0].verdict == "verified"


def rates(framework: str, tokens: float, requests: float) -> BenchmarkResult:
    values: tuple[Metric, ...] = (metric("output_throughput", tokens), metric("request_throughput", requests))
    return result(spec=spec(framework=framework), metrics=values)


def test_answers_of_other_lengths() -> None:
    judged = audit([rates("vllm", 1500.0, 10.0), rates("sglang", 1030.0, 10.0)])
    assert [rules_of(item) & {"D8", "D9"} for item in judged] == [{"D9"}, {"D9"}]
    judged = audit([rates("vllm", 1980.0, 10.0), rates("deepspeed", 36_000.0, 10.0)])
    assert "D8" in rules_of(judged[1]) and "D8" not in rules_of(judged[0])


def test_a_memory_column_with_few_values_is_declared() -> None:
    memory = [(metric("memory_mean", 60.0 + n % 4), metric("memory_peak", 60.0 + n % 4)) for n in range(40)]
    rows = [result(metrics=(*pair, metric("output_throughput", 1.0 + n))) for n, pair in enumerate(memory)]
    assert all("D11" in rules_of(item) for item in audit(rows))
    measured = [result({"memory_mean": 60.0 + n, "memory_peak": 60.0 + n}) for n in range(40)]
    assert not any("D11" in rules_of(item) for item in audit(measured))


def test_a_change_point_is_explained_by_the_flags_or_suspect() -> None:
    places = [{"concurrency": count} for count in (100, 200, 300)]
    before = series(*((place, 1000.0) for place in places), file="a")
    flagged = series(*(({**place, "server_flags": ("--enforce-eager",)}, 1960.0) for place in places), file="b")
    found = [finding for item in audit([*before, *flagged]) for finding in item.findings if finding.rule == "D4"]
    assert {finding.level for finding in found} == {"note"} and len(found) == 6
    assert "--enforce-eager only in the second" in found[0].reason and "+96%" in found[0].reason
    silent = series(*((place, 1960.0) for place in places), file="b")
    found = [finding for item in audit([*before, *silent]) for finding in item.findings if finding.rule == "D4"]
    assert {finding.level for finding in found} == {"suspect"}


def runs_of(day: str, rate: float, **software: Any) -> list[BenchmarkResult]:
    """A sweep whose runs are files of their own."""
    rows = series(*(({"concurrency": count}, rate + count) for count in (100, 200, 300)), file=day[-1])
    return [
        replace(row, provenance=replace(row.provenance, sha256=f"{day}{number}", date=day, **software))
        for number, row in enumerate(rows)
    ]


def test_a_change_between_runs_that_are_files_of_their_own_is_told_in_the_order_of_time() -> None:
    """Whatever the order of import: the driver, the environment and single packages may explain it."""
    later = runs_of("2026-03-02", 2000.0, driver="570.1", versions=(("torch", "2.13.0"),))
    earlier = runs_of("2026-02-01", 1000.0, driver="550.9", versions=(("torch", "2.6.0"),))
    found = [finding for item in audit([*later, *earlier]) for finding in item.findings if finding.rule == "D4"]
    assert len(found) == 6 and {finding.level for finding in found} == {"note"}
    assert all("differ by +77% to +91% from the first to the second" in finding.reason for finding in found)
    told = [finding.reason.partition("provenance differs: ")[2] for finding in found]
    assert set(told) == {"driver 550.9 and 570.1; torch 2.6.0 and 2.13.0"}


def test_the_same_rows_in_two_tables_are_no_change() -> None:
    rows = [with_ttft(100, 3000.0, 60.0), with_ttft(200, 3000.0, 60.0)]
    copies = [replace(row, provenance=replace(row.provenance, sha256="b" * 64)) for row in rows]
    assert not any("D4" in rules_of(item) for item in audit([*rows, *copies]))


def test_one_repeat_far_from_the_others() -> None:
    rows = series(*((({"max_model_len": 4096 * (n + 1)}), rate) for n, rate in enumerate((1000.0, 1010.0, 90.0))))
    assert ["O1" in rules_of(item) for item in audit(rows)] == [False, False, True]


@pytest.mark.parametrize(
    ("name", "total", "active"),
    [
        ("Llama-3.1-8B-Instruct", 8e9, 8e9),
        ("gemma-3-12b-it", 12e9, 12e9),
        ("Llama-3.1-405B", 405e9, 405e9),
        ("Qwen3-30B-A3B", 30e9, 3e9),
        ("Mixtral-8x7B-v0.1", None, None),
        ("gpt2", None, None),
        (None, None, None),
    ],
)
def test_sizes_by_the_name_of_the_model(name: str | None, total: float | None, active: float | None) -> None:
    assert (parameters(name), active_parameters(name)) == (total, active)


@pytest.mark.parametrize(
    ("system", "partition", "name"),
    [
        ("MareNostrum5", "ACC", "H100"),
        ("Jean-Zay H100", "gpu_p6", "H100"),
        ("Leonardo", "boost_usr_prod", "A100"),
        ("LUMI", "standard-g", "MI250X GCD"),
        ("Hydra", "h200", "H200"),
        ("Jean-Zay", None, None),
        (None, None, None),
    ],
)
def test_accelerators_by_system(system: str | None, partition: str | None, name: str | None) -> None:
    found = accelerator_of(spec(system=system, partition=partition))
    assert (found.name if found else None) == name


@given(
    st.dictionaries(
        st.sampled_from(
            ["duration", "completed", "output_tokens", "output_throughput", "request_throughput", "tpot_mean"]
        ),
        st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_any_figures_get_a_verdict(values: dict[str, float]) -> None:
    judged = audit([result(dict(values)), result(dict(values), spec=spec(tp=8, nodes=2, gpus=8))])
    assert {item.verdict for item in judged} <= {"verified", "suspect", "invalid"}


def test_every_defect_has_a_rule() -> None:
    assert set(TITLES) >= {f"D{number}" for number in range(1, 18)}


TABLES = SHARED / "benchmarks" / "minerva-benchmarks"


def real(*names: str) -> list[BenchmarkResult]:
    found: list[BenchmarkResult] = []
    for name in names:
        form = recognise(TABLES / name)
        assert form is not None
        found.extend(item for item in read_file(TABLES / name, form) if isinstance(item, BenchmarkResult))
    return found


@pytest.mark.skipif(not TABLES.exists(), reason="needs the material beside the checkout")
def test_the_defects_of_the_real_table_are_named() -> None:
    judged = audit(real("mn5_acc.csv"))
    rows = Counter(rule for item in judged for rule in rules_of(item))
    assert rows["D1"] == 452
    assert rows["D10"] == 10
    assert {"D3", "D5", "D6", "D7", "D8", "D9"} <= set(rows)
    slow = next(
        item
        for item in judged
        if item.result.spec.framework == "sglang"
        and item.result.value("output_throughput") == pytest.approx(2028, abs=1)
    )
    assert "D3" in rules_of(slow)


@pytest.mark.skipif(not TABLES.exists(), reason="needs the material beside the checkout")
def test_three_months_apart_the_flags_explain_the_change() -> None:
    judged = audit(real("mn5_acc_october_2025.csv", "mn5_acc.csv"))
    found = [finding for item in judged for finding in item.findings if finding.rule == "D4"]
    assert len(found) == 440 and {finding.level for finding in found} == {"note"}
    assert "--cpu-offload-gb" in found[0].reason and "--enforce-eager" in found[0].reason


@pytest.mark.skipif(not (SHARED / "seeds").exists(), reason="needs the material beside the checkout")
def test_the_printed_block_whose_figures_disagree_is_flagged_and_kept_as_printed() -> None:
    (file,) = (SHARED / "seeds").glob("*.txt")
    form = recognise(file)
    assert form is not None and form.name == "vllm-text"
    (found,) = [item for item in read_file(file, form) if isinstance(item, BenchmarkResult)]
    judged = judge(found)
    assert (judged.verdict, found.value("request_throughput"), found.value("duration")) == ("suspect", 12.05, 71.23)
    assert "make 14.04" in next(finding.reason for finding in judged.findings if finding.rule == "R2")


def test_peaks_are_those_of_the_facts() -> None:
    recipes = read_yaml("facts/training_recipes.yaml")
    peaks = next(row["tflops"] for row in recipes["peak_bf16_tflops"] if row["id"] == "table")
    named = {"MI250X GCD": "MI250X_GCD"}
    for accelerator in ACCELERATORS:
        in_facts = peaks.get(named.get(accelerator.name, accelerator.name))
        assert (accelerator.peak_from == "training_recipes.yaml") == (in_facts is not None)
        assert in_facts in (None, accelerator.peak_tflops)
