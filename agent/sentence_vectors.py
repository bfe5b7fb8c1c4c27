"""Vectors of the sentences of passages, computed once and kept: comparing sentences is most of the cost of a draft."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.sentences import Unit, quotable
from knowledge_base.encoder import Encoder, nearness, unrelated_cosine

MAX_ENCODED_CHARS = 300
MAX_KEPT = 100_000
"""Sentences, of 1.5 KB each."""
BATCH = 16
PAUSE_S = 0.5
"""Between two batches of a gentle preparation."""
IDLE_S = 10.0
"""How long no draft must have been made for it to go on."""

Key = tuple[str, int]
"""Id of the evidence and where the sentence starts in it."""


class SentenceVectors:
    """Kept in memory, and in `file` from one start to the next; may be used from several threads."""

    def __init__(self, encoder: Encoder, file: Path | None = None) -> None:
        self._encoder = encoder
        self._file = file
        self._last_used = 0.0
        self._kept: dict[Key, NDArray[np.float32]] = _read(file, encoder.name) if file is not None else {}

    def __len__(self) -> int:
        return len(self._kept)

    @cached_property
    def _unrelated(self) -> float:
        return unrelated_cosine(self._encoder)

    def nearness(self, cosines: NDArray[np.float32]) -> NDArray[np.float32]:
        """1 for the same text, 0 for texts that have nothing to do with each other."""
        return nearness(cosines, self._unrelated)

    def of(
        self, asked: Sequence[str], sentences: Sequence[tuple[str, Unit]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """One row for each question and one for each (id of its evidence, sentence); what is new is encoded."""
        self._last_used = time.monotonic()
        known = [self._kept.get((key, unit.start)) for key, unit in sentences]
        new = [unit.text[:MAX_ENCODED_CHARS] for (_, unit), row in zip(sentences, known, strict=True) if row is None]
        vectors = self._encoder.encode([*asked, *new])
        fresh = iter(vectors[len(asked) :])
        rows = [next(fresh) if row is None else row for row in known]
        return vectors[: len(asked)], np.stack(rows) if rows else vectors[:0]

    def prepare(self, passages: Iterable[tuple[str, str]], stopping: threading.Event, *, gently: bool) -> None:
        """Encode the sentences of all passages (id, text) and keep them; ends early when `stopping` is set.

        `gently`: beside other work, and not while drafts are being made.
        """
        wanted = {(key, unit.start): unit.text for key, text in passages for unit in quotable(text)}
        missing = iter([(key, text[:MAX_ENCODED_CHARS]) for key, text in wanted.items() if key not in self._kept])
        before = len(self._kept)
        while not stopping.is_set() and len(self._kept) < MAX_KEPT and (batch := list(islice(missing, BATCH))):
            while gently and stopping.wait(PAUSE_S) is False and time.monotonic() - self._last_used < IDLE_S:
                pass
            vectors = self._encoder.encode([text for _, text in batch])
            self._kept.update({key: vector for (key, _), vector in zip(batch, vectors, strict=True)})
        if len(self._kept) > before and self._file is not None:
            _write(self._file, self._encoder.name, {key: self._kept[key] for key in wanted if key in self._kept})


def _write(file: Path, encoder_name: str, kept: dict[Key, NDArray[np.float32]]) -> None:
    partial = file.with_suffix(".partial.npz")
    np.savez(
        partial,
        encoder=np.array(encoder_name),
        ids=np.array([key for key, _ in kept]),
        starts=np.array([start for _, start in kept]),
        vectors=np.stack(list(kept.values())).astype(np.float16),
    )
    partial.replace(file)


def _read(file: Path, encoder_name: str) -> dict[Key, NDArray[np.float32]]:
    """Empty when there is no file, when it is broken, or when another model wrote it: then it is made anew."""
    try:
        with np.load(file, allow_pickle=False) as kept:
            if str(kept["encoder"]) != encoder_name:
                return {}
            vectors = kept["vectors"].astype(np.float32)
            keys = zip(kept["ids"].tolist(), kept["starts"].tolist(), strict=True)
            return dict(zip(keys, vectors, strict=True))
    except (OSError, ValueError, KeyError, EOFError):
        return {}
