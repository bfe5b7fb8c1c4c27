"""The mail inside an opaque S/MIME signature (RFC 8551, 3.5.2): CMS SignedData in BER, as RFC 5652 lays it out.

Nothing is verified. pyasn1 stops at the indefinite lengths that mail programs write.
"""

from __future__ import annotations

from collections.abc import Iterator

MAX_BYTES = 40_000_000
_MAX_DEPTH = 16
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_SEQUENCE, _OID, _OCTETS, _OCTETS_IN_PARTS, _EXPLICIT = 0x30, 0x06, 0x04, 0x24, 0xA0

_Span = tuple[int, int, int]
"""Tag, and where the content begins and ends."""


class _NotBerError(Exception):
    pass


def signed_content(data: bytes) -> bytes | None:
    """The MIME entity that is signed; None when this is no SignedData that holds one. Never raises."""
    if len(data) > MAX_BYTES:
        return None
    try:
        return _content_of(data)
    except _NotBerError:
        return None


def _content_of(data: bytes) -> bytes:
    """ContentInfo ▸ [0] ▸ SignedData ▸ encapContentInfo ▸ [0] ▸ OCTET STRING"""
    info = _children(data, _only(_elements(data, 0, len(data), 0), _SEQUENCE))
    if data[slice(*_only(info, _OID)[1:])] != _SIGNED_DATA:
        raise _NotBerError
    signed = _children(data, _only(_children(data, _only(info, _EXPLICIT)), _SEQUENCE))
    encapsulated = _children(data, _only(signed, _SEQUENCE))
    return b"".join(_octets(data, _children(data, _only(encapsulated, _EXPLICIT)), 0))


def _octets(data: bytes, elements: Iterator[_Span], depth: int) -> Iterator[bytes]:
    if depth > _MAX_DEPTH:
        raise _NotBerError
    for element in elements:
        if element[0] == _OCTETS:
            yield data[element[1] : element[2]]
        elif element[0] == _OCTETS_IN_PARTS:
            yield from _octets(data, _children(data, element), depth + 1)


def _only(elements: Iterator[_Span], tag: int) -> _Span:
    """The next element of this kind."""
    for element in elements:
        if element[0] == tag:
            return element
    raise _NotBerError


def _children(data: bytes, element: _Span) -> Iterator[_Span]:
    return _elements(data, element[1], element[2], 0)


def _elements(data: bytes, at: int, end: int, depth: int) -> Iterator[_Span]:
    while at < end and data[at : at + 2] != b"\0\0":
        tag, begin, stop, at = _element(data, at, end, depth)
        yield tag, begin, stop


def _element(data: bytes, at: int, end: int, depth: int) -> tuple[int, int, int, int]:
    """Tag, content from and to, and where the next one begins."""
    if at + 2 > end or depth > _MAX_DEPTH or data[at] & 0x1F == 0x1F:
        raise _NotBerError
    tag, length, begin = data[at], data[at + 1], at + 2
    if length == 0x80:  # until two zero bytes
        stop = begin
        while data[stop : stop + 2] != b"\0\0":
            _, _, _, stop = _element(data, stop, end, depth + 1)
        return tag, begin, stop, stop + 2
    if length > 0x80:
        size = length & 0x7F
        length, begin = int.from_bytes(data[begin : begin + size]), begin + size
    if begin + length > end:
        raise _NotBerError
    return tag, begin, begin + length, begin + length
