"""The check of senders with this machine's settings and name servers."""

from __future__ import annotations

from collections.abc import Callable

from agent.mail.dns import MAIL_S, Resolver, within
from agent.mail.rate_limit import networks
from agent.settings import Settings
from agent.store.tables import StoredMail
from ingest.sender_checks import Lookup, SenderTrust, check_sender


def sender_check(settings: Settings, lookup: Lookup | None = None) -> Callable[[bytes, StoredMail, str], SenderTrust]:
    """check(raw, stored, author); names are looked up by `lookup`, else where this machine looks them up."""
    if lookup is None and settings.check_senders:
        lookup = Resolver().lookup
    own = networks(settings.smtp_unlimited_clients)

    def check(raw: bytes, stored: StoredMail, author: str) -> SenderTrust:
        return check_sender(
            raw,
            author=author,
            client=stored.peer,
            helo=stored.helo,
            envelope_from=stored.envelope_from,
            trusted=settings.trusted_servers,
            lookup=within(lookup, MAIL_S) if lookup else None,
            own=own,
            from_mailbox=stored.channel == "imap",
        )

    return check
