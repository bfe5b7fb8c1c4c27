"""A real PostgreSQL with pgvector on a socket of its own, from the wheel pgserver."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from agent.store.database import open_database

TEMPLATE = "migrated"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@contextmanager
def running_postgres() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a variable of desktop sessions that is not set
        missing = "pgserver is missing: pip install pgserver (x86-64, Python before 3.13)"
        pgserver = pytest.importorskip("pgserver", reason=missing)
        folder = Path(tempfile.mkdtemp(prefix="minerva-pg-"))  # short, since the path of a socket must be
        folder.chmod(0o755)  # as root, the server runs as the user `pgserver`, which the wheel makes
        server = pgserver.get_server(folder / "data", cleanup_mode="stop")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # no test cuts the power
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> str:
    """Has a database with all tables, from which each test gets a copy."""
    open_database(make_url(new_database(postgres_url, TEMPLATE))).close()
    return postgres_url


def new_database(server: str, name: str = "", template: str = "template1") -> str:
    """Its address."""
    made = name or f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{made}" TEMPLATE "{template}"')
    return make_url(server).set(database=made).render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    name = make_url(url).database
    server = make_url(url).set(database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
