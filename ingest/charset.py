"""Bytes to text when the declared charset is wrong, unknown or missing."""

from __future__ import annotations

import codecs
import re

# What senders write, and the codec that reads what they mean. iso-8859-1 means windows-1252 to every mail client
# (https://encoding.spec.whatwg.org/#names-and-labels); the east Asian names mean their supersets.
_MEANT = {
    "ansi": "cp1252",
    "ascii": "cp1252",
    "euckr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso88591": "cp1252",
    "iso88591windows1252": "cp1252",
    "iso88598e": "iso8859-8",
    "iso88598i": "iso8859-8",
    "iso88599": "cp1254",
    "ksc56011987": "cp949",
    "ksc5601": "cp949",
    "latin1": "cp1252",
    "shiftjis": "cp932",
    "sjis": "cp932",
    "tis620": "cp874",
    "unicode11utf7": "utf-7",
    "usascii": "cp1252",
    "utf8": "utf-8",
    "utf8mb4": "utf-8",
    "xeuc": "euc_jp",
    "xgbk": "gb18030",
    "xsjis": "cp932",
    "xmacroman": "mac_roman",
}
# Python codecs that are no mail charsets; some of them take quadratic time.
_NO_CHARSET = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"}
_NEVER_SURROGATES = {"utf-8", "cp1252", "iso8859-1"}  # the check costs three times the text in memory
_MAX_DAMAGED_SHARE = 0.2
_EIGHT_BIT = bytes(range(128, 256))


def decode_text(data: bytes, declared: str | None) -> tuple[str, str | None]:
    """Text of `data` and what was wrong with its charset, None when nothing was.

    Tried in this order: as declared, as UTF-8, as declared with a few damaged characters, as windows-1252.
    """
    codec = known_codec(declared) if declared else None
    complaint = None if codec or not declared else f"unknown charset {declared[:40]!r}"
    for candidate in _candidates(data, codec):
        text = _strict(data, candidate)
        if text is not None:
            return text, complaint or (_mismatch(declared, candidate) if candidate != codec else None)
    damaged = _damaged(data, codec or "utf-8")
    if damaged is not None:
        return damaged, f"bytes that are not {codec or 'utf-8'} were replaced"
    return _western(data), complaint or _mismatch(declared, "windows-1252")


def known_codec(declared: str) -> str | None:
    """Python codec for a charset name as mails write it; None when there is none."""
    squeezed = re.sub(r"[^a-z0-9]", "", declared[:64].lower())
    name = _MEANT.get(squeezed, declared[:64].strip("\"' \t"))
    try:
        codec = codecs.lookup(name).name
        b"".decode(codec)
    except (LookupError, ValueError):
        return None
    return None if codec.replace("-", "_") in _NO_CHARSET else codec


def without_surrogates(text: str) -> str:
    """The text with lone surrogates (UTF-7 can carry them) replaced, so that it can be stored as UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _candidates(data: bytes, codec: str | None) -> list[str]:
    if codec and codec.startswith(("utf-16", "utf-32")) and 0 not in data[:4096]:
        return ["utf-8"]
    if codec in {None, "cp1252"} and not data.isascii():
        # A Latin text is hardly ever valid UTF-8 by chance, so what is valid UTF-8 was labelled wrongly.
        return ["utf-8", *([] if codec is None else [codec])]
    if codec is None:
        return ["iso2022_jp", "utf-8"] if b"\x1b$" in data else ["utf-8"]
    return [codec, "utf-8"]


def _strict(data: bytes, codec: str) -> str | None:
    try:
        text = data.decode(codec)
    except (UnicodeError, ValueError):
        return None
    text = text.removeprefix("\ufeff")
    return text if codec in _NEVER_SURROGATES else without_surrogates(text)


def _damaged(data: bytes, codec: str) -> str | None:
    """Decoded with replacement characters when they are few beside the other non-ASCII characters."""
    if codec == "cp1252":
        return None
    text = data.decode(codec, "replace")
    damaged = text.count("\ufffd")
    foreign = len(data) - len(data.translate(None, _EIGHT_BIT))
    return without_surrogates(text.removeprefix("\ufeff")) if damaged <= _MAX_DAMAGED_SHARE * foreign / 2 else None


def _western(data: bytes) -> str:
    """windows-1252 with its five holes read as Latin-1 control characters, so that it cannot fail."""
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _mismatch(declared: str | None, used: str) -> str | None:
    if used == "utf-8" and not declared:
        return None
    if declared:
        return f"text is not in its declared charset {declared[:40]!r}, read as {used}"
    return f"no charset declared, read as {used}"
