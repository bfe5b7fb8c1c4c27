"""DKIM signatures (RFC 6376) for what goes to the relay."""

from __future__ import annotations

from collections.abc import Callable

import dkim

from agent.errors import SettingsError
from agent.settings import Settings

SIGNED = (
    b"from", b"to", b"subject", b"date", b"message-id", b"in-reply-to", b"references", b"auto-submitted",
    b"mime-version", b"content-type", b"content-transfer-encoding",
)  # fmt: skip

Sign = Callable[[bytes], bytes]
"""The mail with its signature in front."""


def signer_for(settings: Settings) -> Sign:
    """Leaves mails as they are when no key is set. Raises SettingsError for a key that cannot be used."""
    if settings.dkim_key is None or settings.dkim_selector is None:
        return lambda raw: raw
    domain = settings.support_address.rpartition("@")[2].encode("idna")
    selector = settings.dkim_selector.encode()
    try:
        key = settings.dkim_key.read_bytes()
    except OSError as error:
        raise SettingsError(f"MINERVA_DKIM_KEY {settings.dkim_key} cannot be read: {error.strerror}") from error

    def sign(raw: bytes) -> bytes:
        head = raw[: raw.index(b"\r\n\r\n")].lower()
        present = [name for name in SIGNED if head.startswith(name + b":") or b"\r\n" + name + b":" in head]
        signature: bytes = dkim.sign(
            raw, selector, domain, key, canonicalize=(b"relaxed", b"relaxed"), include_headers=present
        )
        return signature + raw

    try:
        sign(b"From: x@example.org\r\n\r\n")
    except (dkim.DKIMException, ValueError) as error:
        raise SettingsError(
            f"MINERVA_DKIM_KEY {settings.dkim_key} is no RSA key in PEM that DKIM can use: {error}. "
            "openssl genrsa -out dkim.pem 2048 makes one."
        ) from error
    return sign
