"""The Web API behind `agent.chat.values.Channel`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from http.client import HTTPException
from typing import Any

import httpx
import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from agent.chat.values import Heard, Reply, ReplyFile, Said, SharedFile, Spot
from agent.chat.web import answer_of
from agent.errors import ChatError
from agent.slack import reading
from agent.slack.blocks import fallback_text, footer_blocks, message_blocks
from agent.slack.markup import markdown_of, safe_markdown
from agent.store.tables import now

log = structlog.get_logger()

TIMEOUT_S = 20
MAX_STREAM_CHARS = 11_000
"""Of the 12,000 that a stream may hold."""
POSTED = "minerva_post"
"""Type of the metadata that our messages carry: their key."""
_LASTING = {
    "account_inactive", "cant_update_message", "channel_not_found", "invalid_auth", "invalid_blocks", "is_archived",
    "message_not_found", "missing_scope", "msg_too_long", "no_text", "not_in_channel", "restricted_action",
    "thread_not_found", "token_revoked", "user_not_in_channel",
}  # fmt: skip


class SlackChannel:
    name = "slack"

    def __init__(self, client: WebClient, *, me: str) -> None:
        """`me` is our own user id."""
        self.client = client
        self.me = me
        self._streamed: dict[str, list[str]] = {}
        """Paragraphs of each stream that is open."""
        self.name_of = lru_cache(maxsize=2000)(self._name_of)

    def heard(self, kind: str, body: Mapping[str, Any]) -> Heard | None:
        return reading.heard(body, me=self.me) if kind == "event" else None

    def _name_of(self, sender: str) -> str:
        user = sender.rpartition("/")[2]
        try:
            profile = self.client.users_info(user=user)["user"].get("profile", {})
        except (SlackClientError, OSError):
            return user
        return str(profile.get("display_name") or profile.get("real_name") or user)

    def fetch(self, file: SharedFile) -> bytes:
        """Slack answers with a page for signing in when the token may not read files."""
        headers = {"Authorization": f"Bearer {self.client.token}"}
        answer = answer_of(httpx.get, file.address, headers=headers, timeout=TIMEOUT_S)
        if answer.headers.get("content-type", "").startswith("text/html") and not file.name.endswith((".html", ".htm")):
            raise ChatError("Slack gives no files: the scope files:read is missing", permanent=True)
        return answer.content

    def history(self, spot: Spot) -> Sequence[Said]:
        """The first 200 messages."""
        found = call(self.client.conversations_replies, channel=spot.place, ts=spot.thread, limit=200)
        return [
            Said(
                id=message["ts"],
                sender=message.get("user", ""),
                name=self.name_of(message.get("user", "")),
                text=markdown_of(message.get("text", ""), me=self.me),
                ours=message.get("user") == self.me,
            )
            for message in found["messages"]
        ]

    def put(self, spot: Spot, key: str, reply: Reply, standing: str | None) -> str:
        """An answer is streamed; a stream that was begun is ended, or changed where the reply is another one."""
        if standing is not None:
            self._settle(spot, key, reply, standing)
            return standing
        streamed = self.grow(spot, reply, None) if reply.sources else None
        if streamed is None:
            return str(call(self.client.chat_postMessage, **self._message(spot, key, reply), **_in(spot))["ts"])
        try:
            self._settle(spot, key, reply, streamed)
        except ChatError as error:  # it stands there in part: found and completed by the next try
            raise ChatError(str(error), uncertain=True, retry_after_s=error.retry_after_s) from error
        return streamed

    def _settle(self, spot: Spot, key: str, reply: Reply, standing: str) -> None:
        if not self._grows_into(reply, standing):
            self._streamed.pop(standing, None)
            self._change(spot, key, reply, standing)
            return
        self.grow(spot, reply, standing)
        below = footer_blocks(reply, key, now().date())
        self._on_stream(spot, standing, self.client.chat_stopStream, blocks=below, metadata=_metadata(key))
        self._streamed.pop(standing, None)

    def _message(self, spot: Spot, key: str, reply: Reply) -> dict[str, Any]:
        return {
            "channel": spot.place,
            "text": fallback_text(reply) or "-",
            "blocks": reply.extra.get("blocks") or message_blocks(reply, key, now().date()),
            "metadata": _metadata(key),
            "unfurl_links": False,
            "unfurl_media": False,
        }

    def _change(self, spot: Spot, key: str, reply: Reply, standing: str) -> None:
        message = self._message(spot, key, reply)
        del message["unfurl_links"], message["unfurl_media"]
        try:
            self.client.chat_update(ts=standing, **message)
        except SlackApiError as error:
            if error.response["error"] != "streaming_state_conflict":
                raise trouble(error) from error
            call(self.client.chat_stopStream, channel=spot.place, ts=standing)  # left open by a restart
            call(self.client.chat_update, ts=standing, **message)
        except (OSError, HTTPException, SlackClientError) as error:
            raise trouble(error) from error

    def grow(self, spot: Spot, reply: Reply, standing: str | None) -> str | None:
        """A reply that is no continuation of what is streamed already adds nothing."""
        if standing is None:
            return self._begin(spot, reply) if spot.thread else None
        if self._grows_into(reply, standing):
            streamed = self._streamed[standing]
            for paragraph in _within(reply.shown, MAX_STREAM_CHARS)[len(streamed) :]:
                more = f"\n\n{safe_markdown(paragraph)}"
                self._on_stream(spot, standing, self.client.chat_appendStream, markdown_text=more)
                streamed.append(paragraph)
        return standing

    def _begin(self, spot: Spot, reply: Reply) -> str | None:
        """None where Slack does not let us stream (no such feature, or too many streams this minute)."""
        first = _within(reply.shown, MAX_STREAM_CHARS)[0]
        team, _, user = reply.to.rpartition("/")
        try:
            started = self.client.chat_startStream(
                channel=spot.place,
                thread_ts=spot.thread,
                recipient_team_id=team,
                recipient_user_id=user,
                markdown_text=safe_markdown(first),
            )
        except SlackApiError as error:
            log.info("slack_no_stream", reason=error.response["error"])
            return None
        except (OSError, HTTPException, SlackClientError) as error:
            raise trouble(error) from error
        self._streamed[str(started["ts"])] = [first]
        return str(started["ts"])

    def _grows_into(self, reply: Reply, standing: str) -> bool:
        streamed = self._streamed.get(standing)
        return streamed is not None and _within(reply.shown, MAX_STREAM_CHARS)[: len(streamed)] == streamed

    def _on_stream(self, spot: Spot, ts: str, method: Callable[..., Any], **arguments: Any) -> None:
        """When it is refused for good, or not known to be done, the next try sets the whole message anew."""
        try:
            call(method, channel=spot.place, ts=ts, **arguments)
        except ChatError as error:
            if error.retry_after_s is None:
                self._streamed.pop(ts, None)
            raise

    def attach(self, spot: Spot, files: Sequence[ReplyFile]) -> None:
        for file in files:
            call(
                self.client.files_upload_v2, channel=spot.place, filename=file.filename, content=file.content,
                thread_ts=spot.thread or None,
            )  # fmt: skip

    def take_back(self, spot: Spot, standing: str) -> None:
        self._streamed.pop(standing, None)
        try:
            call(self.client.chat_delete, channel=spot.place, ts=standing)
        except ChatError as error:
            if "message_not_found" not in str(error):
                raise

    def find(self, spot: Spot, key: str, known: set[str]) -> str | None:
        """By its key; or a stream that was never ended, which carries none yet."""
        if not spot.thread:
            return None
        found = call(
            self.client.conversations_replies, channel=spot.place, ts=spot.thread, limit=200, include_all_metadata=True
        )
        for message in found["messages"]:
            if message.get("user") != self.me or message["ts"] in known or message.get("files"):
                continue
            metadata = message.get("metadata", {})
            if not metadata or metadata.get("event_payload", {}).get("key") == key:
                return str(message["ts"])
        return None

    def whisper(self, spot: Spot, sender: str, reply: Reply) -> None:
        blocks = reply.extra.get("blocks") or message_blocks(reply, "", now().date())
        user = sender.rpartition("/")[2]
        try:
            call(
                self.client.chat_postEphemeral, channel=spot.place, user=user, text=fallback_text(reply), blocks=blocks
            )
        except ChatError as error:
            if not error.permanent:
                raise
            log.info("slack_no_whisper", problem=str(error))  # say, the person has left the channel

    def busy(self, spot: Spot, text: str) -> bool:
        try:
            self.client.assistant_threads_setStatus(channel_id=spot.place, thread_ts=spot.thread, status=f"{text} …")
        except (SlackClientError, OSError, HTTPException) as error:
            log.info("slack_no_status", reason=type(error).__name__)
            return False
        return True


def call(method: Callable[..., Any], **arguments: Any) -> Any:
    """What the Web API answers. Raises ChatError."""
    try:
        return method(**{name: value for name, value in arguments.items() if value is not None})
    except (SlackClientError, OSError, HTTPException) as error:
        raise trouble(error) from error


def trouble(error: Exception) -> ChatError:
    """What Slack refused did not happen; when no answer came it may have."""
    if not isinstance(error, SlackApiError):
        return ChatError(f"no answer from Slack: {type(error).__name__}", uncertain=True)
    response = error.response
    if response.status_code == 429:
        wait_s = float(response.headers.get("Retry-After", 1))
        return ChatError("Slack asks us to wait (ratelimited)", retry_after_s=wait_s)
    code = str(response.get("error"))
    detail = "; ".join(response.get("response_metadata", {}).get("messages", []))
    needed = f", needed: {response['needed']}" if response.get("needed") else ""
    text = f"Slack refused: {code}{needed}{f' ({detail})' if detail else ''}"
    return ChatError(text, permanent=code in _LASTING, uncertain=response.status_code >= 500)


def _in(spot: Spot) -> dict[str, str]:
    return {"thread_ts": spot.thread} if spot.thread else {}


def _metadata(key: str) -> dict[str, Any]:
    return {"event_type": POSTED, "event_payload": {"key": key}}


def _within(paragraphs: Sequence[str], most: int) -> list[str]:
    """As many as fit, the first cut if it alone does not."""
    kept, size = [paragraphs[0][:most]], len(paragraphs[0])
    for paragraph in paragraphs[1:]:
        size += len(paragraph) + 2
        if size > most:
            break
        kept.append(paragraph)
    return kept
