"""What was found or diagnosed, as evidence that a draft may cite. Pure."""

from __future__ import annotations

from agent.draft import Evidence
from knowledge_base.passage import Access, RetrievedPassage
from triage.doctor.diagnosis import Diagnosis, Finding, LogFinding, Source


def evidence_of_passage(hit: RetrievedPassage) -> Evidence:
    """Numbered by the caller, like all evidence here."""
    passage = hit.passage
    return Evidence(
        number=0,
        kind="passage",
        id=passage.id,
        title=passage.title,
        heading=passage.heading,
        path=passage.path,
        anchor=passage.anchor,
        url=passage.url,
        text=passage.text,
        score=hit.score,
        source=passage.source,
        internal=passage.access is not Access.PUBLIC,
        systems=passage.systems,
        date=passage.date,
    )


def evidence_of_diagnosis(diagnosis: Diagnosis, limit: int) -> list[Evidence]:
    """Rows of the facts that the diagnosis rests on: what explains the failure, then what is wrong in the script."""
    in_log = [_of_log_finding(finding) for finding in diagnosis.log_findings if finding.role != "consequence"]
    faults = sorted(diagnosis.findings, key=lambda f: f.severity != "error")
    in_script = [_of_finding(finding) for finding in faults if finding.severity != "hint"]
    return [*in_log, *in_script][:limit]


def _of_log_finding(finding: LogFinding) -> Evidence:
    lines = [finding.meaning]
    if finding.causes:
        lines.append("Likely causes: " + "; ".join(finding.causes[:3]) + ".")
    lines += [f"- {_sentence(fix)}" for fix in finding.fixes[:4]]
    return _row(f"signature:{finding.id}", "Error signatures", finding.id, "\n".join(lines), finding.source)


def _of_finding(finding: Finding) -> Evidence:
    """One sentence, so that fault and mending are quoted together."""
    place = f"Line {finding.line} of {finding.where}, " if finding.where not in {"text", "script"} else ""
    text = f"{place}`{finding.evidence.strip()}`: {finding.what.rstrip('.')}; {finding.fix.rstrip('.')}."
    return _row(f"rule:{finding.id}:{finding.line}", "Job script rules", finding.id, text, finding.source)


def _row(key: str, title: str, heading: str, text: str, sources: tuple[Source, ...]) -> Evidence:
    return Evidence(
        number=0,
        kind="row",
        id=key,
        title=title,
        heading=(heading,),
        path="",
        anchor="",
        url=next((source.url for source in sources if source.url), None),
        text=text,
        score=1.0,
    )


def _sentence(text: str) -> str:
    """First letter large, a full stop at the end."""
    text = text.strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?:`" else ".")
