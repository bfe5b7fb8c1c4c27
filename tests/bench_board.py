"""`make bench`, part of the page of benchmark results: 100,000 rows, how long the page and a filter take. Prints only.

The page is loaded in headless Chromium from our own server; a filter is timed on the page, from the click to the redrawn
pictures that are in view.
"""

from __future__ import annotations

import csv
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, product
from pathlib import Path
from statistics import median

import uvicorn
from playwright.sync_api import Page, sync_playwright

from bench_runner.dashboard import page as pages
from bench_runner.dashboard.data import table
from bench_runner.dashboard.web import app
from bench_runner.importers.minerva_export import COLUMNS
from bench_runner.importing import import_paths
from bench_runner.memory import no_cycles_sought
from bench_runner.store.database import Store, open_store
from bench_runner.store.results import load

ROWS = 100_000
ROUNDS = 5
CHOICES = ("system", "framework", "model", "gpus")


def write_table(path: Path) -> None:
    """Each row another configuration, so that none becomes the repeat of another."""
    chance = random.Random(1)
    systems, models = [f"System {n}" for n in range(9)], [f"Model-{n}B" for n in (1, 3, 7, 8, 12, 14, 24, 32, 70, 405)]
    loads = (8, 16, 32, 64, 100, 128, 250, 500, 1000, 2000)
    axes = (systems, models, ("vllm", "sglang", "tgi"), ("sharegpt", "sonnet", "random", "code", "rag"),
            (1, 2, 4, 8), (1, 2, 4), loads)  # fmt: skip
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for system, model, framework, data, nodes, share, load in islice(product(*axes), ROWS):
            gpus = share * nodes
            ttft = 20 + load * chance.uniform(0.5, 1.5) / gpus
            rate = load * 200 * 1000 / (ttft + 199 * (8 + load / gpus / 20))
            tpot = (1000 * load * 200 / rate - ttft) / 199
            spec = [system, "GPU", model, "Text Generation", data, framework, "benchmark_serving.py", load, nodes, share,
                    gpus, gpus, 1, 4096, ""]  # fmt: skip
            figures = [58.0, 60.1, f"{chance.uniform(200, 500):.1f}", 500.5, f"{ttft:.2f}", f"{tpot:.2f}",
                       f"{tpot:.2f}", f"{rate:.2f}", f"{rate / 200:.3f}"]  # fmt: skip
            writer.writerow([*spec, *figures, *[""] * 5])


@contextmanager
def serving(store: Store) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app(lambda: store), port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join()


def page_s(page: Page, address: str) -> float:
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector("#board[data-ready]")
    return float(page.evaluate("performance.now()")) / 1000


def filter_ms(page: Page, name: str) -> float:
    """One value chosen, then taken back."""
    click = "name => document.querySelectorAll(`#filters details[data-name=${name}] input`)[1].click()"
    took = []
    for _ in range(2):
        page.evaluate("document.getElementById('board').dataset.tookMs = ''")
        page.evaluate(click, name)
        page.wait_for_function("document.getElementById('board').dataset.tookMs !== ''")
        took.append(float(page.evaluate("document.getElementById('board').dataset.tookMs")))
    return took[0]


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("page of benchmark results: not measured, there is no Chromium")
        return
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        source = Path(folder) / "table.csv"
        write_table(source)
        store = open_store(Path(folder) / "bench")
        import_paths(store, [source])
        begun = time.process_time()
        with no_cycles_sought(), store.read() as connection:
            made = table(load(connection))
        print(f"page of {ROWS} results, made once after an import: {time.process_time() - begun:.1f} CPU s, "
              f"{len(made.columns) / 1e6:.1f} MB and {len(made.details) / 1e6:.1f} MB of reasons and runs")  # fmt: skip
        pages.vega()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        with serving(store) as address:
            page.goto(address)
            page.wait_for_selector("#board[data-ready]", timeout=120_000)
            loads = [page_s(page, address) for _ in range(ROUNDS)]
            print(f"page of {ROWS} results, until it can be used: {median(loads):.2f} s (median of {ROUNDS})")
            for name in CHOICES:
                took = [filter_ms(page, name) for _ in range(ROUNDS)]
                print(f"page of {ROWS} results, filter by {name}: {median(took):.0f} ms (median of {ROUNDS})")
        browser.close()


if __name__ == "__main__":
    main()
