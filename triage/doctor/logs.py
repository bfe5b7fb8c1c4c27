"""Diagnoses a log: one pass, the first cause first."""

from __future__ import annotations

from io import BytesIO
from typing import BinaryIO

from triage.doctor.diagnosis import LogFinding
from triage.doctor.firstcause import Cause, causes_of
from triage.doctor.logscan import scan
from triage.doctor.signatures import load_signatures

MAX_EXCERPT_CHARS = 300


def diagnose_log(stream: BinaryIO, where: str) -> tuple[LogFinding, ...]:
    """Findings of a log of any size, read as a stream; empty when nothing failed."""
    state = scan(stream, load_signatures())
    return tuple(_finding(cause, state.counts.get(cause.hit.signature.id, 1), where) for cause in causes_of(state))


def diagnose_log_text(text: str, where: str) -> tuple[LogFinding, ...]:
    return diagnose_log(BytesIO(text.encode("utf-8", "replace")), where)


def _finding(cause: Cause, count: int, where: str) -> LogFinding:
    signature = cause.hit.signature
    return LogFinding(
        id=signature.id,
        line=cause.hit.line,
        excerpt=cause.hit.text[:MAX_EXCERPT_CHARS],
        meaning=signature.meaning,
        causes=signature.causes,
        fixes=signature.fixes,
        confidence=cause.confidence,
        role="wait" if cause.standing == "wait" else "consequence" if cause.standing == "symptom" else "cause",
        ask=signature.ask,
        source=signature.source,
        rank=cause.hit.rank,
        count=count,
        where=where,
    )
