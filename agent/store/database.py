"""The store of tickets, opened, migrated, read from and written to: one SQLite file (WAL), or PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DatabaseError as SqlDatabaseError
from sqlmodel import Session

from agent.errors import DatabaseError
from bench_runner.store.sqlite import for_writing, wal_engine

MIGRATIONS = Path(__file__).parent.parent / "migrations"

Place = Path | URL
"""Of the store: a file for SQLite, an address for PostgreSQL."""


class Database:
    """Hands out sessions: `read()` never blocks, `write()` holds the one write lock until it commits."""

    def __init__(self, place: Place) -> None:
        self.place = place
        if isinstance(place, Path):
            self._reading = wal_engine(place, cache_kb=16_000)
            self._writing = for_writing(self._reading)
        else:
            self._reading, self._writing = _postgres(place)

    @contextmanager
    def read(self) -> Iterator[Session]:
        with Session(self._reading, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Commits at the end of the block, rolls back when it raises."""
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def write_fast(self) -> Iterator[Connection]:
        """Like `write`, for plain statements without the mapping of rows to objects."""
        with self._writing.begin() as connection:
            yield connection

    @contextmanager
    def turn(self, work: str) -> Iterator[bool]:
        """Whether no other host is at this work now. For what asks services outside, which no transaction holds."""
        if isinstance(self.place, Path):
            yield True
            return
        key = (int.from_bytes(hashlib.sha256(work.encode()).digest()[:8], "big", signed=True),)
        with self._reading.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            ours = connection.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", key).scalar_one()
            try:
                yield ours
            finally:
                if ours:
                    connection.exec_driver_sql("SELECT pg_advisory_unlock(%s)", key)

    def close(self) -> None:
        self._reading.dispose()


def _postgres(url: URL) -> tuple[Engine, Engine]:
    from agent.store.postgres import postgres_engines  # noqa: PLC0415  # its driver is loaded only where it is needed

    return postgres_engines(url)


def open_database(place: Place) -> Database:
    """Create or migrate the tables at `place`, then open it.

    Raises:
        DatabaseError: there is no database that can be used and written, or it belongs to a newer version.
    """
    try:
        if isinstance(place, Path):
            place.parent.mkdir(parents=True, exist_ok=True)
        database = Database(place)
        _migrate(database)
    except (SqlDatabaseError, OSError) as error:
        hint = (
            "Move it away or restore a backup."
            if isinstance(place, Path)
            else "Look at MINERVA_DATABASE_URL, and whether the server runs and lets this user make tables."
        )
        reason = getattr(error, "orig", error)
        raise DatabaseError(f"cannot use the database {name_of(place)}: {reason}. {hint}") from error
    return database


def name_of(place: Place) -> str:
    """For people: without user name and password."""
    if isinstance(place, Path):
        return str(place)
    shown = URL.create("postgresql", host=place.host, port=place.port, database=place.database)
    return shown.render_as_string()


@contextmanager
def writing(place: Place) -> Iterator[Session]:
    """One transaction on the database at `place`, opened for it. Raises as `open_database` does."""
    database = open_database(place)
    try:
        with database.write() as session:
            yield session
    finally:
        database.close()


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def _migrate(database: Database) -> None:
    """Under the write lock, so that of two that start at once one finds it done."""
    config = alembic_config()
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    with database.read() as session:
        if _revision(session.connection()) == head:
            return
    with database.write_fast() as connection:
        current = _revision(connection)
        if current == head:
            return
        if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
            place = name_of(database.place)
            raise DatabaseError(f"the database {place} was written by a newer version ({current}); update the program")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
