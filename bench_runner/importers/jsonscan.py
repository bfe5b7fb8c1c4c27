"""JSON read only as far as it is wanted.

Serving benchmarks write files of many megabytes of which a few hundred bytes are the result. The scanner walks the
members of an object, reads small values, and leaves large arrays and objects as spans of bytes for a caller to read.
Inside a span that nobody reads, only brackets and strings are checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from mmap import mmap

from bench_runner.errors import ScanError

Buffer = bytes | mmap

SMALL = 65_536
"""Bytes up to which an array or object is read at once."""
PIECE = 1_048_576
_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_WHOLE_STRING = re.compile(_STRING, re.DOTALL)
_BRACKET = re.compile(rb'["\[\]{}]')
"""One set of bytes, so that runs of numbers are passed over at the speed of a search."""
_KEY = re.compile(rb"\s*(" + _STRING + rb")\s*:\s*", re.DOTALL)
_SCALAR = re.compile(_STRING + rb'|[^\s,\[\]{}":]+', re.DOTALL)
_BETWEEN = re.compile(rb"\s*([,}\]])")
_NEXT_START = re.compile(rb"[^\s,\[\]]")
_NEXT_ELEMENT = re.compile(rb"[^\s,]")
_NEXT_LINE = re.compile(rb"\n\s*(?=\{)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scanned:
    """One object: its small values, and where the large ones lie."""

    start: int
    end: int
    values: dict[str, object] = field(default_factory=dict)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Arrays and objects over `SMALL` bytes, and those that the caller asked to leave."""


def objects(buffer: Buffer, *, leave: frozenset[str] = frozenset()) -> Iterator[Scanned | ScanError]:
    """All top-level objects: one, several after each other, one a line, or the elements of one array.

    A broken object is yielded as an error; reading goes on at the next line that starts an object.
    """
    position = 0
    while (match := _NEXT_START.search(buffer, position)) is not None:
        try:
            scanned = scan_object(buffer, match.start(), leave=leave)
        except ScanError as error:
            yield error
            following = _NEXT_LINE.search(buffer, match.start() + 1)
            if following is None:
                return
            position = following.end()
        else:
            yield scanned
            position = scanned.end


def scan_object(buffer: Buffer, start: int, *, leave: frozenset[str] = frozenset()) -> Scanned:
    if buffer[start : start + 1] != b"{":
        raise ScanError(start, "is not a JSON object")
    values: dict[str, object] = {}
    spans: dict[str, tuple[int, int]] = {}
    position = start + 1
    closing = _BETWEEN.match(buffer, position)
    if closing is not None and closing[1] == b"}":
        return Scanned(start=start, end=closing.end())
    while True:
        key_match = _KEY.match(buffer, position)
        if key_match is None:
            raise ScanError(position, "a JSON object breaks off or has no name where one belongs")
        key = str(_load(key_match[1], position))
        begin = key_match.end()
        end = value_end(buffer, begin)
        container = buffer[begin : begin + 1] in (b"[", b"{")
        if container and (key in leave or end - begin > SMALL):
            spans[key] = (begin, end)
        else:
            values[key] = _load(buffer[begin:end], begin)
        between = _BETWEEN.match(buffer, end)
        if between is None or between[1] == b"]":
            raise ScanError(end, f"a JSON object breaks off after {key!r}")
        position = between.end()
        if between[1] == b"}":
            return Scanned(start=start, end=position, values=values, spans=spans)


def value_end(buffer: Buffer, begin: int) -> int:
    """The byte after the value that starts at `begin`."""
    if buffer[begin : begin + 1] not in (b"[", b"{"):
        scalar = _SCALAR.match(buffer, begin)
        if scalar is None:
            raise ScanError(begin, "a JSON value is missing")
        return scalar.end()
    open_brackets: list[bytes] = []
    position = begin
    while (match := _BRACKET.search(buffer, position)) is not None:
        token, position = match[0], match.end()
        if token == b'"':
            string = _WHOLE_STRING.match(buffer, match.start())
            if string is None:
                raise ScanError(match.start(), "a JSON string does not end")
            position = string.end()
        elif token in (b"[", b"{"):
            open_brackets.append(token)
        elif (open_brackets.pop() == b"[") != (token == b"]"):
            raise ScanError(match.start(), "JSON brackets do not match")
        elif not open_brackets:
            return position
    raise ScanError(begin, "a JSON array or object does not end: the file is cut off")


def elements(buffer: Buffer, span: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Spans of the elements of the array in `span`."""
    position = span[0] + 1
    while (match := _NEXT_ELEMENT.search(buffer, position, span[1] - 1)) is not None:
        end = value_end(buffer, match.start())
        yield match.start(), end
        position = end


_FLAT = re.compile(rb"\[([^\[\]]*+)\]")


def sum_and_count(buffer: Buffer, span: tuple[int, int]) -> tuple[float, int]:
    """Over all numbers of an array, or of an array of arrays; what is no number raises ScanError."""
    total, found = 0.0, 0
    for match in _FLAT.finditer(buffer, span[0], span[1]):
        for start, end in _pieces(buffer, *match.span(1)):
            numbers = buffer[start:end].split(b",")
            try:
                total += sum(map(float, numbers))
            except ValueError as error:
                raise ScanError(start, "an array that should hold numbers does not") from error
            found += len(numbers)
    return total, found


def _pieces(buffer: Buffer, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The members of a flat array in runs of about a megabyte, cut at commas; nothing for an empty array."""
    while start < end:
        stop = end if end - start <= PIECE else buffer.find(b",", start + PIECE, end)
        stop = end if stop < 0 else stop
        if stop < end or buffer[start:stop].strip():
            yield start, stop
        start = stop + 1


def load(buffer: Buffer, span: tuple[int, int]) -> object:
    return _load(buffer[span[0] : span[1]], span[0])


def _load(raw: bytes, offset: int) -> object:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ScanError(offset, f"is not JSON: {str(error)[:120]}") from error


class Lines:
    """Line numbers of growing offsets, counted piece by piece."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._offset = 0
        self._line = 1

    def at(self, offset: int) -> int:
        """`offset` must not be smaller than in the call before."""
        while self._offset < offset:
            stop = min(self._offset + 1_048_576, offset)
            self._line += self._buffer[self._offset : stop].count(b"\n")
            self._offset = stop
        return self._line
