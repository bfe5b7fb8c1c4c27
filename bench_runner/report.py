"""An audit as text for a terminal and as JSON."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from bench_runner.jsontext import finite
from bench_runner.plausibility.audit import TITLES
from bench_runner.plausibility.findings import Finding, Judged, Verdict
from bench_runner.result import BenchmarkResult, Problem, State
from bench_runner.spec import canonical, spec_hash

EXAMPLES = 3
STATES: tuple[State, ...] = ("finished", "partial", "failed")
VERDICTS: tuple[Verdict, ...] = ("verified", "suspect", "invalid")


def name_of(result: BenchmarkResult) -> str:
    """A result in a few words, as far as its source tells."""
    spec = result.spec
    words = [spec.system, spec.framework, spec.model, spec.dataset]
    words += [f"{spec.nodes} nodes" if spec.nodes else None, f"TP {spec.tp}" if spec.tp else None]
    words.append(f"c={spec.concurrency}" if spec.concurrency else None)
    return " ".join(word for word in words if word) or "no configuration stated"


def where(result: BenchmarkResult) -> str:
    return f"{result.provenance.source}:{result.provenance.line}"


_CONTROLS = dict.fromkeys((code for code in (*range(32), *range(127, 160)) if code != 10), "\ufffd")


def printable(text: str) -> str:
    """Foreign text cannot move a terminal's cursor or break its encoding."""
    return _encodable(text.translate(_CONTROLS))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def by_rule(judged: Sequence[Judged]) -> dict[str, list[tuple[Judged, Finding]]]:
    """Rule -> findings, in the order of the rules; rules without one are left out."""
    found: dict[str, list[tuple[Judged, Finding]]] = defaultdict(list)
    for item in judged:
        for finding in item.findings:
            found[finding.rule].append((item, finding))
    return {rule: found[rule] for rule in TITLES if rule in found}


def as_text(judged: Sequence[Judged], problems: Sequence[Problem], skipped: Sequence[str]) -> Iterator[str]:
    """Piece by piece, as `as_json`: the report on a hundred thousand rows is larger than they are."""
    return (f"{printable(line)}\n" for line in _lines(judged, problems, skipped))


def _lines(judged: Sequence[Judged], problems: Sequence[Problem], skipped: Sequence[str]) -> Iterator[str]:
    files = {item.result.provenance.source for item in judged}
    counts = Counter(item.verdict for item in judged)
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
    yield f"{len(judged)} results in {len(files)} files: {verdicts}."
    states = Counter(item.result.state for item in judged)
    if set(states) - {"finished"}:
        yield "Runs: " + ", ".join(f"{states[state]} {state}" for state in STATES if state in states) + "."
    for rule, found in by_rule(judged).items():
        levels = Counter(finding.level for _, finding in found)
        told = ", ".join(f"{count} {level}" for level, count in levels.most_common())
        rows = len({id(item) for item, _ in found})
        yield ""
        yield f"{rule}  {TITLES[rule]}: {rows} rows ({told})"
        yield from (
            f"  {where(item.result)}: {name_of(item.result)}\n    {finding.reason}" for item, finding in _few(found)
        )
    if skipped:
        yield ""
        yield f"{len(skipped)} files without results that this program knows: {', '.join(skipped[:EXAMPLES])}" + (
            " ..." if len(skipped) > EXAMPLES else ""
        )
    if problems:
        yield ""
        yield f"{len(problems)} records could not be read; see the messages."


def _few(found: list[tuple[Judged, Finding]]) -> list[tuple[Judged, Finding]]:
    """Examples of different rows, the graver first."""
    graver = sorted(found, key=lambda pair: ("invalid", "suspect", "note").index(pair[1].level))
    return graver[:EXAMPLES]


def as_json(judged: Sequence[Judged], problems: Sequence[Problem], skipped: Sequence[str]) -> Iterator[str]:
    """One object with every row."""
    counts = Counter(item.verdict for item in judged)
    before = {
        "results": len(judged),
        "verdicts": {verdict: counts[verdict] for verdict in VERDICTS},
        "rules": [_rule(rule, found) for rule, found in by_rule(judged).items()],
    }
    after = {"problems": [str(problem) for problem in problems], "skipped": list(skipped)}
    yield _indented(before).removesuffix("\n}") + ',\n "rows": ['
    for number, item in enumerate(judged):
        yield ("," if number else "") + "\n  " + _indented(_row(item)).replace("\n", "\n  ")
    yield ("\n ]" if judged else "]") + "," + _indented(after).removeprefix("{") + "\n"


def _indented(value: Mapping[str, object]) -> str:
    return _encodable(json.dumps(value, ensure_ascii=False, indent=1))


def _rule(rule: str, found: list[tuple[Judged, Finding]]) -> dict[str, object]:
    levels = Counter(finding.level for _, finding in found)
    rows = len({id(item) for item, _ in found})
    examples = [{"where": where(item.result), "reason": finding.reason} for item, finding in _few(found)]
    return {"rule": rule, "title": TITLES[rule], "rows": rows, "levels": dict(levels), "examples": examples}


def _row(item: Judged) -> dict[str, object]:
    return {
        "id": item.id,
        "where": where(item.result),
        "name": name_of(item.result),
        "state": item.result.state,
        "verdict": item.verdict,
        "confirmed_by": list(item.confirmed_by),
        "findings": [{"rule": f.rule, "level": f.level, "reason": f.reason} for f in item.findings],
    }


def normalised(item: Judged) -> str:
    """One result as a line of JSON, with its verdict; infinity and NaN of the source become text."""
    result = item.result
    provenance = result.provenance
    record = {
        "id": item.id,
        "spec": json.loads(canonical(result.spec)),
        "spec_hash": spec_hash(result.spec),
        "state": result.state,
        "reason": result.reason,
        "metrics": [{"name": m.name, "value": m.value, "unit": m.unit, "how": m.how} for m in result.metrics],
        "not_measured": list(result.not_measured),
        "verdict": item.verdict,
        "findings": [{"rule": f.rule, "level": f.level, "reason": f.reason} for f in item.findings],
        "notes": list(result.notes),
        "provenance": {
            "source": provenance.source,
            "sha256": provenance.sha256,
            "line": provenance.line,
            "format": provenance.format,
            "tool": provenance.tool,
            "tool_version": provenance.tool_version,
            "commit": provenance.commit,
            "date": provenance.date,
            "flags": list(provenance.flags),
            "modules": list(provenance.modules),
            "nodes": list(provenance.nodes),
            "job_id": provenance.job_id,
            "environment": provenance.environment,
            "driver": provenance.driver,
            "versions": dict(provenance.versions),
        },
        "original": finite(dict(result.original)),
    }
    return _encodable(json.dumps(record, ensure_ascii=False, allow_nan=False))
