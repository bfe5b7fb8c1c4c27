"""Slack: nothing lost and nothing said twice, whatever is sent again, comes late, is refused or stops midway."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from slack_fixture import ME, Running, running_slack, text_of, wait_for
from slack_stand_in.workspace import TEAM
from sqlmodel import select

from agent.store.chat_tables import ChatEvent, ChatPost

ACCOUNT = "How do I get an account on LUMI?"
ANSWER = "apply for an account"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_slack(tmp_path_factory.mktemp("slack")) as started:
        started.slack._post_limit = False
        yield started


def message_event(running: Running, text: str, ts: str, **more: Any) -> dict[str, Any]:
    with running.slack.lock:
        root = more.get("thread_ts", ts)
        if not any(m["ts"] == root for m in running.slack.messages["C1HELP"]):
            running.slack.messages["C1HELP"].append({"type": "message", "user": "U1ADA", "text": "?", "ts": root})
    return {
        "type": "message", "user": "U1ADA", "team": TEAM, "channel": "C1HELP", "channel_type": "channel", "text": text,
        "ts": ts, "event_ts": ts, **more,
    }  # fmt: skip


def test_a_redelivered_event_is_worked_on_once(running: Running) -> None:
    event = message_event(running, f"{ME} {ACCOUNT}", running.slack.ts())
    for _ in range(3):
        running.slack.event(event, event_id="EvAGAIN")
    running.settle()
    assert len(running.ours("C1HELP", event["ts"])) == 1
    with running.database.read() as session:
        kept = session.exec(select(ChatEvent).where(ChatEvent.key == "slack:EvAGAIN")).one()
    assert kept.deliveries == 3


def test_what_cannot_be_stored_is_not_acknowledged_and_comes_again(running: Running) -> None:
    running.slack.ack_within_s = 0.3
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with running.database.write():
            locked.set()
            done.wait(1)

    holder = threading.Thread(target=hold)
    holder.start()
    locked.wait(5)
    try:
        ts = running.slack.say("U1ADA", "C1HELP", f"{ME} {ACCOUNT}")
    finally:
        running.slack.ack_within_s = 3.0
        done.set()
        holder.join()
    assert ANSWER in text_of(running.answer("C1HELP", ts))
    running.settle()
    assert len(running.ours("C1HELP", ts)) == 1


def test_a_follow_up_that_comes_before_its_question(running: Running) -> None:
    first = running.slack.ts()
    later = message_event(
        running, f"{ME} What is the quota of the scratch folder?", running.slack.ts(), thread_ts=first
    )
    running.slack.event(later)
    running.settle()
    running.slack.event(message_event(running, f"{ME} {ACCOUNT}", first))
    running.settle()
    said = [text_of(message) for message in running.ours("C1HELP", first)]
    assert len(said) == 2
    assert any(ANSWER in text for text in said)


def test_an_edit_or_a_deletion_that_comes_before_its_message(running: Running) -> None:
    ts = running.slack.ts()
    original = message_event(running, f"{ME} {ACCOUNT}", ts)
    edited = {
        **original,
        "text": f"{ME} What is the quota of the scratch folder?",
        "edited": {"user": "U1ADA", "ts": running.slack.ts()},
    }
    change = {
        "type": "message", "subtype": "message_changed", "channel": "C1HELP", "channel_type": "channel",
        "message": edited, "previous_message": original, "ts": running.slack.ts(),
    }  # fmt: skip
    running.slack.event(change)
    running.slack.event(original)
    running.settle()
    said = running.ours("C1HELP", ts)
    assert len(said) == 1
    assert "quota of the scratch folder is shared" in text_of(said[0])
    gone = {**original, "ts": running.slack.ts()}
    deletion = {
        "type": "message", "subtype": "message_deleted", "channel": "C1HELP", "channel_type": "channel",
        "deleted_ts": gone["ts"], "previous_message": {**gone, "thread_ts": ts}, "ts": running.slack.ts(),
    }  # fmt: skip
    running.slack.event(deletion)
    running.slack.event({**gone, "thread_ts": ts})
    running.settle()
    assert len(running.ours("C1HELP", ts)) == 1


def test_a_stream_that_breaks_off_is_completed_not_repeated(running: Running) -> None:
    running.slack.fail("chat.stopStream", "internal_error")
    ts = running.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT} And what is the quota?")
    assert wait_for(lambda: "[1] <https://docs.example" in text_of((running.ours("C1HELP", ts) or [{}])[0]))
    assert [m["user"] for m in running.thread("C1HELP", ts)] == ["U1ADA", "U0MINERVA"]


def test_slack_asks_to_wait(running: Running) -> None:
    running.slack.streaming = False
    try:
        running.slack.fail("chat.postMessage", "ratelimited", "ratelimited")
        ts = running.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT}")
        running.answer("C1HELP", ts)
    finally:
        running.slack.streaming = True
    assert len(running.ours("C1HELP", ts)) == 1


def test_what_slack_refuses_for_good_is_kept_as_failed(running: Running) -> None:
    running.slack.streaming = False
    try:
        running.slack.fail("chat.postMessage", "is_archived")
        ts = running.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT}")
    finally:
        running.slack.streaming = True
    with running.database.read() as session:
        post = session.exec(select(ChatPost).where(ChatPost.thread == ts)).one()
    assert post.state == "failed"
    assert "is_archived" in (post.last_error or "")


def test_the_connection_is_renewed(running: Running) -> None:
    running.slack.disconnect()
    running.slack.wait_until_connected()
    ts = running.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT}")
    assert ANSWER in text_of(running.answer("C1HELP", ts))


def test_an_enterprise_grid_is_one_conversation(running: Running) -> None:
    """One channel shared by two workspaces of an organisation: the same thread, whichever tells of it."""
    ts = running.slack.ts()
    grid = {"enterprise_id": "E1ORG", "is_enterprise_install": True, "team_id": "T2SECOND"}
    running.slack.event(message_event(running, f"{ME} {ACCOUNT}", ts, team="T2SECOND"), enterprise_id="E1ORG")
    authorizations = [
        {
            "enterprise_id": "E1ORG",
            "team_id": None,
            "user_id": "U0MINERVA",
            "is_bot": True,
            "is_enterprise_install": True,
        }
    ]
    running.slack.event(
        message_event(running, f"{ME} {ACCOUNT}", ts, team="T2SECOND"), authorizations=authorizations, **grid
    )
    running.settle()
    assert len(running.ours("C1HELP", ts)) == 1


def test_a_question_whose_first_message_is_deleted_although_it_was_answered(running: Running) -> None:
    ts = running.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT}")
    running.answer("C1HELP", ts)
    running.slack.delete("C1HELP", ts)
    wait_for(lambda: not running.ours("C1HELP", ts))


def test_an_event_that_cannot_be_handled_is_said_to_be_so(running: Running) -> None:
    running.slack.scopes.discard("files:read")
    try:
        ts = running.ask("U1ADA", "C1HELP", f"{ME} Look at this?", files={"a.log": b"x"})
        said = wait_for(lambda: [m for m in running.ours("C1HELP", ts) if "Something went wrong" in text_of(m)])
    finally:
        running.slack.scopes.add("files:read")
    assert len(said) == 1
