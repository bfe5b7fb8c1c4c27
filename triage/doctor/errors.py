"""What can go wrong in the job doctor."""

from __future__ import annotations

from pathlib import Path

from triage.errors import TriageError


class FactsError(TriageError):
    """A table of facts cannot be used."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"facts table {path}: {problem}; reinstall the package or correct the file")


class InputFileError(TriageError):
    """A script or log cannot be read."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


class UnknownSystemError(TriageError):
    def __init__(self, system: str, known: list[str]) -> None:
        super().__init__(f"no system {system!r} on record; known are {', '.join(known)}")
