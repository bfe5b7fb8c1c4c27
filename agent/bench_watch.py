"""The watcher of benchmark runs, inside the service: a thread that makes a round now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from agent.benchmarks import bench_sites
from bench_runner.errors import BenchError
from bench_runner.reruns.watcher import Watcher
from bench_runner.store.database import open_store

log = structlog.get_logger()

EVERY_S = 30.0


def watch_benches(folder: Path, *, every_s: float = EVERY_S) -> Callable[[], None]:
    """Follows runs as soon as the operators have written `sites.yaml`; returns what stops it.

    It is read anew each round, so a change needs no restart. What goes wrong is logged; the next round tries again.
    """
    stopping = threading.Event()

    def rounds() -> None:
        while not stopping.wait(every_s):
            _round(folder)

    thread = threading.Thread(target=rounds, name="bench watcher", daemon=True)
    thread.start()

    def stop() -> None:
        stopping.set()
        thread.join(5)

    return stop


def _round(folder: Path) -> None:
    try:
        sites = bench_sites(folder)
        if not sites:
            return
        store = open_store(folder)
        try:
            Watcher(store=store, sites=sites).tick()
        finally:
            store.close()
    except (BenchError, SQLAlchemyError, OSError) as error:
        log.warning("bench_round_failed", problem=str(error))
