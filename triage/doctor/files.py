"""Diagnoses files given by name; logs are read as streams."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from triage.doctor.diagnosis import Diagnosis, Finding, LogFinding
from triage.doctor.errors import InputFileError, UnknownSystemError
from triage.doctor.logs import diagnose_log
from triage.doctor.performance import speed_findings
from triage.doctor.pieces import MAX_PIECE_CHARS, Piece, pieces_of_script_file
from triage.doctor.request import diagnose_pieces
from triage.doctor.systems import named_systems, systems

SPEED_BYTES = 2_000_000
"""Part of a log that is read for its speed; samples and steps repeat."""


def diagnose_files(script: Path | None, logs: Sequence[Path], *, system: str = "") -> Diagnosis:
    """`script` may be a mail with a script in it; `-` is standard input."""
    if system and system not in systems():
        raise UnknownSystemError(system, sorted(systems()))
    pieces: list[Piece] = []
    text = ""
    if script is not None:
        text = _read(script)
        pieces = list(pieces_of_script_file(script.name if script.name != "-" else "script", text))
    found: list[LogFinding] = []
    speed: list[Finding] = []
    for path in logs:
        try:
            with path.open("rb") as stream:
                head = stream.read(SPEED_BYTES)
                speed += speed_findings(head, path.name)
                stream.seek(0)
                found += diagnose_log(stream, path.name)
        except OSError as error:
            raise InputFileError(path, error.strerror or str(error)) from error
    return diagnose_pieces(pieces, named_systems(text), stated=system, logs=found, speed=speed)


def _read(path: Path) -> str:
    """The file's text with its line ends as they are."""
    try:
        raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise InputFileError(path, error.strerror or str(error)) from error
    return raw[: MAX_PIECE_CHARS * 4].decode("utf-8", "replace")[:MAX_PIECE_CHARS]
