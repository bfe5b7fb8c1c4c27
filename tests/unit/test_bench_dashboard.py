"""The page of results: its columns, the file that holds everything, and the server of the page alone."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bench_examples import SHARED, result, row, stored
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from bench_runner.collecting import Collected, read_all
from bench_runner.comparison.noise import floors
from bench_runner.comparison.repeats import configurations
from bench_runner.dashboard.data import DIMENSIONS, FIGURES, _coded, table
from bench_runner.dashboard.page import served, whole, write_whole
from bench_runner.dashboard.web import Board, app
from bench_runner.dashboard.words import REASONS, texts
from bench_runner.errors import PlotError
from bench_runner.importing import store_results
from bench_runner.plausibility.audit import judge
from bench_runner.store.database import Store, open_store
from bench_runner.store.results import Stored

HOSTILE = "</script><script>document.title='taken'</script><!--"


def rows() -> list[Stored]:
    sweep = [
        row(
            {"output_throughput": 100.0 * load**0.5 * gpus, "ttft_mean": float(load)},
            tp=gpus,
            gpus=gpus,
            concurrency=load,
        )
        for gpus in (1, 2, 4)
        for load in (10, 100)
    ]
    doubtful = row(
        {"output_throughput": 5.0}, verdict="suspect", concurrency=7, server_flags=("--model", "/gpfs/u/ada/m")
    )
    failed = stored(result({"output_throughput": None}, state="failed"), 10**6, "invalid")
    return [*sweep, doubtful, failed]


def columns(of: list[Stored]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(table(of).columns)
    return found


def test_every_configuration_is_a_row_the_fastest_first() -> None:
    found = columns(rows())
    assert found["rows"] == 7
    rates = found["figures"]["tokens_per_s"]
    assert rates == sorted(rates, reverse=True)
    assert set(found["dimensions"]) == set(DIMENSIONS) and set(found["figures"]) == set(FIGURES)
    assert all(
        len(column["codes"]) == (7 if len(column["values"]) > 1 else 0) for column in found["dimensions"].values()
    )
    measured = {name for name, column in found["figures"].items() if column}
    assert measured == set(FIGURES) - {"train_s", "e2el_ms", "kwh_per_mtok"}
    assert all(len(found["figures"][name]) == 7 for name in measured)


def test_what_failed_or_is_invalid_is_counted_with_its_rules_and_in_no_row() -> None:
    made = [*rows(), stored(result(), 10**6 + 1, "invalid")]
    found = columns(made)
    assert (found["results"], found["rows"], found["left_out"]["rows"]) == (9, 7, 2)


def told(text: str) -> str:
    """Another language: every word backwards, fields as they are."""
    return " ".join(word if "{" in word else word[::-1] for word in text.split(" "))


def test_in_another_language_the_page_and_its_pictures_say_nothing_in_english() -> None:
    page = served(base="/b", version="1", home="/", ask="/ask", language="xx", tell=told)
    assert '<html lang="xx">' in page
    data = {
        name: json.loads(text)
        for name, text in re.findall(r'<script type="application/json" id="(\w+)">(.*?)</script>', page)
    }
    assert data["words"]["said"]["not stated"] == "ton detats"
    assert data["layouts"]["energy"]["title"]["text"] == told("Energy of a million tokens")
    assert data["layouts"]["latency"]["layer"][0]["encoding"]["x"]["title"] == "tuptuo s/kot"
    body = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>|\"", " ", page, flags=re.DOTALL)
    own = [text for text in texts() if " " in text and "{" not in text]
    assert len(own) > 50 and not [text for text in own if text in body]
    assert json.loads(re.findall(r'id="words">(.*?)</script>', whole(table(rows())))[0]) == {"said": {}, "forms": []}


BENCH_DATA = Path(__file__).parents[1] / "data" / "bench"


def test_what_the_checks_say_fits_a_form_that_can_be_told_in_another_language() -> None:
    patterns = [re.compile(re.sub(r"\\\{(\w+)\\\}", "(.+?)", re.escape(form)), re.DOTALL) for form in REASONS]
    folders = [BENCH_DATA] + [SHARED / "benchmarks"] * (SHARED / "benchmarks").exists()
    judged = judge(read_all(folders, Collected()), figures=False)
    parts = {part for one in judged for finding in one.findings for part in finding.reason.split("; ")}
    assert len(parts) > 15
    assert not [part for part in parts if not any(pattern.fullmatch(part) for pattern in patterns)]


def test_reasons_and_runs_stand_in_the_order_of_the_rows_and_hold_no_paths() -> None:
    made = table(rows())
    found, details = json.loads(made.columns), json.loads(made.details)
    verdicts = found["dimensions"]["verdict"]
    for number, code in enumerate(verdicts["codes"]):
        assert bool(details["reasons"][number]) == (verdicts["values"][code] == "suspect")
        assert len(details["runs"][number]) == 1
    assert b"/gpfs" not in made.columns + made.details
    assert "--model <path>/m" in found["dimensions"]["flags"]["values"]


def test_a_model_or_data_set_that_is_a_path_is_shown_by_its_last_part() -> None:
    made = table([row(model="/gpfs/projects/ehpc01/ada/llama", dataset="/home/ada/x.json"), row(model="org/Some-8B")])
    assert b"ada" not in made.columns + made.details
    assert {"<path>/llama", "org/Some-8B"} <= set(json.loads(made.columns)["dimensions"]["model"]["values"])


def test_lines_and_families_are_told_apart_by_what_differs() -> None:
    found = columns(rows())
    gpus, load = (found["dimensions"][name] for name in ("gpus", "concurrency"))
    by_line: dict[int, set[int]] = {}
    by_family: dict[int, set[int]] = {}
    for number in range(found["rows"]):
        by_line.setdefault(found["line"][number], set()).add(gpus["values"][gpus["codes"][number]])
        by_family.setdefault(found["family"][number], set()).add(load["values"][load["codes"][number]])
    assert all(len(sizes) == 1 for sizes in by_line.values())
    assert all(len(loads) == 1 for loads in by_family.values())


def test_the_figures_are_those_of_the_comparison() -> None:
    made = rows()
    known = {item.ids[0]: item.figures["output_throughput"] for item in configurations(made, floors(made), near=True)}
    page = table(made)
    found, runs = json.loads(page.columns)["figures"], json.loads(page.details)["runs"]
    for number, (run,) in enumerate(runs):
        expected = (known[run].value, known[run].low, known[run].high)
        shown = tuple(found[name][number] for name in ("tokens_per_s", "low", "high"))
        assert shown == pytest.approx(expected, rel=1e-5)


@given(st.lists(st.none() | st.integers() | st.text(max_size=3)))
def test_a_coded_column_is_the_column(column: list[Any]) -> None:
    coded = _coded(column)
    codes = coded["codes"] or [0] * len(column)
    assert [coded["values"][code] for code in codes] == ["" if value is None else value for value in column]
    assert len(set(coded["values"])) == len(coded["values"])


def test_a_page_of_nothing_is_a_page() -> None:
    assert columns([])["rows"] == 0
    assert "Benchmarks" in whole(table([]))


def test_the_file_asks_for_nothing_and_text_of_results_cannot_leave_its_element(tmp_path: Path) -> None:
    made = [*rows(), row(model=HOSTILE, server_flags=(HOSTILE,))]
    write_whole(table(made), tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    outside = re.sub(r"(<script[^>]*>).*?</script>", r"\1", html, flags=re.DOTALL)
    assert not re.search(r"\b(?:src|href)=[\"']?(?!data:)[^\"'#]", outside)
    assert outside.count("<script") == 6  # words, layouts, columns, details, Vega and the page's own
    assert "document.title" not in outside
    data = re.search(r'id="columns">(.*?)</script>', html, re.DOTALL)
    assert data is not None
    assert HOSTILE in json.loads(data[1])["dimensions"]["model"]["values"]


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(PlotError, match=r"page\.html cannot be written"):
        write_whole(table([]), tmp_path / "missing" / "page.html")


def test_links_of_the_helpdesk_are_shown_only_there() -> None:
    assert "helpdesk" not in served(base="", version="1")
    page = served(base="/benchmarks", version="1", home="/", ask="/benchmarks/ask")
    assert 'href="/"' in page and 'href="/benchmarks/ask"' in page


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "bench")


def test_the_server_of_the_page_alone_sends_strict_headers_and_sees_new_results(store: Store, tmp_path: Path) -> None:
    with TestClient(app(lambda: store)) as client:
        page = client.get("/")
        assert page.status_code == 200 and "script-src 'self'" in page.headers["content-security-policy"]
        assert client.get("/columns.json?0").json()["rows"] == 0
        _import(store, tmp_path)
        _wait(lambda: client.get("/columns.json?1").json()["rows"] == 1)
        assert len(client.get("/details.json?1").json()["runs"]) == 1
        for part in ("board.js", "board.css", "vega.js"):
            assert client.get(f"/{part}").status_code == 200
        assert client.get("/").text != page.text  # another version in its links
        assert client.get("/nothing").status_code == 404


def test_readers_see_the_results_before_an_import_while_those_after_it_are_prepared(
    store: Store, tmp_path: Path
) -> None:
    may_go_on = threading.Event()

    def opened() -> Store:
        if threading.current_thread().name == "benchmarks":
            assert may_go_on.wait(60)
        return store

    board = Board(opened)
    before = board.table()
    _import(store, tmp_path)
    assert board.table() is before
    may_go_on.set()
    _wait(lambda: board.table() is not before)
    columns, details = json.loads(board.table().columns), json.loads(board.table().details)
    assert (columns["rows"], columns["newest"], details["newest"]) == (1, 1, 1)


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not until():
        assert time.monotonic() < end
        time.sleep(0.02)


def _import(store: Store, folder: Path) -> None:
    from bench_runner.collecting import collect  # noqa: PLC0415

    path = folder / "one.csv"
    path.write_text(
        "Supercomputer,Framework,Model,Concurrency Level,Output Throughput (tokens/s)\nHydra,vllm,Some-8B,10,800.0\n",
        encoding="utf-8",
    )
    store_results(store, *collect([path]))
