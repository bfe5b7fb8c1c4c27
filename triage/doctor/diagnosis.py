"""What the doctor says of a request: the values, and the one function that the mail pipeline calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "hint"]
Autofix = Literal["safe", "propose", "ask"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where the knowledge of a finding comes from."""

    title: str
    url: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing wrong in a job script (or, with an id that starts with `perf-`, slow in a log)."""

    id: str
    """Rule id of script_rules.yaml."""
    severity: Severity
    line: int
    """From 1, in the text named by `where`."""
    column: int
    """From 1, in characters."""
    what: str
    why: str
    fix: str
    evidence: str
    """The line as it stands there."""
    source: tuple[Source, ...]
    autofix: Autofix
    where: str
    """File name, `text` for the mail itself, `script` for a script given alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogFinding:
    """One kind of line in a log, de-duplicated over ranks."""

    id: str
    """Signature id of error_signatures.yaml."""
    line: int
    """From 1, in the text named by `where`."""
    excerpt: str
    meaning: str
    causes: tuple[str, ...]
    """Most likely first."""
    fixes: tuple[str, ...]
    """Most useful first."""
    confidence: float
    role: Literal["cause", "consequence", "wait"]
    ask: str
    """Question whose answer would decide between the causes; may be empty."""
    source: tuple[Source, ...]
    rank: str
    """Rank or host that said so first; empty when the log does not tell."""
    count: int
    """Lines of this kind; counting stops at 200."""
    where: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What the script bills at most: it asks for this and holds it until the walltime."""

    gpus: int
    """Held in all, as Slurm counts them; whole nodes and oversized shares included."""
    hours: float
    """Walltime of one run."""
    runs: int
    """Array tasks."""
    gpu_hours: float
    billed: float
    """In `unit`, as the site charges."""
    unit: str
    max_kwh: float | None
    """GPU boards at their limit, without CPUs, network and cooling; None when the limit is not on record."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    system: str | None
    """System id of systems.yaml, or None when it cannot be told."""
    system_confidence: float
    scheduler: str | None
    """slurm, pbs, lsf, oar, sge, cobalt, htcondor or flux; None when no script was found."""
    findings: tuple[Finding, ...]
    """By line."""
    log_findings: tuple[LogFinding, ...]
    """First cause first."""
    systems: tuple[str, ...]
    """Ids of all systems named in the request."""
    corrected_script: str | None
    diff: str | None
    """Unified diff from the script that was read to the corrected one."""
    questions: tuple[str, ...]
    """At most three, each with an answer that would change the diagnosis."""
    next_commands: tuple[str, ...]
    cost: Cost | None = None
    """Of the first script; None when no GPU is asked for or no walltime is known."""


def diagnose(text: str, *, attachments: Sequence[tuple[str, str]] = ()) -> Diagnosis:
    """Read a request's visible text and its attachments (file name, text). Never raises on any text."""
    from triage.doctor.request import diagnose_request  # noqa: PLC0415 (half of the imports of the doctor)

    return diagnose_request(text, attachments)
