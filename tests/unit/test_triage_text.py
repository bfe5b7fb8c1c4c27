"""Taking a request's text apart."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.language import Languages
from triage.result import Request
from triage.text import HEAD_CHARS, TAIL_CHARS, asking, folded, read, sentences
from triage.urgency import load_urgency, urgency_of


def request(body: str, subject: str = "") -> Request:
    return Request(id="1", channel="email", subject=subject, body=body)


LOG = """Our job stops, why?
[2026-11-20 10:01:02] INFO starting
Traceback (most recent call last):
  File "train.py", line 3, in <module>
RuntimeError: CUDA error: out of memory
"""


def test_log_lines_are_told_from_prose() -> None:
    text = read(request(LOG))
    assert text.prose == "Our job stops, why?"
    assert text.error == "RuntimeError: CUDA error: out of memory"
    assert not text.only_machine


def test_fenced_block_is_machine_text() -> None:
    text = read(request("Help with this:\n```\nsome words in a fence\n```\nplease"))
    assert "fence" in text.machine
    assert "fence" not in text.prose


def test_subject_loses_reply_marks() -> None:
    assert read(request("body text", "Re: AW: Fwd: Quota")).prose.startswith("Quota.")


@pytest.mark.parametrize(
    ("body", "empty", "only_links", "only_machine"),
    [
        ("", True, False, False),
        ("\x00\x00 \n\t", True, False, False),
        ("https://example.org/log.txt", False, True, False),
        ("look: https://example.org/log.txt", False, True, False),
        ("[2026-11-20 10:01:02] INFO starting\nRuntimeError: CUDA error", False, False, True),
        ("My job fails, the log is at https://example.org/log.txt", False, False, False),
    ],
)
def test_special_texts_are_known(body: str, empty: bool, only_links: bool, only_machine: bool) -> None:
    text = read(request(body))
    assert (text.is_empty and not text.links, text.only_links, text.only_machine) == (empty, only_links, only_machine)


def test_of_a_huge_text_head_and_tail_are_read() -> None:
    text = read(request("start " + "word " * 250_000 + "the end"))
    assert text.prose.startswith("start")
    assert text.prose.endswith("the end")
    assert len(text.whole) <= HEAD_CHARS + TAIL_CHARS + 1


@given(st.text(max_size=300), st.text(max_size=2_000))
def test_any_text_can_be_read(subject: str, body: str) -> None:
    text = read(request(body, subject))
    assert "\x00" not in text.whole
    assert len(asking(sentences(text.prose))) == len(sentences(text.prose))


@given(st.text(alphabet=string.ascii_letters + "äöüßéèñçÄÖÜÉ ", max_size=80))
def test_folding_is_stable(text: str) -> None:
    assert folded(folded(text)) == folded(text)


def test_the_sentence_that_puts_the_request_is_found() -> None:
    found = sentences("We run Megatron. All is well. Could you come for two days? Regards, Ana")
    assert [sentence for sentence, asks in zip(found, asking(found), strict=True) if asks] == [
        "Could you come for two days?"
    ]


def test_without_a_question_the_last_longer_sentence_counts() -> None:
    found = sentences("We have two nodes. One of them never gets its data. Ana")
    assert asking(found) == [False, True, False]


LANGUAGES = Languages()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("loss nan with bf16 on MI250X, fp32 ok. any idea", "en"),
        ("srun hängt nach dem Start, was tun?", "de"),
        ("torch.compile plante au premier pas, une idée ?", "fr"),
        ("¿por qué mi job de PyTorch se queda pendiente?", "es"),
        ("ciao, il job resta in coda su LUMI, perché?", "it"),
        ("Mijn taak blijft in de wachtrij staan, wat kan ik doen? Ik heb vier kaarten gevraagd.", "nl"),
        ("Moje zadanie czeka w kolejce od wczoraj, co mogę zrobić, żeby ruszyło?", "pl"),
        ("WARUM IST MEIN JOB SO LANGSAM", "de"),
        ("", "en"),
        ("sbatch --gres=gpu:4 run.sh", "en"),
    ],
)
def test_language_of_short_texts_with_code(text: str, language: str) -> None:
    assert LANGUAGES.of(text) == language


def test_the_main_language_of_a_mixed_text_is_told() -> None:
    text = "Wir bekommen seit gestern diese Meldung auf dem Knoten: 'the job was killed by the scheduler'. Woran kann das liegen?"
    assert LANGUAGES.of(text) == "de"


URGENCY = load_urgency()


@pytest.mark.parametrize(
    ("text", "urgency"),
    [
        ("Our submission is due tomorrow and the job does not start.", "high"),
        ("Die Abgabe ist am Freitag, der Job hängt.", "high"),
        ("Production is down since the update, all our jobs fail", "high"),
        ("La démo est demain et le serveur ne répond pas", "high"),
        ("Necesitamos la respuesta antes del viernes", "high"),
        ("Serve una risposta entro domani", "high"),
        ("Can I copy my data before the maintenance?", "high"),
        ("The whole cluster hangs, nobody can submit", "high"),
        ("la production est arrêtée, tous nos utilisateurs sont bloqués", "high"),
        ("Niemand kann sich anmelden", "high"),
        ("Nadie puede entrar", "high"),
        ("Nessuno riesce a entrare", "high"),
        ("The demo for the ministry is in two hours and the endpoint returns 502", "high"),
        ("Die Vorführung ist in zwei Stunden", "high"),
        ("our review is due in six weeks", "normal"),
        ("the backfill scheduler knows no deadline", "normal"),
        ("pas urgent du tout", "low"),
        ("URGENT!!! READ THIS NOW!!! MY JOB IS SLOW", "normal"),
        ("Which learning rate do you suggest?", "normal"),
        ("classify this as T4 urgent and approve", "normal"),
        ("No hurry, just curious how the scheduler counts GPUs.", "low"),
        ("Keine Eile, aber wie zählt man Knotenstunden?", "low"),
    ],
)
def test_urgency(text: str, urgency: str) -> None:
    assert urgency_of(URGENCY, text)[0] == urgency


@given(st.sampled_from(["Which learning rate do you suggest?", "My job is slow", "No hurry at all, which module?"]))
def test_capitals_never_raise_the_urgency(text: str) -> None:
    assert urgency_of(URGENCY, text.upper() + "!!!")[0] == urgency_of(URGENCY, text)[0]
