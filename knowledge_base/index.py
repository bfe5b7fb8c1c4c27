"""The index as its readers see it: open a snapshot, search it, look up a passage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowledge_base.answerable import answerable_of
from knowledge_base.build import FILE_VECTORS, BuildReport, build_index, file_vectors
from knowledge_base.chunks import indexed_text
from knowledge_base.encoder import Encoder, nearness
from knowledge_base.errors import EncoderMismatchError, IndexDamagedError, VectorStoreError
from knowledge_base.fields import Fields, LexicalScores, load_fields
from knowledge_base.glossary import other_words
from knowledge_base.lexical import words_of
from knowledge_base.passage import Passage, RetrievedPassage, SearchResult
from knowledge_base.ranking import WEIGHTS, Rows, Scores, Signals, signals_at
from knowledge_base.reranker import RERANKED, Reranker
from knowledge_base.scope import is_about_another, systems_named
from knowledge_base.snapshot import Manifest, PassageFile, current_snapshot, read_manifest
from knowledge_base.spelling import respelled
from knowledge_base.translation import in_english
from knowledge_base.vectors import Floats, VectorStore, all_of, cosines
from knowledge_base.vectors_faiss import FILES

__all__ = ["BuildReport", "Index", "build_index", "open_index"]

CANDIDATES = 200
"""Taken from each of the dense and lexical rankings; all further work is on these."""
WIDER = 2
"""Times as many candidates when the question names a system: passages about others are taken out of them."""
ATTEMPTS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """Candidates of one question, best first."""

    rows: Rows
    scores: Scores
    signals: Signals
    """In the order of `rows`."""
    terms: tuple[str, ...]


class Index:
    """One snapshot, open for reading; it stays as it is while newer ones are built."""

    def __init__(self, folder: Path, store: VectorStore = FILES) -> None:
        self._index = folder.parent.parent
        self._folder = folder
        self.manifest: Manifest = read_manifest(folder)
        self.passages = PassageFile(folder)
        self._file_of: NDArray[np.int32] = np.load(folder / "file_of.npy")
        self._vectors = store.open(folder)
        self.fields: Fields = load_fields(folder)
        self._file_vectors = self._means(folder / FILE_VECTORS)

    def __len__(self) -> int:
        return len(self.passages)

    def is_current(self) -> bool:
        """False when a newer snapshot has been built since this one was opened."""
        return current_snapshot(self._index) == self._folder

    def passage(self, passage_id: str) -> Passage | None:
        row = self.passages.row_of(passage_id)
        return None if row is None else self.passages.at(row)

    def search(
        self,
        question: str,
        encoder: Encoder,
        k: int = 10,
        *,
        one_per_file: bool = False,
        reranker: Reranker | None = None,
    ) -> SearchResult:
        """The `k` best passages, or the best passage of each of the `k` best files.

        Raises:
            EncoderMismatchError: the index was built with another model.
        """
        return self.search_many([question], encoder, k, one_per_file=one_per_file, reranker=reranker)[0]

    def search_many(
        self,
        questions: Sequence[str],
        encoder: Encoder,
        k: int = 10,
        *,
        one_per_file: bool = False,
        reranker: Reranker | None = None,
    ) -> list[SearchResult]:
        """As `search`, with all questions embedded together."""
        if not questions:
            return []
        found = []
        for question, vector in zip(questions, self._embed(questions, encoder), strict=True):
            ranked = self.rank(question, vector)
            rows = ranked.rows if reranker is None else self._reranked(question, ranked.rows, reranker)
            found.append(self._result(ranked, rows, k, one_per_file))
        return found

    def cosines(self, vector: NDArray[np.float32]) -> Scores:
        """Cosine of `vector` and every passage, in the order of the rows."""
        return np.asarray(all_of(self._vectors) @ vector, dtype=np.float32)

    def rank(self, question: str, vector: NDArray[np.float32]) -> Ranked:
        """All candidates in order, none of them about another system than the question names; `vector` is the
        question's embedding."""
        terms = words_of(in_english(question))
        lexical = self._lexical(words_of(self._understood(question)))
        asked = systems_named(question)
        rows = self._in_scope(self._candidates(vector, lexical, CANDIDATES * (WIDER if asked else 1)), asked)
        dense, file_dense = (
            nearness(cosines(vectors, vector), self.manifest.unrelated or 0.0)
            for vectors in (self._vectors.at(rows), self._file_vectors)
        )
        signals = signals_at(rows, self._file_of, lexical, dense, file_dense)
        scores = signals.fused()
        order = np.argsort(-scores, kind="stable")
        return Ranked(rows=rows[order], scores=scores[order], signals=signals.at(order), terms=tuple(terms))

    def _means(self, file: Path) -> Floats:
        """Of each file's passages; computed for a snapshot of an earlier version."""
        return np.load(file, mmap_mode="r") if file.is_file() else file_vectors(all_of(self._vectors), self._file_of)

    def _embed(self, questions: Sequence[str], encoder: Encoder) -> NDArray[np.float32]:
        if encoder.name != self.manifest.encoder:
            raise EncoderMismatchError(self._index, self.manifest.encoder, encoder.name)
        texts = [_encodable(question) for question in questions]
        vectors = encoder.encode(texts)
        read = [self._understood(text) for text in texts]
        other = [row for row, text in enumerate(texts) if read[row] != text]
        if other:
            both = vectors[other] + encoder.encode([read[row] for row in other])
            vectors[other] = both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-9)
        return vectors

    def _understood(self, question: str) -> str:
        """In English, as far as we can, or else without its misspellings."""
        english = in_english(question)
        return english if english != question else respelled(question, self.fields.files_with)

    def _lexical(self, terms: Sequence[str]) -> LexicalScores:
        asked = self.fields.scores(terms)
        added = self.fields.scores(other_words(list(terms)), WEIGHTS.synonyms)
        return LexicalScores(asked.body + added.body, asked.place + added.place, asked.file + added.file)

    def _candidates(self, vector: NDArray[np.float32], lexical: LexicalScores, count: int) -> Rows:
        count = min(count, len(self))
        near = self._vectors.nearest(vector, count)
        worded = np.argpartition(-lexical.body, count - 1)[:count]
        return np.unique(np.concatenate([near, worded])).astype(np.int64)

    def _in_scope(self, rows: Rows, asked: frozenset[str]) -> Rows:
        if not asked:
            return rows
        others = [is_about_another(self.passages.at(int(row)).systems, asked) for row in rows]
        return np.asarray(rows[~np.asarray(others, dtype=bool)], dtype=np.int64)

    def _reranked(self, question: str, rows: Rows, reranker: Reranker) -> Rows:
        """The first rows in the reranker's order, the others behind them."""
        first = rows[:RERANKED]
        if not len(first):
            return rows
        scores = reranker.scores(question, [indexed_text(self.passages.at(int(row))) for row in first])
        return np.concatenate([first[np.argsort(-scores, kind="stable")], rows[RERANKED:]])

    def _result(self, ranked: Ranked, rows: Rows, k: int, one_per_file: bool) -> SearchResult:
        """`rows` are those of `ranked`, perhaps in another order; the scores stay those of the places."""
        chosen = _first_of_each(self._file_of[rows]) if one_per_file else np.arange(len(rows))
        hits = tuple(
            RetrievedPassage(passage=self.passages.at(int(rows[place])), score=float(ranked.scores[place]), rank=rank)
            for rank, place in enumerate(chosen[:k], start=1)
        )
        return SearchResult(hits=hits, answerable=answerable_of(ranked.signals, ranked.terms, self.fields))


def open_index(index: Path, store: VectorStore = FILES) -> Index:
    """The current snapshot.

    Raises:
        IndexMissingError: nothing was built there.
        SchemaMismatchError: another version built it.
        IndexDamagedError: its files cannot be read.
        VectorStoreError: `store` cannot be reached.
    """
    for attempt in range(ATTEMPTS):
        folder = current_snapshot(index)
        try:
            return Index(folder, store)
        except (OSError, EOFError, ValueError, KeyError, RuntimeError, IndexDamagedError, VectorStoreError) as error:
            replaced_meanwhile = current_snapshot(index) != folder
            if replaced_meanwhile and attempt < ATTEMPTS - 1:
                continue
            if isinstance(error, VectorStoreError):
                raise
            raise IndexDamagedError(index, str(error)) from error
    raise IndexDamagedError(index, "it is replaced all the time")


def _encodable(question: str) -> str:
    """Half surrogate pairs, as JSON may hold them, replaced; never empty."""
    return question.encode("utf-8", "replace").decode().strip() or "?"


def _first_of_each(files: NDArray[np.int32]) -> NDArray[np.int64]:
    """Places of the first passage of each file, in order."""
    return np.sort(np.unique(files, return_index=True)[1]).astype(np.int64)
