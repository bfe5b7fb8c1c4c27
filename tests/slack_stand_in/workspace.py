"""The state of a workspace and what the Web API does to it."""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from slack_stand_in.blocks import HOME, MESSAGE, MODAL, InvalidBlocksError, check_blocks, check_view
from slack_stand_in.methods import APP_SCOPES, BOT_SCOPES

TEAM, BOT_USER, BOT_ID, APP_ID = "T0HOME", "U0MINERVA", "B0MINERVA", "A0MINERVA"
MAX_TEXT = 40_000
MAX_MARKDOWN = 12_000
TRIGGER_LIFETIME_S = 3.0
Args = dict[str, Any]


class ApiError(Exception):
    """`ok: false` with this code."""

    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.code = code
        self.more = more


@dataclass
class Channel:
    id: str
    kind: str = "channel"
    """channel, group or im."""
    members: set[str] = field(default_factory=set)
    archived: bool = False
    external: bool = False
    """Shared with another organisation (Slack Connect)."""


class Workspace:
    """Everything that the app and the people see. All access is under `lock`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.scopes = set(BOT_SCOPES)
        self.app_scopes = set(APP_SCOPES)
        self.channels: dict[str, Channel] = {}
        self.messages: dict[str, list[Args]] = defaultdict(list)
        self.people: dict[str, Args] = {BOT_USER: {"id": BOT_USER, "team_id": TEAM, "name": "minerva", "is_bot": True}}
        self.ephemerals: list[Args] = []
        self.views: list[Args] = []
        self.homes: dict[str, Args] = {}
        self.files: dict[str, Args] = {}
        self.statuses: list[Args] = []
        self.streaming = True
        """Whether `chat.startStream` is there for this workspace."""
        self.shows_status = True
        """Whether `assistant.threads.setStatus` is."""
        self._uploads: dict[str, Args] = {}
        self._triggers: dict[str, float] = {}
        self._serial = itertools.count(1)

    def ts(self) -> str:
        return f"{int(time.time())}.{next(self._serial):06d}"

    def new_id(self, letter: str) -> str:
        return f"{letter}{next(self._serial):08X}"

    def trigger(self) -> str:
        name = f"{next(self._serial)}.{time.time_ns()}.trigger"
        self._triggers[name] = time.monotonic()
        return name

    def message(self, channel: str, ts: str) -> Args:
        found = next((m for m in self.messages[channel] if m["ts"] == ts), None)
        if found is None:
            raise ApiError("message_not_found")
        return found

    def thread(self, channel: str, ts: str) -> list[Args]:
        return [m for m in self.messages[channel] if m["ts"] == ts or m.get("thread_ts") == ts]

    def auth_test(self, _args: Args) -> Args:
        return {
            "url": "https://minerva.slack.example/", "team": "Minerva", "user": "minerva", "team_id": TEAM,
            "user_id": BOT_USER, "bot_id": BOT_ID, "is_enterprise_install": False,
        }  # fmt: skip

    def chat_postMessage(self, args: Args) -> Args:
        channel = self._writable(args)
        self._content(args)
        if "thread_ts" in args and not any(m["ts"] == args["thread_ts"] for m in self.messages[channel.id]):
            raise ApiError("thread_not_found")
        posted = self._ours(args)
        self.messages[channel.id].append(posted)
        return {"channel": channel.id, "ts": posted["ts"], "message": posted}

    def chat_update(self, args: Args) -> Args:
        channel = self._writable(args)
        found = self._own(channel, args["ts"])
        if found.get("streaming_state") == "in_progress":
            raise ApiError("streaming_state_conflict")
        self._content(args)
        found.update({name: args[name] for name in ("text", "blocks", "metadata") if name in args})
        found.pop("streamed", None)
        found["edited"] = {"user": BOT_USER, "ts": self.ts()}
        return {"channel": channel.id, "ts": found["ts"], "text": found.get("text", "")}

    def chat_delete(self, args: Args) -> Args:
        channel = self._writable(args)
        self.messages[channel.id].remove(self._own(channel, args["ts"]))
        return {"channel": channel.id, "ts": args["ts"]}

    def chat_postEphemeral(self, args: Args) -> Args:
        channel = self._writable(args)
        if args["user"] not in channel.members:
            raise ApiError("user_not_in_channel")
        self._content(args)
        self.ephemerals.append({**args, "ts": self.ts()})
        return {"message_ts": self.ephemerals[-1]["ts"]}

    def chat_getPermalink(self, args: Args) -> Args:
        self.message(args["channel"], args["message_ts"])
        name = args["message_ts"].replace(".", "")
        address = f"https://minerva.slack.example/archives/{args['channel']}/p{name}"
        return {"channel": args["channel"], "permalink": address}

    def chat_startStream(self, args: Args) -> Args:
        if not self.streaming:
            raise ApiError("unknown_method")
        channel = self._writable(args)
        if channel.kind != "im":
            for name in ("recipient_team_id", "recipient_user_id"):
                if not args.get(name):
                    raise ApiError(f"missing_{name}")
        self._markdown(args)
        started = self._ours({**args, "text": args.get("markdown_text", "")})
        started |= {"streaming_state": "in_progress", "streamed": [args.get("markdown_text", "")]}
        started.pop("markdown_text", None)
        self.messages[channel.id].append(started)
        return {"channel": channel.id, "ts": started["ts"]}

    def chat_appendStream(self, args: Args) -> Args:
        found = self._streaming(args)
        if not args.get("markdown_text") and not args.get("chunks"):
            raise ApiError("no_text")
        self._append(found, args)
        return {"channel": args["channel"], "ts": found["ts"]}

    def chat_stopStream(self, args: Args) -> Args:
        found = self._streaming(args)
        if "blocks" in args:
            self._blocks(args["blocks"])
            found["blocks"] = args["blocks"]
        if args.get("markdown_text"):
            self._append(found, args)
        if "metadata" in args:
            found["metadata"] = args["metadata"]
        found["streaming_state"] = "completed"
        return {"channel": args["channel"], "ts": found["ts"], "message": found}

    def assistant_threads_setStatus(self, args: Args) -> Args:
        if not self.shows_status:
            raise ApiError("unknown_method")
        self.statuses.append(args)
        return {}

    def conversations_info(self, args: Args) -> Args:
        channel = self._channel(args["channel"])
        return {
            "channel": {
                "id": channel.id, "name": channel.id.lower(), "is_archived": channel.archived,
                "is_im": channel.kind == "im", "is_private": channel.kind == "group",
                "is_member": BOT_USER in channel.members, "is_ext_shared": channel.external,
            }
        }  # fmt: skip

    def conversations_open(self, args: Args) -> Args:
        if args.get("users") not in self.people:
            raise ApiError("user_not_found")
        return {"channel": {"id": self.dm(args["users"]).id}}

    def conversations_replies(self, args: Args) -> Args:
        channel = self._channel(args["channel"])
        if BOT_USER not in channel.members:
            raise ApiError("not_in_channel")
        found = [dict(m) for m in self.thread(channel.id, args["ts"])]
        if not found:
            raise ApiError("thread_not_found")
        for message in found:
            if str(args.get("include_all_metadata", "")).lower() not in {"true", "1"}:
                message.pop("metadata", None)
        return {"messages": found, "has_more": False}

    def users_info(self, args: Args) -> Args:
        if args["user"] not in self.people:
            raise ApiError("user_not_found")
        return {"user": self.people[args["user"]]}

    def views_open(self, args: Args) -> Args:
        opened = self._triggers.pop(str(args.get("trigger_id")), None)
        if opened is None:
            raise ApiError("invalid_trigger_id")
        if time.monotonic() - opened > TRIGGER_LIFETIME_S:
            raise ApiError("expired_trigger_id")
        self._view(args["view"], MODAL)
        view = {**args["view"], "id": self.new_id("V"), "hash": self.ts(), "state": {"values": {}}}
        self.views.append(view)
        return {"view": view}

    def views_publish(self, args: Args) -> Args:
        if args["user_id"] not in self.people:
            raise ApiError("user_not_found")
        self._view(args["view"], HOME)
        self.homes[args["user_id"]] = args["view"]
        return {"view": args["view"]}

    def files_getUploadURLExternal(self, args: Args) -> Args:
        key = self.new_id("F")
        self._uploads[key] = {"id": key, "name": args["filename"], "length": int(args["length"])}
        return {"file_id": key, "upload_url": key}

    def upload(self, key: str, content: bytes) -> bool:
        """What was sent to the upload address; False when the length is not what was announced."""
        upload = self._uploads.get(key)
        if upload is None or len(content) != upload["length"]:
            return False
        upload["content"] = content
        return True

    def files_completeUploadExternal(self, args: Args) -> Args:
        channel = self._writable({"channel": args["channel_id"]}) if args.get("channel_id") else None
        files = [self._uploads.pop(item["id"], None) for item in args["files"]]
        if any(file is None or "content" not in file for file in files):
            raise ApiError("file_not_found")
        kept: list[Args] = [file for file in files if file is not None]
        for file in kept:
            self.files[file["id"]] = file
        if channel is not None:
            shared = self._ours({**args, "text": args.get("initial_comment", "")})
            shared["files"] = [{"id": file["id"], "name": file["name"]} for file in kept]
            self.messages[channel.id].append(shared)
        return {"files": [{"id": file["id"], "title": file["name"]} for file in kept]}

    def dm(self, user: str) -> Channel:
        key = f"D{user[1:]}"
        return self.channels.setdefault(key, Channel(key, "im", {user, BOT_USER}))

    def _channel(self, key: str) -> Channel:
        channel = self.channels.get(self.dm(key).id if key in self.people else key)
        if channel is None:
            raise ApiError("channel_not_found")
        return channel

    def _writable(self, args: Args) -> Channel:
        channel = self._channel(args["channel"])
        if channel.archived:
            raise ApiError("is_archived")
        if BOT_USER not in channel.members:
            raise ApiError("not_in_channel")
        return channel

    def _own(self, channel: Channel, ts: str) -> Args:
        found = self.message(channel.id, ts)
        if found.get("bot_id") != BOT_ID:
            raise ApiError("cant_update_message")
        return found

    def _streaming(self, args: Args) -> Args:
        found = self.message(self._writable(args).id, args["ts"])
        if found.get("bot_id") != BOT_ID:
            raise ApiError("message_not_owned_by_app")
        if found.get("streaming_state") != "in_progress":
            raise ApiError("message_not_in_streaming_state")
        self._markdown(args)
        return found

    def _append(self, found: Args, args: Args) -> None:
        found["streamed"].append(args["markdown_text"])
        found["text"] = "".join(found["streamed"])
        if len(found["text"]) > MAX_MARKDOWN:
            raise ApiError("msg_too_long")

    def _markdown(self, args: Args) -> None:
        if len(args.get("markdown_text", "")) > MAX_MARKDOWN:
            raise ApiError("msg_too_long")

    def _ours(self, args: Args) -> Args:
        message = {name: args[name] for name in ("text", "blocks", "metadata", "thread_ts") if name in args}
        return {"type": "message", "user": BOT_USER, "bot_id": BOT_ID, "team": TEAM, "ts": self.ts(), **message}

    def _content(self, args: Args) -> None:
        if not args.get("text") and not args.get("blocks") and not args.get("attachments"):
            raise ApiError("no_text")
        if len(args.get("text", "")) > MAX_TEXT:
            raise ApiError("msg_too_long")
        metadata = args.get("metadata")
        if metadata is not None and not (
            isinstance(metadata, dict) and {"event_type", "event_payload"} == set(metadata)
        ):
            raise ApiError("invalid_metadata_format")
        if "blocks" in args:
            self._blocks(args["blocks"])

    def _blocks(self, blocks: object) -> None:
        try:
            check_blocks(blocks, MESSAGE)
        except InvalidBlocksError as error:
            raise ApiError("invalid_blocks", response_metadata={"messages": [str(error)]}) from error

    def _view(self, view: Any, kind: str) -> None:
        try:
            check_view(view)
        except InvalidBlocksError as error:
            raise ApiError("invalid_arguments", response_metadata={"messages": [str(error)]}) from error
        if view["type"] != kind:
            raise ApiError("invalid_arguments")
