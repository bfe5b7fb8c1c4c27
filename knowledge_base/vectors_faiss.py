"""Vectors in one FAISS file a snapshot, memory-mapped: opening reads next to nothing, processes share the pages."""

from __future__ import annotations

import os
from pathlib import Path

import faiss
import numpy as np

from knowledge_base.errors import VectorStoreError
from knowledge_base.vectors import EXACT_UP_TO, TABLE_FILE, WIDTH, Floats, Rows

FILE = "vectors.faiss"
NEIGHBOURS = 32
"""Links of each vector in the graph (HNSW, https://arxiv.org/abs/1603.09320)."""


class FaissFiles:
    def __init__(self, exact_up_to: int = EXACT_UP_TO) -> None:
        self._exact_up_to = exact_up_to

    def write(self, folder: Path, vectors: Floats) -> None:
        dimension = vectors.shape[1]
        index = (
            faiss.IndexFlatIP(dimension)
            if len(vectors) <= self._exact_up_to
            else faiss.IndexHNSWFlat(dimension, NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
        )
        faiss.omp_set_num_threads(len(os.sched_getaffinity(0)))
        index.add(np.ascontiguousarray(vectors))
        faiss.write_index(index, str(folder / FILE))

    def open(self, folder: Path) -> FaissVectors:
        if (folder / TABLE_FILE).is_file():
            raise VectorStoreError("MINERVA_VECTORS_URL is not set")
        return FaissVectors(folder / FILE)

    def drop(self, folder: Path) -> None:
        """The file goes with its folder."""


FILES = FaissFiles()


class FaissVectors:
    def __init__(self, file: Path) -> None:
        self._index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
        self.is_exact = not isinstance(self._index, faiss.IndexHNSW)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def nearest(self, vector: Floats, count: int) -> Rows:
        faiss.omp_set_num_threads(1)  # of the calling thread; several wait for each other on a busy machine
        graph = None if self.is_exact else faiss.SearchParametersHNSW(efSearch=WIDTH * count)  # type: ignore[attr-defined,unused-ignore]
        _, rows = self._index.search(vector[None, :], min(count, len(self)), params=graph)
        return np.asarray(rows[0][rows[0] >= 0], dtype=np.int64)

    def at(self, rows: Rows) -> Floats:
        return np.asarray(self._index.reconstruct_batch(rows), dtype=np.float32)
