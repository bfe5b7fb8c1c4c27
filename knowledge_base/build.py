"""From a folder of documents to a snapshot of the index."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowledge_base.chunks import indexed_text, passages_of
from knowledge_base.documents import read_tree
from knowledge_base.encoder import Encoder, unrelated_cosine
from knowledge_base.errors import (
    EmptySourceError,
    IndexDamagedError,
    IndexMissingError,
    SchemaMismatchError,
    VectorStoreError,
)
from knowledge_base.fields import build_fields, save_fields
from knowledge_base.passage import Passage
from knowledge_base.snapshot import (
    SCHEMA,
    Manifest,
    building,
    current_snapshot,
    read_manifest,
    write_manifest,
    write_passages,
)
from knowledge_base.tree import Skipped
from knowledge_base.vectors import Floats, VectorStore, all_of
from knowledge_base.vectors_faiss import FILES

HASH_BYTES = 16
FILE_VECTORS = "file_vectors.npy"


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildReport:
    documents: int
    passages: int
    embedded: int
    """Passages whose vectors were computed; the others were taken from the snapshot before."""
    skipped: tuple[Skipped, ...]
    repaired: tuple[Skipped, ...]
    flagged: tuple[Skipped, ...]
    """Kept, but to be looked at by a person."""
    seconds: float


def build_index(source: Path, index: Path, encoder: Encoder, store: VectorStore = FILES) -> BuildReport:
    """Reads `source` and makes its snapshot the current one of `index`; readers of the old one go on undisturbed.

    Raises:
        SourceMissingError: `source` is no folder.
        EmptySourceError: it holds nothing to index.
        IndexUnwritableError: the snapshot cannot be written.
        VectorStoreError: `store` cannot be reached.
    """
    begun = time.monotonic()
    reading = read_tree(source)
    passages = [passage for document in reading.documents for passage in passages_of(document)]
    if not passages:
        raise EmptySourceError(source, len(reading.skipped))
    embedded = write_snapshot(
        index, passages, encoder, store, documents=len(reading.documents), source=str(source.resolve())
    )
    return BuildReport(
        documents=len(reading.documents),
        passages=len(passages),
        embedded=embedded,
        skipped=tuple(reading.skipped),
        repaired=tuple(reading.repaired),
        flagged=tuple(reading.flagged),
        seconds=time.monotonic() - begun,
    )


def write_snapshot(
    index: Path,
    passages: Sequence[Passage],
    encoder: Encoder,
    store: VectorStore = FILES,
    *,
    documents: int,
    source: str,
    files: Mapping[str, str] | None = None,
) -> int:
    """Make these passages the current snapshot of `index`; vectors of texts that it holds already are taken over.

    `files` are further texts to lie in the snapshot, by name. Returns how many passages were embedded.

    Raises:
        IndexUnwritableError: the snapshot cannot be written.
        VectorStoreError: `store` cannot be reached.
    """
    texts = [indexed_text(passage) for passage in passages]
    hashes = np.stack([text_hash(text) for text in texts])
    vectors, embedded = _vectors(texts, hashes, encoder, _known_vectors(index, encoder.name, store))
    file_of = _file_numbers(passages)
    unrelated = _unrelated(index, encoder)
    with building(index, store.drop) as folder:
        write_passages(folder, passages)
        np.save(folder / "file_of.npy", file_of)
        np.save(folder / "hashes.npy", hashes)
        np.save(folder / FILE_VECTORS, file_vectors(vectors, file_of))
        store.write(folder, vectors)
        save_fields(build_fields(passages, file_of.tolist()), folder)
        for name, text in (files or {}).items():
            (folder / name).write_text(text, encoding="utf-8")
        manifest = Manifest(
            schema=SCHEMA,
            encoder=encoder.name,
            dimension=vectors.shape[1],
            documents=documents,
            passages=len(passages),
            source=source,
            built_at=datetime.now(UTC).isoformat(timespec="seconds"),
            unrelated=unrelated,
        )
        write_manifest(folder, manifest)
    return embedded


def text_hash(text: str) -> NDArray[np.uint8]:
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=HASH_BYTES).digest()
    return np.frombuffer(digest, dtype=np.uint8)


def _file_numbers(passages: Sequence[Passage]) -> NDArray[np.int32]:
    numbers: dict[tuple[str, str], int] = {}
    return np.asarray(
        [numbers.setdefault((passage.source, passage.path), len(numbers)) for passage in passages], dtype=np.int32
    )


def _known_vectors(index: Path, encoder_name: str, store: VectorStore) -> dict[bytes, NDArray[np.float32]]:
    """Vectors of the current snapshot by the hash of their text; none when it is of another model."""
    try:
        folder = current_snapshot(index)
        if read_manifest(folder).encoder != encoder_name:
            return {}
        hashes = np.load(folder / "hashes.npy")
        vectors = all_of(store.open(folder))
    except (
        IndexMissingError, IndexDamagedError, SchemaMismatchError, VectorStoreError, OSError, ValueError, RuntimeError
    ):  # fmt: skip
        return {}
    return {row.tobytes(): vector for row, vector in zip(hashes, vectors, strict=True)}


def _unrelated(index: Path, encoder: Encoder) -> float:
    """As the current snapshot tells it, if it is of the same model."""
    try:
        told = read_manifest(current_snapshot(index))
    except (IndexMissingError, IndexDamagedError, SchemaMismatchError):
        return unrelated_cosine(encoder)
    known = told.unrelated if told.encoder == encoder.name else None
    return unrelated_cosine(encoder) if known is None else known


def _vectors(
    texts: Sequence[str], hashes: NDArray[np.uint8], encoder: Encoder, known: dict[bytes, NDArray[np.float32]]
) -> tuple[Floats, int]:
    keys = [row.tobytes() for row in hashes]
    wanted = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if wanted:
        known = {**known, **dict(zip(wanted, encoder.encode(list(wanted.values())), strict=True))}
    return np.stack([known[key] for key in keys]).astype(np.float32), len(wanted)


def file_vectors(vectors: Floats, file_of: NDArray[np.int32]) -> Floats:
    """The mean vector of each file's passages, of length 1."""
    sums = np.zeros((int(file_of.max()) + 1, vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, file_of, vectors)
    return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9), dtype=np.float32)
