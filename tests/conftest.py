"""What several tests build on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from hashing_encoder import HashingEncoder

from agent.settings import Settings
from agent.store.database import Database, open_database

hypothesis.settings.register_profile("ours", deadline=None)  # tests assert no wall times, examples neither
hypothesis.settings.load_profile("ours")


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
