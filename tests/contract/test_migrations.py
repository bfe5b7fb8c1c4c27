from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlmodel import SQLModel

from agent.errors import DatabaseError
from agent.store import fulltext, tables
from agent.store.database import Database, open_database


def test_all_migrations_together_equal_the_tables(database: Database) -> None:
    with database.write() as session:  # the comparison of PostgreSQL sets a search path
        ours = {"compare_type": True, "include_name": lambda name, kind, _: kind != "table" or not _is_fulltext(name)}
        context = MigrationContext.configure(session.connection(), opts=ours)
        assert compare_metadata(context, SQLModel.metadata) == []
    assert tables.Ticket.metadata is SQLModel.metadata


def _is_fulltext(name: str | None) -> bool:
    """The FTS5 table and its shadows, which no model describes."""
    return name is not None and name.startswith(fulltext.TABLE)


def test_the_database_is_in_wal_mode_and_syncs(tmp_path: Path) -> None:
    database = open_database(tmp_path / "minerva.sqlite")
    with database.read() as session:
        assert session.connection().execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert session.connection().execute(text("PRAGMA synchronous")).scalar() == 2


def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "minerva.sqlite"
    path.write_bytes(b"this is not a database, it is a text of some length " * 40)
    with pytest.raises(DatabaseError, match=r"minerva\.sqlite"):
        open_database(path)


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "minerva.sqlite"
    open_database(path).close()
    with create_engine(f"sqlite:///{path}").begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseError, match="newer version"):
        open_database(path)
