"""env-ulimit: limits of the shell that travel with the job."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor.job import Job
from triage.doctor.rules.found import Check, Edit, Found, change
from triage.doctor.rules.launching import line_with
from triage.doctor.shell import Command


def ulimits(job: Job) -> Iterator[Found]:
    starts = [launch.line for launch in job.main_launches]
    for command in job.outer_commands:
        if command.name != "ulimit":
            continue
        if re.search(r"-[SH]*[vm]\s+\d", command.text):
            yield Found(
                rule="env-ulimit",
                line=command.line,
                what=f"`{command.text}` limits address space: CUDA and mmap need far more",
                fix="remove it",
                edits=(Edit(command.line, command.line, ()),),
            )
        elif "-c unlimited" in command.text:
            yield Found(
                rule="env-ulimit",
                line=command.line,
                what="core dumps of every rank fill the quota",
                fix="ulimit -c 0",
                edits=change(job, command.line, "-c unlimited", "-c 0"),
            )
        elif starts and command.line > max(starts):
            yield Found(
                rule="env-ulimit",
                line=command.line,
                what="ulimit after the program has no effect on it",
                fix="move it up",
                edits=_moved_up(job, command),
            )
    for launch in job.main_launches:
        match = re.search(r"--(?:num[-_])?(?:data\w*[-_])?workers[= ](\d+)", launch.outer.text)
        if (
            match
            and int(match.group(1)) >= 32
            and not any(command.name == "ulimit" and "-n" in command.text for command in job.outer_commands)
        ):
            yield Found(
                rule="env-ulimit",
                line=line_with(job, launch, match.group().split("=")[0].split(" ")[0]),
                what=f"{match.group(1)} loader workers may run out of open files",
                fix='ulimit -n "$(ulimit -Hn)"',
            )


def _moved_up(job: Job, command: Command) -> tuple[Edit, ...]:
    first = min(launch.outer.line for launch in job.main_launches)
    text = job.lines[command.line - 1]
    if command.text != text.strip() or any(launch.outer.around.function for launch in job.main_launches):
        return ()
    return (Edit(first, first - 1, (text.strip(),)), Edit(command.line, command.line, ()))


CHECKS: tuple[Check, ...] = (ulimits,)
