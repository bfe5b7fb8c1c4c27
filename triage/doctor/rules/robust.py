"""rob-* and io-*: failures, restarts, arrays, data."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor import units
from triage.doctor.facts import facts
from triage.doctor.job import Job
from triage.doctor.rules.found import Check, Edit, Found, change
from triage.doctor.rules.launching import PER_NODE, _line_with
from triage.doctor.rules.signs import is_training, large_area


def exit_code_lost(job: Job) -> Iterator[Found]:
    strict = re.search(r"set\s+-\w*o?\s*\w*\s*pipefail|set -\w*o pipefail|PIPESTATUS", job.code)
    for launch in job.main_launches:
        if launch.launcher == "other" and not launch.program.endswith((".py", ".sh")):
            continue
        if launch.outer.around.pipe and not strict:
            first = launch.outer.line
            yield Found(
                rule="rob-exit-code-lost",
                line=_line_with(job, launch, "|"),
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
    yield from _code_after(job, strict=bool(strict))


def _code_after(job: Job, *, strict: bool) -> Iterator[Found]:
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
            line=last.line if after[-1].name != "echo" else last.line,
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
    r"(?i)save[-_]?(?:steps|interval|every|freq)|resume|--load\b|ckpt|checkpoint|restart|singleton|--dependency|requeue|--signal|snapshot|auto[-_]?resume|scontrol requeue"
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
            what=f"{job.value('time')} of training with no sign of checkpoints or resume: lost at the walltime or a node failure",
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
            and not re.search(r"/tmp|TMPDIR|cache", command.text)
        ),
        None,
    )
    resume = _RESUME.search(job.code)
    if removing and job.main_launches and removing.line < job.main_launches[0].line and (active or not handled):
        yield Found(
            rule="rob-requeue-truncate",
            line=removing.line,
            what="after a requeue this removes the results of the first run",
            fix="keep them, and resume; or --no-requeue",
            severity=None if active else "warning",
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
            (),
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
                (),
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


def _signal(line: int, what: str, fix: str, edits: tuple[Edit, ...], severity: str = "error") -> Found:
    return Found(
        rule="rob-signal-delivery",
        line=line,
        what=what,
        fix=fix,
        edits=edits,
        severity="error" if severity == "error" else "warning",
    )


def dependency(job: Job) -> Iterator[Found]:
    regex = re.compile(facts("script_rules")["dependency_format"]["regex"])
    option = job.effective.get("dependency")
    if (
        option
        and option.value
        and not re.search(r"[$<]", option.value)
        and not (regex.match(option.value) and not ("," in option.value and "?" in option.value))
    ):
        yield _dependency(job, option.line, option.value)
    captured = {
        name
        for name, values in job.assigned.items()
        for command, value in values
        if re.search(r"(?:\$\(|`)\s*sbatch\b", value)
        and "--parsable" not in value
        and not re.search(r"awk|cut|grep|sed|tail|\$NF|##\*", value)
    }
    for command in job.outer_commands:
        for name, word in command.assignments:
            if name in captured and re.search(r"sbatch\b", word.text):
                cut = re.search(rf"\$\{{{name}##\* \}}|echo \$?\"?\$\{{?{name}\}}? \| (?:awk|cut|grep)", job.code)
                if not cut:
                    fixed = re.sub(r"\bsbatch\b", "sbatch --parsable", job.lines[word.line - 1], count=1)
                    yield Found(
                        rule="rob-dependency-syntax",
                        line=word.line,
                        what="sbatch prints `Submitted batch job 5`, not the id alone",
                        fix="sbatch --parsable",
                        edits=(Edit(word.line, word.line, (fixed,)),),
                    )
        if command.name == "sbatch":
            match = re.search(r"(?:--dependency|-d)[= ]\"?([^\s\"]+)", command.text)
            if match:
                spec = re.sub(r"\$\{?\w+(?:##\* )?\}?|\$\([^)]*\)", "5", match.group(1))
                if not regex.match(spec):
                    yield _dependency(job, command.line + command.text[: match.start()].count("\n"), match.group(1))


def _dependency(job: Job, line: int, value: str) -> Found:
    right = (
        value.replace("after_ok", "afterok")
        .replace("after_any", "afterany")
        .replace("after_notok", "afternotok")
        .replace(" ", "")
        .replace(";", ":")
    )
    right = re.sub(r"^(after\w*)=", r"\1:", right)
    return Found(
        rule="rob-dependency-syntax",
        line=line,
        what=f"`{value}` is no dependency that Slurm reads",
        fix=f"write {right}" if right != value else "afterok:<job id>",
        edits=change(job, line, value, right) if right != value else (),
    )


def array(job: Job) -> Iterator[Found]:
    option = job.effective.get("array")
    uses = re.search(r"SLURM_ARRAY_TASK_ID", job.code)
    if option is None:
        if uses and not re.search(
            r"SLURM_ARRAY_TASK_ID:?-|-n \"?\$\{?SLURM_ARRAY_TASK_ID|-z \"?\$\{?SLURM_ARRAY_TASK_ID|sbatch[^\n]*--array",
            job.text,
        ):
            number = next(
                number
                for number, line in enumerate(job.lines, start=1)
                if "SLURM_ARRAY_TASK_ID" in line and not line.lstrip().startswith("#")
            )
            yield Found(
                rule="rob-array",
                line=number,
                severity="error",
                what="$SLURM_ARRAY_TASK_ID is used, but there is no --array: it is empty",
                fix="add #SBATCH --array=0-<n-1>",
            )
        loops = [command for command in job.outer_commands if command.name == "sbatch" and command.around.loop]
        if loops:
            yield from _submit_loop(job, loops[0].line)
        return
    if re.search(r"[$<{]", option.value) and not option.value.startswith("{"):
        return
    size = units.array_size(option.value)
    if size is None:
        yield Found(
            rule="rob-array",
            line=option.line,
            column=option.column,
            severity="error",
            what=f"`{option.value}` is no array that Slurm reads",
            fix="0-9, 1,3,5 or 0-99%10",
            edits=_array_edit(job, option.value, option.line),
        )
        return
    yield from _array_use(job, size, bool(uses))


def _array_edit(job: Job, value: str, line: int) -> tuple[Edit, ...]:
    match = re.fullmatch(r"\{?(\d+)(?:\.\.|\s*-\s*|:)(\d+)\}?(%\d+)?", value)
    if not match:
        return ()
    low, high = sorted((int(match.group(1)), int(match.group(2))))
    return change(job, line, value, f"{low}-{high}{match.group(3) or ''}")


def _array_use(job: Job, size: tuple[int, int, int | None], uses: bool) -> Iterator[Found]:
    count, highest, throttle = size
    line = job.line_of("array")
    chain = throttle == 1
    if (
        not uses
        and not chain
        and count > 1
        and not any(launch.program.endswith((".sh", ".bash")) for launch in job.launches)
        and not re.search(r"%[aA]|SLURM_ARRAY", job.code)
        and not re.search(r"(?:bash|sh|source)\s+\S+\.sh|\./\S+\.sh", job.code)
    ):
        yield Found(
            rule="rob-array",
            line=line,
            what="the array index is never used: all tasks do the same",
            fix="use $SLURM_ARRAY_TASK_ID to choose the input",
        )
    if highest >= 1001:
        yield Found(
            rule="rob-array",
            line=line,
            what=f"index {highest} is above the usual maximum (MaxArraySize 1001, highest index 1000)",
            fix="fewer, larger tasks, or an offset",
            severity="error",
        )
    elif count > 20 and throttle is None and job.asks_for_gpus:
        limit = {"small-g": 210, "standard-g": 210, "dev-g": 2}.get(job.value("partition"), 0)
        said = f"; {job.value('partition')} takes {limit} jobs" if limit and count > limit else ""
        yield Found(
            rule="rob-array",
            line=line,
            what=f"{count} tasks at once without a throttle{said}",
            severity="warning" if said else "hint",
            fix=f"--array={job.value('array')}%10",
            edits=change(job, line, job.value("array"), f"{job.value('array')}%10"),
        )
    yield from _list_length(job, size)


def _list_length(job: Job, size: tuple[int, int, int | None]) -> Iterator[Found]:
    spec = job.value("array").split("%")[0]
    for match in re.finditer(r"\$\{(\w+)\[\"?\$?\{?(SLURM_ARRAY_TASK_ID|\w+)\}?([-+] ?1)?\"?\]\}", job.code):
        name, index = match.group(1), match.group(2)
        listed = job.variables.get(name, "")
        if (
            not listed.startswith("(")
            or "$" in listed
            or "*" in listed
            or (index != "SLURM_ARRAY_TASK_ID" and "SLURM_ARRAY_TASK_ID" not in job.variables.get(index, ""))
        ):
            continue
        if index != "SLURM_ARRAY_TASK_ID" and not re.fullmatch(
            r"\"?\$\{?SLURM_ARRAY_TASK_ID\}?\"?", job.variables.get(index, "")
        ):
            continue
        items = len(re.findall(r"\"[^\"]*\"|'[^']*'|[^\s()]+", listed.strip("()")))
        offset = -1 if match.group(3) and "-" in match.group(3) else 0
        first = int(re.match(r"\d+", spec).group()) if re.match(r"\d+", spec) else 0  # type: ignore[union-attr]
        if (
            size[1] + offset >= items
            or (first + offset > 0 and size[0] == items)
            or (size[0] < items and "," not in spec and first + offset == 0 and size[0] > 1)
        ):
            line = job.line_of("array")
            throttle = f"%{size[2]}" if size[2] else ""
            right = f"{-offset}-{items - 1 - offset}{throttle}"
            yield Found(
                rule="rob-array",
                line=line,
                what=f"indices {spec} for {name} with {items} entries (0 to {items - 1})",
                fix=f"--array={right}",
                edits=change(job, line, job.value("array"), right),
            )
            return


def _submit_loop(job: Job, line: int) -> Iterator[Found]:
    match = re.search(r"\{(\d+)\.\.(\d+)\}|seq\s+(?:\d+\s+)?(\d+)", job.code)
    if match and int(match.group(2) or match.group(3)) > 20:
        yield Found(
            rule="rob-array", line=line, what="many sbatch calls in a loop", fix="one job array with --array=0-n%k"
        )


_LOCAL = re.compile(
    r"(?:\$TMPDIR|\$\{TMPDIR[^}]*\}|/tmp|/dev/shm|\$LOCAL_SCRATCH|\$\{LOCAL_SCRATCH\}|\$SNIC_TMP|\$\{SNIC_TMP\}|\$JOBSCRATCH|\$\{JOBSCRATCH\})(?=[/\s\"']|$)"
)
_RESULT = re.compile(
    r"--(?:output(?:[-_]?dir)?|out(?:[-_]dir)?|save(?:[-_](?:dir|path))?|checkpoint(?:[-_]?(?:dir|path))?|ckpt(?:[-_](?:dir|path))?|results?(?:[-_]dir)?|default_root_dir|log[-_]?dir|logging_dir)[= ]\"?(\S+)"
)
_RESULT_VARIABLES = (
    "OUTPUT_DIR",
    "OUT_DIR",
    "OUTDIR",
    "CKPT_DIR",
    "CHECKPOINT_DIR",
    "SAVE_DIR",
    "RESULTS",
    "RESULT_DIR",
    "OUT",
    "CKPT",
    "OUTPUT",
    "RUN_DIR",
    "SAVE_PATH",
    "CKPT_PATH",
)


def data_lost(job: Job) -> Iterator[Found]:
    copied = [
        command
        for command in job.outer_commands
        if command.name in ("cp", "rsync", "mv", "tar", "mkdir")
        or (command.name == "srun" and re.search(r"\b(?:cp|rsync|mv|tar)\b", command.text))
    ]
    for launch in job.main_launches:
        match = _RESULT.search(launch.outer.text)
        target = match.group(1) if match else ""
        variable = re.match(r"^\"?\$\{?(\w+)", target)
        value = job.variables.get(variable.group(1), target) if variable else target
        if not value or not (_LOCAL.search(value) or _LOCAL.search(target)):
            continue
        if any(command.line > launch.outer.line and command.name != "mkdir" for command in copied) or "/wandb" in value:
            continue
        line = _line_with(job, launch, match.group().split("=")[0].split(" ")[0]) if match else launch.line
        if variable and variable.group(1) in _RESULT_VARIABLES and not _LOCAL.search(target):
            line = job.assigned[variable.group(1)][0][0].line
        yield Found(
            rule="io-data-lost",
            line=line,
            what=f"results go to `{value}`, which is emptied when the job ends, and are not copied back",
            fix="write them to scratch or project storage, or copy them at the end and in the signal handler",
            edits=_to_large_area(job, line),
        )


def _to_large_area(job: Job, line: int) -> tuple[Edit, ...]:
    area, text = large_area(job), job.lines[line - 1]
    moved = _LOCAL.sub(area, text) if area else text
    return (Edit(line, line, (moved,)),) if moved != text else ()


def tmp_in_memory(job: Job) -> Iterator[Found]:
    if job.site is None or job.site.id not in ("lumi-g", "leonardo-booster", "adastra-mi250x", "adastra-mi300a"):
        everywhere = [
            command
            for command in job.outer_commands
            if command.name in ("cp", "tar", "unzip", "rsync") and re.search(r"\s/dev/shm\b", command.text)
        ]
        if everywhere:
            yield _memory(everywhere[0].line, "/dev/shm is memory and counts against the job")
        return
    if (
        (job.mem_gib and job.site.ram_gb and job.mem_gib >= 0.95 * job.site.ram_gb)
        or job.value("mem") == "0"
        or (job.whole_nodes and not job.has("mem"))
    ):
        return
    for command in job.outer_commands:
        if command.around.substitution:
            continue
        big = command.name in ("tar", "unzip", "cp", "rsync", "zstd", "unsquashfs", "mksquashfs") and re.search(
            r"(?:^|\s|\"|=)(?:/tmp|/dev/shm|\$TMPDIR|\$\{TMPDIR\})(?=[/\s\"]|$)", command.text
        )
        if big and re.search(r"\.(?:tar|zip|tgz|sqsh|zst|parquet|h5|bin)|data|imagenet|-r|-C|corpus", command.text):
            small = "about 10 GB" if job.site.id == "leonardo-booster" else "memory of the job"
            yield _memory(command.line, f"/tmp is {small} on {job.site.name}: this may fill it")
        if any(name == "TMPDIR" and word.text.startswith(("/dev/shm",)) for name, word in command.assignments):
            yield _memory(command.line, "TMPDIR in /dev/shm counts against the job's memory")


def _memory(line: int, what: str) -> Found:
    return Found(rule="io-tmp-in-memory", line=line, what=what, fix="ask for that memory too, or use scratch")


def python_buffering(job: Job) -> Iterator[Found]:
    if re.search(r"PYTHONUNBUFFERED", job.text):
        return
    for launch in job.main_launches:
        if launch.launcher != "python" or "u" in launch.options or (launch.srun and "unbuffered" in launch.srun):
            continue
        if not re.search(r"\.py$|\$", launch.program):
            continue
        nested = launch.outer.around.loop or launch.outer.around.function or launch.outer.around.branch
        first = job.block_end if nested else launch.outer.line
        yield Found(
            rule="io-python-buffering",
            line=launch.line,
            what="python's output is buffered when it goes to a file: nothing is seen for long",
            fix="export PYTHONUNBUFFERED=1",
            edits=(Edit(first, first - 1, ("export PYTHONUNBUFFERED=1",)),),
        )
        return


CHECKS: tuple[Check, ...] = (
    exit_code_lost,
    fail_fast,
    walltime_checkpoint,
    requeue_truncate,
    signal_delivery,
    dependency,
    array,
    data_lost,
    tmp_in_memory,
    python_buffering,
)
