"""Whether an endpoint may be asked: a circuit breaker with growing pauses. Pure but for its own memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

FAILURES = 2
"""In a row, until it is left alone."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0


@dataclass(slots=True)
class _State:
    failures: int = 0
    opened: int = 0
    closed_until: float = 0.0
    trying: bool = False
    problem: str = ""


class Breakers:
    """One breaker for each name; may be used from several threads. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._states: dict[str, _State] = {}
        self._lock = Lock()

    def admits(self, name: str) -> bool:
        """Whether it may be asked now. After a pause a single question is let through to see."""
        with self._lock:
            state = self._states.setdefault(name, _State())
            if state.failures < FAILURES:
                return True
            if state.trying or self._clock() < state.closed_until:
                return False
            state.trying = True
            return True

    def succeeded(self, name: str) -> None:
        with self._lock:
            self._states[name] = _State()

    def failed(self, name: str, problem: str) -> None:
        with self._lock:
            state = self._states.setdefault(name, _State())
            state.failures += 1
            state.trying = False
            state.problem = problem
            if state.failures >= FAILURES:
                pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**state.opened)
                state.opened += 1
                state.closed_until = self._clock() + pause

    def problem_of(self, name: str) -> str:
        """Why it is left alone; empty when it is not."""
        with self._lock:
            state = self._states.get(name)
            return state.problem if state is not None and state.failures >= FAILURES else ""
