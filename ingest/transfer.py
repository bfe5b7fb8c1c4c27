"""Content-Transfer-Encoding undone, and what was broken in it."""

from __future__ import annotations

import binascii
import re

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\r\n]")
_ONLY_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]*\Z")
_BROKEN_QP = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)")
_MAX_PIECES = 1_000
_PLAIN = {"", "7bit", "8bit", "binary", "none", "plain"}
_UUENCODE = {"uuencode", "xuuencode", "uue", "xuue"}


def decode_transfer(data: memoryview, encoding: str | None) -> tuple[bytes, str | None]:
    """Decoded bytes and what was wrong, None when nothing was. An unknown encoding is read as none."""
    name = re.sub(r"[^a-z0-9]", "", (encoding or "").partition(";")[0].lower())
    if name == "base64":
        return _base64(data)
    if name == "quotedprintable":
        return _quoted_printable(data)
    if name in _UUENCODE:
        return _uuencode(bytes(data))
    complaint = None if name in _PLAIN else f"unknown Content-Transfer-Encoding {(encoding or '')[:40]!r}"
    return bytes(data), complaint


def _quoted_printable(data: memoryview) -> tuple[bytes, str | None]:
    broken = _BROKEN_QP.search(data)
    return binascii.a2b_qp(data), "quoted-printable with a broken escape" if broken else None


def _base64(data: memoryview) -> tuple[bytes, str | None]:
    sample = bytes(data[:4096])
    if len(_NOT_BASE64.findall(sample)) > len(sample) // 8:
        return bytes(data), "declared as base64 but is not"
    padding = re.search(rb"=[=\s]*", data)
    if padding is not None and padding.end() < len(data):
        return _base64_in_pieces(data)
    try:
        return binascii.a2b_base64(data), None
    except binascii.Error:
        return _cut_base64(bytes(data)), "base64 is cut off or damaged"


def _base64_in_pieces(data: memoryview) -> tuple[bytes, str | None]:
    """Text goes on after the padding: a second base64 run, or a footer that a mailing list added in clear."""
    pieces: list[bytes] = []
    for run in re.finditer(rb"[^=]+=*[=\s]*", data):
        if pieces and _ONLY_BASE64.match(run[0]) is None:
            return b"".join(pieces) + b"\n" + bytes(data[run.start() :]), "clear text follows the base64"
        if len(pieces) == _MAX_PIECES:
            return b"".join([*pieces, _cut_base64(bytes(data[run.start() :]))]), "base64 in far too many pieces"
        pieces.append(_cut_base64(run[0]))
    return b"".join(pieces), "base64 in several padded pieces"


def _cut_base64(data: bytes) -> bytes:
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def _uuencode(data: bytes) -> tuple[bytes, str | None]:
    begin = re.search(rb"^begin [0-7]{3,4} [^\r\n]*\r?\n", data, re.MULTILINE)
    if begin is None:
        return data, "declared as uuencode but has no begin line"
    pieces: list[bytes] = []
    for line in data[begin.end() :].splitlines():
        if line.rstrip() in {b"end", b"`", b""}:
            if line.rstrip() == b"end":
                return b"".join(pieces), None
            continue
        piece = _uuencoded_line(line)
        if piece is None:
            return b"".join(pieces), "uuencode with a broken line"
        pieces.append(piece)
    return b"".join(pieces), "uuencode without its end line"


def _uuencoded_line(line: bytes) -> bytes | None:
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        pass
    # Some encoders add a byte of rubbish: take as many letters as the length byte asks for.
    letters = (((line[0] - 32) & 63) * 4 + 5) // 3
    try:
        return binascii.a2b_uu(line[:letters])
    except binascii.Error:
        return None
