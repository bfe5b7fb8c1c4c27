"""What to ask the requester, and what to run next."""

from __future__ import annotations

from collections.abc import Sequence

from triage.doctor.diagnosis import Finding, LogFinding

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
    if first is not None and first.ask and first.confidence < 0.97:
        asked.append(first.ask)
    if first is not None and first.role == "consequence":
        asked.append(
            f"The log around the first error of {first.rank or 'each rank'} (the lines before {first.excerpt[:60]!r})?"
        )
    asked += [
        f"Which value belongs on line {item.line} ({item.evidence.strip()[:60]})?"
        for item in findings
        if item.autofix == "ask" and item.severity == "error" and item.id in ("res-account", "dir-placeholder-left")
    ]
    if has_script and first is None and not any(item.severity == "error" for item in findings):
        asked.append(
            "What does the job's log say, and the line of `sacct -j <jobid> -o "
            "JobID,State,ExitCode,Elapsed,MaxRSS,ReqMem`?"
        )
    return tuple(dict.fromkeys(asked))[:MAX_QUESTIONS]


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
