"""env-secret-in-script: tokens and passwords, found and masked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor.job import Job
from triage.doctor.rules.found import Check, Edit, Found

_SECRETS = (
    re.compile(r"\bhf_[A-Za-z0-9]{20,}"),
    re.compile(r"(?<=WANDB_API_KEY=)[\"']?[0-9a-f]{40,}"),
    re.compile(r"(?<=AWS_SECRET_ACCESS_KEY=)[\"']?[A-Za-z0-9/+]{16,}"),
    re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    re.compile(r"\b(?:ghp_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    re.compile(r"\bglpat-[\w\-]{16,}"),
    re.compile(r"\bsk-[A-Za-z0-9_\-]{20,}"),
    re.compile(r"(?i)(?<=password=)[\"']?[^\s\"'$<{*]{6,}"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    re.compile(r"(?i)(?<=_TOKEN=)[\"']?(?![\"']?(?:hf_xxx|\$|<|\*))[A-Za-z0-9_\-]{24,}"),
    re.compile(r"(?<=wandb login )[0-9a-f]{32,}"),
    re.compile(r"(?<=_API_KEY=)[\"']?(?![\"']?(?:\$|<|\*|x{4}))[A-Za-z0-9_\-]{24,}"),
    re.compile(r"https?://[\w.\-]+:([^@\s$]{6,})@"),
)


def without_secrets(text: str) -> str:
    """The text with tokens and passwords as `***`, for what leaves the doctor."""
    for pattern in _SECRETS:
        text = pattern.sub(lambda match: match.group().replace(match.group(match.lastindex or 0), "***"), text)
    return text


def secret(job: Job) -> Iterator[Found]:
    for number, line in enumerate(job.lines, start=1):
        for pattern in _SECRETS:
            match = pattern.search(line)
            if match and not re.search(r"(?i)x{6,}|\*{4,}|your|example|placeholder|^[\"']?REMOVED", match.group()):
                yield Found(
                    rule="env-secret-in-script",
                    line=number,
                    column=match.start() + 1,
                    what="a token or password stands in the script; it is stored by the scheduler and travels "
                    "with mails",
                    fix="read it from a file with mode 600, and revoke the one that was sent",
                    edits=_masked(job, number, line),
                )
                break


def _masked(job: Job, number: int, line: str) -> tuple[Edit, ...]:
    del job
    token = re.match(r"^(\s*)export\s+(?:HF_TOKEN|HUGGING_FACE_HUB_TOKEN)=\S+\s*$", line)
    if token:
        return (Edit(number, number, (f'{token.group(1)}export HF_TOKEN_PATH="$HOME/.secrets/hf_token"',)),)
    for pattern in _SECRETS:
        line = pattern.sub("<secret>", line)
    if re.fullmatch(r"\s*export\s+\w+=\"?<secret>\"?\s*", line):
        name = re.search(r"export\s+(\w+)=", line)
        return (
            (Edit(number, number, (f'export {name.group(1)}="$(cat "$HOME/.secrets/{name.group(1).lower()}")"',)),)
            if name
            else ()
        )
    return (Edit(number, number, (line.replace("<secret>", "REMOVED"),)),)


CHECKS: tuple[Check, ...] = (secret,)
