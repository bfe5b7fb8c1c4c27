"""What takes long to reckon from the whole store, kept: a page shows the last one while a newer one is made."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWorkingError
from dataclasses import dataclass, replace
from datetime import date, datetime
from threading import Lock
from typing import Any, Generic, TypeVar

from sqlmodel import Session

from agent import analytics, gaps
from agent.analytics import Report
from agent.gaps import Gap
from agent.store import tickets
from agent.store.database import Database
from agent.store.tables import now

WAIT_S = 0.01
"""A page waits so long for what is of this moment. Where that takes longer the last one is shown at once."""
AFTER_S = 0.1
"""The newer one is made when the page has gone out: the two would hold each other up."""
MAX_KEPT = 16

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reckoned(Generic[Value]):
    value: Value
    at: datetime
    version: tuple[int, date]
    """Key of the last thing that had happened to a ticket, and the day."""
    took_s: float
    is_latest: bool = True
    """Nothing has happened since; otherwise a newer one is being made."""


class Figures:
    """Of one desk. One thread makes them, so that many looks at once cost what one does."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Reckoned[Any]] = OrderedDict()
        self._lock = Lock()
        self._soon: set[Hashable] = set()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="figures")

    def report(self, database: Database, weeks: int) -> Reckoned[Report]:
        return self._latest(database, ("report", weeks), lambda session: analytics.report(session, weeks=weeks))

    def gaps(self, database: Database) -> Reckoned[list[Gap]]:
        return self._latest(database, "gaps", gaps.gaps)

    def _latest(self, database: Database, key: Hashable, make: Callable[[Session], Value]) -> Reckoned[Value]:
        with database.read() as session:
            version = _version(session)
        with self._lock:
            last: Reckoned[Value] | None = self._kept.get(key)
        if last is not None and last.version == version:
            return last
        if last is not None and last.took_s > WAIT_S:
            self._make_soon(database, key, make)
            return replace(last, is_latest=False)
        under_way: Future[Reckoned[Value]] = self._worker.submit(self._make, database, key, make)
        try:
            return under_way.result(WAIT_S if last else None)
        except StillWorkingError:
            assert last is not None
            return replace(last, is_latest=False)

    def _make_soon(self, database: Database, key: Hashable, make: Callable[[Session], Value]) -> None:
        with self._lock:
            if key in self._soon:
                return
            self._soon.add(key)

        def after_the_page() -> None:
            time.sleep(AFTER_S)
            with self._lock:
                self._soon.discard(key)
            self._make(database, key, make)

        self._worker.submit(after_the_page)

    def _make(self, database: Database, key: Hashable, make: Callable[[Session], Value]) -> Reckoned[Value]:
        """Once for each state of the store, however many have asked."""
        with database.read() as session:
            version, last = _version(session), self._kept.get(key)
            if last is not None and last.version == version:
                return last
            begun = time.monotonic()
            value = make(session)
            made = Reckoned(value=value, at=now(), version=version, took_s=time.monotonic() - begun)
        with self._lock:
            self._kept[key] = made
            self._kept.move_to_end(key)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return made


def _version(session: Session) -> tuple[int, date]:
    return tickets.newest_event(session), now().date()
