"""A cross-encoder behind the search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from knowledge_base.chunks import indexed_text
from knowledge_base.encoder import Encoder, packaged_model_folder
from knowledge_base.errors import ModelMissingError
from knowledge_base.evaluation import measure
from knowledge_base.index import Index, build_index, open_index
from knowledge_base.questions import LabelledQuestion
from knowledge_base.reranker import RERANKED, CrossEncoderReranker, reranker_at

PAGES = 40


class LastPage:
    """Likes pages the more, the higher their number; remembers how many it was asked about."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def scores(self, question: str, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked.append(len(texts))
        return np.asarray([int(text.split()[1]) for text in texts], dtype=np.float32)


@pytest.fixture
def index(tmp_path: Path, hashing_encoder: Encoder) -> Index:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(PAGES):
        words = "quota " * (PAGES - number)
        (source / f"{number:02}.md").write_text(f"# Page {number}\n\n{words}of a directory.\n")
    build_index(source, tmp_path / "index", hashing_encoder)
    return open_index(tmp_path / "index")


def test_the_first_passages_are_put_in_its_order_and_the_others_follow(index: Index, hashing_encoder: Encoder) -> None:
    reranker = LastPage()
    plain = index.search("quota of a directory", hashing_encoder, PAGES)
    ordered = index.search("quota of a directory", hashing_encoder, PAGES, reranker=reranker)
    before = [hit.passage.path for hit in plain.hits]
    after = [hit.passage.path for hit in ordered.hits]
    assert reranker.asked == [RERANKED]
    assert after[:RERANKED] == sorted(before[:RERANKED], reverse=True)
    assert after[RERANKED:] == before[RERANKED:]
    assert [hit.score for hit in ordered.hits] == [hit.score for hit in plain.hits]
    assert [hit.rank for hit in ordered.hits] == list(range(1, PAGES + 1))
    assert ordered.answerable == plain.answerable


def test_nothing_found_is_not_put_in_order(tmp_path: Path, hashing_encoder: Encoder) -> None:
    (tmp_path / "lumi.md").write_text("# LUMI\n\nWhole nodes.\n")
    build_index(tmp_path, tmp_path / "index", hashing_encoder)
    reranker = LastPage()
    found = open_index(tmp_path / "index").search("nodes of Leonardo", hashing_encoder, reranker=reranker)
    assert (found.hits, reranker.asked) == ((), [])


def test_the_evaluation_shows_the_search_with_and_without(index: Index, hashing_encoder: Encoder) -> None:
    questions = [
        LabelledQuestion(id="1", question="quota of a directory", corpus="c", gold_paths=frozenset({"00.md", "01.md"}))
    ]
    names = [item.ranking for item in measure(index, questions, hashing_encoder, LastPage())]
    assert names == ["bm25", "dense", "rrf", "ours", "rerank"]


def test_none_is_set() -> None:
    assert reranker_at(None) is None


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match=tmp_path.name):
        reranker_at(tmp_path)


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder with weights by chance: a real one cannot be had here."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("sentence_transformers")
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("cross-encoder")
    torch.manual_seed(7)
    config = transformers.BertConfig(
        vocab_size=50_265,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=1,
    )
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer = str(packaged_model_folder() / "tokenizer.json")
    transformers.PreTrainedTokenizerFast(
        tokenizer_file=tokenizer, pad_token="<pad>", sep_token="</s>", cls_token="<s>", unk_token="<unk>",
        model_max_length=64,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def test_a_cross_encoder_of_sentence_transformers(cross_encoder: Path, index: Index, hashing_encoder: Encoder) -> None:
    from sentence_transformers import CrossEncoder  # noqa: PLC0415

    question = "quota of a directory"
    reranker = CrossEncoderReranker(cross_encoder)
    hits = index.search(question, hashing_encoder, RERANKED, reranker=reranker).hits
    model = CrossEncoder(str(cross_encoder), local_files_only=True)
    own = model.predict([(question, indexed_text(hit.passage)) for hit in hits], show_progress_bar=False)
    assert list(own) == sorted(own, reverse=True)
    assert len(set(own)) > 1
