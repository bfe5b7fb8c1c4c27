"""Every way in that the settings ask for, started and stopped together."""

from __future__ import annotations

from dataclasses import dataclass

from agent.mail.arrivals import Arrivals
from agent.mail.imap_watch import FolderWatch, watch_mailbox
from agent.mail.listener import bind, tls_context
from agent.mail.listener_process import Door, ListenerProcess
from agent.settings import Settings
from agent.store.database import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class Intake:
    smtp_port: int
    lmtp_port: int | None
    listener: ListenerProcess
    watches: list[FolderWatch]

    @property
    def mailbox(self) -> str:
        """`none` without a mailbox; `ok`; else what is wrong, the first folder's trouble first."""
        states = [watch.state for watch in self.watches]
        return next((state for state in states if state != "ok"), "ok") if states else "none"

    def stop(self) -> None:
        self.listener.stop()
        for watch in self.watches:
            watch.stop()


def start_intake(database: Database, settings: Settings, arrivals: Arrivals) -> Intake:
    """What comes is noted in `arrivals`; ready when its listener is. Raises PortTakenError or SettingsError."""
    if settings.smtp_tls_cert and settings.smtp_tls_key:
        tls_context(settings.smtp_tls_cert, settings.smtp_tls_key)  # bad files stop the start, in words
    smtp = bind(settings.smtp_host, settings.smtp_port, setting="MINERVA_SMTP_PORT")
    doors = [Door(socket=smtp, lmtp=False)]
    lmtp_port = None
    if settings.lmtp_port is not None:
        lmtp = bind(settings.smtp_host, settings.lmtp_port, setting="MINERVA_LMTP_PORT")
        doors.append(Door(socket=lmtp, lmtp=True))
        lmtp_port = lmtp.getsockname()[1]
    return Intake(
        smtp_port=smtp.getsockname()[1],
        lmtp_port=lmtp_port,
        listener=ListenerProcess(settings, doors, arrivals.note),
        watches=watch_mailbox(database, settings, arrivals.note),
    )
