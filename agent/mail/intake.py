"""Every way in that the settings ask for, started and stopped together."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from aiosmtpd.controller import Controller

from agent.mail.imap_watch import FolderWatch, watch_mailbox
from agent.mail.listener import Accept, Limits, start_listener, tls_context
from agent.mail.rate_limit import networks
from agent.settings import Settings
from agent.store.database import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class Intake:
    smtp_port: int
    lmtp_port: int | None
    controllers: list[Controller]
    watches: list[FolderWatch]

    @property
    def state(self) -> str:
        """`none` without a mailbox; `ok`; else what is wrong, the first folder's trouble first."""
        states = [watch.state for watch in self.watches]
        return next((state for state in states if state != "ok"), "ok") if states else "none"

    def stop(self) -> None:
        for controller in self.controllers:
            controller.stop()
        for watch in self.watches:
            watch.stop()


def start_intake(database: Database, settings: Settings, accept: Accept) -> Intake:
    """Raises PortTakenError or SettingsError."""
    controllers: list[Controller] = []
    with ExitStack() as undo:
        smtp, smtp_port = _listen(settings, accept, settings.smtp_port, lmtp=False)
        controllers.append(smtp)
        undo.callback(smtp.stop)
        lmtp_port = None
        if settings.lmtp_port is not None:
            lmtp, lmtp_port = _listen(settings, accept, settings.lmtp_port, lmtp=True)
            controllers.append(lmtp)
        undo.pop_all()
    watches = watch_mailbox(database, settings)
    return Intake(smtp_port=smtp_port, lmtp_port=lmtp_port, controllers=controllers, watches=watches)


def _listen(settings: Settings, accept: Accept, port: int, *, lmtp: bool) -> tuple[Controller, int]:
    extra = [address.strip() for address in settings.extra_recipients.split(",") if address.strip()]
    certificate, key = settings.smtp_tls_cert, settings.smtp_tls_key
    return start_listener(
        accept,
        host=settings.smtp_host,
        port=port,
        recipients=[settings.support_address, *extra],
        max_bytes=settings.smtp_max_bytes,
        limits=Limits(per_minute=settings.smtp_mails_per_minute, unlimited=networks(settings.smtp_unlimited_clients)),
        tls=tls_context(certificate, key) if certificate and key else None,
        lmtp=lmtp,
    )
