"""Mails of an IMAP folder into the store, for as long as the service runs.

The queue is the position in the folder (UIDVALIDITY and UID), kept with the mails in our database; what people do in
the same folder does not matter to it. A mail is stored and the position moved past it in one transaction.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import structlog
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError
from sqlalchemy.exc import SQLAlchemyError

from agent.errors import MailboxError
from agent.mail import imap
from agent.mail.envelope import envelope_from, envelope_to
from agent.mail.oauth import AccessTokens
from agent.settings import Settings
from agent.store import mailboxes
from agent.store.database import Database
from agent.store.tables import MailFolder, now

log = structlog.get_logger()

CHECK_EVERY_S = 600
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 300.0

NOT_THE_PROTOCOL = (ValueError, LookupError, AssertionError)
"""What the library says to answers that it cannot read."""
TROUBLE = (OSError, IMAPClientError, SQLAlchemyError, MailboxError, *NOT_THE_PROTOCOL)
"""The network, the server's refusals, our database, the token."""
MAX_REASON_CHARS = 200


class FolderWatch:
    """One folder, one connection, one thread. `start` once, `stop` at the end."""

    def __init__(
        self, database: Database, settings: Settings, folder: str, tokens: AccessTokens, stored: Callable[[], None]
    ) -> None:
        """`stored` is called when mails have come."""
        self._stored = stored
        self._database = database
        self._settings = settings
        self._folder = folder
        self._tokens = tokens
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"imap-{folder}", daemon=True)
        self._state = "connecting"
        self._log = log.bind(folder=folder)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=5)

    @property
    def state(self) -> str:
        """`ok`, `connecting`, or what is wrong."""
        return self._state if self._thread.is_alive() else "stopped"

    def _run(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._stopping.is_set():
            try:
                with imap.connect(self._settings, self._tokens) as client:
                    while not self._stopping.is_set():
                        self._watch(client)
                        wait_s = FIRST_WAIT_S
            except TROUBLE as error:
                self._say(error, wait_s)
                self._stopping.wait(wait_s * random.uniform(0.8, 1.2))  # noqa: S311  # spreads reconnections
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    def _say(self, error: Exception, wait_s: float) -> None:
        self._state = f"trouble: {type(error).__name__}"
        self._log.warning(
            "imap_trouble",
            error=type(error).__name__,
            reason=str(error)[:MAX_REASON_CHARS],
            again_in_s=wait_s,
            exc_info=error if isinstance(error, NOT_THE_PROTOCOL) else None,
        )

    def _watch(self, client: IMAPClient) -> None:
        """Take what is there, look for what was missed, wait for news; until the next check is due."""
        self._take_new(client)
        missed = check(client, self._database, self._settings, self._folder)
        self._state = f"trouble: {missed} mails cannot be fetched" if missed else "ok"
        until = time.monotonic() + CHECK_EVERY_S
        while time.monotonic() < until and not self._stopping.is_set():
            # What comes while we take is reported then and not again: look until nothing new is there.
            while self._take_new(client):
                pass
            imap.wait_for_news(client, self._settings.imap_poll_s, self._stopping)

    def _take_new(self, client: IMAPClient) -> int:
        taken = take_new(client, self._database, self._settings, self._folder)
        if taken:
            self._stored()
        return taken


def take_new(client: IMAPClient, database: Database, settings: Settings, name: str) -> int:
    """Store every mail behind the position; the number of mails."""
    opened = imap.open_folder(client, name)
    folder = _position(client, opened, database, settings, name)
    behind = imap.uids_after(client, folder.last_uid, opened.mails)
    return sum(_take(client, database, settings, folder, uid) for uid in behind)


def check(client: IMAPClient, database: Database, settings: Settings, name: str) -> int:
    """Compare what the server has with what we have, and fetch what was missed.

    Returns the number of mails that still cannot be fetched.
    """
    opened = imap.open_folder(client, name)
    folder = _position(client, opened, database, settings, name)
    there = [uid for uid in imap.uids_after(client, folder.floor_uid, opened.mails) if uid <= folder.last_uid]
    with database.read() as session:
        missed = sorted(set(there) - mailboxes.taken(session, folder))
    if not missed:
        log.info("imap_checked", folder=name, server=len(there), ours=len(there))
        return 0
    log.error("imap_mails_missed", folder=name, server=len(there), missed=len(missed))
    unread = [uid for uid in missed if not _take(client, database, settings, folder, uid)]
    return len(set(unread) & set(imap.uids_after(client, folder.floor_uid, opened.mails)))


def _position(client: IMAPClient, opened: imap.Opened, database: Database, settings: Settings, name: str) -> MailFolder:
    """Where we are; found out anew the first time and when the server counts anew."""
    account = f"{settings.imap_user}@{settings.imap_host}"
    with database.read() as session:
        known = mailboxes.find(session, account, name)
    if known is not None and known.uid_validity == opened.uid_validity:
        return known
    since = known.since if known else now() - timedelta(days=settings.imap_first_days)
    recent = imap.uids_since(client, since.date())
    floor = recent[0] - 1 if recent else max(imap.uids_after(client, 0, opened.mails), default=0)
    log.warning("imap_counts_anew" if known else "imap_folder_opened", folder=name, mails=opened.mails)
    with database.write() as session:
        return mailboxes.begin(session, account, name, uid_validity=opened.uid_validity, floor_uid=floor, since=since)


def _take(client: IMAPClient, database: Database, settings: Settings, folder: MailFolder, uid: int) -> bool:
    """Whether the mail is ours now. One that the server does not hand out is left to the next check."""
    raw = _raw(client, folder.name, uid)
    assert folder.id is not None  # it was read from the store
    with database.write() as session:
        if raw is None:
            mailboxes.pass_over(session, folder.id, uid)
            return False
        stored = mailboxes.take(
            session,
            folder.id,
            uid,
            raw,
            server=settings.imap_host or "",
            envelope_from=envelope_from(raw),
            envelope_to=envelope_to(raw),
        )
    log.info("mail_accepted", stored_mail=stored.id, size=stored.size, deliveries=stored.deliveries)
    return True


def _raw(client: IMAPClient, folder: str, uid: int) -> bytes | None:
    try:
        raw = imap.fetch_raw(client, uid)
    except IMAPClientAbortError:
        raise
    except IMAPClientError:
        log.exception("imap_mail_unreadable", folder=folder, uid=uid)
        return None
    if raw is None:
        log.info("imap_mail_gone", folder=folder, uid=uid)
    return raw


def watch_mailbox(database: Database, settings: Settings, stored: Callable[[], None]) -> list[FolderWatch]:
    """One started watch a folder; none when no mailbox is set."""
    if settings.imap_host is None:
        return []
    tokens = AccessTokens(settings)
    names = [name.strip() for name in settings.imap_folders.split(",") if name.strip()]
    watches = [FolderWatch(database, settings, name, tokens, stored) for name in names]
    for watch in watches:
        watch.start()
    return watches
