"""A real PostgreSQL with pgvector on a socket of its own, from the wheel pgserver."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a variable of desktop sessions that is not set
        missing = "pgserver is missing: pip install pgserver (x86-64, Python before 3.13)"
        pgserver = pytest.importorskip("pgserver", reason=missing)
        folder = Path(tempfile.mkdtemp(prefix="minerva-pg-"))  # short, since the path of a socket must be
        folder.chmod(0o755)  # as root, the server runs as the user `pgserver`, which the wheel makes
        server = pgserver.get_server(folder / "data", cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)
