"""The languages of the desk: complete catalogues, the choice of a language, times and numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from babel.messages.catalog import Message

from agent import catalogues, translations
from agent.errors import HandlingError

OTHERS = [code for code in translations.LANGUAGES if code != "en"]


def parts(message: Message) -> list[tuple[str, str]]:
    """Each text with its translation."""
    ids = message.id if isinstance(message.id, (list, tuple)) else (message.id,)
    strings = message.string if isinstance(message.string, (list, tuple)) else (message.string,)
    return [(ids[-1] if place else ids[0], string) for place, string in enumerate(strings)]


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_of_the_desk_is_translated_and_no_other(language: str) -> None:
    wanted = {message.id for message in catalogues.texts() if message.id}
    kept = catalogues.read(language)
    assert {message.id for message in kept if message.id} == wanted, "run `make translations`, then translate"
    assert not list(catalogues.open_texts(kept))


@pytest.mark.parametrize("language", OTHERS)
def test_placeholders_and_markup_are_those_of_the_text(language: str) -> None:
    held = re.compile(r"%\(\w+\)s|%(?!\()|\{\w+\}|</?\w[^>]*>")
    for message in catalogues.read(language):
        for text, translated in parts(message) if message.id else ():
            assert sorted(held.findall(text)) == sorted(held.findall(translated)), text


@pytest.mark.parametrize(
    ("chosen", "asked", "language"),
    [
        ("", "de-AT,de;q=0.9,en;q=0.8", "de"),
        ("", "en-GB,en;q=0.9,de;q=0.8", "en"),
        ("", "fr-FR,de;q=0.5,en;q=0.4", "de"),
        ("", "en;q=0,de;q=0.1", "de"),
        ("", "el", "en"),
        ("", "", "en"),
        ("", "de;q=nonsense, *", "en"),
        ("en", "de", "en"),
        ("de", "", "de"),
        ("tlh", "de", "de"),
    ],
)
def test_the_person_chooses_else_the_browser_asks(chosen: str, asked: str, language: str) -> None:
    assert translations.wanted(chosen, asked) == language


def test_times_and_numbers_are_written_as_in_the_language() -> None:
    at = datetime(2026, 11, 29, 14, 5, tzinfo=UTC)
    ago = datetime.now(UTC) - timedelta(hours=3, minutes=5)
    shown = (
        translations.moment(at), translations.number(1234.5, 1), translations.percent(0.864), translations.age(ago),
        translations.size(1_500_000),
    )  # fmt: skip
    assert shown == ("29 Nov 2026, 14:05 UTC", "1,234.5", "86%", "3 hrs", "2 MB")
    with translations.speaking("de"):
        shown = (
            translations.moment(at), translations.number(1234.5, 1), translations.percent(0.864),
            translations.age(ago), translations.language_name("fr"),
        )  # fmt: skip
    assert shown == ("29.11.2026, 14:05 UTC", "1.234,5", "86\N{NO-BREAK SPACE}%", "3 Std.", "Französisch")


def test_an_error_is_told_with_its_values() -> None:
    error = HandlingError("{number} is open.", number="MIN-2026-000001 {x} %s")
    assert str(error) == "MIN-2026-000001 {x} %s is open."
    with translations.speaking("de"):
        assert translations.told(error) == "MIN-2026-000001 {x} %s ist offen."
        assert translations.told("nobody translated 100 % of this {brace}") == "nobody translated 100 % of this {brace}"
