"""The transports: Web API over HTTP, events over Socket Mode or signed HTTP, and people who write and click."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict, deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from slack_stand_in.methods import APP, EVENT_SCOPES, METHODS
from slack_stand_in.workspace import APP_ID, BOT_ID, BOT_USER, TEAM, ApiError, Args, Channel, Workspace

BOT_TOKEN, APP_TOKEN, SIGNING_SECRET = "xoxb-stand-in", "xapp-1-stand-in", "stand-in-signing-secret"
RESENT_AFTER_S = (0.05, 0.1, 0.2)
"""Slack sends an unanswered event again at once, after a minute and after five; here it does not wait as long."""
POSTS_A_SECOND = 1
EDIT_EVERY_S = 1.0
"""Of one message. Slack names no figure; who edits more often meets the limit of the method."""


@dataclass(frozen=True)
class Ack:
    kind: str
    latency_s: float
    payload: Any


class SlackStandIn(Workspace):
    """Start it, point `base_url` at `url`, and let people write."""

    def __init__(self, *, post_limit: bool = True) -> None:
        super().__init__()
        self.acks: list[Ack] = []
        self.calls: list[tuple[str, Args]] = []
        self.unacknowledged: list[Args] = []
        self.responses: list[Args] = []
        """What came in at response addresses."""
        self.events_url: str | None = None
        """Set: events go there, signed, instead of over sockets."""
        self.impatient: list[tuple[str, Args]] = []
        """Calls that came although Slack had asked to wait."""
        self.refused: list[tuple[str, Args]] = []
        """Calls that were told to wait."""
        self._failures: dict[str, deque[str]] = defaultdict(deque)
        self._closed_until: dict[str, float] = {}
        self._recent: dict[str, deque[float]] = defaultdict(deque)
        self._post_limit = post_limit
        self.ack_within_s = 3.0
        self._sockets: list[WebSocket] = []
        self._waiting: dict[str, Future[Any]] = {}
        self._connected = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        routes = [
            Route("/api/{method}", self._api, methods=["POST", "GET"]),
            Route("/upload/{key}", self._take_upload, methods=["POST"]),
            Route("/files/{key}", self._give_file),
            Route("/response/{key}", self._take_response, methods=["POST"]),
            WebSocketRoute("/link", self._link),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            host="127.0.0.1",
            port=0,
            log_config=None,
            access_log=False,
            ws="wsproto",
            lifespan="off",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> SlackStandIn:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(timeout=10)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    @property
    def url(self) -> str:
        return f"{self.base}/api/"

    def wait_until_connected(self, timeout_s: float = 60) -> None:
        assert self._connected.wait(timeout_s), "nobody has opened a socket"

    def disconnect(self) -> None:
        """As Slack does when it refreshes a connection: it says so, then closes."""
        self._connected.clear()
        for socket in list(self._sockets):
            self._send(socket, {"type": "disconnect", "reason": "refresh_requested"})
            assert self._loop is not None
            asyncio.run_coroutine_threadsafe(socket.close(), self._loop).result(10)

    def fail(self, method: str, *codes: str) -> None:
        """The next calls of a method are refused with these codes; `ratelimited` is a 429 with Retry-After 1."""
        self._failures[method].extend(codes)

    # People

    def person(self, key: str, name: str, *, team: str = TEAM) -> str:
        with self.lock:
            profile = {"display_name": name, "real_name": name}
            self.people[key] = {
                "id": key,
                "team_id": team,
                "name": name.casefold(),
                "profile": profile,
                "is_bot": False,
            }
        return key

    def channel(self, key: str, *members: str, kind: str = "channel", external: bool = False) -> str:
        with self.lock:
            self.channels[key] = Channel(key, kind, {BOT_USER, *members}, external=external)
        return key

    def say(
        self, user: str, channel: str, text: str, *, thread: str | None = None, files: dict[str, bytes] | None = None,
        bot: bool = False,
    ) -> str:  # fmt: skip
        """A person (or another bot) writes; the ts of the message. Both events of a mention are sent."""
        with self.lock:
            message = {
                "type": "message", "user": user, "text": text, "ts": self.ts(), "team": self.people[user]["team_id"],
                "blocks": [{"type": "rich_text", "block_id": "b1", "elements": []}],
            }  # fmt: skip
            if thread:
                message["thread_ts"] = thread
            if bot:
                message |= {"bot_id": "B0OTHER", "subtype": "bot_message"}
            if files:
                message |= {"subtype": "file_share", "files": [self._shared(*item) for item in files.items()]}
            self.messages[channel].append(dict(message))
        self._message_event(channel, message)
        if f"<@{BOT_USER}>" in text and self.channels[channel].kind != "im":
            mention = {name: message[name] for name in ("user", "text", "ts", "team")}
            mention |= {"type": "app_mention", "channel": channel, "event_ts": message["ts"]}
            mention |= {name: message[name] for name in ("thread_ts", "bot_id") if name in message}
            self.event(mention, scope="app_mention")
        return message["ts"]

    def edit(self, channel: str, ts: str, text: str) -> None:
        with self.lock:
            message = self.message(channel, ts)
            before = dict(message)
            message |= {"text": text, "edited": {"user": message["user"], "ts": self.ts()}}
            changed = {
                "type": "message", "subtype": "message_changed", "hidden": True, "message": dict(message),
                "previous_message": before, "ts": self.ts(),
            }  # fmt: skip
        self._message_event(channel, changed)

    def delete(self, channel: str, ts: str) -> None:
        with self.lock:
            message = self.message(channel, ts)
            if len(self.thread(channel, ts)) > 1 and "thread_ts" not in message:
                self._leave_tombstone(channel, message)
                return
            self.messages[channel].remove(message)
            gone = {
                "type": "message", "subtype": "message_deleted", "hidden": True, "deleted_ts": ts,
                "previous_message": message, "ts": self.ts(),
            }  # fmt: skip
        self._message_event(channel, gone)

    def _leave_tombstone(self, channel: str, message: Args) -> None:
        """The first message of a thread that has replies becomes a mark that something was there."""
        before = dict(message)
        message |= {"subtype": "tombstone", "text": "This message was deleted.", "user": "USLACKBOT"}
        changed = {
            "type": "message", "subtype": "message_changed", "hidden": True, "message": dict(message),
            "previous_message": before, "ts": self.ts(),
        }  # fmt: skip
        self._message_event(channel, changed)

    def react(self, user: str, channel: str, ts: str, emoji: str) -> None:
        item = {"type": "message", "channel": channel, "ts": ts}
        event = {"type": "reaction_added", "user": user, "reaction": emoji, "item": item, "event_ts": self.ts()}
        self.event(event, scope="reaction_added")

    def open_home(self, user: str) -> None:
        self.event({"type": "app_home_opened", "user": user, "channel": f"D{user[1:]}", "tab": "home"})

    def command(self, user: str, channel: str, text: str) -> Any:
        """`/minerva text`; what the app answered at once."""
        payload = {
            "token": "t", "team_id": TEAM, "team_domain": "minerva", "channel_id": channel, "channel_name": "c",
            "user_id": user, "user_name": "u", "command": "/minerva", "text": text, "api_app_id": APP_ID,
            "is_enterprise_install": "false", "response_url": self._response_url(), "trigger_id": self.trigger(),
        }  # fmt: skip
        return self.deliver("slash_commands", payload)

    def click(self, user: str, channel: str, ts: str, action_id: str) -> Any:
        """A button of a message; nothing else than what is shown there can be clicked."""
        with self.lock:
            message = self.message(channel, ts)
            buttons = [e for b in message.get("blocks", []) if b["type"] == "actions" for e in b["elements"]]
            button = next((b for b in buttons if b["action_id"] == action_id), None)
        assert button is not None, f"no button {action_id} among {[b['action_id'] for b in buttons]}"
        payload = self._interaction("block_actions", user) | {
            "container": {"type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": False},
            "channel": {"id": channel, "name": "c"}, "message": message, "response_url": self._response_url(),
            "actions": [{**button, "block_id": "x", "action_ts": self.ts()}], "trigger_id": self.trigger(),
        }  # fmt: skip
        return self.deliver("interactive", payload)

    def click_ephemeral(self, user: str, message: Args, action_id: str) -> Any:
        buttons = [e for b in message.get("blocks", []) if b["type"] == "actions" for e in b["elements"]]
        button = next(b for b in buttons if b["action_id"] == action_id)
        payload = self._interaction("block_actions", user) | {
            "container": {
                "type": "message", "message_ts": message["ts"], "channel_id": message["channel"], "is_ephemeral": True,
                "thread_ts": message.get("thread_ts"),
            },
            "channel": {"id": message["channel"], "name": "c"}, "response_url": self._response_url(),
            "actions": [{**button, "block_id": "x", "action_ts": self.ts()}], "trigger_id": self.trigger(),
        }  # fmt: skip
        return self.deliver("interactive", payload)

    def shortcut(self, user: str, channel: str, ts: str, callback_id: str) -> Any:
        with self.lock:
            message = self.message(channel, ts)
        payload = self._interaction("message_action", user) | {
            "callback_id": callback_id, "channel": {"id": channel, "name": "c"}, "message": message, "message_ts": ts,
            "trigger_id": self.trigger(), "response_url": self._response_url(), "action_ts": self.ts(),
        }  # fmt: skip
        return self.deliver("interactive", payload)

    def submit(self, user: str, view: Args, values: Args) -> Any:
        """`values` by block id: a text, or a list of values of checkboxes."""
        state: dict[str, Any] = {}
        for block in view["blocks"]:
            if block["type"] != "input":
                continue
            element, value = block["element"], values.get(block["block_id"])
            assert value is not None or block.get("optional"), f"{block['block_id']} must be filled in"
            if element["type"] == "checkboxes":
                chosen = [option for option in element["options"] if option["value"] in (value or [])]
                filled: Args = {"type": "checkboxes", "selected_options": chosen}
            else:
                filled = {"type": element["type"], "value": value}
            state[block["block_id"]] = {element["action_id"]: filled}
        done = {**view, "state": {"values": state}, "team_id": TEAM, "app_id": APP_ID, "bot_id": BOT_ID}
        payload = self._interaction("view_submission", user) | {
            "view": done, "response_urls": [], "trigger_id": self.trigger(),
        }  # fmt: skip
        return self.deliver("interactive", payload)

    # Delivery

    def event(self, event: Args, *, scope: str | None = None, event_id: str | None = None, **outer: Any) -> str | None:
        """Send an event, again until it is acknowledged; its id, or None when the app lacks the scope for it."""
        if scope and EVENT_SCOPES[scope] not in self.scopes:
            return None
        authorization = {
            "enterprise_id": None, "team_id": TEAM, "user_id": BOT_USER, "is_bot": True, "is_enterprise_install": False,
        }  # fmt: skip
        payload = {
            "token": "t", "team_id": TEAM, "context_team_id": TEAM, "api_app_id": APP_ID, "event": event,
            "type": "event_callback", "event_id": event_id or self.new_id("Ev"), "event_time": int(time.time()),
            "authorizations": [authorization], "is_ext_shared_channel": False, **outer,
        }  # fmt: skip
        self.deliver("events_api", payload)
        return str(payload["event_id"])

    def deliver(self, kind: str, payload: Args) -> Any:
        """The body of the acknowledgement; None when the app never acknowledged."""
        for attempt, wait_s in enumerate((0.0, *RESENT_AFTER_S)):
            time.sleep(wait_s)
            begun = time.monotonic()
            try:
                answer = self._over_http(kind, payload, attempt) if self.events_url else self._over_socket(
                    kind, payload, attempt
                )  # fmt: skip
            except (TimeoutError, OSError, RuntimeError):
                if kind != "events_api":
                    break
                continue
            self.acks.append(Ack(kind, time.monotonic() - begun, answer))
            return answer
        self.unacknowledged.append(payload)
        return None

    def _over_socket(self, kind: str, payload: Args, attempt: int) -> Any:
        self.wait_until_connected(10)
        envelope = {"envelope_id": self.new_id("E"), "type": kind, "payload": payload}
        envelope["accepts_response_payload"] = kind != "events_api"
        if kind == "events_api":
            envelope |= {"retry_attempt": attempt, "retry_reason": "timeout" if attempt else ""}
        done: Future[Any] = Future()
        self._waiting[envelope["envelope_id"]] = done
        self._send(self._sockets[-1], envelope)
        return done.result(self.ack_within_s)

    def _over_http(self, kind: str, payload: Args, attempt: int, *, at: float | None = None) -> Any:
        assert self.events_url is not None
        if kind == "events_api":
            body, content_type = json.dumps(payload), "application/json"
        else:
            form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
            body, content_type = urllib.parse.urlencode(form), "application/x-www-form-urlencoded"
        headers = {**signed(body, at=at), "Content-Type": content_type}
        if attempt:
            headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": "http_timeout"}
        request = urllib.request.Request(self.events_url, body.encode(), headers)
        with urllib.request.urlopen(request, timeout=self.ack_within_s) as response:
            text = response.read().decode()
        return json.loads(text) if text.startswith("{") else text

    def _send(self, socket: WebSocket, value: Args) -> None:
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(socket.send_text(json.dumps(value)), self._loop).result(10)

    async def _link(self, socket: WebSocket) -> None:
        await socket.accept()
        self._loop = asyncio.get_running_loop()
        hello = {"type": "hello", "num_connections": 1, "connection_info": {"app_id": APP_ID}, "debug_info": {}}
        await socket.send_text(json.dumps(hello))
        self._sockets.append(socket)
        self._connected.set()
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while True:
                answer = json.loads(await socket.receive_text())
                waiting = self._waiting.pop(answer.get("envelope_id"), None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer.get("payload"))
        self._sockets.remove(socket)
        if not self._sockets:
            self._connected.clear()

    # Web API

    async def _api(self, request: Request) -> Response:
        name = request.path_params["method"]
        if "application/json" in request.headers.get("content-type", ""):
            args = json.loads(await request.body() or b"{}")
        else:
            args = {key: str(value) for key, value in (await request.form()).items()}
        token = request.headers.get("authorization", "").removeprefix("Bearer ") or args.pop("token", "")
        args.pop("token", None)
        with self.lock:
            return self._answer(name, args, token)

    def _answer(self, name: str, args: Args, token: str) -> Response:
        headers = {"x-oauth-scopes": ",".join(sorted(self.app_scopes if token == APP_TOKEN else self.scopes))}
        try:
            _decode(args)
            self._may_call(name, args, token)
            self.calls.append((name, args))
            if name == "apps.connections.open":
                result: Args = {"url": f"{self.base.replace('http', 'ws')}/link?ticket={time.time_ns()}"}
            else:
                result = getattr(self, name.replace(".", "_"))(args)
            if name == "files.getUploadURLExternal":
                result["upload_url"] = f"{self.base}/upload/{result['upload_url']}"
        except ApiError as error:
            if error.code == "ratelimited":
                self.refused.append((name, args))
                wait = str(error.more.get("retry_after", 1))
                return JSONResponse({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": wait})
            return JSONResponse({"ok": False, "error": error.code, **error.more}, headers=headers)
        return JSONResponse({"ok": True, **result}, headers=headers)

    def _may_call(self, name: str, args: Args, token: str) -> None:
        method = METHODS.get(name)
        if method is None:
            raise ApiError("unknown_method")
        if not token:
            raise ApiError("not_authed")
        if token not in {BOT_TOKEN, APP_TOKEN}:
            raise ApiError("invalid_auth")
        if (token == APP_TOKEN) != (method.token == APP):
            raise ApiError("not_allowed_token_type")
        held = self.app_scopes if method.token == APP else self.scopes
        if method.scopes and held.isdisjoint(method.scopes):
            raise ApiError("missing_scope", needed=method.scopes[0], provided=",".join(sorted(held)))
        missing, unknown = method.required - set(args), set(args) - method.allowed
        if missing or unknown:
            problems = [f"[ERROR] missing required field: {n}" for n in sorted(missing)]
            problems += [f"[ERROR] unknown argument: {n}" for n in sorted(unknown)]
            raise ApiError("invalid_arguments", response_metadata={"messages": problems})
        self._was_waited(name, args)
        if self._failures[name]:
            raise self._refusal(name, args, self._failures[name].popleft())
        self._limit(name, method.per_minute, 60.0)
        if name == "chat.postMessage" and self._post_limit:
            self._limit(f"{name} {args['channel']}", POSTS_A_SECOND * 5, 5.0)

    def _refusal(self, name: str, args: Args, code: str) -> ApiError:
        if code == "ratelimited":
            self._closed_until[_about(name, args)] = time.monotonic() + 1
        return ApiError(code)

    def _was_waited(self, name: str, args: Args) -> None:
        left_s = self._closed_until.get(_about(name, args), 0) - time.monotonic()
        if left_s > 0:
            self.impatient.append((name, args))
            raise ApiError("ratelimited", retry_after=max(1, round(left_s)))

    def chat_update(self, args: Args) -> Args:
        if self.message(args["channel"], args["ts"]).get("streaming_state") != "in_progress":
            self._limit(f"chat.update {args['channel']} {args['ts']}", 1, EDIT_EVERY_S)
        return super().chat_update(args)

    def _limit(self, key: str, most: int, span_s: float) -> None:
        """At most so many within the span, so that short bursts pass as they do at Slack."""
        recent, at = self._recent[key], time.monotonic()
        while recent and at - recent[0] > span_s:
            recent.popleft()
        if len(recent) >= most:
            raise ApiError("ratelimited", retry_after=max(1, round(span_s - (at - recent[0]))))
        recent.append(at)

    async def _take_upload(self, request: Request) -> Response:
        with self.lock:
            taken = self.upload(request.path_params["key"], await request.body())
        return Response("OK" if taken else "length differs", 200 if taken else 400)

    async def _give_file(self, request: Request) -> Response:
        """Files need the token and the scope; without them Slack sends a page for signing in, with 200."""
        allowed = request.headers.get("authorization") == f"Bearer {BOT_TOKEN}" and "files:read" in self.scopes
        if not allowed:
            return Response("<!DOCTYPE html><html>sign in</html>", media_type="text/html")
        return Response(self.files[request.path_params["key"]]["content"], media_type="application/octet-stream")

    async def _take_response(self, request: Request) -> Response:
        self.responses.append(await request.json())
        return Response("ok")

    def _response_url(self) -> str:
        return f"{self.base}/response/{self.new_id('R')}"

    def _shared(self, name: str, content: bytes) -> Args:
        key = self.new_id("F")
        self.files[key] = {"id": key, "name": name, "content": content}
        address = f"{self.base}/files/{key}"
        return {
            "id": key, "name": name, "size": len(content), "mimetype": "text/plain", "url_private": address,
            "url_private_download": address, "mode": "hosted", "file_access": "visible",
        }  # fmt: skip

    def _message_event(self, channel: str, message: Args) -> None:
        if BOT_USER not in self.channels[channel].members:
            return
        kind = self.channels[channel].kind
        event = {**message, "channel": channel, "channel_type": kind, "event_ts": message["ts"]}
        self.event(event, scope=f"message.{kind}", is_ext_shared_channel=self.channels[channel].external)

    def _interaction(self, kind: str, user: str) -> Args:
        person = self.people[user]
        return {
            "type": kind, "token": "t", "api_app_id": APP_ID, "team": {"id": TEAM, "domain": "minerva"},
            "user": {"id": user, "team_id": person["team_id"], "name": person["name"], "username": person["name"]},
            "enterprise": None, "is_enterprise_install": False,
        }  # fmt: skip


def signed(body: str, *, at: float | None = None, secret: str = SIGNING_SECRET) -> dict[str, str]:
    """The headers of a signed request (https://docs.slack.dev/authentication/verifying-requests-from-slack)."""
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}


def _about(name: str, args: Args) -> str:
    """The method and the message or thread that it is called for."""
    return f"{name} {args.get('channel')} {args.get('ts') or args.get('thread_ts')}"


def _decode(args: Args) -> None:
    """Structured arguments may come as JSON in a form."""
    for name in ("blocks", "view", "metadata", "files", "chunks"):
        if isinstance(args.get(name), str):
            try:
                args[name] = json.loads(args[name])
            except ValueError as error:
                raise ApiError("invalid_arguments" if name != "blocks" else "invalid_blocks_format") from error
