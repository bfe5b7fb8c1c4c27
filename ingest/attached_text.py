"""The text of attached files, for diagnosis and drafting, within a budget. Reads PDFs in another process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.bodies import unix_lines
from ingest.charset import decode_text
from ingest.file_types import detect_type, is_archive, is_program, is_text
from ingest.html_text import html_to_text
from ingest.mail import parse_mail
from ingest.message import Attachment
from ingest.notebooks import notebook_text
from ingest.pdf_text import pdf_text
from ingest.tnef import is_tnef, unpack_tnef

MAX_FILES = 20
MAX_CHARACTERS = 3_000_000
"""Of all files together."""
MAX_FILE_CHARACTERS = 1_000_000
MAX_PDF_BYTES = 20_000_000
_MAX_DECODED_BYTES = 4 * MAX_FILE_CHARACTERS
_MAX_DEPTH = 3
_HEAD_SHARE = 0.3
_SKIPPED_TYPES = {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature",
                  "text/vcard", "text/x-vcard", "text/calendar"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AttachedText:
    filename: str
    text: str
    """Empty when nothing was read."""
    note: str = ""
    """Why it was not read, or not all of it; empty when all of it was."""


def files_of(attachments: Sequence[Attachment]) -> tuple[Attachment, ...]:
    """The attachments, each followed by the files inside it: those of a winmail.dat and of an attached mail."""
    return tuple(file for item in attachments for file in (item, *_inside(item, _MAX_DEPTH)))


def _inside(attachment: Attachment, depth: int) -> tuple[Attachment, ...]:
    if depth == 0:
        return ()
    if is_tnef(attachment):
        files = unpack_tnef(attachment.content).files
    elif attachment.content_type in {"message/rfc822", "message/global"}:
        files = parse_mail(attachment.content).attachments
    else:
        return ()
    return tuple(file for item in files for file in (item, *_inside(item, depth - 1)))


def attached_texts(attachments: Sequence[Attachment]) -> tuple[AttachedText, ...]:
    """One for each file of `files_of`, in order. A type is told from the content; archives are never opened."""
    read: list[AttachedText] = []
    left, files = MAX_CHARACTERS, 0
    for item in files_of(attachments):
        if files == MAX_FILES or left <= 0:
            read.append(AttachedText(item.filename, "", "not read: there are too many or too large files"))
            continue
        text, note = _text(item)
        kept = shortened(text, min(left, MAX_FILE_CHARACTERS))
        if len(kept) < len(text):
            note = "too long: its beginning and its end were read"
        left -= len(kept)
        files += bool(kept)
        read.append(AttachedText(item.filename, kept, note))
    return tuple(read)


def shortened(text: str, limit: int) -> str:
    """The beginning and, since logs fail at the end, more of the end."""
    if len(text) <= limit:
        return text
    gap = f"\n[… {len(text) - limit} characters left out …]\n"
    head = int((limit - len(gap)) * _HEAD_SHARE)
    tail = limit - len(gap) - head
    return text[:head] + gap + text[-tail:] if tail > 0 else text[:limit]


def _text(attachment: Attachment) -> tuple[str, str]:
    kind = detect_type(attachment.content, attachment.filename)
    if attachment.content_type in _SKIPPED_TYPES:
        return "", ""
    if attachment.content_type in {"message/rfc822", "message/global"}:
        inner = parse_mail(attachment.content)
        return f"{inner.subject}\n\n{inner.text}", ""
    if kind == "application/pdf":
        return _pdf(attachment)
    if is_text(attachment.content):
        return _plain(attachment, kind), ""
    return "", _reason(kind)


def _pdf(attachment: Attachment) -> tuple[str, str]:
    if attachment.size > MAX_PDF_BYTES:
        return "", f"not read: a PDF larger than {MAX_PDF_BYTES // 1_000_000} MB"
    text, complaint = pdf_text(attachment.content)
    return text, f"not read: {complaint}" if complaint else ""


def _plain(attachment: Attachment, kind: str) -> str:
    """Of a huge log the beginning and the end are decoded, not the middle."""
    content = attachment.content
    if len(content) > _MAX_DECODED_BYTES:
        head = int(_MAX_DECODED_BYTES * _HEAD_SHARE)
        content = content[:head] + b"\n[...]\n" + content[head - _MAX_DECODED_BYTES :]
    mark = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else None
    text = unix_lines(decode_text(content, mark)[0]).replace("\0", "")
    if kind == "application/x-ipynb+json":
        return notebook_text(text) or text
    return html_to_text(text) if kind == "text/html" else text


def _reason(kind: str) -> str:
    if is_archive(kind):
        return "not read: archives are not opened"
    return "not read: a program" if is_program(kind) else ""
