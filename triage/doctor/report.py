"""A diagnosis as JSON and as text for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from triage.doctor.diagnosis import Diagnosis, Finding, LogFinding

WIDTH = 100


def as_json(diagnosis: Diagnosis) -> str:
    return json.dumps(asdict(diagnosis), ensure_ascii=False, indent=1) + "\n"


def as_text(diagnosis: Diagnosis) -> str:
    return "\n".join(_lines(diagnosis)) + "\n"


def _lines(diagnosis: Diagnosis) -> Iterator[str]:
    known = f"{diagnosis.system} ({diagnosis.system_confidence:.0%} sure)" if diagnosis.system else "not known"
    yield f"System: {known}" + (f", scheduler: {diagnosis.scheduler}" if diagnosis.scheduler else "")
    for finding in diagnosis.findings:
        yield from _finding(finding)
    for log_finding in diagnosis.log_findings:
        yield from _log_finding(log_finding)
    if not diagnosis.findings and not diagnosis.log_findings:
        yield "Nothing found."
    for title, items in (("Questions", diagnosis.questions), ("Next", diagnosis.next_commands)):
        if items:
            yield f"\n{title}:"
            yield from (f"  {item}" for item in items)
    if diagnosis.diff:
        yield "\nCorrected script, as a difference:"
        yield diagnosis.diff.rstrip("\n")


def _finding(finding: Finding) -> Iterator[str]:
    yield ""
    yield f"{finding.where}:{finding.line}:{finding.column}: {finding.severity}: {finding.what} [{finding.id}]"
    if finding.evidence.strip():
        yield f"  {finding.line:>4} | {finding.evidence[:WIDTH]}"
        yield f"       | {' ' * min(max(finding.column - 1, 0), WIDTH)}^"
    yield f"  fix: {finding.fix}"


def _log_finding(finding: LogFinding) -> Iterator[str]:
    yield ""
    who = f" ({finding.rank})" if finding.rank else ""
    often = f", {finding.count} lines" if finding.count > 1 else ""
    yield f"{finding.where}:{finding.line}: {finding.role}{who}{often}, {finding.confidence:.0%} sure [{finding.id}]"
    yield f"  {finding.line:>4} | {finding.excerpt[:WIDTH]}"
    yield f"  {finding.meaning}"
    yield from (f"  fix: {fix}" for fix in finding.fixes[:2])
