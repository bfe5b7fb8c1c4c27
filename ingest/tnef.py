"""Outlook's winmail.dat unpacked: text and files. Pure, bounded, never raises.

Own code: the library tnefparse needed 114 s for a damaged file of 60 KB, and has had no release since 2021.
Format: MS-OXTNEF, https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-oxtnef/.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.charset import decode_text
from ingest.file_names import safe_name
from ingest.html_text import declared_html_charset, html_to_text
from ingest.message import Attachment

MAX_FILES = 100
MAX_ATTRIBUTES = 5_000
TYPES = {"application/ms-tnef", "application/vnd.ms-tnef"}
SIGNATURE = b"\x78\x9f\x3e\x22"
# Names of attributes (the low half of their id) and of MAPI properties.
_BODY, _CODEPAGE, _MAPI = 0x800C, 0x9007, 0x9003
_BEGIN_FILE, _FILE_TITLE, _FILE_DATA, _FILE_MAPI = 0x9002, 0x8010, 0x800F, 0x9005
_TEXT, _HTML, _RTF = 0x1000, 0x1013, 0x1009
_LONG_NAME, _NAME, _DISPLAY_NAME, _MIME_TYPE, _DATA, _CONTENT_ID = 0x3707, 0x3704, 0x3001, 0x370E, 0x3701, 0x3712
_STRING8, _UNICODE, _BINARY, _OBJECT, _MANY = 0x001E, 0x001F, 0x0102, 0x000D, 0x1000
_FIXED_BYTES = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 10: 4, 11: 4, 20: 8, 64: 8, 72: 16}


@dataclass(frozen=True, slots=True)
class Unpacked:
    text: str
    """The body that lies inside, empty when there is none."""
    files: tuple[Attachment, ...]
    complaint: str | None = None
    """What was wrong, None when nothing was."""


@dataclass(slots=True)
class _File:
    title: str = ""
    data: bytes = b""
    properties: dict[int, bytes | str] = field(default_factory=dict)


@dataclass(slots=True)
class _Book:
    """What has been read so far."""

    charset: str | None = None
    body: bytes = b""
    properties: dict[int, bytes | str] = field(default_factory=dict)
    files: list[_File] = field(default_factory=list)


def is_tnef(attachment: Attachment) -> bool:
    return attachment.content_type in TYPES or attachment.content.startswith(SIGNATURE)


def unpack_tnef(content: bytes) -> Unpacked:
    """Checksums are not looked at: many writers get them wrong."""
    if not content.startswith(SIGNATURE):
        return Unpacked("", (), "winmail.dat is no TNEF file")
    book = _Book()
    complaint = None
    try:
        for name, data in _attributes(content):
            _add(book, name, data)
    except (struct.error, ValueError):
        complaint = "winmail.dat is damaged, what could be read was unpacked"
    if len(book.files) > MAX_FILES:
        complaint = f"winmail.dat holds more than {MAX_FILES} files"
    text = _text(book)
    if not text and _RTF in book.properties:
        complaint = complaint or "the text in winmail.dat is RTF and was not read"
    unpacked = (_attachment(file, number) for number, file in enumerate(book.files[:MAX_FILES], start=1))
    return Unpacked(text, tuple(item for item in unpacked if item.content), complaint)


def _add(book: _Book, name: int, data: bytes) -> None:
    if name == _BEGIN_FILE:
        book.files.append(_File())
    elif name == _CODEPAGE:
        book.charset = f"cp{struct.unpack_from('<I', data)[0]}"
    elif name == _BODY:
        book.body = data
    elif name == _MAPI:
        book.properties |= _properties(data, book.charset)
    elif book.files:
        _add_to_file(book.files[-1], name, data, book.charset)


def _attributes(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Name and data. Raises ValueError or struct.error where the file is damaged."""
    position = len(SIGNATURE) + 2
    for _ in range(MAX_ATTRIBUTES):
        if position + 11 > len(content):
            return
        level, name, _, length = struct.unpack_from("<BHHI", content, position)
        position += 9
        if level not in {1, 2} or position + length > len(content):
            raise ValueError("no attribute")
        yield name, content[position : position + length]
        position += length + 2
    raise ValueError("too many attributes")


