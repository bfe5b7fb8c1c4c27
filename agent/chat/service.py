"""What a conversation is worked on with, and the work on one event."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from agent.chat.rules import Rules
from agent.chat.values import Channel
from agent.pipeline import Ports
from agent.settings import Settings
from agent.store import chat as store
from agent.store import tickets
from agent.store.chat_tables import ChatEvent, EventState
from agent.store.database import Database
from ingest.masking import mask_secrets
from triage.policy import Row

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Chat:
    """One service. `wake` tells that there is something to post or to send."""

    channel: Channel
    database: Database
    settings: Settings
    ports: Ports
    rules: Rules
    policy: tuple[Row, ...]
    wake: Callable[[], None]
    draft: Callable[[int], None] = lambda _message_id: None
    """Asks for a draft for a message of a ticket; while an event is handled, the one who handles it listens."""

    def keep(self, key: str, kind: str, body: Mapping[str, Any]) -> None:
        """Store an event; it may be acknowledged when this returns."""
        raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        store.keep_event(
            self.database, channel=self.channel.name, key=f"{self.channel.name}:{key}", kind=kind, body=raw
        )


Handle = Callable[[Chat, str, Mapping[str, Any]], bool]
"""handle(chat, kind, body): False when the event was not meant for us."""


def handle_event(chat: Chat, handle: Handle, event_id: int) -> list[int]:
    """Work on a stored event once. Returns the messages to draft for.

    Then secrets are taken out of it, and what was not meant for us is emptied.
    """
    with chat.database.read() as session:
        event = tickets.by_id(session, ChatEvent, event_id)
    wanted: list[int] = []
    if event.state != EventState.RECEIVED:
        return wanted
    meant = handle(replace(chat, draft=wanted.append), event.kind, json.loads(event.body))
    kept = mask_secrets(event.body.decode()).text.encode() if meant else b"{}"
    with chat.database.write() as session:
        store.settle_event(session, event_id, EventState.HANDLED, body=kept)
    log.info("chat_event_handled", channel=event.channel, kind=event.kind, event_id=event_id, meant=meant)
    return wanted
