"""Matrix as one of the connected services: a long poll that stores what comes, then moves on."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import structlog

from agent.chat.conversation import hear
from agent.chat.runner import Service
from agent.chat.service import Chat
from agent.chat.tickets import Wish, open_ticket
from agent.errors import ChatError
from agent.matrix.channel import PERSON, MatrixChannel

log = structlog.get_logger()
POLL_MS, AGAIN_AFTER_S = 20_000, 2.0


def matrix_service(chat: Chat) -> Service:
    stopping = threading.Event()
    thread = threading.Thread(target=_watch, args=(chat, stopping), name="matrix", daemon=True)
    thread.start()
    return Service(chat=chat, handle=handle, close=stopping.set, state=lambda: "ok" if thread.is_alive() else "stopped")


def handle(chat: Chat, kind: str, body: Mapping[str, Any]) -> bool:
    heard = chat.channel.heard(kind, body)
    if heard is not None and heard.text == PERSON and not heard.is_first:
        open_ticket(chat, heard.spot, Wish(sender=heard.sender, text="", mail=None, direct=heard.direct))
        return True
    return heard is not None and hear(chat, heard)


def _watch(chat: Chat, stopping: threading.Event) -> None:
    """From where we were; what comes twice after a crash is stored once. Old messages are nobody's question."""
    mark = chat.settings.data_dir / "matrix.since"
    since = mark.read_text() if mark.exists() else ""
    while not stopping.is_set():
        try:
            path = f"sync?timeout={POLL_MS if since else 0}" + (f"&since={quote(since)}" if since else "")
            news = _matrix(chat).call("GET", path, timeout=POLL_MS / 1000 + 10)
            _keep(chat, news.get("rooms", {}), first=not since)
        except ChatError as error:
            log.warning("matrix_away", problem=str(error))
            stopping.wait(AGAIN_AFTER_S)
            continue
        since = news["next_batch"]
        mark.write_text(since)


def _keep(chat: Chat, rooms: Mapping[str, Any], *, first: bool) -> None:
    for place in rooms.get("invite", {}):
        _matrix(chat).call("POST", f"join/{quote(place)}", {})
    for place, room in {} if first else rooms.get("join", {}).items():
        for event in room.get("timeline", {}).get("events", ()):
            members = _matrix(chat).call("GET", f"rooms/{quote(place)}/joined_members")["joined"]
            chat.keep(event["event_id"], "event", {**event, "room_id": place, "direct": len(members) == 2})
            chat.wake()


def _matrix(chat: Chat) -> MatrixChannel:
    assert isinstance(chat.channel, MatrixChannel)
    return chat.channel
