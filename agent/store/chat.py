"""Conversations in chat, as rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

from sqlalchemy import CursorResult, delete, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from agent.store.chat_tables import (
    ChatAccount,
    ChatEvent,
    ChatFile,
    ChatMessage,
    ChatPost,
    ChatThread,
    EventState,
    PostState,
)
from agent.store.database import Database
from agent.store.tables import Engineer, Message, Ticket, now

LEASE = timedelta(minutes=5)
"""Longer than any call to a chat service takes."""


def keep_event(database: Database, *, channel: str, key: str, kind: str, body: bytes) -> None:
    """On disk when this returns; a redelivery is counted on the row that is there."""
    row = {"channel": channel, "key": key, "kind": kind, "body": body, "received_at": now()}
    row |= {"state": EventState.RECEIVED, "deliveries": 1}
    again = {"deliveries": col(ChatEvent.deliveries) + 1}
    with database.write_fast() as connection:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        started: sqlite.Insert | postgresql.Insert = insert(ChatEvent)
        connection.execute(started.values(row).on_conflict_do_update(index_elements=["key"], set_=again))


@dataclass(frozen=True, kw_only=True, slots=True)
class Unhandled:
    id: int
    at: datetime


def waiting_events(session: Session, channels: Sequence[str]) -> list[Unhandled]:
    """Oldest first."""
    query = select(ChatEvent.id, ChatEvent.received_at).where(
        ChatEvent.state == EventState.RECEIVED, col(ChatEvent.channel).in_(channels)
    )
    return [Unhandled(id=key, at=at) for key, at in session.exec(query.order_by(col(ChatEvent.id))) if key is not None]


def settle_event(session: Session, event_id: int, state: EventState, *, body: bytes) -> None:
    """`body` is what is kept of the event."""
    values = {"state": state, "body": body}
    session.execute(update(ChatEvent).where(col(ChatEvent.id) == event_id).values(values))


def thread_of(session: Session, channel: str, place: str, thread: str) -> ChatThread | None:
    query = select(ChatThread).where(
        ChatThread.channel == channel, ChatThread.place == place, ChatThread.thread == thread
    )
    return session.exec(query).one_or_none()


def message_of(session: Session, thread: ChatThread, external_id: str) -> ChatMessage | None:
    query = select(ChatMessage).where(ChatMessage.thread_id == thread.id, ChatMessage.external_id == external_id)
    return session.exec(query).one_or_none()


def messages_of(session: Session, thread: ChatThread) -> list[ChatMessage]:
    """In the order in which we heard of them, without deleted ones."""
    query = select(ChatMessage).where(ChatMessage.thread_id == thread.id, col(ChatMessage.deleted).is_(False))
    return list(session.exec(query.order_by(col(ChatMessage.id))))


def files_of(session: Session, message: ChatMessage) -> list[ChatFile]:
    query = select(ChatFile).where(ChatFile.chat_message_id == message.id).order_by(col(ChatFile.position))
    return list(session.exec(query))


def forget_files(session: Session, message: ChatMessage) -> None:
    session.execute(delete(ChatFile).where(col(ChatFile.chat_message_id) == message.id))


def forget_message(session: Session, message: ChatMessage) -> None:
    """And its thread, when nothing else was said or posted in it."""
    forget_files(session, message)
    thread = session.get_one(ChatThread, message.thread_id)
    session.delete(message)
    session.flush()
    alone = session.exec(select(ChatMessage.id).where(ChatMessage.thread_id == thread.id).limit(1)).first() is None
    if alone and not posts_in(session, thread):
        session.delete(thread)


def posts_in(session: Session, thread: ChatThread) -> list[ChatPost]:
    query = select(ChatPost).where(
        ChatPost.channel == thread.channel, ChatPost.place == thread.place, ChatPost.thread == thread.thread
    )
    return list(session.exec(query.order_by(col(ChatPost.id))))


def thread_of_ticket(session: Session, ticket: Ticket) -> ChatThread | None:
    return session.exec(select(ChatThread).where(ChatThread.ticket_id == ticket.id)).first()


def threads_of_asker(session: Session, channel: str, asker: str) -> list[tuple[ChatThread, Ticket]]:
    """With a ticket, the newest first."""
    query = select(ChatThread, Ticket).join(Ticket, col(Ticket.id) == ChatThread.ticket_id)
    query = query.where(ChatThread.channel == channel, ChatThread.asker == asker).order_by(col(Ticket.id).desc())
    return list(session.exec(query))


def want_post(
    session: Session, key: str, *, channel: str, place: str, thread: str, content: dict[str, Any] | None
) -> ChatPost:
    """What should stand there from now on: posted, changed or taken back by whoever posts next."""
    content = json.loads(json.dumps(content))  # as it comes back: comparing tuples with lists would change it each time
    row = session.exec(select(ChatPost).where(ChatPost.key == key)).one_or_none()
    if row is None:
        row = ChatPost(key=key, channel=channel, place=place, thread=thread, content=content)
    elif row.content != content:
        row.content, row.version, row.attempts = content, row.version + 1, 0
        if row.state in {PostState.DONE, PostState.FAILED}:
            row.state, row.next_attempt_at = PostState.DUE, now()
    session.add(row)
    session.flush()
    return row


def post_by_key(session: Session, key: str) -> ChatPost | None:
    return session.exec(select(ChatPost).where(ChatPost.key == key)).one_or_none()


def due_posts(session: Session, channel: str) -> list[int]:
    """Oldest first."""
    query = select(ChatPost.id).where(
        ChatPost.channel == channel, ChatPost.state == PostState.DUE, col(ChatPost.next_attempt_at) <= now()
    )
    return [key for key in session.exec(query.order_by(col(ChatPost.id))) if key is not None]


def claim_post(session: Session, post_id: int) -> ChatPost | None:
    """As it was before: whether it may have been posted already is still to be seen. None: somebody else has it."""
    row = session.get(ChatPost, post_id)
    if row is None or row.state != PostState.DUE:
        return None
    before = ChatPost(**row.model_dump())
    row.state, row.attempts, row.next_attempt_at = PostState.POSTING, row.attempts + 1, now() + LEASE
    row.uncertain = row.external_id is None
    session.add(row)
    return before


def hold_post(
    session: Session, key: str, *, channel: str, place: str, thread: str, content: dict[str, Any]
) -> ChatPost | None:
    """Nobody else posts it until `release_post`; `content` is what stands there if we stop before. As `claim_post`."""
    row = want_post(session, key, channel=channel, place=place, thread=thread, content=content)
    if row.state != PostState.POSTING:
        row.state = PostState.DUE
    return claim_post(session, row.id or 0)


def release_post(session: Session, post_id: int, *, external_id: str | None, wait_s: float) -> None:
    """Due again, in `wait_s` seconds."""
    row = session.get_one(ChatPost, post_id)
    row.external_id = external_id or row.external_id
    row.state, row.attempts, row.uncertain = PostState.DUE, 0, row.external_id is None
    row.next_attempt_at = now() + timedelta(seconds=wait_s)
    session.add(row)


def settle_post(session: Session, post_id: int, version: int, *, external_id: str | None, files: bool) -> None:
    """`version` stands in the chat now; more to do when the wish has changed meanwhile."""
    row = session.get_one(ChatPost, post_id)
    row.external_id, row.posted_version, row.uncertain, row.last_error = external_id, version, False, None
    row.files_posted = row.files_posted or files
    row.state, row.next_attempt_at = PostState.DONE if row.version == version else PostState.DUE, now()
    session.add(row)


def note_external_id(session: Session, post_id: int, external_id: str) -> None:
    session.execute(update(ChatPost).where(col(ChatPost.id) == post_id).values(external_id=external_id))


def retry_post(session: Session, post_id: int, *, error: str, wait_s: float | None, uncertain: bool) -> None:
    """Without `wait_s` it has failed for good."""
    row = session.get_one(ChatPost, post_id)
    row.state = PostState.FAILED if wait_s is None else PostState.DUE
    row.last_error, row.uncertain = error[:500], uncertain and row.external_id is None
    row.next_attempt_at = now() + timedelta(seconds=wait_s or 0)
    session.add(row)


def recover_posts(session: Session, *, all_of_them: bool = False) -> int:
    """Posts that were under way when we stopped, or for longer than any call takes, are due again."""
    query = update(ChatPost).where(col(ChatPost.state) == PostState.POSTING)
    if not all_of_them:
        query = query.where(col(ChatPost.next_attempt_at) <= now())
    result = session.execute(query.values(state=PostState.DUE, next_attempt_at=now()))
    assert isinstance(result, CursorResult)
    return result.rowcount


def known_ids(session: Session, channel: str, place: str) -> set[str]:
    """Of our own messages there."""
    query = select(ChatPost.external_id).where(ChatPost.channel == channel, ChatPost.place == place)
    return {key for key in session.exec(query) if key}


def engineer_of(session: Session, channel: str, sender: str) -> Engineer | None:
    """Whose account it is; None for strangers and for engineers who may no longer sign in."""
    account = session.get(ChatAccount, (channel, sender))
    engineer = session.get(Engineer, account.engineer_id) if account else None
    return engineer if engineer is not None and engineer.disabled_at is None else None


def map_account(session: Session, channel: str, sender: str, engineer: Engineer) -> None:
    assert engineer.id is not None
    row = session.get(ChatAccount, (channel, sender)) or ChatAccount(
        channel=channel, sender=sender, engineer_id=engineer.id
    )
    row.engineer_id = engineer.id
    session.add(row)


def accounts_of(session: Session, engineer: Engineer) -> list[ChatAccount]:
    return list(session.exec(select(ChatAccount).where(ChatAccount.engineer_id == engineer.id)))


def recipients_of(session: Session, ticket: Ticket, request: Message) -> list[str]:
    """Where an answer to this request goes: to the requester, or back to the conversation and, if wanted, by mail.

    What was asked by mail is answered by mail, and in the conversation only if nobody else reads it.
    """
    thread = thread_of_ticket(session, ticket)
    if thread is None:
        return [ticket.requester_address]
    if is_chat(request.sender_address):
        return [spot_address(thread), *([thread.mail] if thread.mail else [])]
    return [*([spot_address(thread)] if thread.direct else []), request.sender_address]


_DOMAIN = ".invalid"


def sender_address(channel: str, sender: str) -> str:
    """A person of a chat service as a mail address that no mail can go to (RFC 2606)."""
    return f"{quote(sender, safe='')}@{channel}{_DOMAIN}"


def spot_address(thread: ChatThread) -> str:
    """The conversation as such an address."""
    return f"{quote(thread.thread, safe='')}+{quote(thread.place, safe='')}@{thread.channel}{_DOMAIN}"


def is_chat(address: str) -> bool:
    return address.casefold().endswith(_DOMAIN)


def spot_of(address: str) -> tuple[str, str, str]:
    """(channel, place, thread) of what `spot_address` made."""
    local, _, domain = address.rpartition("@")
    thread, _, place = local.partition("+")
    return domain.removesuffix(_DOMAIN), unquote(place), unquote(thread)


def open_threads_to_tell(session: Session, statuses: Sequence[str]) -> list[tuple[ChatThread, Ticket]]:
    """Conversations whose ticket has come to one of these and where that has not been said."""
    query = select(ChatThread, Ticket).join(Ticket, col(Ticket.id) == ChatThread.ticket_id)
    return list(session.exec(query.where(col(ChatThread.resolved_told).is_(False), col(Ticket.status).in_(statuses))))
