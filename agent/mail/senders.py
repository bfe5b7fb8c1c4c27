"""The check of senders with this machine's settings and name servers."""

from __future__ import annotations

from collections.abc import Callable

from agent.mail.dns import Resolver
from agent.settings import Settings
from agent.store.tables import StoredMail
from ingest.sender_checks import SenderTrust, check_sender


def sender_check(settings: Settings) -> Callable[[bytes, StoredMail, str], SenderTrust]:
    """check(raw, stored, author)"""
    lookup = Resolver().lookup if settings.check_senders else None

    def check(raw: bytes, stored: StoredMail, author: str) -> SenderTrust:
        return check_sender(
            raw,
            author=author,
            client=stored.peer,
            helo="",
            envelope_from=stored.envelope_from,
            trusted=settings.trusted_servers,
            lookup=lookup,
        )

    return check
