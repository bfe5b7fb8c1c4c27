"""A diagnosis as JSON and as text for a terminal."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

from triage.doctor.diagnosis import Diagnosis, Finding, LogFinding
from triage.doctor.logscan import COUNTED_PER_ID

WIDTH = 100


def as_json(diagnosis: Diagnosis) -> str:
    return json.dumps(asdict(diagnosis), ensure_ascii=False, indent=1) + "\n"


def as_text(diagnosis: Diagnosis) -> str:
    return "\n".join(_lines(diagnosis)) + "\n"


def _lines(diagnosis: Diagnosis) -> Iterator[str]:
    known = f"{diagnosis.system} ({diagnosis.system_confidence:.0%} sure)" if diagnosis.system else "not known"
    yield f"System: {known}" + (f", scheduler: {diagnosis.scheduler}" if diagnosis.scheduler else "")
    if diagnosis.scheduler not in (None, "slurm"):
        yield f"This is no Slurm script: only what does not depend on {diagnosis.scheduler} options was checked."
    explained: set[str] = set()
    for finding in diagnosis.findings:
        yield from _finding(finding, explain=finding.id not in explained)
        explained.add(finding.id)
    for log_finding in diagnosis.log_findings:
        yield from _log_finding(log_finding)
    yield from _summary(diagnosis)
    for title, items in (("Questions", diagnosis.questions), ("Next", diagnosis.next_commands)):
        if items:
            yield f"\n{title}:"
            yield from (f"  {item}" for item in items)
    if diagnosis.diff:
        yield "\nCorrected script, as a difference:"
        yield diagnosis.diff.rstrip("\n")


def _summary(diagnosis: Diagnosis) -> Iterator[str]:
    counts = Counter(finding.severity for finding in diagnosis.findings)
    said = [
        f"{counts[kind]} {kind}{'s' if counts[kind] > 1 else ''}"
        for kind in ("error", "warning", "hint")
        if counts[kind]
    ]
    if diagnosis.findings:
        yield f"\n{', '.join(said)}."
    elif not diagnosis.log_findings:
        yield "Nothing found."
    cost = diagnosis.cost
    if cost:
        runs = f" x {cost.runs} runs" if cost.runs > 1 else ""
        energy = f", at most {cost.max_kwh:g} kWh of its GPUs" if cost.max_kwh else ""
        yield f"Bills up to {cost.billed:g} {cost.unit} ({cost.gpus} GPUs x {cost.hours:g} h{runs}){energy}."


def _finding(finding: Finding, *, explain: bool) -> Iterator[str]:
    yield ""
    yield f"{finding.where}:{finding.line}:{finding.column}: {finding.severity}: {finding.what} [{finding.id}]"
    if finding.evidence.strip():
        yield from _shown(finding)
    if explain:
        yield f"  why: {finding.why.split('. ')[0].rstrip('.')}"
    yield f"  fix: {finding.fix}"


def _shown(finding: Finding) -> Iterator[str]:
    """The line with a mark under the word in question; a long line is cut around it."""
    at = min(max(finding.column - 1, 0), len(finding.evidence))
    start = max(0, at - WIDTH // 2) if at > WIDTH - 20 else 0
    text, at = finding.evidence.expandtabs(1)[start : start + WIDTH], at - start
    word = re.match(r"\S+", text[at:])
    yield f"  {finding.line:>4} | {'…' if start else ''}{text}"
    yield f"       | {' ' * (at + bool(start))}^{'~' * (len(word.group()) - 1 if word else 0)}"


def _log_finding(finding: LogFinding) -> Iterator[str]:
    yield ""
    who = f" ({finding.rank})" if finding.rank else ""
    more = " or more" if finding.count >= COUNTED_PER_ID else ""
    often = f", {finding.count}{more} lines" if finding.count > 1 else ""
    yield f"{finding.where}:{finding.line}: {finding.role}{who}{often}, {finding.confidence:.0%} sure [{finding.id}]"
    yield f"  {finding.line:>4} | {finding.excerpt[:WIDTH]}"
    yield f"  {finding.meaning}"
    yield from (f"  fix: {fix}" for fix in finding.fixes[:2])
