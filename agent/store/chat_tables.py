"""The tables of conversations in chat: what came in, what was said, what should stand there. Times are aware UTC."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from agent.store.tables import UtcDateTime, now


class EventState(StrEnum):
    RECEIVED = "received"
    HANDLED = "handled"
    FAILED = "failed"


class PostState(StrEnum):
    DUE = "due"
    POSTING = "posting"
    DONE = "done"
    FAILED = "failed"


class ChatEvent(SQLModel, table=True):
    """What a chat service told us, as it came; stored before it is acknowledged."""

    __tablename__ = "chat_event"
    id: int | None = Field(default=None, primary_key=True)
    channel: str
    """`slack`, `matrix`."""
    key: str = Field(unique=True)
    """Same for another delivery of the same event."""
    kind: str
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """JSON; emptied once it turns out that it was not meant for us."""
    received_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    state: str = Field(default=EventState.RECEIVED, index=True)
    deliveries: int = 1


class ChatThread(SQLModel, table=True):
    """A conversation that we take part in."""

    __tablename__ = "chat_thread"
    __table_args__ = (UniqueConstraint("channel", "place", "thread"),)
    id: int | None = Field(default=None, primary_key=True)
    channel: str
    place: str
    """Channel or room."""
    thread: str
    """Id of its first message."""
    direct: bool = False
    """Only the asker and we read it."""
    asker: str
    asker_name: str = ""
    language: str = "en"
    ticket_id: int | None = Field(default=None, foreign_key="ticket.id", index=True)
    mail: str | None = None
    """Where answers go besides the thread, when the asker wants that."""
    institution: str = ""
    consent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resolved_told: bool = False
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class ChatMessage(SQLModel, table=True):
    """What somebody said there; secrets are masked."""

    __tablename__ = "chat_message"
    __table_args__ = (UniqueConstraint("thread_id", "external_id"),)
    id: int | None = Field(default=None, primary_key=True)
    thread_id: int = Field(foreign_key="chat_thread.id", index=True)
    external_id: str
    sender: str
    sender_name: str = ""
    text: str
    masked: list[str] = Field(default_factory=list, sa_type=JSON)
    """Kinds of secrets that were taken out."""
    version: str = ""
    """Of the last edit; sorts by time."""
    revision: int = 1
    event: str = ""
    """Id of the event that told this revision, and whose handling answers it."""
    decided: int = 0
    """The revision that we have answered, or decided to be silent about."""
    warned: bool = False
    deleted: bool = False
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class ChatFile(SQLModel, table=True):
    __tablename__ = "chat_file"
    chat_message_id: int = Field(primary_key=True, foreign_key="chat_message.id")
    position: int = Field(primary_key=True)
    filename: str
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ChatPost(SQLModel, table=True):
    """A message of ours as it should stand in the chat; whoever posts brings the chat in line with it."""

    __tablename__ = "chat_post"
    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    """What it is about: `answer:<chat message>`, `card:<draft>`, …"""
    channel: str
    place: str
    thread: str
    """Empty for a message of its own."""
    content: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    """As `agent.chat.values.Reply`; None when it should not stand there any more."""
    version: int = 1
    posted_version: int = 0
    files_posted: bool = False
    external_id: str | None = Field(default=None, index=True)
    """Id of the message, once it is known."""
    uncertain: bool = False
    """Perhaps posted already: looked for before it is posted."""
    state: str = Field(default=PostState.DUE, index=True)
    attempts: int = 0
    next_attempt_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    last_error: str | None = None
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class ChatFeedback(SQLModel, table=True):
    __tablename__ = "chat_feedback"
    post_id: int = Field(primary_key=True, foreign_key="chat_post.id")
    sender: str = Field(primary_key=True)
    helpful: bool
    reason: str = ""
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class ChatAccount(SQLModel, table=True):
    """An engineer's account in a chat service: nobody else may decide there."""

    __tablename__ = "chat_account"
    channel: str = Field(primary_key=True)
    sender: str = Field(primary_key=True)
    engineer_id: int = Field(foreign_key="engineer.id", index=True)
