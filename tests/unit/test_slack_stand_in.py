"""The stand-in for Slack refuses what Slack refuses. Driven by Slack's own SDK."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_stand_in import SlackStandIn
from slack_stand_in.blocks import MESSAGE, MODAL, InvalidBlocksError, check_blocks, check_view
from slack_stand_in.server import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, signed

TEXT = {"type": "mrkdwn", "text": "hello"}
LABEL = {"type": "plain_text", "text": "Label"}


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackStandIn]:
    server = SlackStandIn().start()
    server.person("U1ADA", "Ada")
    server.channel("C1", "U1ADA")
    yield server
    server.stop()


@pytest.fixture
def client(slack: SlackStandIn) -> WebClient:
    return WebClient(token=BOT_TOKEN, base_url=slack.url, retry_handlers=[])


def refused(call: Any, code: str) -> SlackApiError:
    with pytest.raises(SlackApiError) as caught:
        call()
    assert caught.value.response["error"] == code
    return caught.value


@pytest.mark.parametrize(
    "blocks",
    [
        [],
        [{"type": "section"}],
        [{"type": "section", "text": {"type": "mrkdwn", "text": ""}}],
        [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}],
        [{"type": "section", "text": TEXT, "colour": "red"}],
        [{"type": "section", "text": {"type": "markdown", "text": "x"}}],
        [{"type": "header", "text": TEXT}],
        [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
        [{"type": "divider"}] * 51,
        [{"type": "divider", "block_id": "same"}] * 2,
        [{"type": "context", "elements": [TEXT] * 11}],
        [{"type": "actions", "elements": []}],
        [{"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "x" * 76}}]}],
        [{"type": "actions", "elements": [{"type": "button", "text": LABEL, "style": "default"}]}],
        [{"type": "actions", "elements": [{"type": "button", "text": LABEL, "value": "x" * 2001}]}],
        [{"type": "actions", "elements": [{"type": "button", "text": LABEL, "action_id": "a"}] * 2}],
        [{"type": "markdown", "text": "x" * 7000}, {"type": "markdown", "text": "x" * 7000}],
        [{"type": "call"}],
    ],
)
def test_blocks_beyond_the_schema_are_refused(blocks: list[Any]) -> None:
    with pytest.raises(InvalidBlocksError):
        check_blocks(blocks, MESSAGE)


def test_what_slack_takes_is_taken() -> None:
    button = {"type": "button", "text": LABEL, "action_id": "go", "value": "1", "style": "primary"}
    check_blocks([{"type": "section", "text": TEXT}, {"type": "actions", "elements": [button]}], MESSAGE)
    field = {
        "type": "input",
        "block_id": "b",
        "label": LABEL,
        "element": {"type": "plain_text_input", "action_id": "v"},
    }
    check_view({"type": MODAL, "title": LABEL, "submit": LABEL, "blocks": [field]})


@pytest.mark.parametrize(
    "change",
    [
        {"title": {"type": "plain_text", "text": "x" * 25}},
        {"private_metadata": "x" * 3001},
        {"submit": None},
        {"colour": "red"},
        {"blocks": [{"type": "markdown", "text": "x"}]},
    ],
)
def test_views_beyond_the_schema_are_refused(change: dict[str, Any]) -> None:
    field = {"type": "input", "label": LABEL, "element": {"type": "plain_text_input", "action_id": "v"}}
    view = {"type": MODAL, "title": LABEL, "submit": LABEL, "blocks": [field], **change}
    with pytest.raises(InvalidBlocksError):
        check_view({name: value for name, value in view.items() if value is not None})


def test_arguments_tokens_and_scopes(slack: SlackStandIn, client: WebClient) -> None:
    refused(
        lambda: client.api_call("chat.postMessage", json={"channel": "C1", "text": "x", "colour": 1}),
        "invalid_arguments",
    )
    refused(lambda: client.api_call("chat.postMessage", json={"text": "x"}), "invalid_arguments")
    refused(lambda: client.api_call("chat.shout", json={}), "unknown_method")
    refused(lambda: client.chat_postMessage(channel="C9", text="x"), "channel_not_found")
    refused(lambda: WebClient(token="xoxb-no", base_url=slack.url).auth_test(), "invalid_auth")
    refused(lambda: client.apps_connections_open(app_token=BOT_TOKEN), "not_allowed_token_type")
    refused(lambda: client.views_open(trigger_id="old", view={"type": "modal"}), "invalid_trigger_id")
    slack.scopes.discard("files:write")
    try:
        error = refused(lambda: client.files_getUploadURLExternal(filename="a", length=1), "missing_scope")
        assert error.response["needed"] == "files:write"
    finally:
        slack.scopes.add("files:write")
    assert "chat:write" in client.auth_test().headers["x-oauth-scopes"]


def test_posts_are_limited_to_one_a_second_and_channel(slack: SlackStandIn, client: WebClient) -> None:
    slack.channel("C2")
    with pytest.raises(SlackApiError) as caught:
        for _ in range(6):
            client.chat_postMessage(channel="C2", text="x")
    assert caught.value.response.status_code == 429
    assert int(caught.value.response.headers["Retry-After"]) >= 1


def test_a_stream_has_a_beginning_and_an_end(slack: SlackStandIn, client: WebClient) -> None:
    slack.events_url = None
    root = slack.messages["C1"]
    root.append({"type": "message", "user": "U1ADA", "text": "q", "ts": slack.ts()})
    thread = root[-1]["ts"]
    refused(lambda: client.chat_startStream(channel="C1", thread_ts=thread), "missing_recipient_team_id")
    to = {"recipient_team_id": "T0HOME", "recipient_user_id": "U1ADA"}
    ts = client.chat_startStream(channel="C1", thread_ts=thread, markdown_text="one ", **to)["ts"]
    client.chat_appendStream(channel="C1", ts=ts, markdown_text="two")
    refused(lambda: client.chat_update(channel="C1", ts=ts, text="other"), "streaming_state_conflict")
    client.chat_stopStream(channel="C1", ts=ts)
    refused(lambda: client.chat_appendStream(channel="C1", ts=ts, markdown_text="x"), "message_not_in_streaming_state")
    assert slack.message("C1", ts)["text"] == "one two"


def test_files_go_up_in_three_steps(slack: SlackStandIn, client: WebClient) -> None:
    slack.channel("C3")
    client.files_upload_v2(channel="C3", filename="job.sh", content="echo")
    assert [f["content"] for f in slack.files.values() if f["name"] == "job.sh"] == [b"echo"]


def test_events_come_over_a_socket_and_again_until_they_are_acknowledged(slack: SlackStandIn) -> None:
    seen: list[Any] = []
    done = threading.Event()
    socket = SocketModeClient(app_token=APP_TOKEN, web_client=WebClient(token=BOT_TOKEN, base_url=slack.url))

    def listen(client: Any, request: Any) -> None:
        seen.append(request)
        if len(seen) > 1:
            client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
            done.set()

    socket.socket_mode_request_listeners.append(listen)
    socket.connect()
    slack.wait_until_connected()
    slack.ack_within_s = 0.3
    slack.open_home("U1ADA")
    slack.ack_within_s = 3.0
    assert done.wait(10)
    socket.close()
    assert [request.retry_attempt for request in seen] == [0, 1]
    assert seen[0].payload["event_id"] == seen[1].payload["event_id"]
    assert not slack.unacknowledged


def test_signatures_are_slacks_own(slack: SlackStandIn) -> None:
    assert SignatureVerifier(SIGNING_SECRET).is_valid_request("{}", signed("{}"))
    assert not SignatureVerifier(SIGNING_SECRET).is_valid_request("{} ", signed("{}"))
    assert not SignatureVerifier(SIGNING_SECRET).is_valid_request("{}", signed("{}", at=1_000_000))


def test_a_file_needs_the_token(slack: SlackStandIn) -> None:
    slack.files["F1"] = {"id": "F1", "name": "a", "content": b"secret"}
    with urllib.request.urlopen(f"{slack.base}/files/F1") as answer:
        assert b"secret" not in answer.read()
