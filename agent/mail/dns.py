"""Looking up names, for the checks of senders. A network that does not answer is left in peace for a while."""

from __future__ import annotations

import threading
import time

import dns.exception
import dns.resolver

from ingest.sender_checks import Lookup, LookupTroubleError, RecordType

TIMEOUT_S = 3.0
REST_S = 60.0
"""After a lookup without an answer, how long others fail at once: filing must not wait for each of them."""
MAX_CACHED = 5_000
MAIL_S = 6.0
"""For all lookups about one mail, besides the last: whoever sends it may have the slowest name servers of the world."""


class Resolver:
    """Through the name servers of this machine, or those of `resolver`; answers are kept as long as they say."""

    def __init__(self, resolver: dns.resolver.Resolver | None = None) -> None:
        self._lock = threading.Lock()
        self._given = resolver
        self._resolver: dns.resolver.Resolver | None = None
        self._resting_until = 0.0

    def lookup(self, name: str, kind: RecordType) -> list[str]:
        """Raises LookupTroubleError."""
        if time.monotonic() < self._resting_until:
            raise LookupTroubleError
        try:
            answer = self._made().resolve(name, kind, lifetime=TIMEOUT_S)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.exception.SyntaxError, dns.exception.FormError):
            return []
        except dns.resolver.NoNameservers as error:  # this domain's servers are in trouble, not ours
            raise LookupTroubleError from error
        except (dns.exception.DNSException, OSError) as error:
            self._resting_until = time.monotonic() + REST_S
            raise LookupTroubleError from error
        except UnicodeError:
            return []
        if kind == "TXT":
            return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]
        return [record.to_text().rstrip(".") for record in answer]

    def _made(self) -> dns.resolver.Resolver:
        """Reading the machine's settings fails on one without a network."""
        with self._lock:
            if self._resolver is None:
                self._resolver = self._given or dns.resolver.Resolver()
                self._resolver.cache = dns.resolver.LRUCache(MAX_CACHED)
            return self._resolver


def within(lookup: Lookup, limit_s: float) -> Lookup:
    """`lookup` until so many seconds from now; then each is LookupTroubleError."""
    until = time.monotonic() + limit_s

    def limited(name: str, kind: RecordType) -> list[str]:
        if time.monotonic() > until:
            raise LookupTroubleError
        return lookup(name, kind)

    return limited
