"""Repeats, noise, comparability, and the questions asked of many rows."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from bench_examples import SHARED, result, row, stored
from hypothesis import given
from hypothesis import strategies as st

from bench_runner.comparison.compare import by_axis, compare
from bench_runner.comparison.noise import Floor, floor_of, floors
from bench_runner.comparison.queries import best, cost, scaling
from bench_runner.comparison.repeats import Configuration, configurations, median_interval
from bench_runner.comparison.selection import Selection, select
from bench_runner.errors import PlotError
from bench_runner.importers.minerva_export import COLUMNS
from bench_runner.importing import import_paths
from bench_runner.names import model_name, same_model, system_id, systems_in
from bench_runner.plotting import PICTURES, pareto_front, picture, points, rendered
from bench_runner.publish import publish, without_paths
from bench_runner.store.database import open_store
from bench_runner.store.results import Stored, load


def of(*rows: Stored, near: bool = False) -> list[Configuration]:
    return configurations(rows, {}, near=near)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0], (1.0, 2.0, 0.5)),
        ([3.0, 1.0, 2.0], (1.0, 3.0, 0.75)),
        ([float(n) for n in range(1, 7)], (1.0, 6.0, 0.96875)),
        ([float(n) for n in range(1, 10)], (2.0, 8.0, 1 - 2 * 10 / 512)),
    ],
)
def test_intervals_of_the_median_are_those_of_the_tables(values: list[float], expected: tuple[float, ...]) -> None:
    assert median_interval(values) == pytest.approx(expected)


@given(st.lists(st.floats(1, 1e6), min_size=2, max_size=40))
def test_the_interval_holds_the_median(values: list[float]) -> None:
    low, high, coverage = median_interval(values)
    assert low <= sorted(values)[len(values) // 2] <= high or len(values) == 2
    assert 0.5 <= coverage <= 1
    assert coverage >= 0.95 or len(values) < 6


def test_repeats_become_a_median_and_one_sample_gets_the_noise_of_others() -> None:
    (several,) = of(*(row({"output_throughput": rate}) for rate in (2000.0, 2040.0, 1990.0)))
    figure = several.figures["output_throughput"]
    assert (figure.value, figure.low, figure.high, figure.repeats) == (2000.0, 1990.0, 2040.0, 3)
    (single,) = of(row())
    figure = single.figures["output_throughput"]
    assert (figure.low, figure.high) == pytest.approx((2000 * 0.961, 2000 * 1.039)) and figure.coverage is None


def test_one_measurement_in_two_tables_is_no_repeat() -> None:
    (found,) = of(row(), row())
    assert len(found.rows) == 1


def test_failed_and_invalid_rows_are_no_figures_and_suspect_ones_are_marked() -> None:
    failed = stored(result(state="failed", metrics=()), 1)
    assert of(failed, row(verdict="invalid")) == []
    (found,) = of(row(), row({"ttft_mean": 101.0}, verdict="suspect"))
    assert found.verdict == "suspect" and found.reasons == ("D7: no steady state",)


def test_context_length_and_seed_make_near_and_true_repeats() -> None:
    rows = [row(max_model_len=4096), row({"ttft_mean": 99.0}, max_model_len=8192)]
    assert len(of(*rows)) == 2 and len(of(*rows, near=True)) == 1
    rows = [row(settings=(("seed", 1),)), row({"ttft_mean": 99.0}, settings=(("seed", 2),))]
    assert len(of(*rows)) == 1


def test_noise_floors_come_from_repeats_once_there_are_enough() -> None:
    rows = [
        row({"output_throughput": 1000.0 * (1 + share)}, concurrency=load)
        for load in range(1, 26)
        for share in (0, 0.02)
    ]
    known = floors(rows)
    assert known["output_throughput"].groups == 25
    assert floor_of("output_throughput", known).share == pytest.approx(0.014, abs=0.001)
    few = floors(rows[:4])
    assert floor_of("output_throughput", few) == Floor(share=0.039, groups=0)


def test_a_difference_within_noise_is_none() -> None:
    (first,), (second,), (third,) = (of(row({"output_throughput": rate})) for rate in (2000.0, 2060.0, 2400.0))
    assert next(d.beyond_noise for d in compare(first, second, {}).differences) is False
    assert next(d.beyond_noise for d in compare(first, third, {}).differences) is True


def test_what_is_no_like_for_like_comparison_is_said() -> None:
    (first,) = of(row(server_flags=("--enforce-eager",)))
    (second,) = of(row({"output_throughput": 1000.0, "output_tokens": 100_000.0}, framework="sglang", nodes=2, gpus=8))
    told = " ".join(compare(first, second, {}, axis="framework").unlike)
    assert "D5: only the first ran with --enforce-eager" in told
    assert "nodes: 1 and 2" in told and "D9: 200 and 100" in told and "framework" not in told


def test_pairs_along_an_axis_agree_in_all_else() -> None:
    found = of(
        row(),
        row(framework="sglang"),
        row(concurrency=200),
        row(framework="sglang", concurrency=200),
        row(tp=2, gpus=2),
    )
    pairs = by_axis(found, "framework", {})
    assert len(pairs) == 2
    assert all(p.first.spec.concurrency == p.second.spec.concurrency and p.unlike == () for p in pairs)


def test_the_best_under_limits() -> None:
    fast = row({"output_throughput": 9000.0, "ttft_mean": 900.0}, concurrency=500)
    found = of(fast, row(), row({"ttft_mean": None, "output_throughput": 9999.0}, concurrency=300))
    assert [item.value("output_throughput") for item in best(found, "output_throughput")] == [9999.0, 9000.0, 2000.0]
    within = best(found, "output_throughput", at_most={"ttft_mean": 500.0})
    assert [item.value("output_throughput") for item in within] == [2000.0]
    assert best(found, "ttft_mean")[0].value("ttft_mean") == 100.0


def test_scaling_efficiency() -> None:
    ((one, two, four),) = scaling(
        of(
            row({"output_throughput": 1000.0}, tp=1, gpus=1),
            row({"output_throughput": 1800.0}, tp=2, gpus=2),
            row(tp=4),
        )
    )
    assert (one.efficiency, two.efficiency, four.efficiency) == pytest.approx((1.0, 0.9, 0.5))


def test_cost_counts_the_gpus_that_are_paid() -> None:
    (found,) = of(row({"power_mean": 360.0}, nodes=2, gpus=8))
    paid = cost(found)
    assert paid is not None and paid.gpus == 8
    assert (paid.gpu_hours, paid.kwh) == pytest.approx((8 * 1e6 / 2000 / 3600, 8 * 0.36 * 1e6 / 2000 / 3600))
    (unmeasured,) = of(row())
    assert (cost(unmeasured) or paid).kwh is None


@pytest.mark.parametrize(
    ("name", "known"),
    [("MareNostrum5", "mn5-acc"), ("MareNostrum 5", "mn5-acc"), ("MN5", "mn5-acc"), ("Jean-Zay H100", "jean-zay"),
     ("LUMI", "lumi-g"), ("Leonardo", "leonardo-booster"), ("Hydra", "hydra")],
)  # fmt: skip
def test_systems_under_their_names(name: str, known: str) -> None:
    assert system_id(name) == known


def test_systems_that_a_question_names() -> None:
    assert systems_in("How fast is vLLM on MareNostrum 5, compared with JUPITER?") == ["mn5-acc", "jupiter-booster"]
    assert systems_in("my vegan cluster") == []


def test_models_and_their_variants() -> None:
    assert model_name("meta-llama/Llama-3.1-8B-Instruct") == "llama3.18binstruct"
    assert same_model("Llama-3.1-8B", "meta-llama/Llama-3.1-8B-Instruct")
    assert not same_model("Llama-3", "Llama-3.1-8B".replace("-3.1", "-31"))
    assert not same_model("Llama-3.1-70B", "Llama-3.1-8B")


def test_rows_are_selected_as_people_write() -> None:
    rows = [row(), row(framework="sglang"), row(system="Leonardo")]
    assert len(select(rows, Selection(system="mn5", framework="VLLM", model="some 8b", parallelism="tp4 pp1"))) == 1
    assert len(select(rows, Selection(gpus=4, nodes=1, concurrency=100, kind="inference"))) == 3


def sweep() -> list[Configuration]:
    rows = [
        row({"output_throughput": 500.0 * size * load / 50, "ttft_mean": 50.0 + load / size, "power_mean": 300.0},
            tp=size, gpus=size, concurrency=load, verdict="suspect" if load == 400 else "verified")
        for size in (1, 2, 4) for load in (50, 100, 400)
    ]  # fmt: skip
    return of(*rows)


@pytest.mark.parametrize("name", sorted(set(PICTURES) - {"training-time", "training-scaling"}))
def test_pictures_draw_and_mark_what_is_suspect(name: str) -> None:
    spec = picture(name, sweep())
    svg = rendered(spec, "svg").decode()
    assert svg.startswith("<svg") and PICTURES[name] in svg
    assert "suspect" in json.dumps(spec)


def test_a_picture_of_nothing_is_refused_and_so_is_an_unknown_form() -> None:
    with pytest.raises(PlotError, match="no row"):
        picture("training-time", sweep())
    with pytest.raises(PlotError, match=r"\.png"):
        rendered(picture("throughput", sweep()), "bmp")


def test_training_time_and_png() -> None:
    made = [row({"train_runtime": 100.0 / n, "output_throughput": None}, kind="training", gpus=n, tp=n) for n in (1, 2)]
    assert rendered(picture("training-time", of(*made)), "png").startswith(b"\x89PNG")


def test_the_pareto_front_has_only_sound_points_that_nothing_beats() -> None:
    front = pareto_front(points(sweep()))
    assert all(point["verdict"] == "verified" for point in front)
    assert [point["tokens_per_s"] for point in front] == sorted(point["tokens_per_s"] for point in front)
    for point in front:
        assert not any(
            other["tokens_per_s"] > point["tokens_per_s"] and other["ttft_ms"] < point["ttft_ms"] for other in front
        )


def test_published_trainings_are_read_again_as_they_were(tmp_path: Path) -> None:
    data = Path(__file__).parents[1] / "data" / "bench"
    store, again = open_store(tmp_path / "one"), open_store(tmp_path / "two")
    import_paths(store, [data / "d14.log", data / "mlperf_logging_4.1.log"])
    with store.read() as connection:
        before = load(connection)
    publish(before, {}, tmp_path / "out")
    import_paths(again, [tmp_path / "out" / "data" / "training.csv"])
    with again.read() as connection:
        after = load(connection)
    assert [item.result.spec for item in after] == [item.result.spec for item in before]
    assert [item.result.values for item in after] == [item.result.values for item in before]


def test_paths_do_not_leave() -> None:
    assert (
        without_paths("--model /gpfs/projects/ehpc01/u1/models/Llama-8B --x=1/2") == "--model <path>/Llama-8B --x=1/2"
    )


@pytest.mark.skipif(not (SHARED / "benchmarks").exists(), reason="needs the material beside the checkout")
def test_the_real_tables_answer_and_flow_back_losslessly(tmp_path: Path) -> None:
    store = open_store(tmp_path / "bench")
    table = SHARED / "benchmarks" / "minerva-benchmarks" / "mn5_acc_score.csv"
    import_paths(store, [table, table.with_name("mn5_acc.csv")])
    with store.read() as connection:
        rows = load(connection)
    known = floors(rows)
    asked = Selection(
        system="MareNostrum 5", model="Llama-3.1-8B", framework="vllm", dataset="sharegpt", concurrency=250
    )
    rates = {
        item.spec.tp: item.value("output_throughput") for item in configurations(select(rows, asked), known, near=True)
    }
    assert rates[1] == pytest.approx(5207, rel=0.01) and rates[4] == pytest.approx(8730, rel=0.01)
    assert publish(rows, known, tmp_path / "out")
    with (
        table.open(newline="", encoding="utf-8") as file,
        (tmp_path / "out/data/inference.csv").open(newline="") as ours,
    ):
        printed, written = list(csv.reader(file)), list(csv.reader(ours))
    assert tuple(written[0]) == COLUMNS == tuple(printed[0])
    assert sorted(written[1:]) == sorted(printed[1:])
