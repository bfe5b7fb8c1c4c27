"""RFC 2047: encoded words in headers, also where they may not stand and cut where they may not be cut."""

from __future__ import annotations

import binascii
import re

from ingest.charset import decode_text

_OPENING = re.compile(r"=\?([^?\s]{1,80})\?([bBqQ])\?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


def decode_words(value: str) -> str:
    """Header value with its encoded words decoded; control characters and line breaks become spaces.

    Neighbouring words of one charset are joined as bytes first, since many senders cut inside a character.
    """
    if "=?" not in value:
        return plain_line(value)
    pieces: list[str] = []
    pending: list[bytes] = []
    charset = ""
    for gap, word_charset, content in _words(value):
        joins = pending and not gap.strip() and word_charset == charset
        if pending and not joins:
            pieces.append(decode_text(b"".join(pending), charset)[0])
        if not joins:
            pieces.append("" if pending and content is not None and not gap.strip() else gap)
            pending = []
        if content is not None:
            pending.append(content)
            charset = word_charset
    return plain_line("".join(pieces))


def plain_line(value: str) -> str:
    """One line without control characters."""
    return _CONTROL.sub(" ", value).strip()


def _words(value: str) -> list[tuple[str, str, bytes | None]]:
    """(text before, charset, bytes) for each encoded word; the text after the last one comes with None."""
    found: list[tuple[str, str, bytes | None]] = []
    position = gap_start = 0
    while (opening := _OPENING.search(value, position)) is not None:
        closing = value.find("?=", opening.end())
        if closing < 0:
            break
        charset = opening[1].partition("*")[0].lower()  # RFC 2231 allows a language after a star
        content = _content(opening[2], value[opening.end() : closing])
        if content is None:
            position = opening.end()
            continue
        found.append((value[gap_start : opening.start()], charset, content))
        position = gap_start = closing + 2
    found.append((value[gap_start:], "", None))
    return found


def _content(encoding: str, text: str) -> bytes | None:
    data = text.encode("utf-8")
    if encoding in "qQ":
        return binascii.a2b_qp(data.replace(b" ", b"_"), header=True)
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
