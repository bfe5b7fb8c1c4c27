"""BM25 over the three texts that stand for a passage: its own, its place (title and headings), its whole file."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bm25s
import numpy as np
from numpy.typing import NDArray

from knowledge_base.chunks import indexed_text, place_of
from knowledge_base.lexical import Vocabulary, words_of
from knowledge_base.passage import Passage

logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG

FIELDS = ("body", "place", "file")
K1, B = 1.0, 0.6
"""Chosen on the development questions: a word that is said once counts nearly as much as one said often."""
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LexicalScores:
    body: Scores
    """One per passage, like `place`."""
    place: Scores
    file: Scores
    """One per file."""


class Fields:
    def __init__(self, vocabulary: Vocabulary, indexes: dict[str, bm25s.BM25]) -> None:
        self.vocabulary = vocabulary
        self._indexes = indexes
        self._files = int(indexes["file"].scores["num_docs"])

    def scores(self, terms: Sequence[str], weight: float = 1.0) -> LexicalScores:
        known = np.asarray(self.vocabulary.known(terms), dtype=np.int32)
        body, place, file = (self._indexes[field].get_scores_from_ids(known) * weight for field in FIELDS)
        return LexicalScores(body, place, file)

    def files_with(self, term: str) -> int:
        """How many files hold the term."""
        number = self.vocabulary.ids.get(term)
        if number is None:
            return 0
        starts = self._indexes["file"].scores["indptr"]
        return int(starts[number + 1] - starts[number])

    def rarity(self, count: int) -> float:
        """Weight of a term that `count` of the files hold: the rarer, the more it tells."""
        return math.log((self._files + 1) / (count + 0.5))


def build_fields(passages: Sequence[Passage], file_of: Sequence[int]) -> Fields:
    vocabulary = Vocabulary([""])
    bodies = [vocabulary.learn(words_of(indexed_text(passage))) for passage in passages]
    places = [vocabulary.learn(words_of(f"{place_of(passage)} {path_words(passage.path)}")) for passage in passages]
    files: list[list[int]] = [[] for _ in range(max(file_of) + 1)]
    for file, body in zip(file_of, bodies, strict=True):
        files[file].extend(body)
    indexes = {}
    for field, rows in zip(FIELDS, (bodies, places, files), strict=True):
        indexes[field] = bm25s.BM25(k1=K1, b=B)
        indexes[field].index((rows, dict(vocabulary.ids)), create_empty_token=False, show_progress=False)
    return Fields(vocabulary, indexes)


def path_words(path: str) -> str:
    """Folders and name of a file as words, without its suffix."""
    return path.rsplit(".", 1)[0].replace("/", " ").replace("-", " ").replace("_", " ")


def save_fields(fields: Fields, folder: Path) -> None:
    (folder / "terms.json").write_text(json.dumps(list(fields.vocabulary.ids), ensure_ascii=True), encoding="ascii")
    for field in FIELDS:
        index = fields._indexes[field]
        index.vocab_dict = {}  # kept once, in terms.json
        index.save(str(folder / field), show_progress=False)


def load_fields(folder: Path) -> Fields:
    vocabulary = Vocabulary(json.loads((folder / "terms.json").read_text(encoding="ascii")))
    indexes = {
        field: bm25s.BM25.load(str(folder / field), mmap=True, load_vocab=False, show_progress=False)
        for field in FIELDS
    }
    return Fields(vocabulary, indexes)
