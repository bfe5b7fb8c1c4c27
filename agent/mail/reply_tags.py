"""Keyed tags (HMAC-SHA-256) by which a reply proves that it answers a mail of ours. They cannot be guessed or forged.

`MIN-2026-000001.<random>.<tag>@example.eu` is a Message-ID, `support+MIN-2026-000001.<tag>@example.eu` an address.
They find the ticket even when the row of the mail that was sent is gone, as after going back to a backup.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

_IN_ID = re.compile(r"(MIN-\d{4}-\d{6,9}\.[0-9a-f]{8,40})\.([a-z2-7]{16})@", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"\+(MIN-\d{4}-\d{6,9})\.([a-z2-7]{16})@", re.IGNORECASE)


def new_tagged_id(key: bytes, ticket_number: str, domain: str) -> str:
    """A Message-ID, without angle brackets."""
    body = f"{ticket_number}.{secrets.token_hex(8)}"
    return f"{body}.{_tag(key, body)}@{domain}"


def reply_address(key: bytes, ticket_number: str, support_address: str) -> str:
    local, _, domain = support_address.rpartition("@")
    return f"{local}+{ticket_number}.{_tag(key, ticket_number)}@{domain}"


def tagged_ticket(key: bytes, *, ids: Iterable[str], addresses: Iterable[str]) -> str | None:
    """Number of the ticket that a Message-ID or an address proves; None when no tag is right."""
    for pattern, texts in ((_IN_ID, ids), (_IN_ADDRESS, addresses)):
        for text in texts:
            found = pattern.search(text[:500])
            if found is not None:
                body = found[1][:3].upper() + found[1][3:].lower()
                if hmac.compare_digest(_tag(key, body), found[2].lower()):
                    return body.partition(".")[0]
    return None


@lru_cache(maxsize=8)
def reply_key(path: Path) -> bytes:
    """The key in this file, made at the first call; readable by the service only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = path.read_bytes()
        if len(key) >= 32:
            return key
        path.unlink()  # cut off by a crash while it was written for the first time
        return reply_key.__wrapped__(path)
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(32))
        file.flush()
        os.fsync(file.fileno())
    return path.read_bytes()


def _tag(key: bytes, text: str) -> str:
    digest = hmac.new(key, text.encode("ascii"), hashlib.sha256).digest()[:10]
    return base64.b32encode(digest).decode("ascii").lower()
