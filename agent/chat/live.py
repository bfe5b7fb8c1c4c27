"""An answer while a language model writes it: each statement is shown as soon as it has passed the checks.

What fails a check is never shown. Showing is the work of a thread of its own, so that a slow chat holds up no model.
The message is held in the store meanwhile: after a crash it says that an answer is being looked for until there is one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import replace

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from agent.chat.answering import plain_reply, statements
from agent.chat.phrases import phrases_for
from agent.chat.policy import may_answer
from agent.chat.posting import standing_of
from agent.chat.service import Chat
from agent.chat.values import Reply, Spot
from agent.errors import ChatError
from agent.pipeline import Answered
from agent.store import chat as store

log = structlog.get_logger()

EDIT_EVERY_S = 1.0
"""Least time between two changes of one message, where nothing can be streamed."""
STOP_S = 30.0
"""Longer than any call to a chat service takes."""


class LiveAnswer:
    """Of one message. `told` is what the thread has been told already, `language` that of our own words, if set."""

    def __init__(self, chat: Chat, spot: Spot, key: str, *, told: Collection[str], language: str, to: str) -> None:
        self._chat, self._spot, self._key = chat, spot, key
        self._told, self._language, self._to = told, language, to
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._wanted: Reply | None = None
        self._shown: Reply | None = None
        self._status = ""
        self._post_id: int | None = None
        self._standing: str | None = None
        self._noted: str | None = None
        self._streams = False
        self._not_before_s = 0.0

    def watch(self, partial: Answered) -> None:
        """Takes what is written so far, and never waits."""
        language = self._language or partial.triage.language
        passages = sum(not item.internal for item in partial.draft.evidence)
        safe = partial.unattended
        told = statements(safe, self._told)[0] if may_answer(safe, self._chat.policy) else []
        with self._news:
            if self._wanted is not None and len(told) <= len(self._wanted.paragraphs):
                return  # the model begins anew
            self._status = phrases_for(language).reading.format(n=passages)
            self._wanted = Reply(paragraphs=tuple(told), language=language, to=self._to)
            self._news.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._show_until_stopped, name="live answer", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Nothing more is shown; waits for what is under way. Not within a transaction."""
        with self._news:
            self._stopped = True
            self._news.notify()
        if self._thread is not None:
            self._thread.join(STOP_S)

    @property
    def is_held(self) -> bool:
        return self._post_id is not None

    def release(self, session: Session) -> None:
        """After `stop`: the message is for those who post again, as soon as the service takes changes of it."""
        if self._post_id is not None:
            wait_s = max(0.0, self._not_before_s - time.monotonic())
            store.release_post(session, self._post_id, external_id=self._standing, wait_s=wait_s)

    def _show_until_stopped(self) -> None:
        while (wanted := self._next()) is not None:
            try:
                self._show(wanted)
            except (ChatError, SQLAlchemyError) as error:
                wait_s = error.retry_after_s if isinstance(error, ChatError) else None
                if wait_s is None:
                    log.info("chat_live_ended", key=self._key, problem=str(error))
                    return
                self._not_before_s = time.monotonic() + wait_s
            else:
                self._shown = wanted

    def _next(self) -> Reply | None:
        """The newest that is not shown yet, once it may be; None when there is nothing more to show."""
        with self._news:
            while not self._stopped:
                is_new = self._wanted is not self._shown
                wait_s = self._not_before_s - time.monotonic()
                if is_new and wait_s <= 0:
                    return self._wanted
                self._news.wait(wait_s if is_new else None)
        return None

    def _show(self, wanted: Reply) -> None:
        channel, spot = self._chat.channel, self._spot
        if not wanted.paragraphs and channel.busy(spot, self._status):
            return
        if self._post_id is None:
            self._hold(wanted)
        if self._standing is None and wanted.paragraphs:
            self._standing = channel.grow(spot, wanted, None)
            self._streams = self._standing is not None
            self._note_where_it_stands()
        if self._streams:
            channel.grow(spot, wanted, self._standing)
        else:
            unfinished = replace(wanted, paragraphs=(*wanted.paragraphs, f"_{self._status} …_"))
            self._standing = channel.put(spot, self._key, unfinished, self._standing)
            self._not_before_s = time.monotonic() + EDIT_EVERY_S
            self._note_where_it_stands()

    def _note_where_it_stands(self) -> None:
        if self._standing != self._noted and self._standing is not None:
            with self._chat.database.write() as session:
                store.note_external_id(session, self._post_id or 0, self._standing)
            self._noted = self._standing

    def _hold(self, wanted: Reply) -> None:
        """Raises ChatError when somebody else is at it."""
        waiting = plain_reply(f"_{self._status} …_", language=wanted.language)
        with self._chat.database.write() as session:
            row = store.hold_post(
                session,
                self._key,
                channel=self._chat.channel.name,
                place=self._spot.place,
                thread=self._spot.thread,
                content=waiting.as_json(),
            )
        if row is None:
            raise ChatError("the message is being posted")
        self._post_id = row.id
        self._standing = standing_of(self._chat, row)
