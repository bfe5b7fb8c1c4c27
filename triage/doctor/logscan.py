"""Reads a log as a stream and keeps the lines that mean something. Memory does not grow with the log."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import re2  # type: ignore[import-untyped]

from triage.doctor.loglines import LogLine, Stamp, read_line, stamp_of, text_of, with_reason_in_parentheses
from triage.doctor.signatures import (
    PROGRAM_ERROR,
    Finder,
    Signature,
    Signatures,
    bytes_of_latin1,
    is_known,
    line_finder,
    matching,
    matching_each,
)

BLOCK_BYTES = 1 << 20
TAIL_BYTES = 1 << 16
KEPT_PER_ID = 40
COUNTED_PER_ID = 200
LINES_AT_ONCE = 256
IN_VAIN = 4000
"""Lines found in vain after which the search leaves out what is counted to the end; a new search costs as much."""
SEEN_SHAPES = 8192
PROGRESS_WINDOW = 1 << 15
MAX_TRACEBACK_LINES = 400
MAX_TRACEBACK_BYTES = 40_000
LOOK_BACK_BYTES = 4000
MESSAGE_LINES = 4
"""Indented lines under an exception's line that belong to its message."""

_DIGITS = bytes(range(ord("0"), ord("9") + 1))
_ANSI = re.compile(rb"\x1b\[[0-9;?]{0,16}[A-Za-z]")
_SHAPE_MATTERS = ("xit", "code", "|", "FAILED", "CANCELLED", "rrno", "ignal")
RECOVERED_AFTER = 3
"""Lines of normal progress after which a process is taken to have gone on."""
_PROGRESS = re2.compile(
    rb"\d{1,9}/\d{1,9} \[\d|"
    rb"\b(?:[Ss]tep|iter(?:ation)?|[Ee]poch)s?\b[ :=\[#]{1,4}\d[^\r\n]*?(?:loss|tok|samples|lr|ppl|"
    rb"\b(?:train|val|acc|accuracy|reward|dice|mIoU)\b)|"
    rb"'loss': [0-9.]|\b(?:lm[ _])?loss[ :=]{1,3}[0-9.]+|throughput[ :=]{1,3}[0-9.]|it/s\b|s/it\b|"
    rb"Avg prompt throughput|\" 200 OK|remaining wall clock time",
    bytes_of_latin1(),
)
_TIME = re2.compile(rb"\d\d:\d\d:\d\d", bytes_of_latin1())
CAUGHT_WINDOW = 400
CAUGHT_LINES = 3
"""Lines below an error in which a program says that it goes on."""
_CAUGHT = re2.compile(
    rb"(?i)\b(?:fall(?:ing|s)? back|ignoring|continuing|"
    rb"(?:lowering|reducing|halving|decreasing) (?:the )?(?:(?:micro|global|per-device)[ -]?)?batch|"
    rb"(?:restarting|resuming|continuing) from (?:step|iteration|epoch|checkpoint)|trying (?:again|a smaller)|"
    rb"carrying on|going on|step created for stepid|resuming normal operation|"
    rb"skipp(?:ing|ed)|proceeding|will be (?:skipped|ignored)|using [^\n]{1,60} instead|not available, using)\b",
    bytes_of_latin1(),
)
TRACEBACK_HEAD = "Traceback (most recent call last):"
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]{0,120}(?::|$)")
_IGNORED_EXCEPTION = re.compile(
    rb"Exception ignored (?:in|on)[^\n]*\n(?:[^\n]{0,40}Traceback[^\n]*\n(?:[^\n]{0,40}  [^\n]*\n){0,60})?\Z"
)
"""Python could not raise it, while something was thrown away: the program goes on."""
_WHILE_HANDLED = b"During handling of the above exception"
_CHAINED = re.compile(r"^(?:During handling of the above|The above exception was)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    signature: Signature
    line: int
    text: str
    rank: str
    stamp: Stamp | None
    progress_after: int
    """Lines of normal progress in the next PROGRESS_WINDOW bytes, counted up to RECOVERED_AFTER."""
    caught: bool
    """The program says just behind it that it goes on without."""


@dataclass(kw_only=True, slots=True)
class Scan:
    """What one pass over a log kept."""

    hits: list[Hit] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """By signature; counting stops at COUNTED_PER_ID."""
    lines: int = 0
    tail: bytes = b""
    shapes: dict[bytes, tuple[Signature, ...]] = field(default_factory=dict)
    finder: Finder
    """Of the lines that can still tell something."""
    counted: set[str] = field(default_factory=set)
    """Signatures of which no more is counted."""
    full: set[str] = field(default_factory=set)
    """Signatures that it leaves out."""
    in_vain: int = 0
    """Lines found since the finder was made that told nothing new."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A line within its block."""

    block: bytes
    start: int
    end: int
    number: int
    progress: dict[int, list[int]]
    """Of the block: where each PROGRESS_WINDOW of it that was looked at shows normal progress."""


def scan(stream: BinaryIO, signatures: Signatures) -> Scan:
    state = Scan(finder=signatures.line_finder)
    for block in _blocks(stream):
        text = _ANSI.sub(b"", block) if b"\x1b" in block else block
        _scan_block(text, state, signatures)
        state.lines += text.count(b"\n")
        state.tail = (state.tail + text)[-TAIL_BYTES:]
    return state


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Blocks that end at a line end; a line longer than a block is cut."""
    rest = b""
    while chunk := stream.read(BLOCK_BYTES):
        rest += chunk
        end = rest.rfind(b"\n") + 1
        if not end and len(rest) < BLOCK_BYTES:
            continue
        end = end or len(rest)
        yield rest[:end]
        rest = rest[end:]
    if rest:
        yield rest


def _scan_block(block: bytes, state: Scan, signatures: Signatures) -> None:
    number, counted, begin = state.lines + 1, 0, 0
    lines = block.replace(b"\r", b"\n")
    progress: dict[int, list[int]] = {}
    places: list[_Place] = []
    while match := state.finder.places.search(lines, begin):
        start = max(begin, lines.rfind(b"\n", begin, match.start()) + 1)
        end = lines.find(b"\n", match.end())
        end = len(lines) if end < 0 else end
        number += block.count(b"\n", counted, start)
        counted, begin = start, min(end + 1, len(lines))
        if _is_counted(match, lines, end, state):
            state.in_vain += 1
        else:
            places.append(_Place(block, start, end, number, progress))
        if len(places) >= LINES_AT_ONCE:
            _scan_lines(places, state, signatures)
            places.clear()
        if state.in_vain >= IN_VAIN:
            _leave_out_full(state, signatures)
    _scan_lines(places, state, signatures)


def _is_counted(match: Any, lines: bytes, end: int, state: Scan) -> bool:
    """Whether the places of a line tell only of what is counted to the end."""
    while match:
        owners = state.finder.owners.get(match.group())
        if owners is None or not owners <= state.counted:
            return False
        match = state.finder.places.search(lines, match.start() + 1, end)
    return True


def _leave_out_full(state: Scan, signatures: Signatures) -> None:
    full = state.counted | {PROGRAM_ERROR}
    left = [item for item in signatures.by_id.values() if item.role != "harmless" and item.id not in full]
    state.in_vain = 0
    if left and full != state.full:
        state.finder, state.full = line_finder(left), full


def _scan_lines(places: Sequence[_Place], state: Scan, signatures: Signatures) -> None:
    fresh: list[tuple[_Place, bytes, str]] = []
    for place in places:
        raw = place.block[place.start : place.end]
        shape = raw.translate(None, _DIGITS)[:400]
        known = state.shapes.get(shape)
        if known is not None and all(state.counts.get(signature.id, 0) >= KEPT_PER_ID for signature in known):
            _count(known, state)
        else:
            fresh.append((place, shape, raw.decode("utf-8", "replace")))
    told = matching_each(signatures, [with_reason_in_parentheses(text_of(text)) for _, _, text in fresh])
    for (place, shape, text), found in zip(fresh, told, strict=True):
        if len(state.shapes) < SEEN_SHAPES and not any(mark in text for mark in _SHAPE_MATTERS):
            state.shapes[shape] = found
        _count(found, state)
        for signature in found:
            if state.counts[signature.id] <= KEPT_PER_ID:
                hit = _hit(place, read_line(text), signature, signatures)
                state.hits += [hit] if hit else []


def _count(found: tuple[Signature, ...], state: Scan) -> None:
    full = 0
    for signature in found:
        count = state.counts.get(signature.id, 0)
        full += count >= COUNTED_PER_ID
        state.counts[signature.id] = min(count + 1, COUNTED_PER_ID)
        if count + 1 == COUNTED_PER_ID:
            state.counted.add(signature.id)
    state.in_vain += bool(found) and full == len(found)


def _hit(place: _Place, line: LogLine, signature: Signature, signatures: Signatures) -> Hit | None:
    """The hit to keep, or None for the head of a traceback whose exception line is a hit of its own."""
    number = place.number
    above = max(0, place.start - LOOK_BACK_BYTES)
    if signature.fallback and _IGNORED_EXCEPTION.search(place.block, above, place.start):
        return None
    if signature.fallback:
        folded = _exception_of(place, line)
        if folded is None and TRACEBACK_HEAD not in line.text:
            folded = 0, line
        if folded is not None:
            offset, last = folded
            named_below = offset and (
                is_known(signatures, last.text) or _told_below(place, offset, line.rank, signatures)
            )
            if named_below or _chained_to_cause(place, offset, line.rank, signatures):
                return None
            number, line = number + offset, LogLine(text=last.text, rank=line.rank, stamp=line.stamp)
    return Hit(
        signature=signature,
        line=number,
        text=line.text.strip(),
        rank=line.rank,
        stamp=line.stamp or _stamp_before(place),
        caught=_is_caught(place),
        progress_after=_progress_after(place),
    )


def _exception_of(place: _Place, line: LogLine) -> tuple[int, LogLine] | None:
    """Of a traceback that begins on the line."""
    head = line.text.find(TRACEBACK_HEAD)
    return None if head < 0 else _end_of_traceback(place, line.rank, line.text[:head])


def _chained_to_cause(place: _Place, offset: int, rank: str, signatures: Signatures) -> bool:
    """Whether the exception that many lines below was followed, while handled, by one that says what is wrong."""
    below = place.block[place.end + 1 : place.end + MAX_TRACEBACK_BYTES].split(b"\n", offset + MESSAGE_LINES)
    if not any(_WHILE_HANDLED in raw for raw in below[offset : offset + MESSAGE_LINES]):
        return False
    folded = _end_of_traceback(place, rank, "", after=offset)
    return folded is not None and any(signature.role == "cause" for signature in matching(signatures, folded[1].text))


def _is_caught(place: _Place) -> bool:
    below = place.block[place.end + 1 : place.end + CAUGHT_WINDOW].split(b"\n")[:CAUGHT_LINES]
    return _CAUGHT.search(b"\n".join(below)) is not None


def is_progress(line: bytes) -> bool:
    return _PROGRESS.search(line) is not None


def _progress_after(place: _Place) -> int:
    found = 0
    for window in (place.end // PROGRESS_WINDOW, place.end // PROGRESS_WINDOW + 1):
        if window not in place.progress:
            place.progress[window] = _progress_in(place.block, window * PROGRESS_WINDOW)
        starts = place.progress[window]
        found += bisect(starts, place.end + PROGRESS_WINDOW) - bisect(starts, place.end)
    return min(found, RECOVERED_AFTER)


def _progress_in(block: bytes, begin: int) -> list[int]:
    """Where the PROGRESS_WINDOW bytes from `begin` show normal progress; lines on its borders are read in full."""
    end = begin + PROGRESS_WINDOW
    first, last = block.rfind(b"\n", 0, begin) + 1, block.find(b"\n", end)
    found = _PROGRESS.finditer(block, first, last if last >= 0 else len(block))
    return [match.start() for match in found if begin <= match.start() < end]


def _end_of_traceback(place: _Place, rank: str, prefix: str, *, after: int = 0) -> tuple[int, LogLine] | None:
    """Lines below the head (more than `after`), and the exception line; lines of other ranks are passed over.

    The prefix is what stands before the head and is no prefix that is known.
    """
    below = place.block[place.end + 1 : place.end + MAX_TRACEBACK_BYTES].split(b"\n", MAX_TRACEBACK_LINES)
    for offset, raw in enumerate(below[after:MAX_TRACEBACK_LINES], start=after + 1):
        line = read_line(raw.decode("utf-8", "replace"))
        if rank and line.rank and line.rank != rank:
            continue
        text = line.text.removeprefix(prefix).rstrip()
        if not text or text[0] in " \t|+^~" or _CHAINED.match(text):
            continue
        if _EXCEPTION.match(text):
            return offset, LogLine(text=text, rank=line.rank, stamp=line.stamp)
    return None


def _told_below(place: _Place, offset: int, rank: str, signatures: Signatures) -> bool:
    """Whether the lines under an exception's line say what it was: pydantic and others put the message there."""
    below = place.block[place.end + 1 : place.end + MAX_TRACEBACK_BYTES].split(b"\n", offset + MESSAGE_LINES)
    for raw in below[offset : offset + MESSAGE_LINES]:
        line = read_line(raw.decode("utf-8", "replace"))
        if TRACEBACK_HEAD in line.text or not line.text.startswith((" ", "\t")):
            return False
        if (not rank or line.rank in ("", rank)) and is_known(signatures, line.text):
            return True
    return False


def _stamp_before(place: _Place) -> Stamp | None:
    """The last time stamp in the lines just above."""
    above = place.block[max(0, place.start - LOOK_BACK_BYTES) : place.start]
    for match in reversed(list(_TIME.finditer(above))):
        begin, end = above.rfind(b"\n", 0, match.start()) + 1, above.find(b"\n", match.end())
        stamp = stamp_of(above[begin : end if end >= 0 else len(above)].decode("utf-8", "replace"))
        if stamp:
            return stamp
    return None
