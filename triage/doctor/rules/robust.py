"""rob-exit-code-lost, rob-fail-fast: failures that go unnoticed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from triage.doctor.job import Job
from triage.doctor.rules.found import Check, Edit, Found, change
from triage.doctor.rules.launching import line_with
from triage.doctor.shell import Command


def exit_code_lost(job: Job) -> Iterator[Found]:
    strict = re.search(r"set\s+-\w*o?\s*\w*\s*pipefail|set -\w*o pipefail|PIPESTATUS", job.code)
    for launch in job.main_launches:
        if launch.launcher == "other" and launch.srun is None and not launch.program.endswith((".py", ".sh")):
            continue
        if launch.outer.around.pipe and not strict and not launch.outer.around.condition:
            first = launch.outer.line
            yield Found(
                rule="rob-exit-code-lost",
                line=line_with(job, launch, "|"),
                what="the exit code of the pipe is that of its last command: a failed run counts as COMPLETED",
                fix="set -o pipefail before it",
                edits=(Edit(first, first - 1, ("set -o pipefail",)),),
            )
        elif re.match(r"(?:true|:|echo)\b", launch.outer.around.guarded):
            text = job.lines[launch.outer.end_line - 1]
            fixed = re.sub(r"\s*\|\|\s*(?:true|:)\s*$", "", text)
            if not launch.outer.around.loop:  # in a loop the next one may still be wanted
                fixed = re.sub(r"\|\|\s*(echo [^;&|]*[^;&|\s])\s*$", r"|| { \1; exit 1; }", fixed)
            yield Found(
                rule="rob-exit-code-lost",
                line=launch.outer.end_line if "||" in text else launch.line,
                what=f"`|| {launch.outer.around.guarded.split()[0]}` hides a failure of the program",
                fix="remove it",
                edits=(Edit(launch.outer.end_line, launch.outer.end_line, (fixed,)),) if fixed != text else (),
            )
    yield from _code_after(job)
    yield from _plain_wait(job)


def _plain_wait(job: Job) -> Iterator[Found]:
    """`wait` without a process id always succeeds."""
    waits = [command for command in job.outer_commands if command.name == "wait"]
    background = [launch for launch in job.main_launches if launch.outer.around.background]
    if not background or not waits or any(command.args() for command in waits) or "kill -0" in job.code:
        return
    if waits[-1].line > background[-1].outer.end_line and not re.search(r"wait\s+(?:-n|\$)", job.code):
        yield Found(
            rule="rob-exit-code-lost",
            line=waits[-1].line,
            severity="hint",
            what="`wait` without a process id always succeeds: a failed run counts as COMPLETED",
            fix="pid=$! behind each start, then wait $pid || exit 1",
            edits=_wait_for_the_one(job, waits[-1], [c for c in job.outer_commands if c.around.background]),
        )


def _wait_for_the_one(job: Job, wait: Command, background: Sequence[Command]) -> tuple[Edit, ...]:
    """`wait $!` where one process runs in the background, started outside of loops and functions."""
    around = background[0].around if len(background) == 1 else None
    if (
        around is None
        or job.has("signal")
        or around.loop
        or around.function
        or around.branch
        or job.lines[wait.line - 1].strip() != "wait"
    ):
        return ()
    return change(job, wait.line, "wait", "wait $!")


def _code_after(job: Job) -> Iterator[Found]:
    """Main command followed by commands that always succeed, with no set -e and nothing that keeps its status."""

    starts = [
        launch
        for launch in job.main_launches
        if not launch.outer.around.background and launch.launcher != "other" and not launch.outer.around.guarded
    ]
    if not starts or re.search(r"set\s+-\w*e|\$\?|PIPESTATUS|trap\s", job.code):
        return
    last = max(starts, key=lambda launch: launch.outer.end_line)
    after = [
        command
        for command in job.outer_commands
        if (command.line, command.column) > (last.outer.end_line, last.outer.column)
        and command.words
        and not command.around.substitution
        and not (command.line <= last.outer.end_line and (command.around.condition or command.around.branch))
    ]
    after = [command for command in after if command is not last.outer and command not in _parts_of(job, last.outer)]
    if (
        after
        and after[-1].name in ("echo", "date", "cp", "printf", "rsync", "mv", "tar", "rm")
        and not last.outer.around.pipe
    ):
        yield Found(
            rule="rob-exit-code-lost",
            line=last.line,
            severity="hint",
            what=f"the job's exit code is that of `{after[-1].name}` on line {after[-1].line}, not of the program",
            fix="rc=$? after the program, exit $rc at the end; or set -e",
            edits=_code_kept(job, last.outer),
        )


def _parts_of(job: Job, outer: Command) -> list[Command]:
    """Commands in the text that is handed to `bash -c`."""
    return [
        command for command in job.commands if command.around.in_step and outer.line <= command.line <= outer.end_line
    ]


def _code_kept(job: Job, outer: Command) -> tuple[Edit, ...]:
    around, end = outer.around, len(job.lines)
    while end and not job.lines[end - 1].strip():
        end -= 1
    if around.loop or around.function or around.branch or around.subshell or end <= outer.end_line:
        return ()
    if re.search(r"[;&]\s*\S", job.lines[outer.end_line - 1].split("#")[0]) or job.sets("rc"):
        return ()
    return (Edit(outer.end_line + 1, outer.end_line, ("rc=$?",)), Edit(end + 1, end, ("exit $rc",)))


_FRAGILE = re.compile(r"^\s*(?:module|ml|conda|source|\.)\b")


def fail_fast(job: Job) -> Iterator[Found]:
    strict_u = strict_e = 0
    for command in job.outer_commands:
        if command.name == "set" and command.words:
            flags = "".join(arg for arg in command.args() if arg.startswith("-"))
            strict_u = strict_u or (command.line if "u" in flags.replace("pipefail", "") else 0)
            strict_e = strict_e or (command.line if "e" in flags else 0)
    if strict_u:
        yield from _unset_trap(job, strict_u)
    if strict_e:
        yield from _ended_by_set_e(job, strict_e)
    elif not strict_u and len(job.main_launches) >= 1:
        risky = [
            command
            for command in job.outer_commands
            if (command.name in ("cd", "source", "tar") or _loads(command))
            and not command.around.guarded
            and not command.around.condition
            and not command.around.substitution
        ]
        if risky and risky[0].line < job.main_launches[0].line and len(job.outer_commands) > 3:
            yield Found(
                rule="rob-fail-fast",
                line=risky[0].line,
                also=tuple(command.line for command in risky[1:] if command.line < job.main_launches[0].line),
                what=f"if `{risky[0].name}` fails the script goes on and burns GPU time",
                fix=f"{risky[0].text[:60]} || exit 1",
            )


def _loads(command: Command) -> bool:
    return command.name in ("module", "ml") and command.args()[:1] not in (["purge"], ["use"], ["list"], ["reset"])


def _ended_by_set_e(job: Job, strict_e: int) -> Iterator[Found]:
    for command in job.outer_commands:
        if (command.line > strict_e and re.match(r"\(\(\s*\w+\+\+", command.text)) or (
            command.name in ("grep", "diff", "cmp", "let", "pgrep")
            and command.line > strict_e
            and not command.around.condition
            and not command.around.pipe
            and not command.around.substitution
            and not command.around.piped_from
        ):
            yield Found(
                rule="rob-fail-fast",
                line=command.line,
                what=f"`{command.text[:40]}` may return non-zero normally and set -e then ends the job",
                fix="add || true",
                edits=_may_fail(job, command),
            )
    for number, line in enumerate(job.lines, start=1):
        if number > strict_e and re.match(r"\s*\(\(\s*\w+\+\+\s*\)\)\s*$", line):
            yield Found(
                rule="rob-fail-fast",
                line=number,
                what=f"`{line.strip()}` returns 1 when the value was 0, and set -e then ends the job",
                fix=f"{line.strip()} || true",
                edits=(Edit(number, number, (f"{line.rstrip()} || true",)),),
            )


def _may_fail(job: Job, command: Command) -> tuple[Edit, ...]:
    text = job.lines[command.line - 1]
    return (Edit(command.line, command.line, (f"{text.rstrip()} || true",)),) if text.strip() == command.text else ()


def _unset_trap(job: Job, line: int) -> Iterator[Found]:
    for command in job.outer_commands:
        if command.line <= line:
            continue
        if (
            command.name in ("module", "ml")
            or (command.name == "conda" and "activate" in command.text)
            or (command.name == "source" and re.search(r"conda|profile|bashrc", command.text))
        ):
            yield Found(
                rule="rob-fail-fast",
                line=line,
                also=(command.line,),
                what=f"set -u stands before `{command.text[:40]}`, whose scripts use unset variables",
                fix="set -u after the environment is set up",
                edits=_weaker(job, line, command.end_line),
            )
            break
    match = None
    for number, text in enumerate(job.lines, start=1):
        match = re.search(
            r"(?<!\\)\$\{?(LD_LIBRARY_PATH|PYTHONPATH|SLURM_RESTART_COUNT|CPATH|LIBRARY_PATH)\b(?!:|\})(?!\S*:-)|\$\{(LD_LIBRARY_PATH|PYTHONPATH|CPATH)\}",
            text,
        )
        if match and number > line and not text.lstrip().startswith("#"):
            name = match.group(1) or match.group(2)
            yield Found(
                rule="rob-fail-fast",
                line=number,
                what=f"set -u stops at ${name} when it is not set",
                fix=f"${{{name}:-}}",
                edits=(Edit(number, number, (text.replace(match.group(), f"${{{name}:-}}", 1),)),),
            )


def _weaker(job: Job, line: int, fragile: int) -> tuple[Edit, ...]:
    """The set line without -u; a line that is nothing else moves below the command at `fragile`."""
    text = job.lines[line - 1]
    fixed = re.sub(r"-(\w*)u(\w*)", lambda m: f"-{m.group(1)}{m.group(2)}", text, count=1)
    if re.fullmatch(r"\s*set -(?:u|o nounset)\s*", text):
        return (Edit(line, line, ()), Edit(fragile + 1, fragile, (text,)))
    return (Edit(line, line, (fixed,)),) if fixed != text and fixed.strip() != "set -" else ()


CHECKS: tuple[Check, ...] = (
    exit_code_lost,
    fail_fast,
)
