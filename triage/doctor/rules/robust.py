"""rob-* and io-*: failures, restarts, arrays, data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from triage.doctor.job import Job
from triage.doctor.launch import Launch
from triage.doctor.rules.found import Check, Edit, Found, change
from triage.doctor.rules.launching import PER_NODE, line_with
from triage.doctor.rules.signs import is_training
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
        )


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
        if command.line > last.outer.end_line and command.words and not command.around.substitution
    ]
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
        )


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
            if command.name in ("cd", "source", "tar")
            and not command.around.guarded
            and not command.around.condition
            and not command.around.substitution
        ]
        if risky and risky[0].line < job.main_launches[0].line and len(job.outer_commands) > 3:
            yield Found(
                rule="rob-fail-fast",
                line=risky[0].line,
                what=f"if `{risky[0].name}` fails the script goes on and burns GPU time",
                fix=f"{risky[0].text[:60]} || exit 1",
            )


def _ended_by_set_e(job: Job, strict_e: int) -> Iterator[Found]:
    for command in job.outer_commands:
        if (command.line > strict_e and re.match(r"\(\(\s*\w+\+\+", command.text)) or (
            command.name == "grep"
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
                what=f"set -u stands before `{command.text[:40]}`, whose scripts use unset variables",
                fix="set -u after the environment is set up",
                edits=_weaker(job, line),
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


def _weaker(job: Job, line: int) -> tuple[Edit, ...]:
    text = job.lines[line - 1]
    fixed = re.sub(r"-(\w*)u(\w*)", lambda m: f"-{m.group(1)}{m.group(2)}", text, count=1)
    return (Edit(line, line, (fixed,)),) if fixed != text and fixed.strip() != "set -" else ()


_RESUME = re.compile(
    r"(?i)save[-_]?(?:steps|interval|every|freq)|resume|--load\b|ckpt|checkpoint|restart|singleton|--dependency|"
    r"requeue|--signal|snapshot|auto[-_]?resume|scontrol requeue"
)


def walltime_checkpoint(job: Job) -> Iterator[Found]:
    if (
        not is_training(job)
        or job.minutes is None
        or _RESUME.search(job.text)
        or job.has("signal", "dependency", "requeue")
    ):
        return
    array = job.value("array")
    limit = job.partition.max_minutes if job.partition else None
    long = (
        job.minutes >= 720
        or job.nodes >= 8
        or bool(limit and limit > 300 and job.minutes >= 0.8 * limit and job.minutes >= 180)
    )
    if long and not array.endswith("%1"):
        yield Found(
            rule="rob-walltime-checkpoint",
            line=job.line_of("time"),
            what=f"{job.value('time')} of training with no sign of checkpoints or resume: lost at the walltime "
            f"or a node failure",
            fix="save every k steps, resume from the latest file, chain with --array=1-n%1 or --dependency=singleton",
        )


def requeue_truncate(job: Job) -> Iterator[Found]:
    active = job.has("requeue") and job.value("requeue") != "0"
    by_default = (
        job.site is not None and job.site.id in ("lumi-g", "arrhenius", "discoverer-plus") and not job.has("no-requeue")
    )
    if not active and not by_default:
        return
    handled = job.value("open-mode") == "append" or "SLURM_RESTART_COUNT" in job.code or job.has("no-requeue")
    removing = next(
        (
            command
            for command in job.outer_commands
            if command.name == "rm"
            and re.search(r"-\w*r", command.text)
            and not re.search(r"/tmp|TMPDIR|cache", command.text)  # noqa: S108
        ),
        None,
    )
    resume = _RESUME.search(job.code)
    if (
        removing
        and job.main_launches
        and removing.line < job.main_launches[0].line
        and (active or not handled)
        and not _only_first_run(job, removing)
    ):
        text = job.lines[removing.line - 1]
        guarded = re.sub(r"\brm\s", '[ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] || rm ', text, count=1)
        yield Found(
            rule="rob-requeue-truncate",
            line=removing.line,
            what="after a requeue this removes the results of the first run",
            fix="keep them, and resume; or --no-requeue",
            severity=None if active else "warning",
            edits=(Edit(removing.line, removing.line, (guarded,)),) if re.match(r"\s*rm\s", text) else (),
        )
    made = next(
        (
            command
            for command in job.outer_commands
            if command.name == "mkdir" and not re.search(r"\s-\w*p|\s--parents", command.text)
        ),
        None,
    )
    if made and active and re.search(r"set\s+-\w*e", job.code) and not made.around.guarded:
        yield Found(
            rule="rob-requeue-truncate",
            line=made.line,
            what="mkdir of a directory that exists after a requeue fails, and set -e ends the job",
            fix="mkdir -p",
            edits=change(job, made.line, "mkdir ", "mkdir -p "),
        )
    if active and not handled:
        option = job.effective["requeue"]
        yield Found(
            rule="rob-requeue-truncate",
            line=option.line,
            column=option.column,
            what="--requeue without --open-mode=append: the log of the first run is lost"
            + ("" if resume else ", and nothing resumes"),
            fix="--requeue with --open-mode=append, and resume",
            edits=change(job, option.line, option.raw, f"{option.raw} --open-mode=append"),
        )


def _only_first_run(job: Job, command: Command) -> bool:
    return "SLURM_RESTART_COUNT" in job.lines[command.line - 1] or (
        command.around.branch and "SLURM_RESTART_COUNT" in job.code
    )


def signal_delivery(job: Job) -> Iterator[Found]:
    option = job.effective.get("signal")
    traps = [
        command
        for command in job.outer_commands
        if command.name == "trap" and re.search(r"USR[12]|TERM|SIGUSR", command.text)
    ]
    if option is None:
        return
    value = option.value
    if re.search(r"^(?:B:)?(?:SIG)?\w+:\d+$", value.replace("R:", "")) and "@" not in value:
        yield _signal(
            option.line,
            f"`{value}`: the time follows an @, not a colon",
            "--signal=B:USR1@300",
            change(job, option.line, value, re.sub(r":(\d+)$", r"@\1", value)),
        )
        return
    to_batch = value.upper().startswith("B:") or "B:" in value
    main = [launch for launch in job.main_launches if launch.srun is not None or launch.launcher != "other"]
    if traps and not to_batch:
        yield _signal(
            option.line,
            "without B: the signal goes to the step only, and the trap in the script never fires",
            f"--signal=B:{value}",
            change(job, option.line, value, f"B:{value}"),
        )
    elif to_batch and main and not any(launch.outer.around.background for launch in main):
        yield _signal(
            main[0].line if traps else option.line,
            "the trap runs only after the foreground step has ended: too late",
            "srun in the background, then a wait loop",
            _in_background(job, main),
        )
    elif to_batch and traps and main:
        waits = [
            number
            for number, line in enumerate(job.lines, start=1)
            if re.search(r"(?:^|[\s;!])wait\b", line) and not line.lstrip().startswith("#")
        ]
        loop = re.search(r"(?:until|while)\b[^\n]*\b(?:wait|kill -0)", job.code)
        if len(waits) == 1 and not loop and not re.search(r"trap\s+['\"][^'\"]*\b(?:wait|requeue|exit)\b", job.code):
            yield _signal(
                waits[0],
                "after the trap this wait returns, the script ends and the step is cancelled",
                "until wait $pid; ! kill -0 $pid 2>/dev/null; do :; done",
                _wait_loop(job, waits[0]),
            )
    elif not to_batch and not traps and any(launch.launcher in PER_NODE or launch.container for launch in main):
        first = next(launch for launch in main if launch.launcher in PER_NODE or launch.container)
        if (
            "signals-to-handle" not in first.outer.text
            and "signals_to_handle" not in first.outer.text
            and re.search(r"USR", value)
        ):
            yield _signal(
                option.line,
                f"the signal reaches {first.launcher} itself, which does not handle it and dies",
                "torchrun --signals-to-handle=SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1 where it has that option",
                (),
                "warning",
            )
    match = re.search(r"@(\d+)$", value)
    if match and int(match.group(1)) < 60:
        yield _signal(
            option.line,
            f"{match.group(1)} s before the end is too short to save a checkpoint",
            "@300 or more",
            change(job, option.line, f"@{match.group(1)}", "@300"),
            "warning",
        )


def _in_background(job: Job, main: Sequence[Launch]) -> tuple[Edit, ...]:
    """The one main command put into the background, with a wait that goes on after the trap."""
    outer = main[0].outer
    if len(main) != 1 or outer.around.branch or outer.around.loop or outer.around.function or outer.around.pipe:
        return ()
    end = outer.end_line
    text = job.lines[end - 1].rstrip()
    if re.search(r"[;#]", text):
        return ()
    return (Edit(end, end, (f"{text} & pid=$!", f"{_LOOP}; wait $pid")),)


_LOOP = "until wait $pid; ! kill -0 $pid 2>/dev/null; do :; done"


def _wait_loop(job: Job, line: int) -> tuple[Edit, ...]:
    text = job.lines[line - 1]
    match = re.fullmatch(r"(\s*)wait(?:\s+\"?\$\{?(\w+)\}?\"?)?\s*", text)
    name = (match.group(2) if match else "") or next(
        (name for name, value in job.variables.items() if value == "$!"), ""
    )
    if not match or not name:
        return ()
    return (Edit(line, line, (f"{match.group(1)}{_LOOP.replace('$pid', f'${name}')}; wait ${name}",)),)


def _signal(line: int, what: str, fix: str, edits: tuple[Edit, ...], severity: str = "error") -> Found:
    return Found(
        rule="rob-signal-delivery",
        line=line,
        what=what,
        fix=fix,
        edits=edits,
        severity="error" if severity == "error" else "warning",
    )


CHECKS: tuple[Check, ...] = (
    exit_code_lost,
    fail_fast,
    walltime_checkpoint,
    requeue_truncate,
    signal_delivery,
)
