"""Checks one script: every rule on the mended text, findings at the lines of the source, and a corrected script."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from triage.doctor.correct import apply_edits, unified_diff
from triage.doctor.diagnosis import Autofix, Finding, Severity, Source
from triage.doctor.facts import facts
from triage.doctor.job import Job
from triage.doctor.pieces import Piece
from triage.doctor.rules import (
    arrays,
    container,
    container_env,
    content,
    data,
    directive,
    environment,
    expansion,
    form,
    gpu_request,
    launching,
    modules,
    network,
    placement,
    platform,
    ranks,
    rendezvous,
    resource,
    restart,
    robust,
    secret,
    serving,
    site_memory,
    site_names,
    site_resource,
    steps,
    ulimit,
    usage,
)
from triage.doctor.rules.found import Edit, Found
from triage.doctor.shell import parse_shell

CHECKS = (
    *directive.CHECKS,
    *content.CHECKS,
    *site_names.CHECKS,
    *resource.CHECKS,
    *gpu_request.CHECKS,
    *site_memory.CHECKS,
    *site_resource.CHECKS,
    *expansion.CHECKS,
    *launching.CHECKS,
    *rendezvous.CHECKS,
    *ranks.CHECKS,
    *placement.CHECKS,
    *steps.CHECKS,
    *usage.CHECKS,
    *modules.CHECKS,
    *platform.CHECKS,
    *network.CHECKS,
    *environment.CHECKS,
    *container.CHECKS,
    *container_env.CHECKS,
    *ulimit.CHECKS,
    *secret.CHECKS,
    *robust.CHECKS,
    *restart.CHECKS,
    *arrays.CHECKS,
    *data.CHECKS,
    *serving.CHECKS,
)
MAX_PASSES = 4
MAX_SCRIPT_LINES = 10_000
_ORDER: Mapping[Severity, int] = {"error": 0, "warning": 1, "hint": 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    job: Job
    findings: tuple[Finding, ...]
    corrected: str | None
    """None when there is nothing to correct."""
    diff: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    id: str
    severity: Severity
    autofix: Autofix
    wrong: str
    fix: str
    source: tuple[Source, ...]


@cache
def rules() -> Mapping[str, Rule]:
    table = facts("script_rules")
    sources = {key: Source(title=row["title"], url=row["url"]) for key, row in table["sources"].items()}
    return {
        row["id"]: Rule(
            id=row["id"],
            severity=row["severity"],
            autofix=row["autofix"],
            wrong=row["wrong"],
            fix=row["fix"],
            source=tuple(sources[key] for key in row["source"]),
        )
        for row in table["rules"]
    }


def check_script(piece: Piece, *, hint: str = "", mailed: bool = False) -> Checked:
    """`hint`: a system id, or text around the script that may name the system."""
    limited = (
        piece
        if len(piece.lines) <= MAX_SCRIPT_LINES
        else Piece(
            kind="script",
            where=piece.where,
            lines=piece.lines[:MAX_SCRIPT_LINES],
            numbers=piece.numbers[:MAX_SCRIPT_LINES],
            whole=piece.whole,
        )
    )
    mended = form.mend(limited, mailed=mailed)
    job = Job(
        lines=tuple(mended.lines),
        hint=hint,
        fragment=not piece.whole and not (mended.lines and mended.lines[0].startswith("#!")),
    )
    found = found_in(job)
    corrected, uncovered = _corrected(job, found, changed=bool(mended.found))
    rest = piece.lines[MAX_SCRIPT_LINES:]
    if corrected and rest:
        corrected += "\n".join(rest).rstrip("\n") + "\n"
    findings = [_finding(item, piece, item.line) for item in (*mended.found, *_too_long(piece))]
    findings += [
        _finding(at, piece, at.line)
        for at in (_at_origin(item, mended.origins) for item in (*found, *_with_a_part(found), *uncovered))
    ]
    original = "\n".join(piece.lines).rstrip("\n") + "\n"
    return Checked(
        job=job,
        findings=tuple(
            sorted(_without_doubles(findings), key=lambda item: (item.line, _ORDER[item.severity], item.id))
        ),
        corrected=corrected,
        diff=secret.without_secrets(unified_diff(original, corrected, piece.where)) if corrected else None,
    )


def _too_long(piece: Piece) -> list[Found]:
    if len(piece.lines) <= MAX_SCRIPT_LINES:
        return []
    what = f"the lines from here on are not checked ({len(piece.lines)} lines; the first {MAX_SCRIPT_LINES} are)"
    return [Found(rule="form-too-long", line=piece.numbers[MAX_SCRIPT_LINES], what=what)]


def found_in(job: Job) -> list[Found]:
    return [item for check in CHECKS for item in check(job)]


def _origin(line: int, origins: Sequence[int]) -> int:
    return origins[min(max(line, 1), len(origins)) - 1] if origins else 1


def _at_origin(item: Found, origins: Sequence[int]) -> Found:
    """The same with the line numbers of the text that `origins` speaks of, also where its words name a line."""

    def renumbered(match: re.Match[str]) -> str:
        return f"{match.group(1)}{_origin(int(match.group(2)), origins)}"

    what, fix = (_LINE_NUMBER.sub(renumbered, text) for text in (item.what, item.fix))
    return replace(item, line=_origin(item.line, origins), what=what, fix=fix)


_LINE_NUMBER = re.compile(r"(\bline )(\d+)\b")


def _finding(item: Found, piece: Piece, line: int) -> Finding:
    rule = rules()[item.rule]
    at = line - (piece.numbers[0] if piece.numbers else 1)
    evidence = piece.lines[at].rstrip("\r") if 0 <= at < len(piece.lines) else ""
    return Finding(
        id=item.rule,
        severity=item.severity or rule.severity,
        line=line,
        column=_column(item, evidence),
        what=item.what,
        why=rule.wrong,
        fix=item.fix or rule.fix,
        evidence=secret.without_secrets(evidence),
        source=rule.source,
        autofix=rule.autofix,
        where=piece.where,
    )


def _column(item: Found, evidence: str) -> int:
    """From 1: where the rule saw it, else what its sentence quotes, else the first option of a directive."""
    if item.column > 1:
        return item.column
    for quoted in _QUOTED.findall(item.what):
        if quoted in evidence:
            return evidence.index(quoted) + 1
    directive = re.match(r"\s*#SBATCH\s*", evidence)
    return directive.end() + 1 if directive else len(evidence) - len(evidence.lstrip()) + 1


_QUOTED = re.compile(r"`([^`]+)`")


def _without_doubles(findings: list[Finding]) -> list[Finding]:
    best: dict[tuple[str, int], Finding] = {}
    for finding in findings:
        key = (finding.id, finding.line)
        if key not in best or _ORDER[finding.severity] < _ORDER[best[key].severity]:
            best[key] = finding
    return list(best.values())


def _corrected(job: Job, found: list[Found], *, changed: bool) -> tuple[str | None, list[Found]]:
    """The script with all changes that need no answer of the user, checked again after each pass.

    Also what came to light only when something before it was mended, at the lines of the job as it was given: a change
    of the corrected script is explained by a finding of its own.
    """
    before, origins = _grammar_errors(job), tuple(range(1, len(job.lines) + 1))
    given, named, uncovered = job, {(item.rule, item.line) for item in found}, list[Found]()
    changes: dict[int, list[Found]] = {}
    for _ in range(MAX_PASSES):
        fitting = [item for item in found if rules()[item.rule].autofix != "ask" and _fits(item.edits, job)]
        candidate, places = _changed(job, fitting, origins)
        if _grammar_errors(candidate) > before:
            fitting = [item for item in fitting if _grammar_errors(_changed(job, [item], origins)[0]) <= before]
            candidate, places = _changed(job, fitting, origins)
        if candidate.lines == job.lines or _grammar_errors(candidate) > before:
            break
        now_seen = [_at_origin(item, origins) for item in found if item.edits]
        new = [item for item in now_seen if (item.rule, item.line) not in named]
        uncovered += [replace(item, what=f"after the other changes: {item.what}", severity="hint") for item in new]
        named.update((item.rule, item.line) for item in new)
        for item in fitting:
            seen = _at_origin(item, origins)
            for edit in item.edits:
                for place in origins[edit.first - 1 : edit.last]:
                    changes.setdefault(place, []).append(seen)
        job, changed, origins, found = candidate, True, places, found_in(candidate)
    uncovered += _changed_along(given.lines, job.lines, origins, changes)
    return ("\n".join(job.lines) + "\n" if changed else None), uncovered


def _changed(job: Job, found: Sequence[Found], origins: Sequence[int]) -> tuple[Job, tuple[int, ...]]:
    lines, places = apply_edits(job.lines, [item.edits for item in found], origins)
    return Job(lines=lines, hint=job.hint if not job.site else job.site.id, fragment=job.fragment), places


def _with_a_part(found: Sequence[Found]) -> Iterator[Found]:
    """A hint on each other line that has a part in a fault of two lines."""
    named = {(item.rule, item.line) for item in found}
    for item in found:
        for line in dict.fromkeys(item.also):
            if (item.rule, line) not in named:
                what = f"belongs to line {item.line}: {item.what}"
                yield replace(item, line=line, column=1, what=what, severity="hint", edits=())


def _changed_along(
    before: Sequence[str], after: Sequence[str], origins: Sequence[int], changes: Mapping[int, Sequence[Found]]
) -> Iterator[Found]:
    """A hint on each line that is changed for a finding on another line only. `origins`: of the lines of `after`."""
    kept = set(zip(origins, after, strict=True))
    for line, items in sorted(changes.items()):
        if (line, before[line - 1]) in kept or any(item.line == line for item in items):
            continue
        cause = items[0]
        what = f"changed together with line {cause.line}: {cause.what}"
        yield replace(cause, line=line, column=1, what=what, severity="hint", edits=())


_OTHER_LANGUAGE = re.compile(r"#!.*\b(?:python[\d.]*|perl|Rscript|julia|t?csh|fish)\b")


def _fits(edits: Sequence[Edit], job: Job) -> bool:
    """Whether the new lines can stand in a script of this interpreter; bash is written only into bash."""
    if not job.lines or not _OTHER_LANGUAGE.match(job.lines[0]):
        return True
    written = [line for edit in edits for line in edit.lines]
    csh = re.search(r"\bt?csh\b", job.lines[0])
    return all(line.startswith("#") or (csh and not re.search(r"\bexport\b|\$\(|\bset -", line)) for line in written)


def _grammar_errors(job: Job) -> int:
    return len(parse_shell(job.text).errors)
