"""The SMTP listener: a mail is committed to the store before the sending server hears 250.

Trouble of our own is always 451, so that the sending server keeps the mail and tries again.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

import structlog
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from agent.errors import PortTakenError

log = structlog.get_logger()

MAX_RECIPIENTS = 100
COMMAND_TIMEOUT_S = 300

TRY_AGAIN = "451 4.3.0 Temporary trouble on our side, please try again later"

Accept = Callable[..., None]
"""accept(raw, peer=, envelope_from=, envelope_to=): returns only when the mail is safely stored."""


class Handler:
    """What aiosmtpd calls; holds no state of a conversation."""

    def __init__(self, accept: Accept, recipients: Sequence[str]) -> None:
        self._accept = accept
        self._recipients = {address.casefold() for address in recipients}

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
        raw = envelope.original_content or b""
        await asyncio.to_thread(
            self._accept,
            bytes(raw),
            peer=str(session.peer[0]) if session.peer else "",
            envelope_from=envelope.mail_from or "",
            envelope_to=envelope.rcpt_tos,
        )
        return "250 2.0.0 Accepted"

    async def handle_exception(self, error: Exception) -> str:
        """aiosmtpd's own answer is a permanent 500, which would lose the mail."""
        log.error("mail_not_stored", error=type(error).__name__, exc_info=error)
        return TRY_AGAIN

    def _is_ours(self, address: str) -> bool:
        """Exact match; `local+tag@domain` counts as `local@domain`, and RFC 5321's bare `postmaster` is ours."""
        if "*" in self._recipients or address.casefold() == "postmaster":
            return True
        local, _, domain = address.casefold().rpartition("@")
        return f"{local.partition('+')[0]}@{domain}" in self._recipients or f"{local}@{domain}" in self._recipients


class _Server(SMTP):
    def __init__(self, handler: Handler, max_bytes: int) -> None:
        # RFC 5321 allows 1,000 octets a line; real mail has longer ones, and refusing them would lose it.
        self.line_length_limit = max_bytes
        super().__init__(
            handler,
            data_size_limit=max_bytes,
            enable_SMTPUTF8=True,
            ident="minerva-helpdesk",
            timeout=COMMAND_TIMEOUT_S,
            hostname=socket.gethostname(),
        )


class _Controller(Controller):
    """Listens on a socket that is bound already: a taken port is known at once, and port 0 works."""

    def __init__(self, handler: Handler, bound: socket.socket, max_bytes: int) -> None:
        host, port = bound.getsockname()[:2]
        super().__init__(handler, hostname=host, port=port, ready_timeout=10)
        self._bound = bound
        self._max_bytes = max_bytes

    def _create_server(self) -> Awaitable[asyncio.AbstractServer]:
        server: Awaitable[asyncio.AbstractServer] = self.loop.create_server(self._factory_invoker, sock=self._bound)
        return server

    def factory(self) -> SMTP:
        return _Server(self.handler, self._max_bytes)


def start_listener(
    accept: Accept, *, host: str, port: int, recipients: Sequence[str], max_bytes: int
) -> tuple[Controller, int]:
    """Listening when it returns; the controller's `stop()` ends it. Also returns the bound port.

    Raises:
        PortTakenError: the port is in use or may not be used.
    """
    try:
        bound = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise PortTakenError(
            f"cannot listen for mail on {host}:{port}: {error.strerror or error}. "
            "Stop what uses it, or set MINERVA_SMTP_PORT."
        ) from error
    controller = _Controller(Handler(accept, recipients), bound, max_bytes)
    controller.start()
    return controller, bound.getsockname()[1]
