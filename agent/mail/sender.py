"""Handing a mail over: to an SMTP relay, or as a file to the outbox folder."""

from __future__ import annotations

import os
import re
import smtplib
import ssl
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent.errors import SendError
from agent.mail.signing import Sign, signer_for
from agent.settings import Settings

TIMEOUT_S = 60


class UncertainError(Exception):
    """The content went out, the answer never came: nobody knows whether it arrived."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    content: bytes
    sender: str
    recipients: Sequence[str]
    name: str
    """File name without suffix, unique to this mail."""


Send = Callable[[Outgoing, Callable[[], None]], str | None]
"""send(outgoing, transmitting): the file name when the mail went into the outbox folder, else None.

`transmitting` is called once, right before content goes over the wire; what it raises stops the sending.

Raises:
    SendError: it did not go; `permanent` tells whether another try makes sense.
    UncertainError: it may have gone.
"""


def sender_for(settings: Settings) -> Send:
    """Raises SettingsError for a DKIM key that cannot be used."""
    if settings.relay_host:
        return partial(send_to_relay, settings, signer_for(settings))
    return partial(write_to_folder, settings.outbox_dir)


def write_to_folder(folder: Path, outgoing: Outgoing, _transmitting: Callable[[], None]) -> str:
    """Writes `<name>.eml`; the same mail twice is the same file, so a crash in between does no harm."""
    target = folder / f"{outgoing.name}.eml"
    partial_file = target.with_suffix(".partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial_file.open("wb") as file:
            file.write(outgoing.content)
            file.flush()
            os.fsync(file.fileno())
        partial_file.replace(target)
    except OSError as error:
        raise SendError(f"cannot write {target}: {error.strerror}", permanent=False) from error
    return target.name


def send_to_relay(settings: Settings, sign: Sign, outgoing: Outgoing, transmitting: Callable[[], None]) -> None:
    content = sign(outgoing.content)
    with closing(_connect(settings)) as relay:
        try:
            _announce(relay, outgoing)
        except (smtplib.SMTPException, OSError) as error:
            raise _send_error(error) from error
        transmitting()
        try:
            relay.send(_on_the_wire(content))
            code, reply = relay.getreply()
        except (smtplib.SMTPException, OSError) as error:
            raise UncertainError(f"connection lost while handing over: {error}") from error
        if code not in range(200, 300):
            raise _refused(code, reply)
        with suppress(smtplib.SMTPException, OSError):
            relay.quit()


def _connect(settings: Settings) -> smtplib.SMTP:
    try:
        relay = smtplib.SMTP(settings.relay_host or "", settings.relay_port, timeout=TIMEOUT_S)
        relay.ehlo_or_helo_if_needed()
        if settings.relay_starttls:
            relay.starttls(context=ssl.create_default_context())
            relay.ehlo()
        if settings.relay_user and settings.relay_password:
            relay.login(settings.relay_user, settings.relay_password.get_secret_value())
    except (smtplib.SMTPException, OSError) as error:
        raise _send_error(error) from error
    return relay


def _announce(relay: smtplib.SMTP, outgoing: Outgoing) -> None:
    """Everything up to the 354 after which the content is sent: until here nothing can have gone."""
    sender, *recipients = (_for_relay(address, relay) for address in (outgoing.sender, *outgoing.recipients))
    international = not all(address.isascii() for address in (sender, *recipients))
    code, reply = relay.mail(sender, ["SMTPUTF8", "BODY=8BITMIME"] if international else [])
    if code != 250:
        raise _refused(code, reply)
    for recipient in recipients:
        code, reply = relay.rcpt(recipient)
        if code not in {250, 251}:
            raise _refused(code, reply)
    code, reply = relay.docmd("DATA")
    if code != 354:
        raise _refused(code, reply)


def _for_relay(address: str, relay: smtplib.SMTP) -> str:
    """With the domain in ASCII (IDNA). Raises SendError for a name that the relay has no letters for (RFC 6531)."""
    local, _, domain = address.rpartition("@")
    try:
        address = f"{local}@{domain.encode('idna').decode('ascii')}" if not domain.isascii() else address
    except UnicodeError as error:
        raise SendError(f"no mail can go to the domain of {address}: {error}", permanent=True) from error
    if not address.isascii():
        if not relay.has_extn("smtputf8"):
            raise SendError(f"the relay takes no address like {address} (no SMTPUTF8)", permanent=True)
        relay.command_encoding = "utf-8"
    return address


def _on_the_wire(content: bytes) -> bytes:
    """CRLF line ends, dots stuffed (RFC 5321, 4.5.2), and the end of mail."""
    lines = re.sub(rb"\r?\n|\r", b"\r\n", content).removesuffix(b"\r\n")
    return re.sub(rb"(?m)^\.", b"..", lines) + b"\r\n.\r\n"


def _refused(code: int, reply: bytes) -> SendError:
    return SendError(f"the relay answered {code} {reply.decode(errors='replace')}", permanent=500 <= code < 600)


def _send_error(error: Exception) -> SendError:
    """Permanent only when the relay said so with a 5xx of its own; trouble with login or the network may pass."""
    code = getattr(error, "smtp_code", None)
    permanent = isinstance(code, int) and 500 <= code < 600 and not isinstance(error, smtplib.SMTPAuthenticationError)
    return SendError(f"relay: {error}", permanent=permanent)
