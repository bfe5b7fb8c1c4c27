"""How fast mail comes in at the moment: while it pours, taking it in goes before working on it."""

from __future__ import annotations

import threading
import time
from collections import deque

POURING_PER_S = 5
LONGEST_WAIT_S = 5.0
_CHECK_S = 0.05


class Arrivals:
    """`note` for what has come; `news` is set then. Used from several threads."""

    def __init__(self) -> None:
        self.news = threading.Event()
        self._latest: deque[float] = deque(maxlen=POURING_PER_S)

    def note(self) -> None:
        self._latest.append(time.monotonic())
        self.news.set()

    def wait_until_quiet(self) -> None:
        """Returns at once for a mail now and then; after `LONGEST_WAIT_S` in any case, so that work goes on."""
        until = time.monotonic() + LONGEST_WAIT_S
        while self._is_pouring() and time.monotonic() < until:
            time.sleep(_CHECK_S)

    def _is_pouring(self) -> bool:
        latest = list(self._latest)
        return len(latest) == POURING_PER_S and time.monotonic() - latest[0] < 1.0
