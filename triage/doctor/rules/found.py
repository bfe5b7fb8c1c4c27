"""What a check returns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from triage.doctor.diagnosis import Severity
from triage.doctor.job import Job


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the lines `first` to `last` (from 1) by `lines`; `last` = `first` - 1 inserts in front of `first`."""

    first: int
    last: int
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    rule: str
    line: int
    """In the job's lines."""
    what: str
    column: int = 1
    fix: str = ""
    """The rule's own words when empty."""
    severity: Severity | None = None
    """The rule's own severity when None."""
    edits: tuple[Edit, ...] = ()
    also: tuple[int, ...] = ()
    """Other lines that have a part in it; each gets a hint that names this one."""


Check = Callable[[Job], Iterable[Found]]


def change(job: Job, line: int, old: str, new: str) -> tuple[Edit, ...]:
    """Replace the first `old` on a line."""
    text = job.lines[line - 1]
    return (Edit(line, line, (text.replace(old, new, 1),)),) if old in text else ()


def cpus_changed(job: Job, cpus: int) -> tuple[Edit, ...]:
    """--cpus-per-task of the directive, and of the srun lines that repeat the old number."""
    option = job.effective.get("cpus-per-task")
    if option is None or not option.value.isdigit():
        return ()
    directive = change(job, option.line, option.raw, option.raw.replace(option.value, str(cpus)))
    return (*directive, *srun_cpus_changed(job, cpus))


def srun_cpus_changed(job: Job, cpus: int) -> tuple[Edit, ...]:
    """The srun lines that repeat the number of the directive."""
    option = job.effective.get("cpus-per-task")
    if option is None:
        return ()
    edits: list[Edit] = []
    for launch in job.launches:
        if (launch.srun or {}).get("cpus-per-task") == option.value:
            at, text = launch.outer.line, job.lines[launch.outer.line - 1]
            fixed = re.sub(rf"(\s(?:-c ?|--cpus-per-task[= ])\"?){option.value}\b", rf"\g<1>{cpus}", text, count=1)
            edits += [Edit(at, at, (fixed,))] if fixed != text else []
    return tuple(dict.fromkeys(edits))


def options_changed(job: Job, values: Mapping[str, object]) -> tuple[Edit, ...]:
    """New values of options that are given, those on one line together."""
    texts: dict[int, str] = {}
    for name, value in values.items():
        option = job.effective.get(name)
        if option and option.value and option.raw.endswith(option.value):
            text = texts.get(option.line, job.lines[option.line - 1])
            raw = f"{option.raw[: -len(option.value)]}{value}"
            texts[option.line] = text.replace(option.raw, raw, 1)
    return tuple(Edit(line, line, (text,)) for line, text in texts.items())


def without_setting(text: str, name: str) -> str:
    """The line without NAME=value: in an --export list, as --env of a container, or in front of a command."""
    for pattern, right in (
        (rf"(--export[= ]\"?[^\s\"]*?),{name}=[^,\s\"]*", r"\1"),
        (rf"(--export[= ]\"?){name}=[^,\s\"]*,?", r"\1"),
        (rf"\s--env[= ]{name}=[^,\s]*(?=\s)", ""),
        (rf"(--env[= ][^\s]*?),{name}=[^,\s]*", r"\1"),
        (rf"\benv\s+{name}=\S+\s+(?!\w+=)", ""),
        (rf"\s*\b{name}=\S+", ""),
    ):
        fixed = re.sub(pattern, right, text, count=1)
        if fixed != text:
            return fixed
    return text


def quoted(text: str, at: int, value: str) -> str:
    """The value in double quotes, unless that place of the line is in double quotes already."""
    inside = text[:at].replace('\\"', "").count('"') % 2 == 1
    return value if inside else f'"{value}"'


def insert_after(line: int, *texts: str) -> tuple[Edit, ...]:
    return (Edit(line + 1, line, texts),)


def delete(line: int) -> tuple[Edit, ...]:
    return (Edit(line, line, ()),)


def last_directive(job: Job) -> int:
    """Line of the last directive that sbatch reads, else of the interpreter line, else 0."""
    active = [directive.line for directive in job.directives if directive.state == "active"]
    first = 1 if job.lines and job.lines[0].startswith("#!") else 0
    return max(active, default=first)


def add_directive(job: Job, option: str) -> tuple[Edit, ...]:
    return insert_after(last_directive(job), f"#SBATCH {option}")
