"""What is asked of an IMAP server. The folder is opened read-only: `\\Seen` belongs to the people who read there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import cast

from imapclient import IMAPClient
from imapclient.exceptions import LoginError

from agent.mail.oauth import AccessTokens
from agent.settings import Settings

TIMEOUT_S = 60
AT_ONCE = 50_000
"""All UIDs come on one line, and imaplib reads lines up to a million characters."""
_STOP_CHECK_S = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    uid_validity: int
    mails: int


def connect(settings: Settings, tokens: AccessTokens) -> IMAPClient:
    """Signed in. Raises OSError, IMAPClientError or MailboxError."""
    client = IMAPClient(
        settings.imap_host, port=settings.imap_port, ssl=settings.imap_security == "tls", timeout=TIMEOUT_S
    )
    signed_in = False
    try:
        if settings.imap_security == "starttls":
            client.starttls()
        _sign_in(client, settings, tokens)
        signed_in = True
    finally:
        if not signed_in:
            with suppress(OSError):  # closed already when TLS has failed
                client.shutdown()
    return client


def open_folder(client: IMAPClient, name: str) -> Opened:
    """EXAMINE, which changes nothing at the server."""
    answer = client.select_folder(name, readonly=True)
    return Opened(uid_validity=int(answer[b"UIDVALIDITY"]), mails=int(answer[b"EXISTS"]))


def uids_after(client: IMAPClient, uid: int, mails: int, at_once: int = AT_ONCE) -> list[int]:
    """In the order of arrival. `mails` is how many the folder has."""
    lows = range(1, mails + 1, at_once)
    highs = [*(str(low - 1) for low in lows[1:]), "*"]
    found: set[int] = set()
    for low, high in zip(lows, highs, strict=False):
        found.update(client.search([f"{low}:{high}", "UID", f"{uid + 1}:*"]))
    return sorted(n for n in found if n > uid)  # `9:*` also names the last mail when its UID is smaller


def uids_since(client: IMAPClient, day: date) -> list[int]:
    return sorted(client.search(["SINCE", day]))


def fetch_raw(client: IMAPClient, uid: int) -> bytes | None:
    """The whole mail, unread as before; None when it has gone."""
    answer = client.fetch([uid], ["BODY.PEEK[]"])
    return cast("bytes | None", answer.get(uid, {}).get(b"BODY[]"))


def wait_for_news(client: IMAPClient, timeout_s: float, stopping: threading.Event) -> None:
    """Until the server reports something, or the time is over, or we stop (RFC 2177)."""
    if not client.has_capability("IDLE"):
        stopping.wait(timeout_s)
        return
    if _news(client.noop()[1]):
        return
    client.idle()
    until = time.monotonic() + timeout_s
    while (now := time.monotonic()) < until and not stopping.is_set():
        responses = client.idle_check(timeout=_STOP_CHECK_S)
        woken_by_nothing = not responses and time.monotonic() - now < _STOP_CHECK_S / 2
        if woken_by_nothing or _news(responses):
            break  # nothing is what imapclient makes of a closed connection; the next line then finds it closed
    client.idle_done()


def _news(responses: Sequence[Sequence[object]]) -> bool:
    """Only a new mail is news, and a farewell; people reading and deleting are not."""
    return any(b"EXISTS" in response or b"BYE" in response for response in responses)


def _sign_in(client: IMAPClient, settings: Settings, tokens: AccessTokens) -> None:
    user = settings.imap_user or ""
    if settings.imap_auth == "password":
        client.login(user, settings.imap_password.get_secret_value() if settings.imap_password else "")
        return
    build = xoauth2 if settings.imap_auth == "xoauth2" else oauthbearer
    first, on_refusal = build(user, tokens.fetch(), settings.imap_host or "", settings.imap_port)
    try:
        client.sasl_login(settings.imap_auth.upper(), _saying(first, on_refusal))
    except LoginError:
        tokens.forget()
        raise


def xoauth2(user: str, token: str, _host: str, _port: int) -> tuple[bytes, bytes]:
    """Google's form: what is said first, and after a refusal.

    https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
    """
    return f"user={user}\x01auth=Bearer {token}\x01\x01".encode(), b""


def oauthbearer(user: str, token: str, host: str, port: int) -> tuple[bytes, bytes]:
    """RFC 7628, 3.1 and 3.2.3."""
    name = user.replace("=", "=3D").replace(",", "=2C")
    return f"n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01".encode(), b"\x01"


def _saying(first: bytes, on_refusal: bytes) -> Callable[[bytes], bytes]:
    said = iter((first,))
    return lambda _challenge: next(said, on_refusal)
