"""How much one client may send."""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Sequence

WINDOW_S = 60.0
MAX_CLIENTS = 10_000
"""Remembered at the same time; beyond it those are forgotten that have been quiet for the window."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class RateLimit:
    """Counts what each client does within the last minute. Used from one thread."""

    def __init__(self, per_minute: int, unlimited: Sequence[Network] = ()) -> None:
        self._per_minute = per_minute
        self._unlimited = unlimited
        self._seen: dict[str, deque[float]] = {}

    def allows(self, client: str, at_s: float) -> bool:
        """Counts this one when it is allowed; what was refused does not make the wait longer."""
        return self._is_unlimited(client) or self.allows_key(client, at_s)

    def allows_key(self, client: str, at_s: float) -> bool:
        """The same for what is no network address."""
        seen = self._seen.setdefault(client, deque())
        while seen and seen[0] <= at_s - WINDOW_S:
            seen.popleft()
        if len(seen) >= self._per_minute:
            return False
        seen.append(at_s)
        if len(self._seen) > MAX_CLIENTS:
            self._forget_quiet(at_s)
        return True

    def _is_unlimited(self, client: str) -> bool:
        try:
            address = ipaddress.ip_address(client.partition("%")[0])
        except ValueError:
            return True  # not the internet: a socket of this machine
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._unlimited)

    def _forget_quiet(self, at_s: float) -> None:
        self._seen = {client: seen for client, seen in self._seen.items() if seen and seen[-1] > at_s - WINDOW_S}


def networks(text: str) -> list[Network]:
    """`10.0.0.0/8, ::1` and the like. Raises ValueError for what is no network."""
    return [ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip()]
