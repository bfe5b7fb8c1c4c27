"""Specifications and results as values."""

from __future__ import annotations

import json

import pytest
from bench_examples import result, spec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bench_runner.importers.namespace import parse_namespace
from bench_runner.metrics import count, latency_name, number, unit_of
from bench_runner.result import result_id
from bench_runner.spec import BenchmarkSpec, canonical, spec_hash, split_flags


def test_equal_specs_have_equal_hashes_whatever_the_order_of_settings() -> None:
    one = BenchmarkSpec(kind="inference", settings=(("a", 1), ("b", 1000.0)))
    other = BenchmarkSpec(kind="inference", settings=(("b", 1000), ("a", 1)))
    assert spec_hash(one) == spec_hash(other)
    assert len(spec_hash(one)) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"tp": 8},
        {"model": "x-7B"},
        {"server_flags": ("--enforce-eager",)},
        {"concurrency": 1},
        {"settings": (("a", 1),)},
    ],
)
def test_every_part_of_a_spec_counts(change: dict[str, object]) -> None:
    assert spec_hash(replace(spec(), **change)) != spec_hash(spec())


def test_the_canonical_form_is_json_without_what_is_not_stated() -> None:
    assert json.loads(canonical(BenchmarkSpec(kind="training", tp=2))) == {"kind": "training", "tp": 2}


@given(st.floats())
def test_any_setting_has_a_hash(value: float) -> None:
    assert spec_hash(BenchmarkSpec(kind="other", settings=(("x", value),)))


def test_gpus_that_are_allocated_and_gpus_that_work() -> None:
    assert spec(nodes=4, gpus_per_node=4, gpus=64, tp=16).allocated_gpus == 16
    assert spec(nodes=1, gpus_per_node=4, gpus=1, tp=1).allocated_gpus == 1
    assert spec(tp=4, pp=2, dp=2).engaged_gpus == 16
    assert spec(tp=None).engaged_gpus is None


def test_flags_are_split_into_items() -> None:
    assert split_flags("--max-model-len=32000 --enforce-eager -x a=b") == (
        *("--max-model-len", "32000", "--enforce-eager"),
        *("-x", "a=b"),
    )


def test_ids_depend_on_the_record_and_not_on_the_file() -> None:
    moved = replace(result(), provenance=replace(result().provenance, source="elsewhere", sha256="1"))
    assert result_id(result()) == result_id(moved)
    assert result_id(result()) != result_id(replace(result(), original={"other": 1}))


@pytest.mark.parametrize("raw", [True, None, [], "x", float("nan"), "inf", 10**400])
def test_what_is_no_number(raw: object) -> None:
    assert number(raw) is None


@given(st.text())
def test_numbers_of_any_text(raw: str) -> None:
    assert number(raw) is None or isinstance(number(raw), float)
    assert count(raw) is None or count(raw) >= 0  # type: ignore[operator]


def test_names_of_latencies() -> None:
    assert latency_name("mean_e2e_latency_ms") == "e2el_mean"
    assert latency_name("p99.9_ttft_ms") == "ttft_p99.9"
    assert latency_name("mean_ttft") == "ttft_mean"
    assert latency_name("ttft") is None
    assert (unit_of("ttft_p90"), unit_of("output_throughput"), unit_of("foreign")) == ("ms", "tok/s", "")


def test_a_namespace_line_is_read_back() -> None:
    line = "INFO Namespace(backend='vllm', request_rate=inf, tokenizer=None, goodput=['ttft:200'], seed=0)"
    assert parse_namespace(line) == {
        "backend": "vllm",
        "request_rate": float("inf"),
        "tokenizer": None,
        "goodput": ["ttft:200"],
        "seed": 0,
    }


def test_of_a_namespace_cut_off_or_with_objects_in_it_the_readable_pairs_remain() -> None:
    assert parse_namespace("Namespace(backend='vllm', base_url=None, host='localhost',")["backend"] == "vllm"
    found = parse_namespace("Namespace(func=<function main at 0x7f>, model='m-8B', n=3)")
    assert found["model"] == "m-8B" and found["n"] == 3


@given(st.text(max_size=300))
def test_any_namespace_line_is_survived(inner: str) -> None:
    assert isinstance(parse_namespace(f"Namespace({inner})"), dict)


def test_deeply_nested_namespaces_are_survived() -> None:
    assert isinstance(parse_namespace("Namespace(a=" + "(" * 5000 + ")"), dict)
