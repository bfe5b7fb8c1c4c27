"""The SMTP and LMTP listener: a mail is committed to the store before the sending server hears 250.

Trouble of our own is always 451, so that the sending server keeps the mail and tries again.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import AnyStr

import structlog
from aiosmtpd.controller import Controller
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session, TLSSetupException

from agent.errors import PortTakenError, SettingsError
from agent.mail.envelope import null_or_address
from agent.mail.rate_limit import Network, RateLimit, networks
from agent.settings import Settings
from agent.store.inbound import Incoming

log = structlog.get_logger()

MAX_RECIPIENTS = 100
MAX_HELO_CHARS = 255
COMMAND_TIMEOUT_S = 300
FREED_WITHIN_S = 5.0

TRY_AGAIN = "451 4.3.0 Temporary trouble on our side, please try again later"
TOO_BIG = "552 5.3.4 The mail is larger than we take"
TOO_MANY_MAILS = "451 4.7.1 Too many mails from your address, please try again in a minute"
TOO_MANY_CONNECTIONS = "421 4.7.0 Too many connections from your address, please try again in a minute"

_END_OF_MAIL = b"\r\n.\r\n"
_AROUND_THE_MAIL = len(_END_OF_MAIL) + len(b"\r\n")

Accept = Callable[[Incoming], "Future[None]"]
"""The future is done when the mail is safely stored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """`per_minute` counts the mails, and apart from them the connections, of one client address."""

    per_minute: int
    unlimited: Sequence[Network] = ()

    def counter(self) -> RateLimit:
        return RateLimit(self.per_minute, self.unlimited)


