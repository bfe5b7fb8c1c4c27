"""The SQLite file: opened, migrated, read from and written to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from bench_runner.errors import StoreError
from bench_runner.store.sqlite import for_writing, wal_engine

MIGRATIONS = Path(__file__).parent.parent / "migrations"
HEAD = "0005"
"""Newest migration; a test holds it to the folder. Compared first, so that a usual start does not load Alembic."""
STORE_FILE = "benchmarks.sqlite"


class Store:
    """Results and runs. `read()` never blocks, `write()` holds the one write lock until it commits."""

    def __init__(self, path: Path, originals: Path) -> None:
        self.path = path
        self.originals = originals
        self._engine = wal_engine(path, cache_kb=32_000, page_bytes=16_384)
        self._writing = for_writing(self._engine)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Commits at the end of the block, rolls back when it raises."""
        with self._writing.begin() as connection:
            yield connection

    def close(self) -> None:
        self._engine.dispose()


def open_store(folder: Path) -> Store:
    """The store in `folder` (`benchmarks.sqlite` and `originals/`), made or migrated when needed.

    Raises:
        StoreError: the file is no database, cannot be written, or belongs to a newer version.
    """
    path = folder / STORE_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        store = Store(path, folder / "originals")
        with store.read() as connection:
            current = _revision(connection)
        if current != HEAD:
            _migrate(store, path, current)
    except (DatabaseError, OSError) as error:
        reason = getattr(error, "orig", error)
        raise StoreError(f"cannot use {path}: {reason}. Move it away or restore a backup.") from error
    return store


def _revision(connection: Connection) -> str | None:
    tables = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").all()
    if not tables:
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def _migrate(store: Store, path: Path, current: str | None) -> None:
    from alembic import command  # noqa: PLC0415  # half a second, needed once
    from alembic.config import Config  # noqa: PLC0415

    if current is not None and current > HEAD:
        raise StoreError(f"{path} was written by a newer version ({current}); update the program")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with store.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
