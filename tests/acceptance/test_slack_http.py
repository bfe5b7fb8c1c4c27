"""Slack over HTTP instead of Socket Mode. Apart from the others: one process runs one set of workflows."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from slack_fixture import ME, Running, running_slack, text_of
from slack_stand_in.server import signed
from slack_stand_in.workspace import TEAM
from sqlmodel import col, select

from agent.store.chat_tables import ChatEvent

ACCOUNT = "How do I get an account on LUMI?"
ANSWER = "apply for an account"


@pytest.fixture(scope="module")
def over_http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_slack(tmp_path_factory.mktemp("http"), http=True) as started:
        yield started


def test_events_over_http(over_http: Running) -> None:
    ts = over_http.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT}")
    assert ANSWER in text_of(over_http.answer("C1HELP", ts))
    assert "answers questions" in str(over_http.slack.command("U1ADA", "C1HELP", "help"))


def test_a_retry_over_http_is_worked_on_once(over_http: Running) -> None:
    """Slack marks it with X-Slack-Retry-Num and X-Slack-Retry-Reason; the event is the same."""
    slack = over_http.slack
    ts = over_http.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT}")
    with over_http.database.read() as session:
        kept = session.exec(select(ChatEvent).order_by(col(ChatEvent.id).desc())).first()
    assert kept is not None
    event = {**slack.message("C1HELP", ts), "channel": "C1HELP", "channel_type": "channel", "event_ts": ts}
    payload = {"type": "event_callback", "event_id": kept.key.removeprefix("slack:"), "team_id": TEAM, "event": event}
    for attempt in (1, 2, 3):
        assert slack._over_http("events_api", payload, attempt) == ""
    over_http.settle()
    assert len(over_http.ours("C1HELP", ts)) == 1
    with over_http.database.read() as session:
        assert session.exec(select(ChatEvent.deliveries).where(ChatEvent.id == kept.id)).one() == 4


def post(running: Running, body: str, headers: dict[str, str]) -> tuple[int, str]:
    request = urllib.request.Request(
        f"{running.url}/slack/events", body.encode(), {**headers, "Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def test_only_signed_and_fresh_requests_are_taken(over_http: Running) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "c", "token": "t"})
    assert post(over_http, body, signed(body)) == (200, '{"challenge": "c"}')
    event = json.dumps(
        {"type": "event_callback", "event_id": "EvFORGED", "team_id": TEAM, "event": {"type": "message"}}
    )
    assert post(over_http, event, signed(event, secret="guessed"))[0] == 401
    assert post(over_http, event, signed(event, at=time.time() - 600))[0] == 401
    assert post(over_http, event, {})[0] == 401
    assert post(over_http, "x" * 2_100_000, {})[0] == 413
    with over_http.database.read() as session:
        assert session.exec(select(ChatEvent).where(ChatEvent.key == "slack:EvFORGED")).all() == []
