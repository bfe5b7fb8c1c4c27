"""What several tests build on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from hashing_encoder import HashingEncoder

from agent.settings import Settings
from agent.store.database import Database, open_database

hypothesis.settings.register_profile("ours", deadline=None)  # tests assert no wall times, examples neither
hypothesis.settings.load_profile("ours")


ONE_ON_A_MACHINE = re.compile(r"slurm|vllm")
"""In the names of test files whose servers a machine has once; such files run one after the other."""


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """With several workers (`-n 2 --dist loadgroup`) a file stays together; those that wait longest begin."""
    for item in items:  # before the plugin reads the groups
        shared = ONE_ON_A_MACHINE.search(item.path.name) is not None
        item.add_marker(pytest.mark.xdist_group("once" if shared else item.path.name))
    yield
    items.sort(key=lambda item: ONE_ON_A_MACHINE.search(item.path.name) is None)  # after they were shuffled


@pytest.fixture
def hashing_encoder() -> HashingEncoder:
    return HashingEncoder()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "var", support_address="support@minerva.example")


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = open_database(settings.database_path)
    yield opened
    opened.close()
