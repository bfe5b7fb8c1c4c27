"""From the payloads of the Events API to what a person said. Pure; https://docs.slack.dev/reference/events"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agent.chat.values import Heard, SharedFile, Spot
from agent.slack.markup import markdown_of

_BY_PEOPLE = {None, "file_share", "thread_broadcast", "me_message"}
"""Subtypes of a message; every other is of a machine, or about the channel."""
_OTHERS = re.compile(r"\s*<@([UW][A-Z0-9]+)")
Body = Mapping[str, Any]


def heard(body: Body, *, me: str) -> Heard | None:
    """None for what machines say, for our own messages, and for changes that are none to the text."""
    event = body.get("event", {})
    subtype = event.get("subtype")
    if event.get("type") not in {"message", "app_mention"} or "channel" not in event:
        return None
    if subtype == "message_deleted":
        return _deleted(body, event, event.get("previous_message", {}), me)
    if subtype == "message_changed":
        return _changed(body, event, me)
    if subtype not in _BY_PEOPLE:
        return None
    return _said(body, event, event, me)


def sender_of(body: Body, said: Body) -> str:
    """`team/user`: ids of users are those of their own workspace or organisation."""
    team = said.get("user_team") or said.get("team") or body.get("team_id") or ""
    return f"{team}/{said.get('user', '')}"


def _changed(body: Body, event: Body, me: str) -> Heard | None:
    message, before = event.get("message", {}), event.get("previous_message", {})
    if message.get("subtype") == "tombstone":  # the first message of a thread that has replies
        return _deleted(body, event, before or message, me)
    if "edited" not in message or message.get("text") == before.get("text"):
        return None
    return _said(body, event, message, me, version=str(message["edited"]["ts"]))


def _deleted(body: Body, event: Body, before: Body, me: str) -> Heard | None:
    ts = event.get("deleted_ts") or before.get("ts") or event.get("message", {}).get("ts")
    if not ts or _is_machine(before, me):
        return None
    spot = Spot(place=event["channel"], thread=before.get("thread_ts") or ts)
    return Heard(kind="deleted", spot=spot, id=ts, sender=sender_of(body, before))


def _said(body: Body, event: Body, message: Body, me: str, version: str = "") -> Heard | None:
    if _is_machine(message, me) or not message.get("user"):
        return None
    text, direct = message.get("text") or "", event.get("channel_type") == "im"
    other = _OTHERS.match(text)
    return Heard(
        kind="edited" if version else "said",
        spot=Spot(place=event["channel"], thread=message.get("thread_ts") or message["ts"]),
        id=message["ts"],
        sender=sender_of(body, message),
        text=markdown_of(text, me=me),
        files=tuple(_file(item) for item in message.get("files", ()) if item.get("url_private_download")),
        version=version,
        event=str(body.get("event_id", "")),
        direct=direct,
        addressed=direct or f"<@{me}" in text,
        to_others=other is not None and other[1] != me,
    )


def _is_machine(message: Body, me: str) -> bool:
    return bool(message.get("bot_id") or message.get("app_id")) or message.get("user") in {me, "USLACKBOT"}


def _file(item: Body) -> SharedFile:
    return SharedFile(name=str(item.get("name")), address=item["url_private_download"], size=int(item.get("size", 0)))
