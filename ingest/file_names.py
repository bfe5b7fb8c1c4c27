"""Names for attachments: what the mail says made harmless, or made up."""

from __future__ import annotations

import mimetypes
import re
import unicodedata

from ingest.encoded_words import decode_words
from ingest.structure import Part

_MAX_BYTES = 200
# The tables of the standard library only, so that a name does not depend on the machine.
_TYPES = mimetypes.MimeTypes()
_OWN_EXTENSIONS = {
    "application/ms-tnef": ".dat",
    "application/vnd.ms-tnef": ".dat",
    "message/delivery-status": ".txt",
    "message/disposition-notification": ".txt",
    "message/rfc822": ".eml",
    "message/global": ".eml",
    "text/calendar": ".ics",
    "text/plain": ".txt",
    "text/rfc822-headers": ".txt",
    "image/jpeg": ".jpg",
    "image/jpg": ".jpg",
    "text/html": ".html",
}


def declared_name(part: Part) -> str:
    """Name from Content-Disposition, else from Content-Type; empty when there is none."""
    disposition, content_type = part.disposition.parameters, part.type_header.parameters
    found = disposition.get("filename") or content_type.get("name") or disposition.get("name")
    return safe_name(found or content_type.get("filename", ""))


def located_name(part: Part) -> str:
    """Last path element of Content-Location when it looks like a file name, else empty."""
    location = decode_words(part.headers.first("content-location") or "").partition("?")[0]
    name = safe_name(location.rstrip("/"))
    return name if re.search(r"[^.]\.[A-Za-z0-9]{1,5}\Z", name) else ""


def made_up_name(content_type: str, number: int) -> str:
    """`winmail.dat` for Outlook's TNEF, else `part-3.pdf` by the part's number in the mail."""
    if content_type in {"application/ms-tnef", "application/vnd.ms-tnef"}:
        return "winmail.dat"
    extension = _OWN_EXTENSIONS.get(content_type) or _TYPES.guess_extension(content_type) or ".bin"
    return f"part-{number}{extension}"


def name_from_subject(subject: str) -> str:
    """For an attached mail."""
    stem = safe_name(re.sub(r"[\s/\\:*?\"<>|]+", " ", subject).strip(" ."))
    return f"{_shortened(stem, _MAX_BYTES - 4)}.eml" if stem else "message.eml"


def safe_name(name: str) -> str:
    """Without directories, control and direction characters; at most 200 bytes, the extension kept."""
    last = re.split(r"[/\\]", name)[-1]
    visible = "".join(char for char in last if unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"})
    bare = visible.strip().strip('"').strip()
    if not bare.strip(". "):
        return ""
    return _shortened(bare, _MAX_BYTES)


def _shortened(name: str, max_bytes: int) -> str:
    if len(name.encode("utf-8")) <= max_bytes:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 10:
        stem, dot, extension = name, "", ""
    room = max_bytes - len((dot + extension).encode("utf-8"))
    return stem.encode("utf-8")[:room].decode("utf-8", "ignore") + dot + extension