def _add_to_file(file: _File, name: int, data: bytes, charset: str | None) -> None:
    if name == _FILE_TITLE:
        file.title = decode_text(data.rstrip(b"\0"), charset)[0]
    elif name == _FILE_DATA:
        file.data = data
    elif name == _FILE_MAPI:
        file.properties |= _properties(data, charset)


def _properties(data: bytes, charset: str | None) -> dict[int, bytes | str]:
    """The properties that hold text or bytes, by number. Raises struct.error or ValueError."""
    found: dict[int, bytes | str] = {}
    count = struct.unpack_from("<I", data)[0]
    position = 4
    for _ in range(min(count, MAX_ATTRIBUTES)):
        kind, number = struct.unpack_from("<HH", data, position)
        position += 4
        if number >= 0x8000:
            position = _after_name(data, position)
        single = kind & ~_MANY
        if single in _FIXED_BYTES:
            values = 1
            if kind & _MANY:
                values = struct.unpack_from("<I", data, position)[0]
                position += 4
            position += values * _FIXED_BYTES[single]
        elif single in {_STRING8, _UNICODE, _BINARY, _OBJECT}:
            value, position = _variable(data, position)
            found.setdefault(number, _decoded(single, value, charset))
        else:
            raise ValueError("unknown type of property")
    return found


def _after_name(data: bytes, position: int) -> int:
    kind, length = struct.unpack_from("<II", data, position + 16)
    return position + 24 + ((length + 3) // 4 * 4 if kind == 1 else 0)


def _variable(data: bytes, position: int) -> tuple[bytes, int]:
    """The first value, and the position behind the last one."""
    count = struct.unpack_from("<I", data, position)[0]
    position += 4
    first = b""
    for index in range(min(count, MAX_ATTRIBUTES)):
        length = struct.unpack_from("<I", data, position)[0]
        position += 4
        if position + length > len(data):
            raise ValueError("a value reaches beyond its end")
        first = data[position : position + length] if index == 0 else first
        position += (length + 3) // 4 * 4
    return first, position


def _decoded(kind: int, value: bytes, charset: str | None) -> bytes | str:
    if kind == _UNICODE:
        return value.decode("utf-16-le", "replace").rstrip("\0")
    if kind == _STRING8:
        return decode_text(value.rstrip(b"\0"), charset)[0]
    return value[16:] if kind == _OBJECT else value


def _text(book: _Book) -> str:
    plain = book.properties.get(_TEXT) or decode_text(book.body.rstrip(b"\0"), book.charset)[0]
    text = plain if isinstance(plain, str) else decode_text(plain, book.charset)[0]
    if not text.strip("\0 \r\n"):
        page = book.properties.get(_HTML, "")
        text = html_to_text(page if isinstance(page, str) else _decoded_page(page.rstrip(b"\0")))
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").strip("\n")


def _decoded_page(page: bytes) -> str:
    return decode_text(page, declared_html_charset(page))[0]


def _attachment(file: _File, number: int) -> Attachment:
    names = (file.properties.get(key) for key in (_LONG_NAME, _NAME, _DISPLAY_NAME))
    name = next((found for found in names if isinstance(found, str) and found), "") or file.title
    data = file.data or file.properties.get(_DATA, b"")
    kind, content_id = file.properties.get(_MIME_TYPE), file.properties.get(_CONTENT_ID)
    content = data if isinstance(data, bytes) else data.encode()
    return Attachment(
        filename=safe_name(name.replace("\0", "")) or f"winmail-{number}.bin",
        content_type=kind.lower() if isinstance(kind, str) and "/" in kind else "application/octet-stream",
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        inline=False,
        content_id=content_id.strip("<>") if isinstance(content_id, str) and content_id else None,
    )
