"""Whether a draft is on its way, told from the history."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent.desk.articles import read_article
from agent.desk.progress import PATIENCE, latest_turn, progress_of
from agent.desk.session import local_path
from agent.store.tables import Event, now

AT = now()


def history(*happened: str) -> list[Event]:
    return [
        Event(id=n, ticket_id=1, at=AT, actor="x", what=what, detail="why") for n, what in enumerate(happened, start=1)
    ]


@pytest.mark.parametrize(
    ("happened", "stage"),
    [
        ((), "none"),
        (("automatic mail",), "none"),
        (("opened", "acknowledged"), "writing"),
        (("opened", "acknowledged", "drafted"), "done"),
        (("opened", "drafted", "acknowledgement sent"), "done"),
        (("opened", "no draft"), "failed"),
        (("opened", "no draft", "asked for another draft"), "writing"),
        (("opened", "drafted", "asked for another draft", "no draft"), "failed"),
        (("opened", "drafted", "approved", "answer sent"), "done"),
        (("opened", "drafted", "approved", "replied"), "writing"),
        (("opened", "drafted", "rejected"), "done"),
        (("opened", "drafted", "rejected", "asked for another draft"), "writing"),
    ],
)
def test_progress(happened: tuple[str, ...], stage: str) -> None:
    assert progress_of(history(*happened), AT).stage == stage


def test_a_draft_that_does_not_come_is_late_and_a_failure_says_why() -> None:
    assert progress_of(history("opened"), AT + PATIENCE + timedelta(seconds=1)).stage == "late"
    assert progress_of(history("no draft"), AT).detail == "why"


def test_an_open_page_hears_of_turns_only() -> None:
    assert latest_turn(history("opened", "drafted", "acknowledgement sent")) == 2
    assert latest_turn([]) == 0


@pytest.mark.parametrize("head", ["title: [", "2024-99-99", "title: 3\nsources: x\nlevel: L1", "- a\n- b", ""])
def test_an_article_with_bad_front_matter_is_still_shown(head: str) -> None:
    article = read_article(f"---\n{head}\n---\ntext", name="a.md")
    assert article.text == "text"
    assert article.title in {"a.md", "3"}


def test_an_article_says_where_it_comes_from() -> None:
    text = "---\ntitle: T\nlevel: [L1]\nreviewed: 2026-11-23\nsources:\n  - {id: a, title: A, url: 'https://a'}\n---\nx"
    article = read_article(text, name="a.md")
    assert (article.title, article.levels, article.reviewed) == ("T", ("L1",), "2026-11-23")
    assert [(source.id, source.url) for source in article.sources] == [("a", "https://a")]


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "", "a"]
)
def test_signing_in_leads_nowhere_else(target: str) -> None:
    assert local_path(target) == "/"
    assert local_path("/tickets/MIN-2026-000001?x=1") == "/tickets/MIN-2026-000001?x=1"
