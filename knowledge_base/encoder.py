"""Text to vectors, offline: the packaged model through onnxruntime, other models through sentence-transformers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from knowledge_base.errors import ModelMissingError, TrainingExtraMissingError

PACKAGED_MODEL = "granite-embedding-30m-english"
"""In `knowledge_base/model`, made by `python -m knowledge_base.export_model`."""
MAX_TOKENS = 256
PADDING = ("<pad>", "[PAD]")
BATCH_TOKENS = 256
"""Of texts that are computed together, padding counted: a fifth less work than one by one, and more gains nothing."""
SLOWER_FUSION = "SkipLayerNormFusion"
"""onnxruntime's fused addition and layer normalisation is not vectorised on CPUs: four times as slow as its parts."""

BATCH_SIZE = 4
"""Of sentence-transformers: on the CPU larger batches are no faster, and mixed ones pay for the longest text."""

Vectors = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Vectors]


class Encoder(Protocol):
    name: str
    """Goes into the index, so that an index is never searched with another model's vectors."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (len(texts), dimension), each of Euclidean length 1."""
        ...


UNRELATED = (
    "The train to the coast leaves at seven.",
    "Bread needs salt, flour and time.",
    "Her grandmother was born in a small village.",
    "The match ended without a goal.",
    "Invoices are paid within thirty days.",
    "A violin has four strings.",
    "Rain is expected in the north tomorrow.",
    "The museum is closed on Mondays.",
    "Cats sleep for most of the day.",
    "He painted the door green.",
    "The committee meets twice a year.",
    "Sugar dissolves faster in hot water.",
    "print(sum(values) / len(values))",
    "Error: file not found",
    "How do I submit a job to the queue?",
    "GPU memory",
)


def unrelated_cosine(encoder: Encoder) -> float:
    """Mean cosine of texts that have nothing to do with each other: 0.52 by the packaged model, near 0 by others."""
    vectors = encoder.encode(UNRELATED)
    return max(0.0, float((vectors @ vectors.T)[np.triu_indices(len(UNRELATED), 1)].mean()))


def nearness(cosines: NDArray[np.float32], unrelated: float) -> Vectors:
    """1 for the same text and 0 for what is no nearer than unrelated texts, whatever the model."""
    return np.asarray(np.maximum((cosines - unrelated) / (1.0 - unrelated), 0.0), dtype=np.float32)


class SentenceEncoder:
    """An embedding model, loaded at the first use; may be used from several threads: make one and share it."""

    def __init__(self, model: str | Path = PACKAGED_MODEL) -> None:
        self.name = str(model)
        self._folder = _folder_of(self.name)
        self._is_onnx = (self._folder / "model.onnx").is_file()
        self._loading = threading.Lock()
        self._encode: Encode | None = None

    def check(self) -> None:
        """Loads nothing.

        Raises:
            ModelMissingError: there is no model in the folder.
            TrainingExtraMissingError: the model needs sentence-transformers, which is not installed.
        """
        if not (self._is_onnx or (self._folder / "config.json").is_file()):
            raise ModelMissingError(self._folder)
        if not self._is_onnx and find_spec("sentence_transformers") is None:
            raise TrainingExtraMissingError(self.name)

    def load(self) -> Encode:
        """The model itself. Raises what `check` raises."""
        with self._loading:
            if self._encode is None:
                self.check()
                self._encode = _onnx(self._folder) if self._is_onnx else _sentence_transformer(self._folder)
            return self._encode

    def encode(self, texts: Sequence[str]) -> Vectors:
        return self.load()(texts)


def _folder_of(name: str) -> Path:
    return packaged_model_folder() if name == PACKAGED_MODEL else Path(name)


def packaged_model_folder() -> Path:
    return Path(str(resources.files("knowledge_base"))) / "model"


def _onnx(folder: Path) -> Encode:
    """Texts of about the same length go through together: few of them alone would not fill a core's vector units."""
    from onnxruntime import InferenceSession, SessionOptions  # noqa: PLC0415  # half a second to import
    from tokenizers import Tokenizer  # noqa: PLC0415

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    options = SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    session = InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"], disabled_optimizers=[SLOWER_FUSION]
    )

    padding = next((key for name in PADDING if (key := tokenizer.token_to_id(name)) is not None), 0)

    def vectors(ids: Sequence[Sequence[int]]) -> Vectors:
        """Padding is masked: it changes a vector in the seventh digit at most."""
        padded = np.full((len(ids), max(map(len, ids))), padding, dtype=np.int64)
        mask = np.zeros_like(padded)
        for row, found in enumerate(ids):
            padded[row, : len(found)] = found
            mask[row, : len(found)] = 1
        return np.asarray(session.run(None, {"input_ids": padded, "attention_mask": mask})[0], dtype=np.float32)

    dimension = vectors([tokenizer.encode("a").ids]).shape[1]

    def encode(texts: Sequence[str]) -> Vectors:
        ids = [tokenizer.encode(text).ids for text in texts]
        batches = alike([len(found) for found in ids])
        made = np.empty((len(texts), dimension), dtype=np.float32)

        def fill(rows: Sequence[int]) -> None:
            made[rows] = vectors([ids[row] for row in rows])

        if len(batches) < 2:
            for rows in batches:
                fill(rows)
        else:
            with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
                list(threads.map(fill, batches))
        return made

    return encode


def alike(lengths: Sequence[int]) -> list[list[int]]:
    """Batches of texts of nearly the same number of tokens, by place; the longest first, so that no core ends late."""
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= BATCH_TOKENS:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def _sentence_transformer(folder: Path) -> Encode:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415  # seconds to import
    from transformers.utils import logging  # noqa: PLC0415

    logging.disable_progress_bar()  # type: ignore[no-untyped-call,unused-ignore]
    model = SentenceTransformer(str(folder), local_files_only=True)

    def encode(texts: Sequence[str]) -> Vectors:
        vectors = model.encode(
            list(texts),
            batch_size=BATCH_SIZE,
            normalize_embeddings=True,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        return np.asarray(vectors, dtype=np.float32)

    return encode
