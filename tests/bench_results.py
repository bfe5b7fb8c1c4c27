"""`make bench`, part of benchmark results: import speed, a large serving JSON, the watcher's calls. Prints, asserts no time.

Each measurement is a process of its own, so that memory is its own too.
"""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench_runner.collecting import collect
from bench_runner.importers.minerva_export import COLUMNS
from bench_runner.importing import import_paths
from bench_runner.reruns import runs
from bench_runner.reruns.request import plans
from bench_runner.reruns.runs import RunState
from bench_runner.reruns.script import job_name
from bench_runner.reruns.sites import read_sites
from bench_runner.reruns.watcher import Watcher
from bench_runner.store.database import Store, open_store

ROWS = 20_000
MANY = 100_000
JOBS = 1000


def write_table(path: Path, rows: int = ROWS) -> None:
    """Rows of many series whose figures agree with each other."""
    chance = random.Random(1)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(rows):
            load, rate = 50 * (1 + number % 10), chance.uniform(1000, 9000)
            tpot = (1000 * load * 200 / rate - 100) / 199
            figures = [
                "58.0",
                "60.1",
                "300.5",
                "500.5",
                "100.0",
                f"{tpot:.2f}",
                f"{tpot:.2f}",
                f"{rate:.2f}",
                f"{rate / 200:.2f}",
            ]
            spec = [
                f"System{number // 400}",
                "GPU",
                "Some-8B",
                "Text Generation",
                "sharegpt",
                "vllm",
                "benchmark_serving.py",
            ]
            writer.writerow(
                [
                    *spec,
                    load,
                    1,
                    4,
                    4,
                    1 + number % 4,
                    1,
                    4096 * (1 + number % 7),
                    "--enforce-eager",
                    *figures,
                    *[""] * 5,
                ]
            )


def write_json(path: Path) -> None:
    chance = random.Random(1)
    count = 25_000
    some = [[chance.uniform(0.005, 0.03) for _ in range(99)] for _ in range(1000)]
    words = [
        " ".join(chance.choices(["an", "answer", "of", "some", "length", "or", "other"], k=60)) for _ in range(1000)
    ]
    record = {
        "date": "20261128-120000", "backend": "vllm", "model_id": "Some-8B", "num_prompts": count, "max_concurrency": 100,
        "duration": 100.0, "completed": count, "total_input_tokens": 100 * count, "total_output_tokens": 100 * count,
        "request_throughput": count / 100, "output_throughput": count * 1.0, "total_token_throughput": count * 2.0,
        "input_lens": [100] * count, "output_lens": [100] * count, "ttfts": [chance.uniform(0.02, 2) for _ in range(count)], "errors": [""] * count,
        "itls": [some[number % 1000] for number in range(count)],
        "generated_texts": [words[number % 1000] for number in range(count)],
    }  # fmt: skip
    path.write_text(json.dumps(record))


def peak_mb() -> float:
    """Of this program alone: `ru_maxrss` would carry the parent's over."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def measure(what: str, path: Path) -> None:
    """Runs in the child."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder))  # made once, in 0.12 s
        before = peak_mb()
        begun, used = time.monotonic(), time.process_time()
        found = count(what, path, store)
        seconds, cpu = time.monotonic() - begun, time.process_time() - used
    print(json.dumps({"found": found, "s": seconds, "cpu_s": cpu, "peak_mb": peak_mb(), "before_mb": before}))


def count(what: str, path: Path, store: Store) -> int:
    if what == "csv":
        with path.open(newline="", encoding="utf-8") as file:
            return sum(1 for _ in csv.reader(file))
    if what == "read":
        return len(collect([path])[0])
    return sum(import_paths(store, [path]).added.values())


@dataclass
class Answering:
    """A Slurm whose jobs all run, and how often it was asked what."""

    queue: str
    calls: Counter[str] = field(default_factory=Counter)

    def run(self, argv: Sequence[str], *, stdin: str = "") -> tuple[int, str, str]:
        del stdin
        self.calls[argv[0]] += 1
        return 0, self.queue if argv[0] == "squeue" else "", ""


def watch(folder: Path) -> None:
    """One round over `JOBS` running jobs of one site."""
    sites = read_sites("sites: {hydra: {partition: gpu, work_dir: /work, gpus_per_node: 4}}")
    (plan,) = plans("{system: hydra, framework: vllm, model: tiny/Llama-1B, dataset: random}", sites)
    store = open_store(folder)
    with store.write() as connection:
        for number in range(JOBS):
            made = runs.propose(connection, plan, spec=plan.source, title="t", by="a@b.c", project="p")
            of, values = (RunState.PROPOSED,), {"job": str(number), "slurm_state": "RUNNING", "attempts": 1}
            runs.move(connection, made.id, RunState.SUBMITTED, of=of, who="bench", why="running", **values)
        listed = runs.runs(connection)
    slurm = Answering("".join(f"{run.job}|{job_name(run.id, 1)}|RUNNING|None|x\n" for run in listed))
    begun, used = time.monotonic(), time.process_time()
    Watcher(store=store, sites=sites, transport=lambda _: slurm).tick()
    asked = ", ".join(f"{count} {program}" for program, count in sorted(slurm.calls.items()))
    print(f"watcher, one round over {JOBS} jobs: {asked}; {time.monotonic() - begun:.2f} s "
          f"({time.process_time() - used:.2f} CPU s)")  # fmt: skip


def child(what: str, path: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, what, str(path)], capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        table, large = Path(name, "table.csv"), Path(name, "large.json")
        write_table(table)
        write_json(large)
        for what, label in (
            ("csv", "Python's csv module alone"),
            ("read", "read and told apart"),
            ("import", "read, judged, stored with the original"),
        ):
            got = child(what, table)
            print(
                f"benchmark table of {ROWS} rows, {label}: {ROWS / got['s']:.0f} rows/s ({ROWS / got['cpu_s']:.0f} a CPU second)"
            )
        write_table(table, MANY)
        got = child("import", table)
        print(f"benchmark table of {MANY} rows, read, judged, stored: {MANY / got['s']:.0f} rows/s "
              f"({MANY / got['cpu_s']:.0f} a CPU second), peak memory {got['peak_mb']:.0f} MB, "
              f"{got['before_mb']:.0f} MB of it before")  # fmt: skip
        audit: list[str | Path] = [Path(sys.executable).with_name("minerva"), "bench", "audit", table]
        with Path(name, "report").open("w") as report:
            _, _, used = os.wait4(subprocess.Popen(audit, stdout=report).pid, 0)
        print(f"`minerva bench audit` of the same: {used.ru_utime + used.ru_stime:.1f} CPU s, "
              f"peak memory {used.ru_maxrss / 1024:.0f} MB")  # fmt: skip
        size = large.stat().st_size / 1e6
        for what, label in (("read", "read"), ("import", "read, judged, stored with the original")):
            got = child(what, large)
            print(f"vLLM JSON of {size:.0f} MB, {label}: {got['s']:.2f} s ({got['cpu_s']:.2f} CPU s), "
                  f"peak memory {got['peak_mb']:.0f} MB, {got['before_mb']:.0f} MB of it before")  # fmt: skip
        watch(Path(name, "runs"))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
