from __future__ import annotations

from pathlib import Path

import pytest
from dovecot_fixture import dovecot

from knowledge_base.encoder import SentenceEncoder
from knowledge_base.index import build_index

__all__ = ["dovecot"]

ARTICLES = Path(__file__).parents[2] / "knowledge_base" / "articles"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that leave nothing of their server behind come last, whatever the order is."""
    items.sort(key=lambda item: item.name.startswith("test_zz_"))


@pytest.fixture(scope="session")
def small_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index over the articles about jobs, built with the packaged model."""
    index = tmp_path_factory.mktemp("index")
    build_index(ARTICLES / "jobs", index, SentenceEncoder())
    return index
