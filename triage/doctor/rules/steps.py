"""launch-parallel-steps, launch-background-no-wait: steps side by side and in the background."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from triage.doctor.job import Job
from triage.doctor.rules.found import Check, Edit, Found
from triage.doctor.shell import Command


def parallel_steps(job: Job) -> Iterator[Found]:
    steps = [launch for launch in job.launches if launch.srun is not None and launch.outer.around.background]
    yield from _calls_side_by_side(job)
    looped = [launch for launch in steps if launch.outer.around.loop]
    if len(steps) < 2 and not looped:
        return
    for launch in steps:
        srun = launch.srun or {}
        if {"exact", "overlap", "exclusive", "nodelist", "relative"} & set(srun) or (
            "cpus-per-task" in srun and "ntasks" in srun and "mem" in srun
        ):
            continue
        text, share = job.lines[launch.line - 1], _gpu_share(job, srun)
        yield Found(
            rule="launch-parallel-steps",
            line=launch.line,
            what="this step takes the whole allocation: the steps run one after the other",
            fix='srun --exact -n1 -c "$SLURM_CPUS_PER_TASK" --gpus=1 --mem=<share> ... &',
            edits=(Edit(launch.line, launch.line, (re.sub(r"\bsrun\b", f"srun --exact{share}", text, count=1),)),),
        )
        if not looped and launch is steps[-1]:
            return


def _calls_side_by_side(job: Job) -> Iterator[Found]:
    """A function that starts a step, called several times in the background."""
    for launch in job.launches:
        name, srun = launch.outer.around.function, launch.srun or {}
        calls = [command for command in job.outer_commands if name and command.name == name]
        together = [call for call in calls if call.around.background]
        several = len(together) > 1 or any(call.around.loop for call in together)
        if launch.srun is None or not several or {"exact", "overlap", "exclusive", "nodelist", "relative"} & set(srun):
            continue
        text, share = job.lines[launch.line - 1], _gpu_share(job, srun)
        yield Found(
            rule="launch-parallel-steps",
            line=launch.line,
            also=tuple(call.line for call in together),
            what="each of these steps takes the whole allocation: they run one after the other",
            fix='srun --exact -n1 -c "$SLURM_CPUS_PER_TASK" --gpus=1 --mem=<share> ...',
            edits=(Edit(launch.line, launch.line, (re.sub(r"\bsrun\b", f"srun --exact{share}", text, count=1),)),),
        )


def _gpu_share(job: Job, srun: Mapping[str, str]) -> str:
    """The GPUs of a step that runs one of the job's tasks; without the option a step takes all of them."""
    per_task, rest = divmod(job.gpus_per_node, max(job.tasks_per_node, 1))
    given = {"gpus", "gres", "gpus-per-task", "gpus-per-node"} & set(srun)
    return f" --gpus={per_task}" if per_task and not rest and not given and srun.get("ntasks") == "1" else ""


def background_no_wait(job: Job) -> Iterator[Found]:
    waits = [
        command.line
        for command in job.outer_commands
        if command.name == "wait" or (command.name in ("until", "while") and "kill -0" in command.text)
    ]
    waits += [
        number
        for number, line in enumerate(job.lines, start=1)
        if re.search(r"(?:^|[\s;&|!])wait(?:\s|$|;)|\b(?:while|until)\b.*\bkill -0\b|\btail --pid", line)
        and not line.lstrip().startswith("#")
    ]
    work = [
        launch
        for launch in job.main_launches
        if (launch.outer.around.background and launch.launcher not in ("vllm", "server", "ray"))
        or launch.outer.name in ("nohup", "setsid", "screen", "tmux")
    ]
    background = [launch for launch in work if launch.outer.around.background]
    if not background:
        yield from _detached(job, waits)
        yield from _function_in_background(job, waits)
        return
    last = max(background, key=lambda launch: launch.outer.end_line)
    after = [
        launch
        for launch in job.main_launches
        if launch.line > last.outer.end_line and not launch.outer.around.background
    ]
    if (
        any(line >= last.outer.line for line in waits)
        or after
        or last.launcher == "other"
        or re.search(r"(?i)monitor|watch|smi", last.outer.text)
    ):
        return
    yield _no_wait(job, last.line, last.outer)


def _no_wait(job: Job, line: int, work: Command) -> Found:
    after_line = work.end_line
    if work.around.loop:
        after_line = next(
            (n for n in range(after_line, len(job.lines) + 1) if re.match(r"\s*done\b", job.lines[n - 1])), after_line
        )
    return Found(
        rule="launch-background-no-wait",
        line=line,
        what="the work is put into the background and the script ends; the job ends with it",
        fix="add `wait` after it",
        edits=(Edit(after_line + 1, after_line, ("wait",)),),
    )


def _function_in_background(job: Job, waits: Sequence[int]) -> Iterator[Found]:
    """The work is a function of the script that is started with &, and no work in the foreground follows."""
    working = {launch.outer.around.function for launch in job.main_launches} - {""}
    calls = [command for command in job.outer_commands if command.name in working and not command.around.function]
    if not calls or not calls[-1].around.background or any(line >= calls[-1].line for line in waits):
        return
    last = calls[-1]
    if any(launch.line > last.end_line and not launch.outer.around.function for launch in job.main_launches):
        return
    yield _no_wait(job, last.line, last)


_DETACHED = re.compile(r"^\s*(?:tmux\s+new(?:-session)?\b.*\s-\w*d|screen\s+-\w*d\w*m|setsid\s+-f\b)")


def _detached(job: Job, waits: Sequence[int]) -> Iterator[Found]:
    """The program is handed to tmux or screen, and nothing of the script runs after it."""
    for command in job.outer_commands:
        if command.name not in ("tmux", "screen", "setsid") or not _DETACHED.match(command.text) or job.main_launches:
            continue
        if any(line > command.line for line in waits):
            continue
        yield Found(
            rule="launch-background-no-wait",
            line=command.line,
            what=f"{command.name} puts the work into the background and the script ends; the job ends with it",
            fix="start the program in the foreground; a job needs no terminal",
            edits=_in_foreground(job, command),
        )


_VALUED = ("-s", "-n", "-c", "-x", "-y", "-S", "-t", "-L", "-h", "-p", "-T", "-F")


def _in_foreground(job: Job, command: Command) -> tuple[Edit, ...]:
    """The program itself in place of the terminal that it is handed to."""
    at = 2 if command.name == "tmux" else 1
    while at < len(command.words) and command.words[at].text.startswith("-"):
        text = command.words[at].text
        takes = text in _VALUED or (command.name == "screen" and re.fullmatch(r"-\w*S", text) is not None)
        at += 2 if takes else 1
    if at >= len(command.words) or command.line != command.end_line:
        return ()
    text, start = job.lines[command.line - 1], command.column - 1
    single = len(command.words) == at + 1
    program = command.words[at].text if single else text[command.words[at].column - 1 :]
    end = command.words[at].column - 1 + len(command.words[at].raw) if single else len(text)
    return (Edit(command.line, command.line, (f"{text[:start]}{program}{text[end:]}",)),)


CHECKS: tuple[Check, ...] = (parallel_steps, background_no_wait)
