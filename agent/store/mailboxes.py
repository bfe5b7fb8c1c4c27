"""How far we are in the folders of IMAP mailboxes: the position moves in the transaction that stores the mail."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from agent.store import inbound
from agent.store.tables import FolderMail, MailFolder, StoredMail


def find(session: Session, account: str, name: str) -> MailFolder | None:
    query = select(MailFolder).where(MailFolder.account == account, MailFolder.name == name)
    return session.exec(query).one_or_none()


def begin(
    session: Session, account: str, name: str, *, uid_validity: int, floor_uid: int, since: datetime
) -> MailFolder:
    """Start at the floor: the first time, and again when the server has given all mails new UIDs."""
    folder = find(session, account, name)
    if folder is None:
        folder = MailFolder(account=account, name=name, uid_validity=0, floor_uid=0, last_uid=0, since=since)
    folder.uid_validity, folder.floor_uid, folder.last_uid = uid_validity, floor_uid, floor_uid
    session.add(folder)
    session.flush()
    return folder


def take(
    session: Session,
    folder_id: int,
    uid: int,
    raw: bytes,
    *,
    server: str,
    envelope_from: str,
    envelope_to: Sequence[str],
) -> StoredMail:
    """Store the mail and move the position past it; a mail that is here already is not stored again."""
    folder = session.get_one(MailFolder, folder_id)
    stored = _taken_before(session, folder_id, raw) or inbound.store_mail(
        session, raw, channel="imap", peer=server, envelope_from=envelope_from, envelope_to=envelope_to
    )
    session.flush()
    assert stored.id is not None  # set by flush
    session.merge(FolderMail(folder_id=folder_id, uid_validity=folder.uid_validity, uid=uid, stored_mail_id=stored.id))
    pass_over(session, folder_id, uid)
    return stored


def pass_over(session: Session, folder_id: int, uid: int) -> None:
    """Move the position past a mail that has gone or cannot be read."""
    folder = session.get_one(MailFolder, folder_id)
    folder.last_uid = max(folder.last_uid, uid)


def taken(session: Session, folder: MailFolder) -> set[int]:
    """The UIDs that we have, of those that count at present."""
    query = select(FolderMail.uid).where(
        FolderMail.folder_id == folder.id, FolderMail.uid_validity == folder.uid_validity
    )
    return set(session.exec(query))


def _taken_before(session: Session, folder_id: int, raw: bytes) -> StoredMail | None:
    """The very same bytes from the same folder; this alone recognises a mail without Message-ID after a new count."""
    query = (
        select(StoredMail)
        .join(FolderMail, col(FolderMail.stored_mail_id) == col(StoredMail.id))
        .where(FolderMail.folder_id == folder_id, StoredMail.sha256 == hashlib.sha256(raw).hexdigest())
    )
    return session.exec(query.limit(1)).first()
