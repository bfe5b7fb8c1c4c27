"""What several tests build on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from hashing_encoder import HashingEncoder
from postgres_fixture import TEMPLATE, drop_database, new_database, postgres_template, postgres_url
from pydantic import SecretStr
from xdist.scheduler import LoadScopeScheduling

from agent.settings import Settings
from agent.store.database import Database, open_database

__all__ = ["postgres_template", "postgres_url"]  # fixtures

hypothesis.settings.register_profile("ours", deadline=None)  # tests assert no wall times, examples neither
hypothesis.settings.load_profile("ours")


ONE_ON_A_MACHINE = re.compile(r"slurm|vllm")
"""In the names of test files whose servers a machine has once; such files run one after the other."""


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types here
    """With several workers (`-n 2`) a file stays together, and so do all that need what a machine has once."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "once" if ONE_ON_A_MACHINE.search(file) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    return ByFile(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that wait longest begin; the others stay as they were shuffled."""
    items.sort(key=lambda item: ONE_ON_A_MACHINE.search(item.path.name) is None)


@pytest.fixture
def hashing_encoder() -> HashingEncoder:
    return HashingEncoder()


ON_BOTH = ("tests/unit", "tests/contract")
"""Tests that use a database and lie there run on SQLite and on PostgreSQL, those elsewhere on SQLite."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"database", "store_url"} <= set(metafunc.fixturenames) and metafunc.definition.nodeid.startswith(ON_BOTH):
        metafunc.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def store_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Of a database with all tables in PostgreSQL; None for SQLite."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield None
        return
    url = new_database(request.getfixturevalue("postgres_template"), template=TEMPLATE)
    yield url
    drop_database(url)


@pytest.fixture
def settings(tmp_path: Path, store_url: str | None) -> Settings:
    url = SecretStr(store_url) if store_url else None
    return Settings(data_dir=tmp_path / "var", database_url=url, support_address="support@minerva.example")


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = open_database(settings.database)
    yield opened
    opened.close()
