"""Mails that come at the same time are committed together: one flush to disk serves all that wait for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import structlog
from sqlalchemy.exc import SQLAlchemyError

from agent.store.database import Database
from agent.store.inbound import Incoming, Kept, keep

log = structlog.get_logger()

MAX_TOGETHER_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Waiting:
    mail: Incoming
    done: Future[None]


class Acceptance:
    """Stores mails in a thread of its own. `stop` stores what still waits."""

    def __init__(self, database: Database, stored: Callable[[], None] = lambda: None) -> None:
        """`stored` is called after each commit."""
        self._database = database
        self._stored = stored
        self._queue: SimpleQueue[_Waiting] = SimpleQueue()
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="acceptance")

    def accept(self, mail: Incoming) -> Future[None]:
        """Done when the mail is on disk; raises what went wrong, and then nothing of it is stored."""
        done: Future[None] = Future()
        self._queue.put(_Waiting(mail, done))
        self._writer.submit(self._store_waiting)
        return done

    def stop(self) -> None:
        self._writer.shutdown()

    def _store_waiting(self) -> None:
        batch = self._take()
        try:
            self._store(batch)
        finally:
            for waiting in batch:
                if not waiting.done.done():
                    waiting.done.set_exception(RuntimeError("the mail was not stored"))

    def _take(self) -> list[_Waiting]:
        """What waits by now; empty when an earlier call has taken it."""
        batch: list[_Waiting] = []
        size = 0
        while size < MAX_TOGETHER_BYTES:
            try:
                waiting = self._queue.get_nowait()
            except Empty:
                break
            batch.append(waiting)
            size += len(waiting.mail.raw)
        return batch

    def _store(self, batch: Sequence[_Waiting]) -> None:
        if not batch:
            return
        try:
            kept = self._commit([waiting.mail for waiting in batch])
        except SQLAlchemyError as error:
            if len(batch) == 1:
                batch[0].done.set_exception(error)
                return
            for waiting in batch:  # one of them may be to blame; the others are stored
                self._store([waiting])
            return
        for row in kept:
            log.info("mail_accepted", stored_mail=row.id, size=row.size, deliveries=row.deliveries)
        for waiting in batch:
            waiting.done.set_result(None)
        self._stored()

    def _commit(self, mails: Sequence[Incoming]) -> list[Kept]:
        prepared = [mail.prepared() for mail in mails]
        with self._database.write_fast() as connection:
            return [keep(connection, mail) for mail in prepared]
