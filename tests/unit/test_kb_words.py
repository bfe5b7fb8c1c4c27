"""Terms, synonyms, systems and the catalogue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge_base.catalogue import error_signatures, systems
from knowledge_base.glossary import other_words
from knowledge_base.lexical import STOP_WORDS, words_of
from knowledge_base.scope import is_about_another, systems_named
from knowledge_base.spelling import MOST_WORDS, respelled


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("--gpus-per-node=8", {"--gpus-per-node", "gpu", "per", "node"}),
        ("AssocGrpGRES", {"assoc", "grp", "gres"}),
        ("NCCL_SOCKET_IFNAME", {"nccl_socket_ifname", "nccl", "socket"}),
        ("exit code 137:0", {"exit", "code", "137:0", "137"}),
        ("GPUs and jobs", {"gpu", "job"}),
        ("PyTorch", {"pytorch", "torch"}),
    ],
)
def test_words_are_kept_whole_and_in_parts(text: str, terms: set[str]) -> None:
    assert terms <= set(words_of(text))


def test_the_way_of_writing_does_not_matter() -> None:
    assert set(words_of("assocgrpgres")) <= set(words_of("AssocGrpGRES"))
    assert words_of("pytorch") == words_of("PYTORCH") == words_of("PyTorch")[:1]
    assert words_of("GPUs") == words_of("gpu")
    assert words_of("optimisation") == words_of("optimization")
    assert set(words_of("finetuning")) <= set(words_of("fine-tuning"))


KNOWN = {
    term: files for word, files in {"checkpoint": 4, "partition": 9, "break": 3}.items() for term in words_of(word)
}


def files_with(term: str) -> int:
    return KNOWN.get(term, 0)


@pytest.mark.parametrize(
    ("asked", "read"),
    [
        ("chekpoint", "checkpoint"),
        ("Chekcpoint the partitino", "Checkpoint the partition"),
        ("how many partitionss?", "how many partitions?"),
        ("bread", "bread"),  # too short to guess at
        ("unheard of checkpoints", "unheard of checkpoints"),
        ("becouse", "because"),
        ("--chekpoint CHEKPOINT chekpoint_dir /chekpoint/ chekpoint=1 chekpoint.py", None),
        ("", ""),
    ],
)
def test_misspelt_words_are_taken_for_the_known_ones(asked: str, read: str | None) -> None:
    assert respelled(asked, files_with) == (asked if read is None else read)


def test_a_long_text_of_unknown_words_takes_no_longer_than_its_first_words() -> None:
    asked: list[str] = []
    respelled(
        " ".join(f"gibberish{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(200)), lambda t: asked.append(t) or 0
    )
    assert len(asked) < 200 + MOST_WORDS * 1500
    assert respelled("x" * 20_000, lambda _: 0) == "x" * 20_000


@given(st.text(max_size=100))
def test_known_words_are_never_changed(text: str) -> None:
    assert respelled(text, lambda _: 1) == text


@given(st.text(max_size=60))
def test_nothing_is_changed_when_nothing_is_known(text: str) -> None:
    with_stop_words_only = respelled(text, lambda _: 0)
    assert len(with_stop_words_only.split()) == len(text.split())


@given(st.text())
def test_any_text_has_terms_without_stop_words(text: str) -> None:
    terms = words_of(text)
    assert all(terms)
    assert not STOP_WORDS & set(terms)


def test_the_glossary_adds_words_of_the_field() -> None:
    assert "gpu" in other_words(words_of("one GCD"))
    assert other_words(words_of("bread recipe")) == []


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("my job on LUMI waits", {"lumi-g"}),
        ("marenostrum 5 or MN5?", {"mn5-acc"}),
        ("Adastra", {"adastra-mi250x", "adastra-mi300a"}),
        ("jean-zay and Jean Zay", {"jean-zay"}),
        ("illuminated volumina", set()),
    ],
)
def test_systems_in_questions(question: str, named: set[str]) -> None:
    assert systems_named(question) == named


def test_general_passages_are_about_every_system() -> None:
    assert not is_about_another((), frozenset({"lumi-g"}))
    assert not is_about_another(("mn5-acc",), frozenset())
    assert is_about_another(("mn5-acc",), frozenset({"lumi-g"}))


def test_the_catalogue_has_all_systems_and_signatures() -> None:
    assert len(systems()) == 18
    assert len({signature.id for signature in error_signatures()}) == len(error_signatures()) >= 110
    assert all(system.aliases and system.aliases[0] == system.id for system in systems())
