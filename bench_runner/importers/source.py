"""The file that records come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bench_runner.errors import SourceError
from bench_runner.result import Problem, Provenance


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    name: str
    """As the user gave it."""
    sha256: str
    format: str = ""
    """Name of the importer."""

    def problem(self, line: int, what: str) -> Problem:
        return Problem(source=self.name, line=line, what=what)

    def at(self, line: int, *, tool: str | None = None, tool_version: str | None = None) -> Provenance:
        return Provenance(
            source=self.name,
            sha256=self.sha256,
            line=line,
            format=self.format,
            tool=tool,
            tool_version=tool_version,
        )


def shown(path: Path) -> str:
    """The path as text that can be printed, whatever bytes are in its name."""
    return str(path).encode("utf-8", "replace").decode("utf-8")


def hashed(path: Path, format_name: str) -> Source:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(shown(path), f"cannot be read: {error.strerror}") from error
    return Source(name=shown(path), sha256=digest, format=format_name)
