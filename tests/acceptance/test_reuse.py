"""From an approved answer to evidence for others, over HTTP, and out of the index when its ground has gone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import httpx
from desk_fixture import ARTICLES, running_desk
from hashing_encoder import HashingEncoder

from agent.reuse import rows_for, sync_with_answers
from agent.store import reusable, tickets
from knowledge_base.index import open_index
from knowledge_base.rows.row import Row
from knowledge_base.sources.config import articles_source

QUESTION = "I am Ada Byron. My job is pending with the reason AssocGrpGRES, what does that mean?"


def field(html: str, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', html) or re.search(
        rf'value="([^"]*)"[^>]*name="{name}"', html
    )
    assert found, html[:3000]
    return found[1]


def test_an_answer_is_reused_after_a_person_said_so_and_dropped_with_its_passage(tmp_path: Path) -> None:
    articles = tmp_path / "articles"
    shutil.copytree(ARTICLES / "jobs", articles / "jobs")
    with (
        running_desk(tmp_path / "var", articles) as desk,
        httpx.Client(base_url=desk.url, follow_redirects=True) as client,
    ):
        number = desk.ask(QUESTION, Subject="pending")
        draft = desk.draft_of(number)
        address = f"/tickets/{number}/drafts/{draft.id}/reuse"
        link = desk.sign_in_link()
        client.get(link)
        assert client.get(address).status_code == 404, "not approved yet"
        shown = client.get(f"/tickets/{number}").text
        token = field(shown, "csrf_token")
        origin = {"Origin": desk.url}
        client.post(
            f"/tickets/{number}/drafts/{draft.id}/approve",
            data={"csrf_token": token, "binding": draft.binding},
            headers=origin,
        )
        assert address in client.get(f"/tickets/{number}").text

        proposal = client.get(address).text
        assert "[name]" in proposal
        assert "Byron" not in proposal.split("<textarea", 1)[1]
        with desk.database.read() as session:
            assert reusable.usable(session) == [], "looking is not marking"
        client.post(
            address,
            data={"csrf_token": token, "question": "What is AssocGrpGRES?", "answer": "The group uses its limit."},
            headers=origin,
        )
        with desk.database.read() as session:
            (row,) = reusable.usable(session)
            events = [event.what for event in tickets.events_of(session, tickets.by_number(session, number))]
        assert row.marked_by == "Grace Hopper"
        assert row.passages
        assert "marked the answer as reusable" in events

        def synced() -> list[tuple[str, str]]:
            encoder = HashingEncoder()
            sync_with_answers(
                desk.database, [articles_source(articles)], desk.settings.index_dir, tmp_path / "cache", encoder
            )
            opened = open_index(desk.settings.index_dir)
            found = [opened.passages.at(place) for place in range(len(opened))]
            return sorted((passage.source, passage.title) for passage in found)

        assert ("answers", "Approved answer: What is AssocGrpGRES?") in synced()
        cited = next(item["path"] for item in draft.evidence if item["id"] == row.passages[0])
        (articles / cited).unlink()
        assert {source for source, _ in synced()} == {""}
        with desk.database.read() as session:
            dropped = reusable.of_draft(session, draft.id or 0)
        assert dropped is not None
        assert dropped.dropped_because == reusable.GONE
        assert reusable.GONE in client.get(address).text
    shutil.rmtree(tmp_path / "var", ignore_errors=True)


def test_an_answer_from_rows_goes_when_a_row_changes(tmp_path: Path) -> None:
    articles = tmp_path / "articles"
    shutil.copytree(ARTICLES / "jobs", articles / "jobs")
    with (
        running_desk(tmp_path / "var", articles) as desk,
        httpx.Client(base_url=desk.url, follow_redirects=True) as client,
    ):
        number = desk.ask("How many GPUs per node does LUMI-G have?", Subject="nodes")
        draft = desk.draft_of(number)
        assert {item["kind"] for item in draft.evidence if item["number"] == 1} == {"row"}
        client.get(desk.sign_in_link())
        form = {"csrf_token": field(client.get(f"/tickets/{number}").text, "csrf_token"), "binding": draft.binding}
        client.post(f"/tickets/{number}/drafts/{draft.id}/approve", data=form, headers={"Origin": desk.url})
        marked = {**form, "question": "GPUs of a LUMI-G node?", "answer": "Eight, as Slurm counts them."}
        client.post(f"/tickets/{number}/drafts/{draft.id}/reuse", data=marked, headers={"Origin": desk.url})

        def synced(rows: Callable[[str], Sequence[Row]]) -> set[str]:
            sources = [articles_source(articles)]
            index = desk.settings.index_dir
            sync_with_answers(desk.database, sources, index, tmp_path / "cache", HashingEncoder(), rows_for=rows)
            return {passage.source for passage in map(open_index(index).passages.at, range(len(open_index(index))))}

        assert synced(rows_for) == {"", "answers"}
        assert synced(rows_for) == {"", "answers"}, "nothing changed"
        assert synced(lambda words: [replace(row, text=f"{row.text} Changed.") for row in rows_for(words)]) == {""}
        with desk.database.read() as session:
            dropped = reusable.of_draft(session, draft.id or 0)
        assert dropped is not None
        assert dropped.dropped_because == reusable.OTHER_ROWS
    shutil.rmtree(tmp_path / "var", ignore_errors=True)
