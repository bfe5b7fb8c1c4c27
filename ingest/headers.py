"""The header block of a mail or of one of its parts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ingest.charset import decode_text
from ingest.encoded_words import decode_words

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_CHARSET = re.compile(rb"""charset\s*=\s*["']?([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
_BRACKETED_ID = re.compile(r"<([^<>]+)>")
# Ten thousand recipients take half a megabyte; what is longer is no header that anybody reads.
_MAX_BLOCK_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Headers:
    fields: tuple[tuple[str, bytes], ...]
    """Lower-case name and unfolded raw value, in the order of the mail."""
    charset_hint: str | None = None
    """Charset of the Content-Type: the best guess for raw 8-bit values."""

    def every(self, name: str) -> list[str]:
        return [self._text(value) for field, value in self.fields if field == name]

    def first(self, name: str) -> str | None:
        return next((self._text(value) for field, value in self.fields if field == name), None)

    def decoded(self, name: str) -> str:
        """First value with encoded words decoded; empty when the field is missing."""
        return decode_words(self.first(name) or "")

    def _text(self, value: bytes) -> str:
        return decode_text(value, None if _is_utf8(value) else self.charset_hint)[0].replace("\t", " ").strip()


def read_headers(raw: bytes, start: int, end: int) -> tuple[Headers, int, list[str]]:
    """Headers of `raw[start:end]`, where the body begins, and what was broken."""
    fields: list[tuple[bytes, list[bytes]]] = []
    defects: list[str] = []
    position = start
    while position < end:
        line, following = _line(raw, position, end)
        if not line:
            position = following
            break
        field = _FIELD.match(line)
        if line[:1] in {b" ", b"\t"} and fields:
            fields[-1][1].append(line)
        elif field is not None and not (position == start and line.startswith(b"From ")):
            fields.append((field[1], [line[field.end() :]]))
        elif not _is_envelope_line(line) or position != start:
            if not _header_follows(raw, following, end):
                defects.append("the header ends without a blank line")
                break
            defects.append("a line of the header is no header field")
        position = following
        if position - start > _MAX_BLOCK_BYTES:
            defects.append(f"the header is longer than {_MAX_BLOCK_BYTES} bytes, the rest of it was not read")
            position = _after_blank_line(raw, position, end)
            break
    values = tuple((name.decode("ascii").lower(), b"".join(lines)) for name, lines in fields)
    return Headers(values, _charset_hint(values)), position, defects[:5]


def message_ids(value: str | None) -> tuple[str, ...]:
    """Ids in order and once each, without angle brackets; ids without brackets are taken when they have an @."""
    if not value:
        return ()
    found = _BRACKETED_ID.findall(value)
    if not found:
        found = [word.strip("<>") for word in re.split(r"[\s,]+", value) if "@" in word]
    cleaned = (re.sub(r"\s+", "", item) for item in found)
    return tuple(dict.fromkeys(item for item in cleaned if item))


def own_message_id(value: str | None) -> str | None:
    """The Message-ID; one that is no valid id is kept as it stands, since replies will refer to it."""
    ids = message_ids(value)
    if ids:
        return ids[0]
    return re.sub(r"\s+", "", value or "").strip("<>") or None


def read_date(value: str | None) -> datetime | None:
    """Aware; -0000 (zone unknown) is read as UTC."""
    if not value:
        return None
    try:
        date = parsedate_to_datetime(value[:200])
        date.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _line(raw: bytes, position: int, end: int) -> tuple[bytes, int]:
    newline = raw.find(b"\n", position, end)
    following = end if newline < 0 else newline + 1
    return raw[position:following].rstrip(b"\r\n"), following


def _is_envelope_line(line: bytes) -> bool:
    return line.startswith((b"From ", b">From "))


def _header_follows(raw: bytes, position: int, end: int) -> bool:
    return _FIELD.match(raw, position, min(end, position + 300)) is not None


def _after_blank_line(raw: bytes, position: int, end: int) -> int:
    blank = re.compile(rb"\n\r?\n").search(raw, position, end)
    return end if blank is None else blank.end()


def _charset_hint(values: tuple[tuple[str, bytes], ...]) -> str | None:
    for name, value in values:
        found = _CHARSET.search(value[:2000]) if name == "content-type" else None
        if found is not None:
            return found[1].decode("ascii")
    return None


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\x1b$" not in value
