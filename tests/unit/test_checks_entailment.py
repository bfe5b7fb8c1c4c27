"""A model for natural language inference may doubt claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.checks.entailment import LABELS, InferenceModel, judge_at, judged
from agent.draft import Check, Citation, Claim, Draft
from agent.errors import HelpdeskError
from knowledge_base.encoder import packaged_model_folder


class Reader:
    """Says of a pair what its hypothesis names; remembers the pairs."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[str, str]]] = []

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        self.batches.append(list(pairs))
        rows = {"false": (0.8, 0.1, 0.1), "true": (0.1, 0.8, 0.1), "off": (0.1, 0.2, 0.7)}
        return np.array([rows[hypothesis.split()[0]] for _, hypothesis in pairs], dtype=np.float32)


def draft(*claims: str, colours: Sequence[str] = ()) -> Draft:
    made = tuple(
        Claim(text=text, citations=(Citation(evidence=1, quote="Nodes are whole."), Citation(evidence=2, quote="Yes.")))
        for text in claims
    )
    checks = tuple(
        Check(part="claim", position=n, colour=colour, reasons=())  # type: ignore[arg-type]
        for n, colour in enumerate(colours or ["green"] * len(claims))
    )
    return Draft(
        outcome="answer",
        claims=made,
        unanswered=(),
        questions=(),
        evidence=(),
        answerable=0.9,
        model="m",
        checks=checks,
    )


def test_what_quotes_do_not_entail_becomes_amber_with_why() -> None:
    reader = Reader()
    found = judged(reader, draft("true one", "false two", "off three"))
    assert [check.colour for check in found.checks] == ["green", "amber", "amber"]
    assert "contradict it" in found.checks[1].reasons[0]
    assert "do not carry it" in found.checks[2].reasons[0]
    assert reader.batches == [[("Nodes are whole. Yes.", f"{word}") for word in ("true one", "false two", "off three")]]


def test_nothing_becomes_better_and_red_is_not_asked_about() -> None:
    reader = Reader()
    found = judged(reader, draft("true one", "true two", colours=["amber", "red"]))
    assert [check.colour for check in found.checks] == ["amber", "red"]
    assert reader.batches == [[("Nodes are whole. Yes.", "true one")]]


def test_a_draft_without_claims_is_left_alone() -> None:
    reader = Reader()
    empty = draft()
    other = replace(empty, checks=(Check(part="command", position=0, colour="green", reasons=()),))
    assert judged(reader, empty) is empty
    assert judged(reader, other) is other
    assert reader.batches == []


def test_none_is_set_and_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    assert judge_at(None) is None
    with pytest.raises(HelpdeskError, match=tmp_path.name):
        judge_at(tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with weights by chance and its labels in another order: a trained one cannot be had here."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("sentence_transformers")
    torch = pytest.importorskip("torch")
    made = tmp_path_factory.mktemp("nli")
    torch.manual_seed(7)
    labels = {0: "ENTAILMENT", 1: "NEUTRAL", 2: "CONTRADICTION"}
    config = transformers.BertConfig(
        vocab_size=50_265, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, id2label=labels,
        label2id={name: key for key, name in labels.items()},
    )  # fmt: skip
    transformers.BertForSequenceClassification(config).save_pretrained(made)
    transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(packaged_model_folder() / "tokenizer.json"), pad_token="<pad>", sep_token="</s>",
        cls_token="<s>", unk_token="<unk>", model_max_length=64,
    ).save_pretrained(made)  # fmt: skip
    return made


def test_a_model_of_sentence_transformers_is_read_by_its_own_labels(folder: Path) -> None:
    from sentence_transformers import CrossEncoder  # noqa: PLC0415

    pairs = [("Nodes are whole.", "A node is not shared."), ("Yes.", "No.")]
    found = InferenceModel(folder).probabilities(pairs)
    own = CrossEncoder(str(folder), local_files_only=True).predict(pairs, apply_softmax=True, show_progress_bar=False)
    assert found.shape == (2, len(LABELS))
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(found, np.asarray(own)[:, [2, 0, 1]], atol=1e-6)


def test_a_model_with_other_labels_is_refused(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace("NEUTRAL", "MAYBE"))
    with pytest.raises(HelpdeskError, match="maybe"):
        InferenceModel(tmp_path).probabilities([("a", "b")])
