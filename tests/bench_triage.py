"""Part of `make bench`: what placing requests and training cost. `python tests/bench_triage.py` runs it alone."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from knowledge_base.encoder import SentenceEncoder
from triage.card import train_and_describe
from triage.classifier import Classifier
from triage.dataset import load_all
from triage.result import Request

REQUESTS = 600
BATCH = 64
LOAD = """
import time
from knowledge_base.encoder import SentenceEncoder
encoder = SentenceEncoder()
encoder.load()
wall, cpu = time.perf_counter(), time.process_time()
from triage.classifier import Classifier
classifier = Classifier(encoder)
print(f"triage loads in {time.perf_counter() - wall:.2f} s ({time.process_time() - cpu:.2f} s of CPU), "
      "imports included, after the embedding model (bar 1 s)", flush=True)
"""


def requests() -> list[Request]:
    rows = load_all()
    return [row.request for row in rows[:: max(1, len(rows) // REQUESTS)]][:REQUESTS]


def one_by_one(classifier: Classifier, asked: list[Request]) -> None:
    """On one core, as mails come in."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    walls, costs = [], []
    for request in asked:
        wall, cpu = time.perf_counter(), time.process_time()
        classifier.place(request)
        walls.append(time.perf_counter() - wall)
        costs.append(time.process_time() - cpu)
    os.sched_setaffinity(0, cores)
    for name, values in (("wall", walls), ("CPU", costs)):
        print(
            f"one request, {len(asked)} of them, one core, {name}: p50 {1000 * statistics.median(values):.0f} ms, "
            f"p95 {1000 * sorted(values)[int(0.95 * len(values))]:.0f} ms, max {1000 * max(values):.0f} ms (bar 30)"
        )


def in_batches(classifier: Classifier, asked: list[Request]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(asked), BATCH):
        classifier.place_many(asked[start : start + BATCH])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"in batches of {BATCH}: {len(asked) / wall:.0f} requests/s, {len(asked) / cpu:.0f} a CPU second "
        f"on {len(os.sched_getaffinity(0))} cores (bar 150 requests/s)"
    )


def training(encoder: SentenceEncoder) -> None:
    rows = load_all()
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        train_and_describe(rows, encoder, Path(folder))
    print(
        f"training with {len(rows)} requests, embedded anew, card and frozen test included: "
        f"{time.perf_counter() - wall:.0f} s, {time.process_time() - cpu:.0f} s of CPU (bar 60 s)"
    )


def main() -> None:
    subprocess.run([sys.executable, "-c", LOAD], check=True)
    encoder = SentenceEncoder()
    classifier, asked = Classifier(encoder), requests()
    classifier.place(asked[0])
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    one_by_one(classifier, asked)
    in_batches(classifier, asked)
    training(encoder)


if __name__ == "__main__":
    main()
