"""SQLite as both databases are opened: a write-ahead log, durable commits, writers that take the lock at once."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

BUSY_TIMEOUT_S = 30


def wal_engine(path: Path, *, cache_kb: int, page_bytes: int = 4096) -> Engine:
    """For readers; `for_writing` gives the one whose transactions take the write lock at once.

    `page_bytes` counts for a new file.
    """
    arguments = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
    # Without its parameters an error in the log cannot carry what somebody wrote to us.
    engine = create_engine(f"sqlite:///{path}", connect_args=arguments, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's documented way to control BEGIN itself
        for pragma in (
            f"page_size={page_bytes}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"cache_size=-{cache_kb}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that will write takes the lock at once: a later upgrade could fail with SQLITE_BUSY.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")

    return engine


_WRITES = "takes_write_lock"


def for_writing(engine: Engine) -> Engine:
    """The same connections, whose transactions hold the one write lock until they end."""
    return engine.execution_options(**{_WRITES: True})
