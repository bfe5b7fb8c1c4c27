"""Questions in other languages, word by word in English."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.catalogue import read_yaml
from knowledge_base.encoder import Encoder
from knowledge_base.index import build_index, open_index
from knowledge_base.questions import read_questions
from knowledge_base.translation import in_english

EVALS = Path(__file__).parents[1] / "evals"


@pytest.mark.parametrize(
    ("question", "english"),
    [
        ("Pourquoi mon job est-il en attente ?", {"job", "pending"}),
        ("comment voir l'erreur de mémoire", {"error", "memory"}),
        ("wie lange dürfen Jobs in der Warteschlange warten", {"queue"}),
        ("gilt die KI-Verordnung für mein Sprachmodell?", {"artificial intelligence", "regulation", "language model"}),
        ("come faccio a cancellare un file", {"file"}),
        ("¿cómo puedo compartir un directorio con mi grupo?", {"share", "directory", "group"}),
        ("limite de temps de la file d'attente", {"time limit", "queue"}),
    ],
)
def test_known_words_become_english(question: str, english: set[str]) -> None:
    found = in_english(question)
    assert all(word in found for word in english), found


@pytest.mark.parametrize(
    "kept", ["AssocGrpGRES", "--gpus-per-node=8", "NCCL_SOCKET_IFNAME", "#SBATCH", "MI250X", "c++"]
)
def test_technical_words_stay_as_they_are(kept: str) -> None:
    assert kept.strip("-#") in in_english(f"was ist {kept} und wie benutze ich das?")


def test_a_hyphen_before_an_option_does_not_split_it() -> None:
    assert "--gpus-per-node" in in_english("wie viele Karten gibt mir --gpus-per-node?")


def test_english_questions_stay_as_they_are() -> None:
    files = ("dev", "test", "foreign_dev", "foreign_test")
    asked = [item.question for file in files for item in read_questions(EVALS / f"retrieval_{file}.jsonl")]
    assert [question for question in asked if in_english(question) != question] == []


@pytest.mark.parametrize("question", ["how come jobs die after one hour", "memory per core", "go on", "a", "", "¿?"])
def test_words_that_english_has_too_tell_nothing(question: str) -> None:
    assert in_english(question) == question


def test_questions_in_other_languages_are_told() -> None:
    lines = (EVALS / "retrieval_languages.jsonl").read_text(encoding="utf-8").splitlines()
    changed: dict[str, list[bool]] = {}
    for row in map(json.loads, lines):
        changed.setdefault(row["lang"], []).append(in_english(row["question"]) != row["question"])
    assert set(changed) == {"en", "fr", "de", "it", "es"}
    assert not any(changed.pop("en"))
    assert all(np.mean(flags) >= 0.9 for flags in changed.values()), changed


@given(st.text(max_size=200))
def test_any_text_gives_some_text(text: str) -> None:
    found = in_english(text)
    assert found == text or found.strip()


def test_the_dictionary_is_of_lower_case_words_with_their_english() -> None:
    dictionary = read_yaml("dictionary.yaml")
    for english, foreign in dictionary["english"].items():
        assert english == english.lower()
        assert len(set(foreign)) == len(foreign), english
        for phrase in foreign:
            assert isinstance(phrase, str), f"{english}: {phrase} needs quotation marks"
            assert phrase == phrase.lower().strip(), phrase
    assert all(isinstance(word, str) for words in dictionary["little"].values() for word in words)


def test_what_the_dictionary_lists_is_found() -> None:
    entries = [
        (english, phrase) for english, foreign in read_yaml("dictionary.yaml")["english"].items() for phrase in foreign
    ]
    missed = [
        phrase
        for english, phrase in entries
        if english
        not in in_english("was ist das und wie heißt " + " ".join(word.removesuffix("-") for word in phrase.split()))
    ]
    assert len(missed) <= 0.02 * len(entries), missed  # a few stand under two words and give the other


def test_a_question_in_another_language_finds_the_english_page(tmp_path: Path, hashing_encoder: Encoder) -> None:
    (tmp_path / "queue.md").write_text("# Queue\n\nThe time limit of the queue.\n")
    (tmp_path / "disk.md").write_text("# Quota\n\nThe quota of a directory on disk.\n")
    build_index(tmp_path, tmp_path / "index", hashing_encoder)
    index = open_index(tmp_path / "index")
    asked = ["Welches Zeitlimit hat die Warteschlange?", "quota de mon répertoire sur le disque", "what is the quota"]
    found = [result.hits[0].passage.path for result in index.search_many(asked, hashing_encoder, 1)]
    assert found == ["queue.md", "disk.md", "disk.md"]
