"""rob-walltime-checkpoint, rob-requeue-truncate, rob-signal-delivery: jobs that end early and go on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from triage.doctor.job import Job
from triage.doctor.launch import Launch
from triage.doctor.rules.found import Check, Edit, Found, add_directive, change
from triage.doctor.rules.launching import PER_NODE
from triage.doctor.rules.signs import is_training
from triage.doctor.shell import Command

_RESUME = re.compile(
    r"(?i)save[-_]?(?:steps|interval|every|freq)|resume|--load\b|ckpt|checkpoint|restart|singleton|--dependency|"
    r"(?<!no-)requeue|--signal|snapshot|auto[-_]?resume"
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
    long = job.minutes >= 720 or job.nodes >= 8 or bool(limit and job.minutes >= 0.8 * limit and job.minutes >= 180)
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
    if active or not handled:
        yield from _results_removed(job, active=active)
    if not active and not handled and is_training(job) and not _RESUME.search(job.text) and job.site:
        preempts = job.site.id != "lumi-g"
        why = "preempted jobs are started again" if preempts else "jobs are started again after a node failure"
        yield Found(
            rule="rob-requeue-truncate",
            line=job.main_launches[0].line,
            severity="warning" if preempts else "hint",
            what=f"on {job.site.name} {why}: this one begins from zero and overwrites its log",
            fix="--open-mode=append and resume, or --no-requeue",
            edits=add_directive(job, "--open-mode=append") if preempts else (),
        )
    if active and re.search(r"set\s+-\w*e", job.code):
        yield from _directory_made_again(job)
    if active and not handled:
        option = job.effective["requeue"]
        resumes = "" if _RESUME.search(job.code) else ", and nothing resumes"
        yield Found(
            rule="rob-requeue-truncate",
            line=option.line,
            column=option.column,
            what=f"--requeue without --open-mode=append: the log of the first run is lost{resumes}",
            fix="--requeue with --open-mode=append, and resume",
            edits=change(job, option.line, option.raw, f"{option.raw} --open-mode=append"),
        )


def _results_removed(job: Job, *, active: bool) -> Iterator[Found]:
    removals = (
        command
        for command in job.outer_commands
        if command.name == "rm"
        and re.search(r"-\w*r", command.text)
        and not re.search(r"/tmp|TMPDIR|cache", command.text)  # noqa: S108
    )
    first = next(removals, None)
    if first is None or not job.main_launches or first.line >= job.main_launches[0].line:
        return
    if _only_first_run(job, first):
        return
    text = job.lines[first.line - 1]
    again = '[ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] ||'
    guarded = re.sub(r"\brm\s+-[^;&|\n]*[^;&|\s]", lambda match: f"{{ {again} {match.group()}; }}", text, count=1)
    if re.fullmatch(r"\s*rm\s[^;&|]*", text):
        guarded = re.sub(r"\brm\s", f"{again} rm ", text, count=1)
    yield Found(
        rule="rob-requeue-truncate",
        line=first.line,
        what="after a requeue this removes the results of the first run",
        fix="keep them, and resume; or --no-requeue",
        severity=None if active else "warning",
        edits=(Edit(first.line, first.line, (guarded,)),) if guarded != text else (),
    )


def _directory_made_again(job: Job) -> Iterator[Found]:
    made = next(
        (
            command
            for command in job.outer_commands
            if command.name == "mkdir" and not re.search(r"\s-\w*p|\s--parents", command.text)
        ),
        None,
    )
    if made and not made.around.guarded:
        yield Found(
            rule="rob-requeue-truncate",
            line=made.line,
            what="mkdir of a directory that exists after a requeue fails, and set -e ends the job",
            fix="mkdir -p",
            edits=change(job, made.line, "mkdir ", "mkdir -p "),
        )


def _only_first_run(job: Job, command: Command) -> bool:
    return "SLURM_RESTART_COUNT" in job.lines[command.line - 1] or (
        command.around.branch and "SLURM_RESTART_COUNT" in job.code
    )


def signal_delivery(job: Job) -> Iterator[Found]:
    option = job.effective.get("signal")
    if option is None:
        return
    value = option.value
    if re.search(r"^(?:B:)?(?:SIG)?\w+:\d+$", value.replace("R:", "")) and "@" not in value:
        edits = change(job, option.line, value, re.sub(r":(\d+)$", r"@\1", value))
        yield _signal(option.line, f"`{value}`: the time follows an @, not a colon", "--signal=B:USR1@300", edits)
        return
    yield from _receiver(job, option.line, value)
    seconds = re.search(r"@(\d+)$", value)
    if seconds and int(seconds.group(1)) < 60:
        what = f"{seconds.group(1)} s before the end is too short to save a checkpoint"
        edits = change(job, option.line, seconds.group(), "@300")
        yield _signal(option.line, what, "@300 or more", edits, "warning")


def _receiver(job: Job, line: int, value: str) -> Iterator[Found]:
    """Whether what gets the signal (script or step) can act on it; `line`, `value`: of --signal."""
    traps = any(
        command.name == "trap" and re.search(r"USR[12]|TERM|SIGUSR", command.text) for command in job.outer_commands
    )
    to_batch = "B:" in value.upper()
    main = [launch for launch in job.main_launches if launch.srun is not None or launch.launcher != "other"]
    if traps and not to_batch:
        what = "without B: the signal goes to the step only, and the trap in the script never fires"
        yield _signal(line, what, f"--signal=B:{value}", change(job, line, value, f"B:{value}"))
    elif to_batch and main and not any(launch.outer.around.background for launch in main):
        at = main[0].line if traps else line
        what = "the trap runs only after the foreground step has ended: too late"
        yield _signal(at, what, "srun in the background, then a wait loop", _in_background(job, main))
    elif to_batch and traps and main:
        yield from _single_wait(job)
    elif not to_batch and not traps:
        yield from _unhandled(main, line, value)


def _single_wait(job: Job) -> Iterator[Found]:
    waits = [
        number
        for number, line in enumerate(job.lines, start=1)
        if re.search(r"(?:^|[\s;!])wait\b", line) and not line.lstrip().startswith("#")
    ]
    loop = re.search(r"(?:until|while)\b[^\n]*\b(?:wait|kill -0)", job.code)
    if _handler_ends_it(job):
        return
    if len(waits) == 1 and not loop and not re.search(r"trap\s+['\"][^'\"]*\b(?:wait|requeue|exit)\b", job.code):
        yield _signal(
            waits[0],
            "after the trap this wait returns, the script ends and the step is cancelled",
            "until wait $pid; ! kill -0 $pid 2>/dev/null; do :; done",
            _wait_loop(job, waits[0]),
        )


def _handler_ends_it(job: Job) -> bool:
    """The trap calls a function that waits, requeues the job or ends the script itself."""
    names = {word.text for c in job.outer_commands if c.name == "trap" for word in c.words[1:2]}
    return any(
        c.around.function in names and (c.name in ("wait", "exit") or c.args()[:1] == ["requeue"])
        for c in job.outer_commands
        if c.around.function
    )


def _unhandled(main: Sequence[Launch], line: int, value: str) -> Iterator[Found]:
    first = next((launch for launch in main if launch.launcher in PER_NODE or launch.container), None)
    if first and not re.search(r"signals[-_]to[-_]handle", first.outer.text) and "USR" in value:
        yield _signal(
            line,
            f"the signal reaches {first.launcher} itself, which does not handle it and dies",
            "torchrun --signals-to-handle=SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1 where it has that option",
            (),
            "warning",
        )


def _in_background(job: Job, main: Sequence[Launch]) -> tuple[Edit, ...]:
    """The one main command put into the background, with a wait that goes on after the trap."""
    outer = main[0].outer
    if len(main) != 1 or outer.around.branch or outer.around.loop or outer.around.function:
        return ()
    end = outer.end_line
    text = job.lines[end - 1].rstrip()
    if outer.around.pipe:  # the process id must be that of the program, not of tee
        piped = re.fullmatch(r"(.*?\S)\s*(?:2>&1\s*)?\|&?\s*(tee\s+[^;&|#]+)", text)
        text = f"{piped.group(1)} > >({piped.group(2)}) 2>&1" if piped else "#"
    if re.search(r"[;#]", text):
        return ()
    return (Edit(end, end, (f"{text} & pid=$!", f"{_LOOP}; wait $pid")),)


_LOOP = "until wait $pid; ! kill -0 $pid 2>/dev/null; do :; done"


def _wait_loop(job: Job, line: int) -> tuple[Edit, ...]:
    text = job.lines[line - 1]
    together = re.fullmatch(r"(\s*\S.*?)\s*&\s*wait\s*", text)
    if together:
        return (Edit(line, line, (f"{together.group(1)} & pid=$!", f"{_LOOP}; wait $pid")),)
    match = re.fullmatch(r"(\s*)wait(?:\s+\"?\$\{?(\w+)\}?\"?)?\s*", text)
    background = [command for command in job.outer_commands if command.around.background]
    if match and not match.group(2) and len(background) == 1 and "$!" not in job.code:
        end = background[0].end_line
        started = job.lines[end - 1].rstrip()
        if started.endswith("&") and not background[0].around.loop and not background[0].around.function:
            return (Edit(end, end, (f"{started} pid=$!",)), Edit(line, line, (f"{match.group(1)}{_LOOP}; wait $pid",)))
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


CHECKS: tuple[Check, ...] = (walltime_checkpoint, requeue_truncate, signal_delivery)
