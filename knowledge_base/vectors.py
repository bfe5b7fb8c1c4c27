"""Where the vectors of a snapshot are kept: a FAISS file beside its passages, or PostgreSQL with pgvector."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

EXACT_UP_TO = 100_000
"""Vectors that are compared one by one, which takes some milliseconds; more are searched through a graph."""
TABLE_FILE = "vectors.table"
"""In a snapshot whose vectors are in PostgreSQL: the name of their table."""
WIDTH = 2
"""Vectors that the graph search keeps in hand, as a multiple of those wanted; recall: docs/performance.md."""


class Vectors(Protocol):
    """The vectors of one snapshot, each of length 1; their rows are those of the passages."""

    def __len__(self) -> int: ...

    def nearest(self, vector: Floats, count: int) -> Rows:
        """Rows of the largest cosines, best first: exactly these up to EXACT_UP_TO vectors, nearly all above."""
        ...

    def at(self, rows: Rows) -> Floats:
        """The vectors of `rows`, of shape (len(rows), dimension)."""
        ...


class VectorStore(Protocol):
    def write(self, folder: Path, vectors: Floats) -> None:
        """Keep the vectors of the snapshot that is being made in `folder`."""
        ...

    def open(self, folder: Path) -> Vectors: ...

    def drop(self, folder: Path) -> None:
        """Forget what is kept outside of `folder`, which is about to be deleted; never raises."""
        ...


def all_of(vectors: Vectors) -> Floats:
    return vectors.at(np.arange(len(vectors), dtype=np.int64))


def cosines(vectors: Floats, vector: Floats) -> Floats:
    """Of each row with `vector`. Not by BLAS, whose threads wait for each other on a busy machine."""
    return np.asarray(np.einsum("ij,j->i", vectors, vector), dtype=np.float32)


def vector_store(url: str | None) -> VectorStore:
    """In PostgreSQL at `url` (`postgresql://…`), else in files."""
    if url is None:
        from knowledge_base.vectors_faiss import FaissFiles  # noqa: PLC0415  # half a second to import

        return FaissFiles()
    from knowledge_base.vectors_postgres import PostgresVectors  # noqa: PLC0415

    return PostgresVectors(url)
