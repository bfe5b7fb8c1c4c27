"""A request as the doctor reads it: mail text and attachments in, one diagnosis out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from triage.doctor.check import Checked, check_script
from triage.doctor.cost import cost_of
from triage.doctor.diagnosis import Diagnosis, Finding, LogFinding
from triage.doctor.firstcause import GUESSED
from triage.doctor.loglines import with_reason_in_parentheses
from triage.doctor.logs import diagnose_log_text
from triage.doctor.mentions import mentions_in
from triage.doctor.performance import speed_findings
from triage.doctor.pieces import Piece, pieces_of
from triage.doctor.questions import next_commands, questions_for
from triage.doctor.systems import named_systems

_FOREIGN = (
    ("pbs", r"^#PBS\b"),
    ("lsf", r"^#BSUB\b"),
    ("oar", r"^#OAR\b"),
    ("sge", r"^#\$ -"),
    ("cobalt", r"^#COBALT\b"),
    ("htcondor", r"^\s*executable\s*=.*\n(?:.*\n)*queue\b"),
    ("flux", r"^#\s?flux:"),
)


def diagnose_request(text: str, attachments: Sequence[tuple[str, str]] = ()) -> Diagnosis:
    """Diagnose a mail's visible text and its attachments (file name, text)."""
    pieces = list(pieces_of(text, attachments))
    return diagnose_pieces(pieces, named_systems(text))


def diagnose_pieces(
    pieces: Sequence[Piece],
    systems: tuple[str, ...],
    *,
    stated: str = "",
    logs: Sequence[Sequence[LogFinding]] = (),
    speed: Sequence[Finding] = (),
) -> Diagnosis:
    """`stated`: the system as the user gave it; `logs`, `speed`: findings of logs read elsewhere, by log."""
    scripts = [piece for piece in pieces if piece.kind == "script"]
    hint = stated or (systems[0] if len(systems) == 1 else "")
    checked = [check_script(piece, hint=hint, mailed=piece.where == "text") for piece in scripts]
    log_findings = surest_first([*logs, *(log_findings_of(piece) for piece in pieces if piece.kind == "log")])
    main = checked[0] if checked else None
    system, confidence = _system(main, systems, stated)
    slow = [
        finding
        for piece in pieces
        if piece.kind == "log"
        for finding in speed_findings("\n".join(piece.lines).encode("utf-8", "replace"), piece.where)
    ]
    findings = (*(finding for item in checked for finding in item.findings), *speed, *slow)
    return Diagnosis(
        system=system,
        system_confidence=confidence,
        scheduler=_scheduler(scripts),
        findings=findings,
        log_findings=log_findings,
        systems=tuple(dict.fromkeys((*systems, *([system] if system else [])))),
        corrected_script=main.corrected if main else None,
        diff=main.diff if main else None,
        questions=questions_for(findings, log_findings, system=system, has_script=bool(scripts)),
        cost=cost_of(main.job) if main else None,
        next_commands=next_commands(findings, log_findings, scheduler=_scheduler(scripts)),
    )


def surest_first(logs: Iterable[Sequence[LogFinding]]) -> tuple[LogFinding, ...]:
    """The findings of several logs of one job: the log that names its cause most surely comes first."""
    filled = sorted(filter(None, logs), key=lambda found: (found[0].role == "consequence", -found[0].confidence))
    return tuple(item for found in filled for item in found)


def _system(main: Checked | None, systems: tuple[str, ...], stated: str) -> tuple[str | None, float]:
    if stated:
        return stated, 1.0
    if main is not None and main.job.guess.system:
        return main.job.guess.system, main.job.guess.confidence
    return (systems[0], 0.7 if len(systems) == 1 else 0.4) if systems else (None, 0.0)


def _scheduler(scripts: Iterable[Piece]) -> str | None:
    for piece in scripts:
        text = "\n".join(piece.lines)
        if re.search(r"^\W{0,4}#?\s*#?SBATCH\b", text, re.MULTILINE):
            return "slurm"
        for name, pattern in _FOREIGN:
            if re.search(pattern, text, re.MULTILINE):
                return name
        return "slurm" if re.search(r"\bsrun\b|SLURM_", text) else None
    return None


def log_findings_of(piece: Piece) -> tuple[LogFinding, ...]:
    if piece.where != "text":
        return diagnose_log_text("\n".join(piece.lines), piece.where)
    lines = [with_reason_in_parentheses(line, pending=True) for line in piece.lines]
    found = diagnose_log_text("\n".join(lines), piece.where)
    if found and found[0].confidence <= GUESSED:  # people write such lines too
        found = ()
    mentioned = [] if found else list(mentions_in("\n".join(piece.lines), piece.where))
    return (*(replace(finding, excerpt=_as_written(finding, piece)) for finding in found), *mentioned)


def _as_written(finding: LogFinding, piece: Piece) -> str:
    return piece.lines[finding.line - piece.numbers[0]].strip()[:300] if "(" in finding.excerpt else finding.excerpt
