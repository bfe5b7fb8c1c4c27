"""What to ask the requester, and what to run next."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from triage.doctor.diagnosis import Finding, LogFinding
from triage.doctor.facts import facts

MAX_QUESTIONS = 3
MAX_COMMANDS = 4


def questions_for(
    findings: Sequence[Finding], logs: Sequence[LogFinding], *, system: str | None, has_script: bool
) -> tuple[str, ...]:
    """At most three; each answer would change the diagnosis."""
    asked: list[str] = []
    first = logs[0] if logs else None
    if (has_script or first) and system is None:
        asked.append("On which system and partition does the job run?")
    if first is not None and first.confidence < 0.97 and not _explained(first, findings):
        asked += [question] if (question := _open_part(first.ask, has_script=has_script)) else []
    if first is not None and first.role == "consequence":
        asked.append(
            f"The log around the first error of {first.rank or 'each rank'} (the lines before {first.excerpt[:60]!r})?"
        )
    asked += [
        f"Which value belongs on line {item.line} ({item.evidence.strip()[:60]})?"
        for item in findings
        if item.autofix == "ask" and item.severity == "error" and item.id in ("res-account", "dir-placeholder-left")
    ]
    asked += [question for item in findings for rule, said, question in _ASKED if item.id == rule and said in item.what]
    if has_script and first is None and not any(item.severity == "error" for item in findings):
        asked.append(
            "What does the job's log say, and the line of `sacct -j <jobid> -o "
            "JobID,State,ExitCode,Elapsed,MaxRSS,ReqMem`?"
        )
    return tuple(dict.fromkeys(asked))[:MAX_QUESTIONS]


_ASKED = (
    (
        "rob-array",
        "never used",
        "What should differ between the tasks of the array: which file, seed or setting has each?",
    ),
    ("rob-array", "no --array", "For how many inputs should the script run, and which index has each?"),
    (
        "res-over-asking",
        "whole node",
        "Can the program use all GPUs of the node, or are there several runs that could share it?",
    ),
)
"""What no correction can tell: rule, what its finding says, and the question."""

_IN_THE_SCRIPT = re.compile(
    r"(?i)#SBATCH|\bscript\b|\b(?:launch|srun|exec|mpirun|serve|GPU binding) (?:line|option)s?\b|(?<!\S)--\w+|"
    r"\brequested (?:time|nodes)|\b(?:nodes|tasks|ranks|GPUs) per node|bind variables|container command|"
    r"^(?:the )?(?:partition|QOS|site)$"
)


def _open_part(question: str, *, has_script: bool) -> str:
    """The question without the parts that the script at hand answers."""
    if not has_script or not _IN_THE_SCRIPT.search(question):
        return question
    clauses = re.split(r"(?:; |, )(?![^(]*\))", question.rstrip("?"))
    open_clauses = [left for clause in clauses if (left := _open_clause(clause))]
    text = ", ".join(open_clauses)
    return f"{text}?" if text else ""


def _open_clause(clause: str) -> str:
    if not _IN_THE_SCRIPT.search(clause):
        return clause.removeprefix("and ")
    return " and ".join(part for part in clause.split(" and ") if not _IN_THE_SCRIPT.search(part))


def _explained(first: LogFinding, findings: Sequence[Finding]) -> bool:
    """Whether an error in the script already is the reason of what the log says."""
    related: Mapping[str, Sequence[str]] = facts("script_rules")["related_signatures"]
    return any(item.severity == "error" and first.id in related.get(item.id, ()) for item in findings)


def next_commands(findings: Sequence[Finding], logs: Sequence[LogFinding], *, scheduler: str | None) -> tuple[str, ...]:
    commands: list[str] = []
    if scheduler == "slurm":
        commands.append("sbatch --test-only job.sh")
    if any(item.id in ("res-partition", "res-time-over-limit", "res-node-count") for item in findings):
        commands.append('sinfo -o "%P %l %D %G"')
    if any(item.id in ("res-account", "res-qos-constraint") for item in findings) or any(
        item.id.startswith(("slurm_invalid_account", "slurm_submit")) for item in logs
    ):
        commands.append("sacctmgr -P show assoc user=$USER format=cluster,account,partition,qos")
    if any(item.role == "wait" for item in logs):
        commands.append("squeue --me --start")
    elif logs:
        commands.append("sacct -j <jobid> -o JobID,State,ExitCode,Elapsed,Timelimit,MaxRSS,ReqMem,NodeList")
    return tuple(dict.fromkeys(commands))[:MAX_COMMANDS]
