"""The first passages put in order by a cross-encoder, which reads question and passage together."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from knowledge_base.errors import ModelMissingError, TrainingExtraMissingError

RERANKED = 30
"""Passages that are read together with the question."""


class Reranker(Protocol):
    def scores(self, question: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """One per text, the best the highest; of any range."""
        ...


class CrossEncoderReranker:
    """A model of sentence-transformers, loaded at the first use; may be used from several threads.

    Raises:
        ModelMissingError: there is no model in the folder.
        TrainingExtraMissingError: sentence-transformers is not installed.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "config.json").is_file():
            raise ModelMissingError(folder)
        if find_spec("sentence_transformers") is None:
            raise TrainingExtraMissingError(str(folder))
        self._folder = folder
        self._lock = threading.Lock()
        self._model: Any = None

    def scores(self, question: str, texts: Sequence[str]) -> NDArray[np.float32]:
        from sentence_transformers import CrossEncoder  # noqa: PLC0415  # seconds to import

        with self._lock:
            if self._model is None:
                self._model = CrossEncoder(str(self._folder), local_files_only=True, num_labels=1)
            pairs = [(question, text) for text in texts]
            return np.asarray(self._model.predict(pairs, show_progress_bar=False), dtype=np.float32)


def reranker_at(folder: Path | None) -> Reranker | None:
    """None when none is set. Raises what CrossEncoderReranker raises."""
    return CrossEncoderReranker(folder) if folder is not None else None
