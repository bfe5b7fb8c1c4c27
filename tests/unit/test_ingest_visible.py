"""Quotes and signatures told from what was written, in the languages and clients that write to us."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.visible import MAX_EXAMINED_CHARACTERS, split_visible, visible_text

LINES = st.sampled_from(
    (
        *(
            "",
            "> a",
            ">> b",
            "-- ",
            "--",
            "On Mon, 23 Nov 2026 at 9:00, Ada wrote:",
            "From: a@b.eu",
            "Sent: today",
            "To: c",
        ),
        *(
            "Subject: d",
            "Best regards,",
            "Sent from my iPhone",
            "-----Original Message-----",
            "_" * 40,
            "words",
            "-Ada",
        ),
        *("P.S. more", "\r", "#SBATCH -N 1"),
    )
)


@given(st.text() | st.lists(LINES | st.text(max_size=10)).map("\n".join))
def test_the_parts_joined_are_the_text(text: str) -> None:
    assert "".join(part.text for part in split_visible(text)) == text


WORDS = st.text(st.characters(categories=("Ll",), max_codepoint=0x17F), min_size=2, max_size=12)
SENTENCES = st.lists(WORDS, min_size=2, max_size=9).map(lambda words: " ".join(words).capitalize() + ".")
BODIES = st.lists(SENTENCES, min_size=1, max_size=5).map("\n\n".join)
NAMES = st.lists(WORDS.map(lambda word: f"Zz{word}"), min_size=1, max_size=3).map(" ".join)
HISTORIES = st.sampled_from(
    (
        "On Mon, Nov 23, 2026 at 9:12 AM {who} <who@example.org> wrote:\n> {text}",
        "On Mon, Nov 23, 2026 at 9:12 AM {who} <who@example.org\n> wrote:\n> {text}",
        "Le 23/11/2026 à 09:12, {who} a écrit :\n> {text}",
        "Am 23.11.2026 um 09:12 schrieb {who}:\n\n> {text}",
        "Il giorno lun 23 nov 2026 alle ore 09:12 {who} <who@example.org> ha scritto:\n\n{text}",
        "Op ma 23 nov 2026 om 09:12 schreef {who} <who@example.org>:\n> {text}",
        "{who} <who@example.org> escreveu (segunda, 23/11/2026 à(s) 09:12):\n> {text}",
        "* {who} <who@example.org> [2026-11-23 09:12]:\n> {text}",
        "________________________________\nFrom: {who} <who@example.org>\nSent: Monday\nTo: b\nSubject: c\n\n{text}",
        "Von: {who}\nGesendet: Montag, 23. November 2026 09:12\nAn: support\nBetreff: x\n\n{text}",
        "-----Original Message-----\n{text}",
        "---- {who} wrote ----\n\n> {text}",
    )
)
SIGNATURES = st.sampled_from(
    ("", "-- \n{who}", "Best regards,\n{who}", "Viele Grüße\n{who}", "Sent from my iPhone", "{who}")
)


@given(body=BODIES, who=NAMES, history=HISTORIES, signature=SIGNATURES)
def test_what_was_written_is_what_stays_visible_above_any_history(
    body: str, who: str, history: str, signature: str
) -> None:
    end, past = signature.format(who=who), history.format(who=who, text="Which system?")
    assert visible_text(f"{body}\n\n{end}\n\n{past}\n", who) == body


@given(answers=st.lists(SENTENCES, min_size=1, max_size=4), who=NAMES)
def test_answers_between_quotes_are_all_visible(answers: list[str], who: str) -> None:
    parts = "".join(f"> which one?\n\n{answer}\n\n" for answer in answers)
    text = f"On 23/11/2026 09:12, {who} wrote:\n{parts}"
    assert [line for line in visible_text(text).split("\n") if line] == answers


@given(st.lists(LINES | BODIES).map("\n".join), NAMES)
def test_a_signature_takes_no_line_from_the_middle(text: str, who: str) -> None:
    """With or without a known author the parts joined are the text, and each kind alternates."""
    parts = split_visible(text, who)
    assert "".join(part.text for part in parts) == text
    assert all(one.kind != other.kind for one, other in pairwise(parts))


def test_the_name_of_the_author_is_a_signature_and_another_word_is_not() -> None:
    assert visible_text("It is this one\nAda", "Ada Example") == "It is this one"
    assert visible_text("It is this one\nLUMI", "Ada Example") == "It is this one\nLUMI"
    assert visible_text("It works.\n\nAda Example\nLab of Examples", "Ada Example") == "It works."
    assert visible_text("Ada", "Ada Example") == "Ada"


def test_an_apple_forward_stays_visible() -> None:
    text = "Please see below.\n\nBegin forwarded message:\n\n> From: A <a@x.eu>\n> Subject: s\n>\n> the log\n"
    assert visible_text(text) == text.rstrip()


def test_a_disclaimer_is_folded_with_the_signature() -> None:
    text = "It is LUMI.\n\nBest regards,\nAda\n\nThis e-mail is confidential and intended for the addressee only.\n"
    assert visible_text(text) == "It is LUMI."


def test_text_beyond_the_examined_part_is_kept() -> None:
    text = "> x\n" * (MAX_EXAMINED_CHARACTERS // 4) + "tail"
    assert "".join(part.text for part in split_visible(text)) == text
    assert visible_text(text) == "tail"


@pytest.mark.parametrize(
    "attribution",
    [
        "On Mon, Nov 23, 2026 at 9:12 AM Ada Example <ada@example.org> wrote:",
        "On Mon, Nov 23, 2026 at 9:12 AM Ada Example\n<ada.with.a.long.name@example.org> wrote:",
        "On 23 Nov 2026, at 09:12, Ada Example\n<ada@example.org>\nwrote:",
        "On 23/11/2026 09:12, Ada Example wrote:",
        "Le lun. 23 nov. 2026 à 09:12, Ada Example <ada@example.org> a écrit :",
        "Am 23.11.2026 um 09:12 schrieb Ada Example:",
        "Am Mo., 23. Nov. 2026 um 09:12 Uhr schrieb Ada Example <\nada@example.org>:",
        "Il giorno lun 23 nov 2026 alle ore 09:12 Ada Example <ada@example.org> ha\nscritto:",
        "El lun, 23 nov 2026 a las 9:12, Ada Example (<ada@example.org>) escribió:",
        "Em seg., 23 de nov. de 2026 às 09:12, Ada Example <ada@example.org>\nescreveu:",
        "Op ma 23 nov 2026 om 09:12 schreef Ada Example <ada@example.org>:",
        "W dniu 23.11.2026 o 09:12, Ada Example pisze:",
        "pon., 23 lis 2026 o 09:12 Ada Example <ada@example.org> napisał(a):",
        "2026-11-23 9:12 GMT+01:00 Ada Example <ada@example.org>:",
        '23.11.2026, 09.12, "Ada Example" <ada@example.org>:',
        "9:12 AM, November 23, 2026, Ada Example <ada@example.org>:",
        "Monday, 23 November 2026, 9:12 AM +0100 from ada@example.org <ada@example.org>:",
        "On Mon, 23 Nov 2026 09:12:03 +0100 Ada Example <ada@example.org> wrote",
        "---- On Mon, 23 Nov 2026 09:12:03 +0100 ada@example.org wrote ----",
        "---- Ada Example wrote ----",
        "##- Please type your reply above this line -##",
        ">>> Ada Example <ada@example.org> 23/11/2026 09:12 >>>",
    ],
)
@pytest.mark.parametrize("quote", ["> Which system?\n>\n> Regards\n", "\nWhich system?\n"])
def test_attributions_begin_history(attribution: str, quote: str) -> None:
    assert visible_text(f"It is LUMI.\n\n{attribution}\n{quote}") == "It is LUMI."


@pytest.mark.parametrize(
    "head",
    [
        "-----Original Message-----\nFrom: Ada\nSent: Monday\nSubject: x",
        "-----Ursprüngliche Nachricht-----\nVon: Ada",
        "-----Message d'origine-----\nDe : Ada",
        "-----Messaggio originale-----\nDa: Ada",
        "-----Mensaje original-----\nDe: Ada",
        "-----Mensagem original-----\nDe: Ada",
        "-----Oorspronkelijk bericht-----\nVan: Ada",
        "-----Wiadomość oryginalna-----\nOd: Ada",
        "________________________________\nFrom: Ada <ada@x.eu>\nSent: Monday, 23 November 2026 09:12\nTo: support\nSubject: x",
        "*From:* Ada\n*Sent:* Monday\n*To:* support\n*Subject:* x",
        "**From:** Ada\n**Sent:** Monday\n**To:** support\n**Subject:** x",
        "Date: Mon, 23 Nov 2026 09:12:03 +0100\nFrom: Ada\nTo: support\nSubject: x",
        "-----Antwort Nachricht-----",
        "Von: Ada\nGesendet: Montag, 23. November 2026 09:12\nAn: support\nBetreff: x",
        "De : Ada\nEnvoyé : lundi 23 novembre 2026\nÀ : support\nObjet : x",
        "Da: Ada\nInviato: lunedì\nA: support\nOggetto: x",
        "De: Ada\nEnviado el: lunes\nPara: support\nAsunto: x",
        "De: Ada\nEnviada: segunda-feira\nPara: support\nAssunto: x",
        "Van: Ada\nVerzonden: maandag\nAan: support\nOnderwerp: x",
        "Od: Ada\nWysłano: poniedziałek\nDo: support\nTemat: x",
    ],
)
def test_outlook_heads_begin_history(head: str) -> None:
    assert visible_text(f"It is LUMI.\n\n{head}\n\nWhich system?\nAda") == "It is LUMI."


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nAda Example\nUniversity of Examples",
        "--\nAda",
        "Sent from my iPhone",
        "Get Outlook for Android<https://aka.ms/x>",
        "Envoyé de mon iPhone",
        "Von meinem iPhone gesendet",
        "Inviato da iPhone",
        "Enviado desde mi iPhone",
        "Enviado do meu iPhone",
        "Verstuurd vanaf mijn iPhone",
        "Wysłane z iPhone'a",
        "Best regards,\nAda Example\nTel. +49 1234",
        "Mit freundlichen Grüßen\nAda Example",
        "Cordialement,\nAda Example",
        "Cordiali saluti\nAda",
        "Un saludo,\nAda",
        "Com os melhores cumprimentos,\nAda",
        "Met vriendelijke groet,\nAda",
        "Pozdrawiam\nAda",
        "_______________________________________________\nusers mailing list\nusers@lists.example.org",
    ],
)
def test_signatures_are_folded(signature: str) -> None:
    assert visible_text(f"It is LUMI.\n\n{signature}\n") == "It is LUMI."
    quoted = f"It is LUMI.\n\n{signature}\n\nOn Mon, 23 Nov 2026 at 9:12, Ada wrote:\n> Which system?\n"
    assert visible_text(quoted) == "It is LUMI."


def test_answers_between_quotes_stay_visible() -> None:
    text = "On 23/11/2026 09:12, Ada wrote:\n> Which system?\nLUMI.\n\n> Which partition?\n\nstandard-g\n\nBest regards\nBob\n"
    assert [part.kind for part in split_visible(text)] == ["quote", "visible", "quote", "visible", "signature"]
    assert visible_text(text) == "LUMI.\n\n\nstandard-g"


def test_a_postscript_below_the_signature_stays_visible() -> None:
    assert visible_text("Thanks for the fix.\n\nBest regards,\nAda\n\nP.S. It also fails on two nodes.\n").endswith(
        "two nodes."
    )


def test_a_forward_stays_visible() -> None:
    text = "Please see below.\n\n---------- Forwarded message ---------\nFrom: A <a@x.eu>\nDate: Mon\nSubject: s\nTo: b\n\nthe log\n"
    assert visible_text(text) == text.rstrip()


@pytest.mark.parametrize(
    "text",
    [
        "My script:\n\n#!/bin/bash\n#SBATCH --nodes=2\n#SBATCH --time=01:00:00\n\nsrun python train.py \\\n  -- \\\n  --lr 1\n",
        "My script:\n#SBATCH -N 2\n--\nsrun python train.py\nexport A=1\n",
        ">>> import torch\n>>> torch.cuda.is_available()\nFalse\n",
        "I run\nsrun python train.py \\\n> train.log 2>&1\nand it stops.",
        "> library(keras)\n> x <- model(1)\nError in model(1)",
        "grep says\n--\nline 1\nline 2\n--\nline 3\nWhy does it wait?",
        "nothing -- really -- nothing",
        "- first\n- second\n- third",
        "Options:\n\n-v verbose\n-N nodes\n",
        "From: the first node only\nI see this.",
        "On your system the log wrote:\nslurmstepd: error: Detected 1 oom_kill event",
        "Log:\n________________________________\nepoch 1\n________________________________\nepoch 2",
        "-----\nepoch 1\n-----\nepoch 2\n",
        "Thanks,\nAda",
        "Sent from my desk, is much easier than my phone.",
        'Traceback (most recent call last):\n  File "x.py", line 1\nRuntimeError: CUDA error\n',
        "I write with regards to the payment.\nPlease confirm.",
        "Set the header\nfrom: ada@example.org\nto: x\nand try again.",
        "Read this:\nhttps://example.org/how-ada-wrote:book\nWhat do you think?",
        "The mail was sent from my iPhone app and it failed.",
        "My colleague wrote:\n\nsrun -n 4 ./prog\n\nIs that right?",
    ],
)
def test_scripts_logs_and_lists_stay_visible(text: str) -> None:
    assert visible_text(text) == text.rstrip()


@pytest.mark.parametrize(
    "unit",
    ["> a\nb\n\n", "On Monday at 10:00\n", "--\n", "From: x\n", "Best regards,\n", "Sent from my ", ">", "_", "On a "],
)
def test_a_million_characters_of_nearly_matching_text_are_read(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    assert sum(len(part.text) for part in split_visible(text)) == len(text)
