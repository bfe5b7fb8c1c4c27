"""A request as the doctor reads it: mail text and attachments in, one diagnosis out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from triage.doctor.diagnosis import Diagnosis, LogFinding
from triage.doctor.loglines import with_reason_in_parentheses
from triage.doctor.logs import diagnose_log_text
from triage.doctor.pieces import Piece, pieces_of
from triage.doctor.systems import named_systems

MAX_QUESTIONS = 3


def diagnose_request(text: str, attachments: Sequence[tuple[str, str]] = ()) -> Diagnosis:
    """Diagnose a mail's visible text and its attachments (file name, text)."""
    pieces = list(pieces_of(text, attachments))
    log_findings = tuple(found for piece in pieces if piece.kind == "log" for found in _log_findings(piece))
    everything = "\n".join((text, *(content for _, content in attachments)))
    systems = named_systems(everything)
    return Diagnosis(
        system=systems[0] if systems else None,
        system_confidence=0.6 if systems else 0.0,
        scheduler=None,
        findings=(),
        log_findings=log_findings,
        systems=systems,
        corrected_script=None,
        diff=None,
        questions=_questions(log_findings),
        next_commands=(),
    )


def _log_findings(piece: Piece) -> tuple[LogFinding, ...]:
    if piece.where != "text":
        return diagnose_log_text("\n".join(piece.lines), piece.where)
    lines = [with_reason_in_parentheses(line, pending=True) for line in piece.lines]
    found = diagnose_log_text("\n".join(lines), piece.where)
    return tuple(replace(finding, excerpt=_as_written(finding, piece)) for finding in found)


def _as_written(finding: LogFinding, piece: Piece) -> str:
    return piece.lines[finding.line - piece.numbers[0]].strip()[:300] if "(" in finding.excerpt else finding.excerpt


def _questions(findings: Iterable[LogFinding]) -> tuple[str, ...]:
    asked = dict.fromkeys(finding.ask for finding in findings if finding.ask)
    return tuple(asked)[:MAX_QUESTIONS]
