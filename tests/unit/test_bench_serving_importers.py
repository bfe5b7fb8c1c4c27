"""vLLM and SGLang: JSON of three generations, text blocks, logs of runs that died."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench_examples import SHARED, SOURCE
from hypothesis import given
from hypothesis import strategies as st

from bench_runner.errors import ScanError
from bench_runner.importers import hf_trainer, mllog, sglang, vllm_json, vllm_text
from bench_runner.importers.jsonscan import Lines, elements, objects, scan_object, sum_and_count
from bench_runner.reading import detect, read_file, recognise
from bench_runner.result import BenchmarkResult, Problem, Record

OLD = {
    "date": "20240701-120000",
    "backend": "vllm",
    "model_id": "Some-8B",
    "best_of": 1,
    "use_beam_search": False,
    "num_prompts": 100,
    "request_rate": "inf",
    "duration": 10.0,
    "completed": 100,
    "total_input_tokens": 1000,
    "total_output_tokens": 2000,
    "request_throughput": 10.0,
    "input_throughput": 100.0,
    "output_throughput": 200.0,
    "mean_ttft_ms": 50.0,
    "mean_tpot_ms": 20.0,
    "mean_itl_ms": 20.0,
}
MIDDLE = {key: value for key, value in OLD.items() if key not in ("best_of", "use_beam_search", "input_throughput")} | {
    "request_goodput:": None,
    "total_token_throughput": 300.0,
    "burstiness": 1.0,
    "max_concurrency": 20,
    "output_lens": [20] * 99 + [0],
    "ttfts": [0.05] * 100,
    "itls": [[0.02, 0.02], []] * 50,
    "generated_texts": ["a prompt's {answer} with \" and ] in it"] * 100,
    "errors": ["", "broken pipe"] * 50,
}
NOW = {key: value for key, value in MIDDLE.items() if not isinstance(value, list)} | {
    "endpoint_type": "openai",
    "failed": 3,
    "max_output_tokens_per_s": 400.0,
    "p90_ttft_ms": 80.0,
    "mean_e2el_ms": 430.0,
    "tensor_parallel_size": "4",
    "colour": "blue",
}


def results(records: list[Record]) -> list[BenchmarkResult]:
    return [record for record in records if isinstance(record, BenchmarkResult)]


def read_json(*values: object, joint: str = "\n") -> list[Record]:
    return list(vllm_json.read(joint.join(json.dumps(value) for value in values).encode(), SOURCE))


@pytest.mark.parametrize(("record", "version"), [(OLD, "<=0.6.0"), (MIDDLE, "0.6.4 to 0.9"), (NOW, ">=0.10")])
def test_three_generations(record: dict[str, object], version: str) -> None:
    (found,) = results(read_json(record))
    assert found.provenance.tool_version == version
    assert found.state == "finished"
    assert (found.spec.framework, found.spec.model, found.spec.num_prompts) == ("vllm", "Some-8B", 100)
    assert found.value("output_throughput") == 200.0
    assert found.value("ttft_mean") == 50.0
    assert found.spec.setting("request_rate") == "inf"


def test_arrays_are_summed_up_and_texts_are_not_kept() -> None:
    (found,) = results(read_json(MIDDLE))
    assert found.value("recomputed_output_tokens") == 1980
    assert found.value("zero_outputs") == 1
    assert found.value("errors_recorded") == 50
    assert found.value("recomputed_ttft_mean") == pytest.approx(50)
    assert found.value("recomputed_itl_mean") == pytest.approx(20)
    assert "generated_texts" not in found.original and "answer" not in json.dumps(dict(found.original))
    assert found.original["request_goodput:"] is None


def test_unknown_fields_and_metadata_are_kept() -> None:
    (found,) = results(read_json(NOW))
    assert found.original["colour"] == "blue"
    assert found.spec.tp == 4
    assert found.value("ttft_p90") == 80.0
    assert found.value("e2el_mean") == 430.0


@pytest.mark.parametrize("joint", ["", "\n", "\n\n"])
def test_several_objects_in_one_file(joint: str) -> None:
    assert len(results(read_json(OLD, MIDDLE, NOW, joint=joint))) == 3


def test_objects_in_an_array_and_over_many_lines() -> None:
    text = json.dumps([OLD, NOW], indent=2)
    found = results(list(vllm_json.read(text.encode(), SOURCE)))
    assert [item.provenance.line for item in found] == [2, len(OLD) + 4]


def test_a_broken_object_is_named_by_its_line_and_the_others_are_read() -> None:
    text = "\n".join(
        [json.dumps(OLD), '{"completed": 1, "duration": }', json.dumps(NOW), '{"completed": 1, "itls": [[1,']
    )
    found = list(vllm_json.read(text.encode(), SOURCE))
    assert len(results(found)) == 2
    problems = [str(item) for item in found if isinstance(item, Problem)]
    assert [text.partition(": ")[0] for text in problems] == ["made-up:2", "made-up:4"]
    assert "cut off" in problems[1]


def test_an_object_without_results_is_a_problem() -> None:
    (found,) = read_json({"completely": "else"})
    assert isinstance(found, Problem) and "no serving result" in found.what


def test_numbers_that_are_none_are_named() -> None:
    found = read_json({**MIDDLE, "ttfts": ["x"] * 20})
    assert isinstance(found[0], Problem) and "should hold numbers" in found[0].what
    assert isinstance(found[1], BenchmarkResult)


def test_zero_latency_is_not_measured_and_zero_throughput_is_a_failed_run() -> None:
    (unmeasured,) = results(read_json({**OLD, "mean_ttft_ms": 0.0}))
    assert unmeasured.value("ttft_mean") is None and unmeasured.not_measured == ("ttft_mean",)
    (failed,) = results(read_json({**OLD, "completed": 0, "output_throughput": 0.0}))
    assert failed.state == "failed" and failed.values == {"completed": 0.0}


def test_a_model_in_a_folder_is_called_by_the_folder() -> None:
    (found,) = results(read_json({**OLD, "model_id": "/scratch/results/vllm/Some-8B/"}))
    assert found.spec.model == "Some-8B"


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(), st.lists))
def test_the_scanner_reads_what_json_writes(value: object) -> None:
    for ensure_ascii in (True, False):
        text = json.dumps({"before": 1, "x": value, "after": [value]}, ensure_ascii=ensure_ascii)
        (found,) = objects(text.encode("utf-8", "surrogatepass"))
        assert not isinstance(found, ScanError)
        assert found.values == {"before": 1, "x": value, "after": [value]}


@given(st.binary(max_size=200))
def test_the_scanner_survives_any_bytes(raw: bytes) -> None:
    for found in objects(b"{" + raw):
        assert isinstance(found, ScanError) or found.end <= len(raw) + 1
    assert all(isinstance(item, BenchmarkResult | Problem) for item in vllm_json.read(raw, SOURCE))


@given(st.lists(st.lists(st.integers(-1000, 1000), max_size=5), max_size=5))
def test_sums_over_nested_arrays(rows: list[list[int]]) -> None:
    raw = json.dumps(rows).encode()
    flat = [value for row in rows for value in row]
    assert sum_and_count(raw, (0, len(raw))) == (sum(flat), len(flat))


def test_long_flat_arrays_are_summed_in_pieces() -> None:
    raw = json.dumps([0.25] * 400_000).encode()
    assert sum_and_count(raw, (0, len(raw))) == (100_000.0, 400_000)


def test_elements_and_lines() -> None:
    raw = b'{"a": [{"b": 1},\n [2, "]"], 3]}'
    scanned = scan_object(raw, 0, leave=frozenset({"a"}))
    assert [raw[start:end] for start, end in elements(raw, scanned.spans["a"])] == [b'{"b": 1}', b'[2, "]"]', b"3"]
    assert Lines(raw).at(20) == 2


BLOCK = """============ Serving Benchmark Result ============
Successful requests:                     100
Failed requests:                         2
Benchmark duration (s):                  10.00
Total input tokens:                      1000
Total generated tokens:                  2000
Request throughput (req/s):              10.00
Output token throughput (tok/s):         200.00
Total {} throughput (tok/s):         300.00
Colour of the sky:                       blue
---------------Time to First Token----------------
Mean TTFT (ms):                          50.00
P99.9 TTFT (ms):                         90.00
-----Time per Output Token (excl. 1st token)------
Mean TPOT (ms):                          20.00
==================================================
"""
NAMESPACE = (
    "Namespace(backend='vllm', model='/m/Some-8B', dataset_name='sharegpt', max_concurrency=20, num_prompts=102)\n"
)
BEGIN = "Starting initial single prompt test run...\n"


def read_text(text: str) -> list[BenchmarkResult]:
    return list(vllm_text.read(text.splitlines(keepends=True), SOURCE))


@pytest.mark.parametrize("token", ["Token", "token"])
def test_a_block_with_its_arguments(token: str) -> None:
    (found,) = read_text("noise\n" + NAMESPACE + BEGIN + BLOCK.format(token))
    assert found.state == "finished"
    assert (found.spec.framework, found.spec.model, found.spec.dataset) == ("vllm", "Some-8B", "sharegpt")
    assert (found.spec.concurrency, found.spec.num_prompts) == (20, 102)
    assert found.spec.nodes is None and found.spec.tp is None
    assert found.value("total_throughput") == 300.0
    assert found.value("ttft_p99.9") == 90.0
    assert found.value("failed") == 2
    assert found.original["printed"]["Colour of the sky"] == "blue"  # type: ignore[index]
    assert "max_concurrency=20" in found.provenance.flags


def test_several_blocks_colours_and_line_numbers() -> None:
    numbered = "".join(f"{n:>3}  {line}" for n, line in enumerate(BLOCK.format("Token").splitlines(keepends=True), 1))
    coloured = "".join(f"\x1b[32m{line.rstrip()}\x1b[0m\n" for line in BLOCK.format("token").splitlines())
    assert [item.value("output_throughput") for item in read_text(numbered + coloured + BLOCK)] == [200.0] * 3


def test_a_log_that_ends_in_the_test_request_is_a_failed_run() -> None:
    found = read_text(NAMESPACE + BEGIN + "ConnectionError: refused\n" + NAMESPACE + BEGIN)
    assert [item.state for item in found] == ["failed", "failed"]
    assert found[0].reason == "ConnectionError: refused"
    assert "did not answer" in str(found[1].reason)
    assert found[0].values == {}


@given(st.integers(1, len(BLOCK) - 60))
def test_a_block_cut_off_anywhere_is_never_a_finished_run(length: int) -> None:
    assert all(item.state != "finished" for item in read_text(NAMESPACE + BEGIN + BLOCK[:length]))


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=400))
def test_any_text_inside_a_block_is_survived(inner: str) -> None:
    text = BLOCK.replace("Colour of the sky:", inner)
    assert all(isinstance(item, BenchmarkResult) for item in read_text(NAMESPACE + text))


def test_sglang_lines_are_all_kept_and_the_last_of_a_configuration_counts() -> None:
    line = {
        **OLD,
        "backend": "sglang",
        "total_output_tokens_retokenized": 1990,
        "accept_length": 2.5,
        "concurrency": 15.5,
    }
    line |= {"mean_e2e_latency_ms": 430.0, "server_info": {"tp_size": 8, "version": "0.5.1", "model_path": "x/Some-8B"}}
    text = "\n".join(json.dumps({**line, "output_throughput": value}) for value in (190.0, 200.0)) + "\nnonsense\n"
    found = list(sglang.read(text.encode(), SOURCE))
    first, last = results(found)
    assert (last.spec.framework, last.spec.tp, last.provenance.tool_version) == ("sglang", 8, "0.5.1")
    assert last.value("e2el_mean") == 430.0 and last.value("accept_length") == 2.5
    assert "line 2, which counts" in first.notes[0] and last.notes == ()
    assert [item.line for item in found if isinstance(item, Problem)] == [3]


def test_files_are_recognised_by_content(tmp_path: Path) -> None:
    file = tmp_path / "results.csv"
    file.write_text(json.dumps(NOW), encoding="utf-8")
    form = recognise(file)
    assert form is not None and form.name == "vllm-serving-json"
    assert len(list(read_file(file, form))) == 1


def test_figures_behind_long_arrays_are_found(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps({"generated_texts": ["x" * 1000] * 400, **NOW}), encoding="utf-8")
    form = recognise(file)
    assert form is not None and form.name == "vllm-serving-json"


@pytest.mark.skipif(not (SHARED / "benchmarks").exists(), reason="needs the material beside the checkout")
def test_real_logs_finished_and_crashed() -> None:
    states: dict[str, list[str]] = {}
    for file in sorted((SHARED / "benchmarks").rglob("logs_benchmarking_*.log")):
        form = recognise(file)
        assert form is not None
        for found in results(list(read_file(file, form))):
            states.setdefault(file.parent.name, []).append(found.state)
            assert found.state == "failed" or found.value("output_throughput")
    assert states["vllm_sharegpt_llama8b_1node"] == ["finished"] * 7
    assert set(states["vllm_sharegpt_llama405b_16nodes"]) == {"failed"}
    assert sorted(states["vllm_sharegpt_gemma12b_4nodes"]) == ["failed", "finished", "finished"]


@pytest.mark.parametrize(
    "line",
    [
        "=" * 100_000,
        "-" * 100_000,
        "a" * 60_000 + "Namespace(" + "a" * 5000,
        "\n" * 100_000,
        " " * 50_000 + "x",
        "{'" * 50_000,
    ],
)
def test_long_lines_do_not_hang(line: str) -> None:
    text = "bench " + "perf " * 20_000 + "\n" + line
    detect(text.encode())
    list(vllm_text.read([NAMESPACE, BLOCK.splitlines()[0], line, line], SOURCE))
    list(hf_trainer.read_lines([line], SOURCE))
    list(mllog.read_summary([line], SOURCE))
