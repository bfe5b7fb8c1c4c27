"""Vectors in PostgreSQL with the extension pgvector, one table a snapshot, for helpdesks on several hosts.

https://github.com/pgvector/pgvector
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
from pgvector.psycopg import register_vector
from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier, Literal

from knowledge_base.errors import VectorStoreError
from knowledge_base.vectors import EXACT_UP_TO, TABLE_FILE, WIDTH, Floats, Rows, Vectors
from knowledge_base.vectors_faiss import FaissFiles

TIMEOUT_S = 10
MOST_IN_HAND = 1000
"""Of pgvector's graph search (`hnsw.ef_search`)."""


class PostgresVectors:
    """Raises VectorStoreError from all that needs the server."""

    def __init__(self, url: str, exact_up_to: int = EXACT_UP_TO) -> None:
        self._url = url
        self._exact_up_to = exact_up_to

    def write(self, folder: Path, vectors: Floats) -> None:
        """In one transaction: a build that dies leaves no table."""
        table = f"minerva_vectors_{uuid4().hex}"
        _make_extension(self._url)
        with _connected(self._url) as connection:
            kind = SQL("vector({})").format(Literal(vectors.shape[1]))
            connection.execute(_sql("CREATE TABLE {} (row integer PRIMARY KEY, embedding {} NOT NULL)", table, kind))
            _copy(connection, table, vectors)
            if len(vectors) > self._exact_up_to:
                connection.execute(_sql("CREATE INDEX ON {} USING hnsw (embedding vector_ip_ops)", table))
            connection.execute(_sql("ANALYZE {}", table))
        (folder / TABLE_FILE).write_text(table, encoding="ascii")

    def open(self, folder: Path) -> Vectors:
        """A snapshot that was made before its vectors went to PostgreSQL is read from its file."""
        table = _table_of(folder)
        return TableOfVectors(self._url, table) if table else FaissFiles().open(folder)

    def drop(self, folder: Path) -> None:
        table = _table_of(folder)
        if table:
            with contextlib.suppress(VectorStoreError), _connected(self._url) as connection:
                connection.execute(_sql("DROP TABLE IF EXISTS {}", table))


class TableOfVectors:
    """Keeps one connection, and makes another when that one is lost."""

    def __init__(self, url: str, table: str) -> None:
        self._connection: Connection[Any] | None = None
        self._url, self._table = url, table
        self._using = threading.Lock()
        self._count = int(self._asked(_sql("SELECT coalesce(max(row) + 1, 0) FROM {}", table))[0][0])

    def __len__(self) -> int:
        return self._count

    def nearest(self, vector: Floats, count: int) -> Rows:
        query = _sql("SELECT row FROM {} ORDER BY embedding <#> %s LIMIT %s", self._table)
        found = self._asked(query, [vector, count], in_hand=min(MOST_IN_HAND, WIDTH * count))
        return np.asarray([row for (row,) in found], dtype=np.int64)

    def at(self, rows: Rows) -> Floats:
        query = _sql("SELECT row, embedding FROM {} WHERE row = ANY(%s)", self._table)
        found = dict(self._asked(query, [rows.tolist()]))
        return np.stack([found[row].to_numpy() for row in rows.tolist()]).astype(np.float32)

    def __del__(self) -> None:
        self._hang_up()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _asked(self, query: Composed, values: list[Any] | None = None, in_hand: int = 0) -> list[Any]:
        with self._using:
            try:
                return self._ask(query, values, in_hand)
            except psycopg.OperationalError:  # the server was restarted, say
                self._hang_up()
            except psycopg.Error as error:
                raise VectorStoreError(error) from error
            try:
                return self._ask(query, values, in_hand)
            except psycopg.Error as error:
                raise VectorStoreError(error) from error

    def _ask(self, query: Composed, values: list[Any] | None, in_hand: int) -> list[Any]:
        if self._connection is None:
            self._connection = psycopg.connect(self._url, connect_timeout=TIMEOUT_S)
            register_vector(self._connection)
        with self._connection.transaction():
            if in_hand:
                self._connection.execute("SELECT set_config('hnsw.ef_search', %s, true)", [str(in_hand)])
            return self._connection.execute(query, values, binary=True).fetchall()


def _make_extension(url: str) -> None:
    """Where it is missing; another build may make it at the same time."""
    try:
        with psycopg.connect(url, connect_timeout=TIMEOUT_S, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateObject):
        pass
    except psycopg.Error as error:
        raise VectorStoreError(error) from error


@contextlib.contextmanager
def _connected(url: str) -> Iterator[Connection[Any]]:
    """One connection and one transaction."""
    try:
        with psycopg.connect(url, connect_timeout=TIMEOUT_S) as connection:
            register_vector(connection)
            yield connection
    except psycopg.Error as error:
        raise VectorStoreError(error) from error


def _sql(text: str, table: str, *parts: Composed) -> Composed:
    return SQL(text).format(Identifier(table), *parts)


def _copy(connection: Connection[Any], table: str, vectors: Floats) -> None:
    with connection.cursor().copy(_sql("COPY {} FROM STDIN WITH (FORMAT BINARY)", table)) as copy:
        copy.set_types(["int4", "vector"])
        for row, vector in enumerate(vectors):
            copy.write_row((row, vector))


def _table_of(folder: Path) -> str | None:
    try:
        return (folder / TABLE_FILE).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
