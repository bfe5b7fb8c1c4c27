"""The readable text and the attachments of a parsed structure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from ingest.charset import decode_text
from ingest.encoded_words import decode_words
from ingest.file_names import declared_name, located_name, made_up_name, name_from_subject
from ingest.flowed import join_flowed
from ingest.headers import message_ids, read_headers
from ingest.html_text import MAX_HTML_CHARACTERS, declared_html_charset, html_to_text
from ingest.invitations import invitation_text
from ingest.message import Attachment
from ingest.signed_content import signed_content
from ingest.structure import Part, read_structure
from ingest.tnef import is_tnef, unpack_tnef
from ingest.transfer import decode_transfer

MAX_INVITATIONS = 3
MAX_SIGNED_DEPTH = 3
SMIME_TYPES = {"application/pkcs7-mime", "application/x-pkcs7-mime"}
# Copies of the text for other devices; no reader shows them beside the text.
_SHADOWS = {"text/x-amp-html", "text/watch-html"}
_NEVER_TEXT = {"text/calendar", "text/rfc822-headers", "text/csv", "text/vcard", "text/x-vcard", "text/directory"}


@dataclass(slots=True)
class Contents:
    texts: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    leaves: int = 0
    """Leaves seen so far, for made-up names."""
    pictures: Mapping[str, str] = field(default_factory=dict)
    """Name by Content-ID, for what the HTML shows in place."""


def read_contents(raw: bytes, root: Part, depth: int = 0) -> Contents:
    """`depth` counts the signatures around this mail."""
    contents = Contents(pictures=dict(_pictures(root)))
    _collect(memoryview(raw), root, contents, wants_text=True)
    if not contents.texts:
        _read_named_text(memoryview(raw), root, contents)
    _add_signed(contents, depth)
    _add_tnef_text(contents)
    _add_invitations(contents)
    return contents


def _add_signed(contents: Contents, depth: int) -> None:
    """What stands inside an opaque S/MIME signature, for the mail that is nothing else."""
    if contents.texts or depth >= MAX_SIGNED_DEPTH:
        return
    for item in [item for item in contents.attachments if item.content_type in SMIME_TYPES]:
        entity = signed_content(item.content)
        if entity is not None:
            root, defects = read_structure(entity)
            inner = read_contents(entity, root, depth + 1)
            contents.texts += inner.texts
            contents.attachments += inner.attachments
            contents.defects += [*defects, *inner.defects]


def _add_tnef_text(contents: Contents) -> None:
    """Outlook puts the text into winmail.dat too, and sometimes only there."""
    for item in contents.attachments if not contents.texts else ():
        if is_tnef(item):
            unpacked = unpack_tnef(item.content)
            contents.texts.extend(filter(str.strip, [unpacked.text]))
            _note(contents, unpacked.complaint)


def _add_invitations(contents: Contents) -> None:
    """The date and place of a meeting often stand in the calendar part alone."""
    invitations = (item for item in contents.attachments if item.content_type == "text/calendar")
    texts = (invitation_text(item.content) for item in islice(invitations, MAX_INVITATIONS))
    contents.texts.extend(dict.fromkeys(text for text in texts if text))


def _collect(raw: memoryview, part: Part, contents: Contents, *, wants_text: bool) -> None:
    if part.content_type == "multipart/alternative" and part.is_multipart:
        _collect_alternative(raw, part, contents, wants_text=wants_text)
    elif part.is_multipart:
        for child in part.children:
            _collect(raw, child, contents, wants_text=wants_text)
    else:
        _collect_leaf(raw, part, contents, wants_text=wants_text)


def _collect_alternative(raw: memoryview, part: Part, contents: Contents, *, wants_text: bool) -> None:
    """Plain text before HTML; of the other forms only their attachments."""
    by_preference = sorted(part.children, key=lambda child: child.content_type != "text/plain")
    for child in by_preference:
        before = len(contents.texts)
        _collect(raw, child, contents, wants_text=wants_text)
        wants_text = wants_text and len(contents.texts) == before


def _collect_leaf(raw: memoryview, part: Part, contents: Contents, *, wants_text: bool) -> None:
    contents.leaves += 1
    if not _is_body_text(part):
        contents.attachments.append(_attachment(raw, part, contents))
    elif wants_text and part.content_type not in _SHADOWS:
        text = _text(raw, part, contents)
        if text.strip():
            contents.texts.append(text.strip("\n"))


def _is_body_text(part: Part) -> bool:
    if not part.content_type.startswith("text/") or part.content_type in _NEVER_TEXT:
        return False
    return part.disposition.value != "attachment" and not declared_name(part)


def _read_named_text(raw: memoryview, part: Part, contents: Contents) -> None:
    """A mail whose only text has a file name but is not marked as an attachment is shown as text too."""
    if part.is_multipart:
        for child in part.children:
            _read_named_text(raw, child, contents)
    elif not contents.texts and part.content_type in {"text/plain", "text/html"} and _is_named_but_shown(part):
        text = _text(raw, part, contents)
        if text.strip():
            contents.texts.append(text.strip("\n"))


def _is_named_but_shown(part: Part) -> bool:
    return part.disposition.value != "attachment" and bool(declared_name(part))


def _pictures(part: Part) -> Iterator[tuple[str, str]]:
    for child in part.children:
        yield from _pictures(child)
    content_id = "" if part.is_multipart else _content_id(part)
    if content_id and (name := declared_name(part)):
        yield content_id, name


def _content_id(part: Part) -> str:
    header = part.headers.first("content-id")
    return next(iter(message_ids(header)), "") or (header or "").strip("<> ")


def has_html(root: Part) -> bool:
    return any(_is_html(part) and _is_body_text(part) for part in _leaves(root))


def html_of(raw: bytes, root: Part) -> str:
    """What the mail shows as HTML, as it was sent; empty when it has none. Never to be shown without cleaning."""
    view, contents = memoryview(raw), Contents()
    parts = [part for part in _leaves(root) if _is_html(part) and _is_body_text(part)]
    return "\n".join(_decoded(view, part, contents)[:MAX_HTML_CHARACTERS] for part in parts)


def _leaves(part: Part) -> Iterator[Part]:
    if not part.is_multipart:
        yield part
    for child in part.children:
        yield from _leaves(child)


def _is_html(part: Part) -> bool:
    return part.content_type in {"text/html", "application/xhtml+xml"}


def _decoded(raw: memoryview, part: Part, contents: Contents) -> str:
    data, complaint = decode_transfer(raw[part.start : part.end], part.headers.first("content-transfer-encoding"))
    _note(contents, complaint)
    declared = part.type_header.parameters.get("charset") or (declared_html_charset(data) if _is_html(part) else None)
    text, complaint = decode_text(data, declared)
    del data  # a log of 25 MB in the text is held once less
    _note(contents, complaint)
    if "\0" in text:
        contents.defects.append("NUL characters in the text were left out")
        text = text.replace("\0", "")
    return unix_lines(text)


def _text(raw: memoryview, part: Part, contents: Contents) -> str:
    text = _decoded(raw, part, contents)
    if _is_html(part):
        if len(text) > MAX_HTML_CHARACTERS:
            contents.defects.append(f"HTML longer than {MAX_HTML_CHARACTERS} characters was cut")
        return html_to_text(text, contents.pictures)
    if part.type_header.parameters.get("format", "").lower() == "flowed":
        return join_flowed(text, delsp=part.type_header.parameters.get("delsp", "").lower() == "yes")
    return text


def unix_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _attachment(raw: memoryview, part: Part, contents: Contents) -> Attachment:
    content, complaint = decode_transfer(raw[part.start : part.end], part.headers.first("content-transfer-encoding"))
    name = declared_name(part) or located_name(part)
    if complaint:
        contents.defects.append(f"attachment {contents.leaves}: {complaint}")
    content_id = _content_id(part) or None
    is_attached = part.disposition.value == "attachment"
    return Attachment(
        filename=name or _name_of_mail(part, content) or made_up_name(part.content_type, contents.leaves),
        named=bool(name),
        content_type=part.content_type,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        inline=not is_attached and (part.disposition.value == "inline" or content_id is not None),
        content_id=content_id,
    )


def _name_of_mail(part: Part, content: bytes) -> str:
    if part.content_type not in {"message/rfc822", "message/global"}:
        return ""
    headers, _, _ = read_headers(content, 0, len(content))
    return name_from_subject(decode_words(headers.first("subject") or ""))


def _note(contents: Contents, complaint: str | None) -> None:
    if complaint:
        contents.defects.append(complaint)
