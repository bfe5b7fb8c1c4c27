"""Who looks at a ticket or writes in it at this moment. Kept in memory: it is of no use a second later."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

TYPING_S = 8.0
"""A key press counts as writing for so long."""


@dataclass(frozen=True, slots=True, order=True)
class Seen:
    name: str
    typing: bool


class Presence:
    """May be used from several threads."""

    def __init__(self) -> None:
        self._pages: Counter[tuple[str, int, str]] = Counter()
        self._typing: dict[tuple[str, int], float] = {}
        self._lock = Lock()

    @contextmanager
    def at(self, ticket: str, engineer_id: int, name: str) -> Iterator[None]:
        """As long as a page of the ticket is open."""
        page = (ticket, engineer_id, name)
        with self._lock:
            self._pages[page] += 1
        try:
            yield
        finally:
            with self._lock:
                self._pages[page] -= 1
                if self._pages[page] <= 0:
                    del self._pages[page]
                    self._typing.pop((ticket, engineer_id), None)

    def types(self, ticket: str, engineer_id: int) -> None:
        with self._lock:
            self._typing[ticket, engineer_id] = time.monotonic() + TYPING_S

    def others(self, ticket: str, engineer_id: int) -> list[Seen]:
        """By name, without the one who asks."""
        at = time.monotonic()
        with self._lock:
            here = {key: name for number, key, name in self._pages if number == ticket and key != engineer_id}
            return sorted(Seen(name, self._typing.get((ticket, key), 0) > at) for key, name in here.items())
