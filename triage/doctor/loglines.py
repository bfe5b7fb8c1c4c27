"""One line of a job log: colours, prefixes of ranks and hosts, time stamps, pending reasons."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from triage.doctor.facts import facts

Stamp = tuple[int, ...]
"""Month, day, hour, minute, second, microsecond; the year is left out because half of the formats do so."""

MAX_LINE_CHARS = 2000
_MORE_PREFIXES = (
    r"^\([A-Za-z_.]{1,60} pid=\d{1,9}(?:, ip=[0-9.]{7,15})?\) ",  # Ray actors
    r"^\[\d{1,4},\d{1,6}\]<std(?:err|out)>:\s?",  # mpirun --tag-output
    r"^(?:> ?){1,4}",  # quoted in a mail
    r"^\[(?!Errno)(?:\w{1,12}[ _:\-]?)?\d{1,5}\]:?\s{1,2}",  # [4], [task3], [worker_1]
    r"^\[?(?:stderr|stdout)\]?:? ",
    r"^[A-Za-z][\w.\-]{0,40}\d {1,3}\| ",  # Docker Compose
    r"^(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}\d{1,2} \d\d:\d\d:\d\d \S{1,60} \S{1,40}: ",  # syslog
    r"^(?:rank|Rank|RANK)[ _:]?\d{1,6}\]?:\s{1,4}",
    r"^\[(?:rank|Rank|RANK)[ _:]?\d{1,6}\]:?\s{0,2}",
    r"^(?:ERROR|INFO|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d \[[\w./]{1,60}:\d{1,6}\] ",  # vLLM logger
    r"^\[?20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+\-]\d\d:?\d\d)?\]?:?\s{1,3}",  # a plain time stamp
    r"^(?:nid|lrdn|jpbo-|mel|gn|acn|as|node|cn|g)\d[\w.\-]{0,20}: ",  # pdsh, mpirun and some sruns
)
_RANK = re.compile(
    r"\[[Rr](?:ank|ANK)[ _:]?(\d{1,6})\]|^\s{0,6}(\d{1,6}): |\b[Rr]ank[ _:=]?(\d{1,6})\b"
    r"|\btask (\d{1,6}): |\[default(\d{1,5})\]|^\[\d{1,4},(\d{1,6})\]<std"
)
_HOST = re.compile(
    r"srun: error: ([A-Za-z][\w.\-]{1,60}): task|^([A-Za-z][\w\-]{1,40}\d): | ON ([A-Za-z][\w.\-]{1,60}) "
)
_DATE = re.compile(r"\b(?:20\d\d[-/])?(\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?")
_GLOG = re.compile(r"\b[IWEFC](\d?\d)(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?")
_CLOCK = re.compile(r"^\W{0,3}(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?\b")
_ANSI = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]")
_REASON_WORD = re.compile(r"(?<![\w(=])([A-Z][A-Za-z]{5,60})(?![\w)(=.])")
_PENDING_MARKS = (" P", "\tP", "PENDING", "pending")
_PENDING = re.compile(r"\sPD?\s|PENDING|pending")


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    text: str
    """Without colours and prefixes."""
    rank: str
    stamp: Stamp | None


@cache
def _prefix() -> re.Pattern[str]:
    rows = facts("error_signatures")["line_prefixes"]
    return re.compile("|".join((*(row["pattern"] for row in rows[1:]), *_MORE_PREFIXES)))


def read_line(raw: str) -> LogLine:
    raw = _ANSI.sub("", raw[:MAX_LINE_CHARS])
    return LogLine(text=without_prefixes(raw), rank=_rank(raw), stamp=stamp_of(raw))


def text_of(raw: str) -> str:
    """The line without colours and prefixes, for lines of which nothing else is needed."""
    raw = raw[:MAX_LINE_CHARS]
    return without_prefixes(_ANSI.sub("", raw) if "\x1b" in raw else raw)


def without_prefixes(line: str) -> str:
    prefix = _prefix()
    for _ in range(4):
        match = prefix.match(line)
        if match is None:
            break
        line = line[match.end() :]
    return line


def stamp_of(line: str) -> Stamp | None:
    head = line[:200]
    match = _DATE.search(head) or _GLOG.search(head)
    if match:
        month, day, hour, minute, second, fraction = match.groups(default="0")
        return (int(month), int(day), int(hour), int(minute), int(second), int(fraction.ljust(6, "0")))
    return None


def clock_of(line: str) -> Stamp | None:
    """Hour, minute, second, microsecond of a line that begins with a time of day."""
    match = _CLOCK.search(line[:40])
    return tuple(int(part) for part in match.groups(default="0")) if match else None


def _rank(line: str) -> str:
    match = _RANK.search(line[:300])
    if match:
        return "rank " + next(group for group in match.groups() if group is not None)
    host = _HOST.search(line[:300])
    return next(group for group in host.groups() if group is not None) if host else ""


def with_reason_in_parentheses(line: str, *, pending: bool | None = None) -> str:
    """A bare REASON column, or a reason named in a sentence, written as squeue shows it."""
    if pending is None:
        pending = any(mark in line for mark in _PENDING_MARKS) and bool(_PENDING.search(line))
    return _REASON_WORD.sub(r"(\1)", line) if pending else line
