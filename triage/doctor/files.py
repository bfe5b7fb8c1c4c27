"""Diagnoses files given by name; logs are read as streams."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from triage.doctor.diagnosis import Diagnosis, Finding, LogFinding
from triage.doctor.errors import InputFileError, UnknownSystemError
from triage.doctor.logs import diagnose_log
from triage.doctor.performance import speed_findings
from triage.doctor.pieces import MAX_PIECE_CHARS, Piece, pieces_of_script_file
from triage.doctor.request import diagnose_pieces
from triage.doctor.systems import named_systems, systems

MAX_SCRIPT_BYTES = MAX_PIECE_CHARS
SNIFFED_BYTES = 65_536
BINARY_SHARE = 0.05
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
    found: list[tuple[LogFinding, ...]] = []
    speed: list[Finding] = []
    for path in logs:
        try:
            with path.open("rb") as stream:
                head = stream.read(SPEED_BYTES)
                if not head:
                    raise InputFileError(path, "the log is empty; sacct -j <jobid> tells whether the job ever started")
                _must_be_text(path, head[:SNIFFED_BYTES])
                speed += speed_findings(head, path.name)
                stream.seek(0)
                found.append(diagnose_log(stream, path.name))
        except OSError as error:
            raise InputFileError(path, error.strerror or str(error)) from error
    return diagnose_pieces(pieces, named_systems(text), stated=system, logs=found, speed=speed)


def _read(path: Path) -> str:
    """The file's text with its line ends as they are."""
    try:
        with nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb") as stream:
            raw = stream.read(MAX_SCRIPT_BYTES + 1)
    except OSError as error:
        raise InputFileError(path, error.strerror or str(error)) from error
    if not raw.strip():
        raise InputFileError(path, "the file is empty")
    if len(raw) > MAX_SCRIPT_BYTES:
        raise InputFileError(
            path, f"more than {MAX_SCRIPT_BYTES // 1_000_000} MB is no job script; a log goes to --log"
        )
    _must_be_text(path, raw[:SNIFFED_BYTES])
    return raw.decode("utf-8", "replace")


def _must_be_text(path: Path, head: bytes) -> None:
    """Raises InputFileError for compressed, UTF-16 and other binary data; a few odd bytes are let through."""
    if head.startswith((b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ")):
        raise InputFileError(path, "the file is compressed; unpack it first")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputFileError(path, "the text is UTF-16, which neither bash nor sbatch reads; save it as UTF-8")
    odd = sum(byte < 32 and byte not in b"\t\n\r\x0b\x0c\x1b\x08\x07" for byte in head)
    if odd > len(head) * BINARY_SHARE:
        raise InputFileError(path, "the file holds binary data, no text")
