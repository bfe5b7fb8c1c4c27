"""What passes between us and the desk of a partner, whatever its software."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from agent.attachment import Attachment


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteTicket:
    id: str
    number: str
    """As people there call it."""
    status: str
    closed: bool
    owner: str
    """Login; empty for nobody."""
    changed: str
    """When it last changed, as that desk writes times; equal strings mean the same time, later ones sort later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteMessage:
    """What somebody wrote there. Untrusted, like a mail."""

    id: str
    is_note: bool
    """Not meant for who asked: a comment of RT, an internal article of Zammad."""
    author: str
    """Login or name, as that desk gives it."""
    text: str
    is_html: bool
    at: datetime
    files: tuple[Attachment, ...] = ()
    left_out: tuple[str, ...] = ()
    """Names of files that were too large to fetch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    name: str
    address: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """The ticket as it is created there."""

    tag: str
    """`[MIN-2026-000001]`, part of the subject: by it the ticket is found again after a crash."""
    subject: str
    text: str
    files: tuple[Attachment, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Post:
    """A message of our ticket on its way there."""

    tag: str
    """`[MIN-2026-000001/17]`, its whole subject: by it the message is found again after a crash."""
    text: str
    files: tuple[Attachment, ...]
    is_reply: bool
    """The requester has written: what was resolved there is open again."""


class DeskClient(Protocol):
    """Every method raises BridgeError."""

    def check(self) -> None:
        """Whether the token and the queue can be used."""
        ...

    def find(self, tag: str) -> RemoteTicket | None:
        """The ticket that this account has created with the tag in its subject."""
        ...

    def create(self, opening: Opening) -> RemoteTicket: ...

    def posted(self, remote_id: str) -> dict[str, str]:
        """Ids of what this account has written in the ticket, by tag."""
        ...

    def post(self, remote_id: str, post: Post) -> str:
        """Returns the id of the message there."""
        ...

    def set_closed(self, remote_id: str, closed: bool) -> None:
        """Resolved, or open again. Raises also when that desk answered well and did not do it."""
        ...

    def changed(self, since: str, known: Collection[str]) -> list[RemoteTicket]:
        """Of the `known` tickets those that changed at or after `since` (empty: all); more may come along."""
        ...

    def messages(self, remote_id: str, known: Collection[str]) -> list[RemoteMessage]:
        """What others wrote there, the oldest first, without those whose ids are known."""
        ...

    def person(self, login: str) -> Person:
        """With empty fields where that desk does not tell."""
        ...

    def close(self) -> None: ...
