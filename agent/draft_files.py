"""Files that an engineer puts with a draft: a plot, a table, a script of their own. The approval is bound to them.

They belong to the draft that waits: another draft starts without them.
"""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass

from sqlalchemy import delete
from sqlmodel import Session, col

from agent.attachment import Attachment
from agent.draft import binding_of
from agent.errors import ApprovalError
from agent.store import drafts, tickets
from agent.store.chat import is_chat
from agent.store.tables import Draft, DraftFile, DraftState, Endorsement, Engineer, Ticket
from ingest.file_names import safe_name

MAX_FILES = 10
MAX_BYTES = 10_000_000
"""Of all files of an answer: many mail servers take 10 MB before base64 makes a third more of it."""
_TYPES = mimetypes.MimeTypes()


@dataclass(frozen=True, slots=True)
class Chosen:
    """A file as the browser sends it."""

    name: str
    content: bytes


def attach(session: Session, draft_id: int, chosen: Chosen, *, engineer: Engineer) -> None:
    """Raises ApprovalError when the draft is settled, the answer is no mail, or a limit is passed."""
    draft = _waiting(session, draft_id)
    files = drafts.attachments_of(session, draft)
    name = safe_name(chosen.name)
    if not name or not chosen.content:
        raise ApprovalError("Choose a file that is not empty.")
    if any(map(is_chat, draft.recipients)):
        raise ApprovalError("This answer goes to a chat, which takes no files from here.")
    if len(files) >= MAX_FILES or sum(len(file.content) for file in files) + len(chosen.content) > MAX_BYTES:
        raise ApprovalError(
            "An answer takes {files} files and {size} MB. Send a link instead.",
            files=MAX_FILES,
            size=MAX_BYTES // 1_000_000,
        )
    kind = _TYPES.guess_type(name)[0] or "application/octet-stream"
    added = Attachment(filename=_unlike(name, files), content_type=kind, content=chosen.content)
    _put(session, draft, [*files, added], f"attached {added.filename}", engineer)


def detach(session: Session, draft_id: int, position: int, *, engineer: Engineer) -> None:
    """Raises ApprovalError when the draft is settled, or has no such file."""
    draft = _waiting(session, draft_id)
    files = drafts.attachments_of(session, draft)
    if not 0 <= position < len(files):
        raise ApprovalError("That file is not attached any more. Reload the ticket.")
    gone = files.pop(position)
    _put(session, draft, files, f"took off {gone.filename}", engineer)


def _waiting(session: Session, draft_id: int) -> Draft:
    draft = tickets.by_id(session, Draft, draft_id)
    if draft.state != DraftState.WAITING:
        raise ApprovalError("This draft has been decided about. Reload the ticket.")
    return draft


def _put(session: Session, draft: Draft, files: list[Attachment], what: str, engineer: Engineer) -> None:
    """What was shown has changed, so whoever looks at the old page cannot approve it, and a first approval is void."""
    session.execute(delete(DraftFile).where(col(DraftFile.draft_id) == draft.id))
    session.execute(delete(Endorsement).where(col(Endorsement.draft_id) == draft.id))
    session.add_all(
        DraftFile(
            draft_id=draft.id or 0,
            position=position,
            filename=file.filename,
            content_type=file.content_type,
            content=file.content,
        )
        for position, file in enumerate(files)
    )
    draft.binding = binding_of(
        revision=draft.revision,
        recipients=draft.recipients,
        subject=draft.subject,
        body=draft.body,
        attachments=files,
    )
    session.add(draft)
    tickets.note_event(session, tickets.by_id(session, Ticket, draft.ticket_id), engineer.name, what)


def _unlike(name: str, files: list[Attachment]) -> str:
    """`plot.png`, then `plot-2.png`."""
    taken = {file.filename for file in files}
    stem, dot, extension = name.rpartition(".")
    names = (f"{stem}-{number}.{extension}" if dot else f"{name}-{number}" for number in range(2, MAX_FILES + 2))
    return next(candidate for candidate in (name, *names) if candidate not in taken)
