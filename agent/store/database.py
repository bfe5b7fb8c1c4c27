"""One SQLite file (WAL), opened, migrated, read from and written to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError as SqlDatabaseError
from sqlmodel import Session

from agent.errors import DatabaseError
from bench_runner.store.sqlite import for_writing, wal_engine

MIGRATIONS = Path(__file__).parent.parent / "migrations"


class Database:
    """Hands out sessions: `read()` never blocks, `write()` holds the one write lock until it commits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = wal_engine(path, cache_kb=16_000)
        self._writing = for_writing(self._engine)

    @contextmanager
    def read(self) -> Iterator[Session]:
        with Session(self._engine, expire_on_commit=False) as session:
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

    def close(self) -> None:
        self._engine.dispose()


def open_database(path: Path) -> Database:
    """Create or migrate the database at `path`, then open it.

    Raises:
        DatabaseError: the file is no database, cannot be written, or belongs to a newer version.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = Database(path)
        with database._engine.connect() as connection:
            _migrate(connection, path)
    except (SqlDatabaseError, OSError) as error:
        raise DatabaseError(f"cannot use the database {path}: {error}. Move it away or restore a backup.") from error
    return database


@contextmanager
def writing(path: Path) -> Iterator[Session]:
    """One transaction on the database at `path`, opened for it. Raises as `open_database` does."""
    database = open_database(path)
    try:
        with database.write() as session:
            yield session
    finally:
        database.close()


def alembic_config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url)
    return config


def _migrate(connection: Connection, path: Path) -> None:
    config = alembic_config(f"sqlite:///{path}")
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    current = MigrationContext.configure(connection).get_current_revision()
    if current == head:
        return
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise DatabaseError(f"the database {path} was written by a newer version ({current}); update the program")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()
