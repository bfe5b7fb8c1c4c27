"""Where `minerva bench` keeps its results."""

from __future__ import annotations

from agent.settings import load_settings
from bench_runner.store.database import Store, open_store


def bench_store() -> Store:
    """Below the data folder, see docs/settings.md."""
    return open_store(load_settings().bench_dir)
