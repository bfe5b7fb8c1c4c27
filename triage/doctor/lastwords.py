"""What a log says last where no signature knows why it ended: lines in which a program says that something failed."""

from __future__ import annotations

import re

from triage.doctor.loglines import read_line
from triage.doctor.logscan import Hit, Scan, is_progress
from triage.doctor.signatures import PROGRAM_ERROR, Signatures, is_told_by_none

NEAR = 12
"""Lines between what a program says of one failure, and between that and the end of its log."""
WEAK = re.compile(
    r"(?i)\bwarn(?:ing)?\b|\bretry(?:ing)?\b|\bretries in\b|attempt \d|will (?:be )?(?:retried|ignored?)|"
    r"fall(?:ing|s)? back|ignor(?:ing|ed)|skipping|\bnon-?fatal\b|\boptional\b|continuing|\bproceeding\b|"
    r"\bdebug\b|from scratch|\bassuming\b|\bdefaulting\b|using (?:the )?default|"
    r"\bNCCL INFO\b|^\[W|^W\d{4}|using .{0,40} instead|disabl(?:ed|ing)|deprecated"
)
PASSED_OVER = re.compile(
    r"(?i)\b(?:0|no) (?:errors?|failures?|(?:files?|jobs?|tests?|tasks?|samples?) failed)\b|"
    r"\bretrying\b|entering retry loop|^\[W\d{0,4} |\bretry \d|attempt \d{1,3} ?(?:/|of) ?\d|"
    r"^\W{0,3}warn(?:ing)?\b|Warning: |"
    r"^\W{0,3}(?:\w{1,30} )?errors?[ :=]{1,3}[-+]?\d[\d.e+\-%]*(?:$|,| (?:after|of|in|\())|"
    r"^[\d\-:,. ]{8,30} *\[?WARN"
    r"|^(?:cp|mv|cat|ls|rm|tail|head|tar|find|stat|chmod|rmdir): |\b(?:nvidia-smi|rocm-smi|git|lscpu|numactl|bc|"
    r"jq|tree|htop|nvtop|"
    r"pigz|ccache|hostname|lspci): (?:command )?not found"
)
_FAILS = re.compile(
    r"(?i)\b(?:can ?not|can't|could ?n(?:o|')t|unable to|fail(?:ed|ure|s)?|invalid|not found|denied|refused|unknown|"
    r"un(?:supported|expected|recogni[sz]ed|defined|resolved)|missing|must (?:be|have|not|match|specify|provide)|"
    r"abort(?:ed|ing)?|fatal|errors?|died|killed|exceed(?:s|ed)|no such|illegal|corrupt(?:ed)?|mismatch(?:ed)?|"
    r"timed out|time-?out|(?:is|are) required|expected|do(?:es)? ?n(?:o|')t exist|out of (?:range|bounds|memory|space)|"
    r"too (?:many|large|small|long|few)|not (?:supported|permitted|allowed|set|available|installed|enough|implemented|"
    r"configured)|insufficient|exiting|terminating|violat(?:es|ed|ion)|conflict(?:s|ing)?)\b"
)
_SAYS_SO_FIRST = re.compile(
    r"(?i)^\W{0,6}(?:[\w.\-/]{1,60}(?:\(\))?: )?(?:can ?not|could ?n(?:o|')t|unable to|failed to|fatal\b|"
    r"abort(?:ed|ing)\b|no such\b|invalid\b|unknown\b|unsupported\b|illegal\b|terminating\b|"
    r"[\w ]{1,40} not found\b)"
)
_STACK = re.compile(r"^\s*(?:File \"|#\d|at |\[bt\]|frame #|\[\d+\] )")
LINES_ABOVE = 40


def closing_words(scan: Scan, signatures: Signatures, *, above: int | None) -> Hit | None:
    """The first of the last lines above that one that speak of a failure; None: only the very last, and plainly so."""
    lines = scan.tail.decode("utf-8", "replace").replace("\r", "\n").rstrip("\n").split("\n")
    last = scan.lines + (not scan.tail.endswith(b"\n"))
    first_number = last - (len(lines) - 1)
    if above is None:
        rows = [(number, text) for number, text in enumerate(lines, start=first_number) if text.strip()][-1:]
        words = _SAYS_SO_FIRST
    else:
        rows = [row for row in enumerate(lines, start=first_number) if above - LINES_ABOVE <= row[0] < above]
        words = _FAILS
    said = [hit for number, text in rows if (hit := _said(number, text, words, signatures))]
    return _first_of_the_last(said)


def _first_of_the_last(said: list[Hit]) -> Hit | None:
    first: Hit | None = None
    for hit in reversed(said):
        if first is None or first.line - hit.line <= NEAR:
            first = hit
    return first


def _said(number: int, raw: str, words: re.Pattern[str], signatures: Signatures) -> Hit | None:
    line = read_line(raw)
    passed = WEAK.search(line.text) or PASSED_OVER.search(line.text) or _STACK.match(line.text)
    said = words.search(line.text) and not passed and not is_progress(raw.encode())
    if not said or not is_told_by_none(signatures, line.text):
        return None
    return Hit(
        signature=signatures.by_id[PROGRAM_ERROR],
        line=number,
        text=line.text.strip(),
        rank=line.rank,
        stamp=line.stamp,
        progress_after=0,
        caught=False,
    )
