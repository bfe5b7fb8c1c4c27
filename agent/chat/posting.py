"""Bringing the chat in line with what should stand there: each message once, changed or taken back when wished."""

from __future__ import annotations

import structlog

from agent.chat.service import Chat
from agent.chat.values import Spot, reply_of
from agent.errors import ChatError
from agent.store import chat as store
from agent.store.chat_tables import ChatPost

log = structlog.get_logger()

RETRY_AFTER_S = (1, 2, 5, 15, 60, 300, 900)
"""Waits between tries; when they are used up, the message has failed."""


def post_due(chat: Chat) -> None:
    with chat.database.read() as session:
        due = store.due_posts(session, chat.channel.name)
    for post_id in due:
        post(chat, post_id)


def post(chat: Chat, post_id: int) -> None:
    """Does nothing when somebody else is at it."""
    with chat.database.write() as session:
        row = store.claim_post(session, post_id)
    if row is None:
        return
    try:
        external_id = _bring(chat, row)
    except ChatError as error:
        _failed(chat, row, error)
        return
    files = bool(row.content and row.content["files"])
    with chat.database.write() as session:
        store.settle_post(session, post_id, row.version, external_id=external_id, files=files)
    log.info("chat_posted", channel=row.channel, key=row.key, version=row.version)


def _bring(chat: Chat, row: ChatPost) -> str | None:
    """The id of what stands there now."""
    spot = Spot(place=row.place, thread=row.thread)
    standing = standing_of(chat, row)
    if row.content is None:
        if standing is not None:
            chat.channel.take_back(spot, standing)
        return None
    reply = reply_of(row.content)
    external_id = chat.channel.put(spot, row.key, reply, standing)
    if reply.files and not row.files_posted:
        with chat.database.write() as session:
            store.note_external_id(session, row.id or 0, external_id)
        chat.channel.attach(spot, reply.files)
    return external_id


def standing_of(chat: Chat, row: ChatPost) -> str | None:
    """The id of what stands there already, looked for where that is not certain. Raises ChatError."""
    if row.external_id is not None or not row.uncertain:
        return row.external_id
    with chat.database.read() as session:
        known = store.known_ids(session, row.channel, row.place)
    found = chat.channel.find(Spot(place=row.place, thread=row.thread), row.key, known)
    if found is not None:
        with chat.database.write() as session:
            store.note_external_id(session, row.id or 0, found)
    return found


def _failed(chat: Chat, row: ChatPost, error: ChatError) -> None:
    over = error.permanent or row.attempts >= len(RETRY_AFTER_S)
    wait_s = None if over else error.retry_after_s or RETRY_AFTER_S[row.attempts]
    with chat.database.write() as session:
        store.retry_post(session, row.id or 0, error=str(error), wait_s=wait_s, uncertain=error.uncertain)
    log.warning("chat_post_delayed" if wait_s else "chat_post_failed", key=row.key, problem=str(error))