class Handler:
    """What aiosmtpd calls; holds no state of a conversation."""

    def __init__(self, accept: Accept, recipients: Sequence[str], limits: Limits) -> None:
        self._accept = accept
        self._recipients = {address.casefold() for address in recipients}
        self._mails = limits.counter()
        self._connections = limits.counter()

    async def handle_HELO(self, server: SMTP, session: Session, _envelope: Envelope, hostname: str) -> str:
        if not self._connections.allows(_client(session), time.monotonic()):
            return _hang_up(server)
        session.host_name = hostname
        return f"250 {server.hostname}"

    async def handle_EHLO(
        self, server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Nobody signs in here; commands may come ahead of their answers (RFC 2920)."""
        if not self._connections.allows(_client(session), time.monotonic()):
            return [_hang_up(server)]
        session.host_name = hostname
        return [*(line for line in responses[:-1] if "-AUTH" not in line), "250-PIPELINING", responses[-1]]

    async def handle_MAIL(
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not self._mails.allows(_client(session), time.monotonic()):
            log.warning("client_slowed_down")
            return TOO_MANY_MAILS
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not self._is_ours(address):
            log.info("recipient_refused")
            return "550 5.1.1 No such mailbox here"
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 Too many recipients in one delivery, send the rest again"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        if envelope.original_content is None:
            return TOO_BIG
        mail = Incoming(
            raw=envelope.original_content,
            channel="smtp",
            peer=_client(session),
            envelope_from=null_or_address(envelope.mail_from or ""),
            envelope_to=envelope.rcpt_tos,
            helo=(session.host_name or "")[:MAX_HELO_CHARS],
        )
        await asyncio.wrap_future(self._accept(mail))
        return "250 2.0.0 Accepted"

    async def handle_exception(self, error: Exception) -> str:
        """aiosmtpd's own answer is a permanent 500, which would lose the mail."""
        if isinstance(error, TLSSetupException):
            log.info("tls_not_agreed")
        else:
            log.error("mail_not_stored", error=type(error).__name__, exc_info=error)
        return TRY_AGAIN

    def _is_ours(self, address: str) -> bool:
        """Exact match; `local+tag@domain` counts as `local@domain`, and RFC 5321's bare `postmaster` is ours."""
        if "*" in self._recipients or address.casefold() == "postmaster":
            return True
        local, _, domain = address.casefold().rpartition("@")
        return f"{local.partition('+')[0]}@{domain}" in self._recipients or f"{local}@{domain}" in self._recipients


def _client(session: Session) -> str:
    """The address; empty for a socket of this machine."""
    return str(session.peer[0]) if session.peer else ""


def _hang_up(server: SMTP) -> str:
    """Closes the connection once the answer is on its way."""
    log.warning("client_slowed_down")
    if server.transport is not None:
        asyncio.get_running_loop().call_soon(server.transport.close)
    return TOO_MANY_CONNECTIONS


class _Smtp(SMTP):
    def __init__(self, handler: Handler, max_bytes: int, tls: ssl.SSLContext | None) -> None:
        # How much is read ahead: a whole mail. Its lines may have any length; real ones have more than RFC 5321 allows.
        self.line_length_limit = max_bytes + _AROUND_THE_MAIL
        super().__init__(
            handler,
            data_size_limit=max_bytes,
            enable_SMTPUTF8=True,
            ident="minerva-helpdesk",
            timeout=COMMAND_TIMEOUT_S,
            hostname=socket.gethostname(),
            tls_context=tls,
        )

    async def smtp_DATA(self, arg: str | None) -> None:
        """As aiosmtpd's, but reads the mail in one piece instead of making an object of each line."""
        envelope = self.envelope
        if await self.check_helo_needed():
            return
        if arg or envelope is None or not envelope.rcpt_tos:
            await self.push("501 5.5.4 Syntax: DATA" if arg else "503 5.5.1 Error: need RCPT command")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        try:
            envelope.original_content = await self._read_mail()
            status = await self._call_handler_hook("DATA")
        finally:
            self.envelope = self._create_envelope()
        await self.push(status)

    async def _read_mail(self) -> bytes | None:
        """Without the dots that RFC 5321 (4.5.2) adds; None when it is too big."""
        # The end is CRLF . CRLF; with this one in front an empty mail ends like every other.
        ahead: bytearray = self._reader._buffer  # type: ignore[attr-defined]  # StreamReader has no way to put back
        ahead[:0] = b"\r\n"
        too_big = False
        while True:
            try:
                found = await self._reader.readuntil(_END_OF_MAIL)
            except asyncio.LimitOverrunError as error:
                too_big = True
                await self._reader.read(error.consumed)
                continue
            return None if too_big else _without_stuffing(found)


def _without_stuffing(found: bytes) -> bytes:
    """From the CRLF before the mail to the end of mail; a copy only where one is needed."""
    last = len(found) - len(_END_OF_MAIL)
    raw = found[len(b"\r\n") : last + len(b"\r\n")]
    if found.find(b"\r\n.", 0, last) < 0:
        return raw
    return raw.removeprefix(b".").replace(b"\r\n.", b"\r\n")


class _Lmtp(_Smtp, LMTP):
    """After the data comes one answer for each recipient (RFC 2033, 4.2).

    A mail is stored once for all its recipients, so they all hear the same.
    """

    _owed = 1

    async def push(self, status: AnyStr) -> None:
        owed, self._owed = self._owed, 1
        if _text(status).startswith("354") and self.envelope is not None:
            self._owed = len(self.envelope.rcpt_tos)
        for _ in range(owed):
            await super().push(status)


def _text(status: str | bytes) -> str:
    return status.decode() if isinstance(status, bytes) else status


class _Controller(Controller):
    """Listens on a socket that is bound already: a taken port is known at once, and port 0 works."""

    def __init__(self, bound: socket.socket, new_protocol: Callable[[], SMTP]) -> None:
        host, port = bound.getsockname()[:2]
        super().__init__(None, hostname=host, port=port, ready_timeout=10)
        self._bound = bound
        self._new_protocol = new_protocol

    def _create_server(self) -> Awaitable[asyncio.AbstractServer]:
        server: Awaitable[asyncio.AbstractServer] = self.loop.create_server(self._factory_invoker, sock=self._bound)
        return server

    def factory(self) -> SMTP:
        return self._new_protocol()


Listening = Controller
"""`stop()` ends it."""


def bind(host: str, port: int, *, setting: str) -> socket.socket:
    """Raises PortTakenError: the port is in use or may not be used."""
    until = time.monotonic() + FREED_WITHIN_S
    while True:
        try:
            return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except OSError as error:
            # The listener of a service that was killed needs a moment to notice it.
            if error.errno == errno.EADDRINUSE and time.monotonic() < until:
                time.sleep(0.05)
                continue
            raise PortTakenError(
                f"cannot listen for mail on {host}:{port}: {os.strerror(error.errno or 0)}. "
                f"Stop what uses it, or set {setting}."
            ) from error


def listen(settings: Settings, accept: Accept, bound: socket.socket, *, lmtp: bool) -> Listening:
    """Listening when it returns. Raises SettingsError for a certificate that cannot be used."""
    extra = [address.strip() for address in settings.extra_recipients.split(",") if address.strip()]
    certificate, key = settings.smtp_tls_cert, settings.smtp_tls_key
    limits = Limits(per_minute=settings.smtp_mails_per_minute, unlimited=networks(settings.smtp_unlimited_clients))
    handler = Handler(accept, [settings.support_address, *extra], limits)
    tls = tls_context(certificate, key) if certificate and key else None
    protocol = _Lmtp if lmtp else _Smtp
    controller = _Controller(bound, lambda: protocol(handler, settings.smtp_max_bytes, tls))
    controller.start()
    return controller


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """For STARTTLS. Raises SettingsError when the files cannot be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # also what is no certificate
        raise SettingsError(
            f"MINERVA_SMTP_TLS_CERT {certificate} and MINERVA_SMTP_TLS_KEY {key} cannot be used: {error}. "
            "Both are PEM files that belong together and that this user may read."
        ) from error
    return context
