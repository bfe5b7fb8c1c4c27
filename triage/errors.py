"""What can go wrong in placing requests."""

from __future__ import annotations

from pathlib import Path


class TriageError(Exception):
    """Root of this package's errors; the message says what to do next."""


class RequestLineError(TriageError):
    """A line of a request file cannot be read as a request."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f'{where}: {problem}; expected one JSON object {{"id","channel","subject","body"}} a line')


class ModelFileError(TriageError):
    """The triage model is missing, broken or was trained for another embedding model."""

    def __init__(self, folder: Path, problem: str) -> None:
        super().__init__(f"triage model in {folder}: {problem}; run `minerva triage train` to make it anew")


class PolicyError(TriageError):
    """The policy table cannot be used."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"policy table {path}: {problem}; correct the file")


class RulesFileError(TriageError):
    """The cue lexicon, the urgency rules or the language table cannot be used."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}; correct the file or reinstall the package")


class CorrectionsError(TriageError):
    """The stored corrections cannot be used, or training on them would make the frozen test worse."""
