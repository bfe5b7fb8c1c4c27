"""Benchmark questions answered from rows, and what is no benchmark question."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from bench_examples import SHARED

from agent.rows import evidence_of_row, gives_speed, row_of_benchmark
from agent.sentences import quotable
from bench_runner.answers import AnswerRow, answer_rows
from bench_runner.asking import asked_in
from bench_runner.importing import import_paths
from bench_runner.store.database import Store, open_store

MODELS = ["Llama-3.1-8B-Instruct", "Llama-3.1-70B", "gemma-3-12b-it"]
TODAY = date(2026, 11, 28)
HEADER = "Supercomputer,Partition,Model,Dataset,Framework,Concurrency Level,Number of Nodes,GPUs per Node,Total Used GPUs,Tensor"
HEADER += ",Additional Arguments,TTFT (ms),TPOT (ms),Power Usage Avg (W),Output Throughput (tokens/s),Request Throughput (requests/s)\n"


def line(
    framework: str, rate: float, *, gpus: int = 4, load: int = 100, flags: str = "", model: str = MODELS[0]
) -> str:
    tpot = (1000 * load * 200 / rate - 100) / 199
    return f"MareNostrum5,ACC,{model},sharegpt,{framework},{load},1,4,{gpus},{gpus},{flags},100.0,{tpot:.3f},300.0,{rate},{rate / 200}\n"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    rows = [line("vllm", 2000.0, flags="--enforce-eager"), line("vllm", 3000.0, load=200, flags="--enforce-eager")]
    rows += [line("vllm", 1500.0, gpus=1, flags="--enforce-eager"), line("sglang", 2600.0)]
    (tmp_path / "table.csv").write_text(HEADER + "".join(rows), encoding="utf-8")
    store = open_store(tmp_path / "bench")
    import_paths(store, [tmp_path / "table.csv"], measured="2026-01")
    return store


def ask(store: Store, question: str) -> tuple[AnswerRow, ...]:
    with store.read() as connection:
        return answer_rows(connection, question, today=TODAY)


def test_the_answer_cites_runs_and_states_age_cost_and_caveats(store: Store) -> None:
    best, small = ask(store, "throughput of Llama-3.1-8B on MareNostrum 5 with vLLM")
    assert best.measured and best.text.startswith(
        "vLLM on MareNostrum5 with Llama-3.1-8B-Instruct reached 3,000 output tok/s"
    )
    assert "one sample, 2,883 to 3,117 by the noise of repeats" in best.text
    assert "200 requests in flight" in best.text and "measured 2026-01, 10 months ago" in best.text
    assert f"run {best.id.removeprefix('bench:')[:12]}" in best.text
    assert "0.37 GPU-hours and 0.11 kWh" in best.text
    assert "the checks confirm it, caveats: D5" in best.text
    assert "reached 1,500 output tok/s" in small.text and "1 GPU, 1 node" in small.text


def test_conditions_in_the_question_count(store: Store) -> None:
    (found,) = ask(store, "What throughput does vLLM reach for Llama-3.1-8B with 4 GPUs and 100 concurrent requests?")
    assert "2,000 output tok/s" in found.text
    (found,) = ask(store, "What is the time to first token of SGLang with Llama-3.1-8B-Instruct?")
    assert "100 ms to the first token (mean)" in found.text and "2,600 output tok/s" in found.text


def test_frameworks_side_by_side(store: Store) -> None:
    found = ask(store, "Which is faster on MareNostrum 5 for Llama 3.1 8B, vLLM or SGLang?")
    assert [row.text.split(" ")[0] for row in found] == ["vLLM", "vLLM", "SGLang"]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("How fast is vLLM with Llama-3.1-8B on JUPITER?", "no run of Llama-3.1-8B with vLLM on JUPITER"),
        ("Throughput of Llama-3.1-70B with vLLM on MareNostrum 5?", "no run of Llama 3.1 70B with vLLM"),
        ("How many tokens per second does TGI reach for Llama-3.1-8B on MN5?", "no run of Llama-3.1-8B with tgi"),
        ("Throughput of vLLM for Llama-3.1-8B on 16 nodes of MareNostrum 5?", "on 16 nodes"),
        ("How fast does Llama-3.1-8B train with PyTorch on MareNostrum 5, in tokens per second?", "with pytorch"),
    ],
)
def test_what_was_not_measured_is_said_and_never_filled_in(store: Store, question: str, said: str) -> None:
    (found,) = ask(store, question)
    assert not found.measured and found.text.startswith("Not measured: ") and said in found.text
    assert not gives_speed(found.text) and "2,000" not in found.text


def test_an_empty_store_has_measured_nothing(tmp_path: Path) -> None:
    (found,) = ask(open_store(tmp_path), "throughput of Mixtral-8x7B with vLLM on LUMI")
    assert "no run of Mixtral-8x7B with vLLM on LUMI" in found.text


@pytest.mark.parametrize(
    "text",
    [
        "My job on LUMI stays pending with AssocGrpGRES. What does it mean?",
        "My training of Llama-3.1-8B on LUMI is slow: throughput is 500 tokens per second. How do I get more GPUs?",
        "How can I improve the throughput of vLLM with Llama-3.1-8B on MareNostrum 5?",
        "Why is vLLM on Leonardo faster than SGLang for my model?",
        "What is the throughput of the scratch file system on Leonardo?",
        "How do I start vLLM with Llama-3.1-8B on Leonardo?",
        "",
    ],
)
def test_what_asks_for_no_figure_gets_no_rows(text: str) -> None:
    assert asked_in(text, MODELS) is None


def test_what_a_question_names() -> None:
    asked = asked_in(
        "Compare the throughput of vLLM and sglang for gemma 3 12b on Leonardo, 2 nodes, sonnet, c=250.", MODELS
    )
    assert asked is not None
    assert (asked.frameworks, asked.models) == (("vllm", "sglang"), ("gemma-3-12b",))
    assert (asked.systems, asked.dataset, asked.nodes) == (("leonardo-booster",), "sonnet", 2)
    assert (asked.concurrency, asked.kind, asked.metric) == (250, "inference", "output_throughput")


def test_a_row_is_one_sentence_that_a_draft_can_quote(store: Store) -> None:
    for row in ask(store, "Which is faster for Llama-3.1-8B on MareNostrum 5, vLLM or SGLang?"):
        (unit,) = quotable(evidence_of_row(row_of_benchmark(row)).text)
        assert unit.quote == row.text


@pytest.mark.skipif(not (SHARED / "benchmarks").exists(), reason="needs the material beside the checkout")
def test_the_real_rows_answer_in_quotable_sentences(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    folder = SHARED / "benchmarks" / "minerva-benchmarks"
    import_paths(
        store, [folder / "mn5_acc_score.csv", folder / "mn5_acc_october_2025.csv", folder / "jean_zay_h100.csv"]
    )
    for framework in ("vLLM", "SGLang", "DeepSpeed"):
        for model in ("Llama-3.1-8B", "Mistral-7B-Instruct-v0.3", "gemma-3-12b", "Llama-3.3-70B", "Llama-3.1-405B"):
            for system in ("MareNostrum 5", "Jean Zay"):
                for row in ask(store, f"throughput of {model} on {system} with {framework}"):
                    (unit,) = quotable(row.text)
                    assert unit.quote == row.text
    (found,) = ask(store, "throughput of Llama-3.1-8B on MareNostrum 5 with vLLM, sharegpt, c=250")
    assert "reached 5,200 output tok/s" in found.text and "1 GPU, 1 node, TP1" in found.text
