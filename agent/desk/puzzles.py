"""Telling people from programs without asking anybody else: a sum that costs a browser a second, each taken once.

The form of ALTCHA, version 1: https://altcha.org/docs/v1/
"""

from __future__ import annotations

import secrets
import time
from datetime import datetime, timedelta
from threading import Lock

from altcha.v1 import ChallengeOptions, Payload, create_challenge, verify_solution

from agent.store.tables import now

LARGEST = 50_000
"""A browser tries half of these on average."""
VALID_FOR = timedelta(minutes=10)


class Puzzles:
    """May be used from several threads. A new key with every start: what was open then is asked again."""

    def __init__(self) -> None:
        self._key = secrets.token_hex(32)
        self._taken: dict[str, float] = {}
        self._lock = Lock()

    def new(self, expires: datetime | None = None) -> dict[str, str | int]:
        """To be solved within ten minutes."""
        options = ChallengeOptions(
            hmac_key=self._key, max_number=LARGEST, expires=expires or now() + VALID_FOR, algorithm="SHA-256"
        )
        return create_challenge(options).to_dict()

    def take(self, solution: str) -> bool:
        """Whether this is a solution that was not used before. Never raises."""
        try:
            is_right, _ = verify_solution(solution, self._key)
            challenge = Payload.from_base64(solution).challenge if is_right else ""
        except (ValueError, TypeError, KeyError, AttributeError):
            return False
        return is_right and self._is_first(challenge)

    def _is_first(self, challenge: str) -> bool:
        at = time.monotonic()
        with self._lock:
            if challenge in self._taken:
                return False
            self._taken = {one: until for one, until in self._taken.items() if until > at}
            self._taken[challenge] = at + VALID_FOR.total_seconds()
        return True
