"""PostgreSQL as it is opened for tickets: writers one after the other, readers with a snapshot of their own.

Writers hold one advisory lock until they commit, as writers of SQLite hold its write lock. So what the code reads in
`write()` stays true until the end of it, and keys appear in the order of commits, which webhooks and the desk build on
when they ask for what is newer than a key. Under READ COMMITTED the statements after the lock see all that was
committed before it; under REPEATABLE READ or SERIALIZABLE the snapshot would be older than the lock.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import URL, Connection, Engine, create_engine, event

from bench_runner.store.sqlite import BUSY_TIMEOUT_S

WRITERS = int.from_bytes(b"minerva", "big")
"""Key of the advisory lock."""
TIMEOUT_S = 10
_WRITES = "takes_write_lock"

# A commit is on disk when it returns, and a host that vanished loses its lock within a minute.
_CONFIGURE = """
SELECT set_config('lock_timeout', %s, false), set_config('tcp_keepalives_idle', '30', false),
       set_config('tcp_keepalives_interval', '10', false), set_config('tcp_keepalives_count', '3', false),
       CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', false) END
"""


class _WithoutNul(StrDumperUnknown):
    """PostgreSQL's texts cannot hold the character NUL, and mails can: it becomes U+FFFD, as in HTML."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\ufffd"))


def postgres_engines(url: URL) -> tuple[Engine, Engine]:
    """For readers and for writers, on the same connections."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={"connect_timeout": TIMEOUT_S, "application_name": "minerva"},
        hide_parameters=True,  # an error in the log cannot carry what somebody wrote to us
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,  # a server that was restarted costs nobody an error
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: psycopg.Connection[Any], _record: Any) -> None:
        connection.adapters.register_dumper(str, _WithoutNul)
        connection.execute(_CONFIGURE, [f"{BUSY_TIMEOUT_S}s"])
        connection.commit()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_WRITES):
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (WRITERS,))

    readers = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return readers, engine.execution_options(**{_WRITES: True})
