"""The page of benchmark results in headless Chromium: as one file without a network, and at the desk."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from bench_examples import row
from playwright.sync_api import Browser, Page, Route, expect

from bench_runner.comparison.queries import scaling
from bench_runner.comparison.repeats import configurations
from bench_runner.dashboard.data import table
from bench_runner.dashboard.page import served, vega, write_whole
from bench_runner.dashboard.words import file as file_of
from bench_runner.plotting import heat_cells, pareto_front, points
from bench_runner.store.results import Stored

pytest_plugins = ["browser_fixture"]
pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=\"document.title='taken'\">"
CHOICE = "system=Hydra&framework=vllm&framework=sglang"

Opened = Callable[[str], Page]


def rows() -> list[Stored]:
    made = [
        row(
            {
                "output_throughput": 90.0 * (7 * load + 13 * gpus) ** 0.6 * (1.1 if framework == "sglang" else 1.0),
                "ttft_mean": 20.0 + load / gpus,
                "power_mean": 300.0 + load,
            },
            verdict="suspect" if load == 500 else "verified",
            system=system, framework=framework, tp=gpus, gpus=gpus, gpus_per_node=4, nodes=max(1, gpus // 4), concurrency=load,
        )
        for system in ("Hydra", "Lernaea")
        for framework in ("vllm", "sglang", HOSTILE)
        for gpus in (1, 2, 4, 8)
        for load in (10, 50, 100, 500)
    ]  # fmt: skip
    training = [
        row(
            {"output_throughput": None, "train_tokens_per_second": 1000.0 * n**0.9, "train_runtime": 900.0 / n},
            kind="training", framework="deepspeed", tp=n, gpus=n, nodes=1, concurrency=None,
        )
        for n in (1, 2, 4)
    ]  # fmt: skip
    return [*made, *training]


ROWS = rows()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_whole(table(ROWS), path)
    return path


@pytest.fixture
def opened(file: Path, browser: Browser, complaints: list[str]) -> Iterator[Opened]:
    """The file at an address, in a browser that reaches nothing else."""
    context = browser.new_context(viewport={"width": 1400, "height": 4000})
    context.route("http://**", lambda route: route.abort())
    context.route("https://**", lambda route: route.abort())

    def open_page(fragment: str = "") -> Page:
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                complaints.append(request.url)
                if "://" in request.url[:8] and not request.url.startswith("file:")
                else None
            ),
        )
        page.goto(f"{file.as_uri()}#{fragment}")
        _ready(page)
        return page

    yield open_page
    context.close()


def _ready(page: Page) -> None:
    page.wait_for_selector("#board[data-ready]")
    page.wait_for_function("Object.keys(document.getElementById('board').drawn).length === 8")


def drawn(page: Page, name: str, part: str = "rows") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate(f"document.getElementById('board').drawn['{name}'].{part}")
    return found


def test_the_file_works_without_network_and_text_of_results_stays_text(opened: Opened, complaints: list[str]) -> None:
    page = opened("")
    expect(page.locator("#counts")).to_contain_text("99 of 99 configurations")
    expect(page.locator("figure canvas")).to_have_count(8)
    page.locator("details[data-name=framework] summary").click()
    expect(page.locator("details[data-name=framework] label", has_text="onerror")).to_be_visible()
    expect(page.locator("#rows tbody tr")).to_have_count(20)
    expect(page).to_have_title("Benchmarks · MINERVA")
    assert complaints == []


def test_a_link_chooses_and_choosing_makes_a_link(opened: Opened) -> None:
    page = opened(CHOICE)
    expect(page.locator("#counts")).to_contain_text("32 of 99 configurations")
    page.locator("details[data-name=gpus] summary").click()
    page.locator("details[data-name=gpus] label", has_text="4").locator("input").check()
    expect(page.locator("#counts")).to_contain_text("8 of 99")
    assert page.url.endswith(f"#{CHOICE}&gpus=4")
    again = opened(page.url.partition("#")[2])
    expect(again.locator("#counts")).to_contain_text("8 of 99")
    expect(again.locator("details[data-name=gpus] summary")).to_have_text("GPUs (1)")
    again.get_by_role("button", name="Clear").click()
    expect(again.locator("#counts")).to_contain_text("99 of 99")


def test_counts_beside_values_say_what_choosing_them_would_show(opened: Opened) -> None:
    page = opened(CHOICE)
    count = page.locator("details[data-name=system] label", has_text="Lernaea").locator("span")
    assert count.text_content() == "32"  # its own filter does not hide it, the framework's does
    assert page.locator("details[data-name=kind] label", has_text="training").locator("span").text_content() == "0"


def test_nothing_left_says_not_measured(opened: Opened) -> None:
    page = opened("system=Lernaea&kind=training")
    expect(page.locator("#empty")).to_contain_text("Not measured")
    expect(page.locator("#rows tbody tr")).to_have_count(0)


def test_front_heat_map_and_efficiency_are_those_that_files_are_drawn_from(opened: Opened) -> None:
    """One definition in two languages: the page and `minerva bench plot` must not differ."""
    page = opened(CHOICE)
    chosen = [r for r in ROWS if r.result.spec.system == "Hydra" and r.result.spec.framework in ("vllm", "sglang")]
    found = configurations(chosen, {}, near=True)
    drawable = points(found)

    front = [point["tokens_per_s"] for point in drawn(page, "latency", "front")]
    assert front == pytest.approx([point["tokens_per_s"] for point in pareto_front(drawable)], rel=1e-4)
    cells = {(c["gpus"], c["concurrency"]): c for c in drawn(page, "heatmap")}
    expected = {(c["gpus"], c["concurrency"]): c for c in heat_cells(drawable)}
    assert cells.keys() == expected.keys()
    for key, cell in cells.items():
        assert cell["tokens_per_s"] == pytest.approx(expected[key]["tokens_per_s"], rel=1e-4)
        assert ("△" in cell["label"]) == ("△" in expected[key]["label"])
    scaled = [(s.gpus, s.efficiency) for series in scaling(found) for s in series]
    shown = [(r["gpus"], r["efficiency"]) for r in drawn(page, "efficiency")]
    assert sorted(e for _, e in shown) == pytest.approx(sorted(e for _, e in scaled), rel=1e-4)


def test_pictures_along_a_line_show_the_same_series(opened: Opened) -> None:
    page = opened(CHOICE)
    named = [{row["series"] for row in drawn(page, name)} for name in ("throughput", "latency", "energy")]
    assert named[0] == named[1] == named[2] and len(named[0]) == 8


def test_suspect_rows_are_marked_and_their_reasons_shown(opened: Opened) -> None:
    page = opened("framework=vllm&verdict=suspect")
    assert {r["verdict"] for r in drawn(page, "throughput")} == {"suspect"}
    first = page.locator("#rows tbody tr").first
    expect(first.locator(".verdict")).to_have_text("suspect")
    expect(first.locator(".why")).to_contain_text("D7: no steady state")


def test_a_click_on_a_point_shows_its_runs_and_lifts_its_series_everywhere(opened: Opened) -> None:
    page = opened("system=Hydra&framework=vllm&gpus=4")
    spot = page.evaluate("""async () => {
      const view = await document.getElementById("board").views.throughput;
      const found = [];
      const walk = (item, x, y) => {
        if (item.marktype === "symbol") { for (const point of item.items) if (point.datum?.row !== undefined) found.push([x + point.x, y + point.y]); }
        else for (const inner of item.items ?? []) walk(inner, x + (inner.x ?? 0), y + (inner.y ?? 0));
      };
      const [left, top] = view.origin();
      walk(view.scenegraph().root, 0, 0);
      const padding = view.padding();
      return [found[0][0] + left + padding.left, found[0][1] + top + padding.top];
    }""")
    page.locator("#throughput canvas").click(position={"x": spot[0], "y": spot[1]})
    expect(page.locator("#closer")).to_contain_text("Runs ")
    series = drawn(page, "throughput")[0]["series"]
    signals = page.evaluate("""async () => {
      const views = document.getElementById("board").views;
      return Promise.all(Object.values(views).map(async (view) => (await view).signal("picked")));
    }""")
    assert set(signals) == {series}


@pytest.mark.parametrize("form", ["CSV", "JSON"])
def test_rows_of_the_choice_are_downloaded_with_verdict_reasons_and_runs(opened: Opened, form: str) -> None:
    page = opened(CHOICE)
    with page.expect_download() as download:
        page.get_by_role("button", name=form, exact=True).click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    found = json.loads(text) if form == "JSON" else list(csv.DictReader(io.StringIO(text)))
    assert len(found) == 32
    assert {r["verdict"] for r in found} == {"verified", "suspect"}
    by_id = {r.id: r for r in ROWS}
    for r in found:
        assert float(r["tokens_per_s"]) == pytest.approx(by_id[r["runs"]].result.value("output_throughput"), rel=1e-5)
        assert (r["verdict"] == "suspect") == ("D7" in r["reasons"])


def test_cells_of_the_csv_are_no_formulas(tmp_path: Path, browser: Browser) -> None:
    write_whole(table([row(model="=1+1", system="Hydra")]), tmp_path / "page.html")
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_selector("#board[data-ready]")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    (found,) = csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8")))
    assert found["model"] == "'=1+1"
    page.close()


@pytest.mark.parametrize(("form", "begins"), [("PNG", b"\x89PNG"), ("SVG", b"<svg")])
def test_pictures_are_downloaded(opened: Opened, form: str, begins: bytes) -> None:
    page = opened("")
    with page.expect_download() as download:
        page.locator("#latency").get_by_role("button", name=form).click()
    assert Path(download.value.path()).read_bytes().startswith(begins)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 390)])
def test_no_rule_of_accessibility_is_violated(file: Path, browser: Browser, scheme: Any, width: int) -> None:
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    page.goto(file.as_uri())
    page.wait_for_selector("#board[data-ready]")
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true })")
    expect(page.locator("#rows tbody tr").first.locator("code")).to_be_visible()
    page.evaluate("document.querySelectorAll('canvas').forEach((c) => c.scrollIntoView())")
    found = Axe().run(
        page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    )
    assert [(v["id"], [node["target"] for node in v["nodes"][:3]]) for v in found.response["violations"]] == []
    page.close()


def test_a_page_whose_results_have_grown_since_loads_itself_again(browser: Browser) -> None:
    """Reasons and run ids are told by row: those of a newer table belong to other rows."""
    before, after = table(ROWS[:4]), table(ROWS[:8])
    sent = {"columns": before.columns, "details": after.details, "vega": vega(), "board": file_of("board.js")}
    page = browser.new_page()

    def answer(route: Route) -> None:
        name = route.request.url.rpartition("/")[2].partition(".")[0]
        kind = "text/javascript" if name in ("vega", "board") else "application/json" if name in sent else "text/html"
        route.fulfill(body=sent.get(name, served(base="", version="1")), content_type=kind)
        if name == "details":
            sent["columns"] = after.columns

    page.route("http://results.test/**", answer)
    page.goto("http://results.test/")
    expect(page.locator("#counts")).to_contain_text("8 of 8 configurations")
    expect(page.locator("#rows tbody tr").first.locator("code")).to_have_text(json.loads(after.details)["runs"][0][0])
    page.close()
