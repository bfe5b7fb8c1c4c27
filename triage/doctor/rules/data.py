"""io-*: results, temporary files, output."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor.job import Job
from triage.doctor.launch import Launch
from triage.doctor.rules.found import Check, Edit, Found
from triage.doctor.rules.launching import line_with
from triage.doctor.rules.signs import is_training, large_area
from triage.doctor.shell import Command

_LOCAL = re.compile(
    r"(?:\$TMPDIR|\$\{TMPDIR[^}]*\}|/tmp|/dev/shm|\$LOCAL_SCRATCH|\$\{LOCAL_SCRATCH\}|\$SNIC_TMP|\$\{SNIC_TMP\}|\$JOBSCRATCH|\$\{JOBSCRATCH\})(?=[/\s\"']|$)"
)
_RESULT = re.compile(
    r"--(?:output(?:[-_]?dir)?|out(?:[-_]dir)?|save(?:[-_](?:dir|path))?|checkpoint(?:[-_]?(?:dir|path))?|"
    r"ckpt(?:[-_](?:dir|path))?|results?(?:[-_]dir)?|default_root_dir|log[-_]?dir|logging_dir)[= ]\"?(\S+)|"
    r"\.py\"?\s(?:[^|;&\n]*\s)?-o[= ]\"?(\S+)"
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
        if command.name in ("cp", "rsync", "mv", "tar")
        or (command.name == "srun" and re.search(r"\b(?:cp|rsync|mv|tar)\b", command.text))
    ]
    trapped = any(c.name == "trap" and re.search(r"\b(?:cp|rsync|mv|tar)\b", c.text) for c in job.outer_commands)
    for launch in job.main_launches:
        match = _RESULT.search(launch.outer.text)
        target = (match.group(1) or match.group(2)) if match else ""
        moved = _working_directory(job, launch)
        if moved and match and not target.strip('"').startswith(("/", "$", "~")):
            target = f"{moved}/{target}"
        elif moved and not match and is_training(job):
            target = moved
        variable = re.match(r"^\"?\$\{?(\w+)", target)
        value = job.variables.get(variable.group(1), target) if variable else target
        if not value or not (_LOCAL.search(value) or _LOCAL.search(target)):
            continue
        if trapped or any(_runs_after(job, command, launch) for command in copied) or "/wandb" in value:
            continue
        option = "-o" if match and match.group(2) else match.group().split("=")[0].split(" ")[0] if match else ""
        line = line_with(job, launch, option) if match else launch.line
        if variable and variable.group(1) in _RESULT_VARIABLES and not _LOCAL.search(target):
            line = job.assigned[variable.group(1)][0][0].line
        yield Found(
            rule="io-data-lost",
            line=line,
            what=f"results go to `{value}`, which is emptied when the job ends, and are not copied back",
            fix="write them to scratch or project storage, or copy them at the end and in the signal handler",
            edits=_to_large_area(job, line, target) or _copied_back(launch, target),
        )


def _runs_after(job: Job, command: Command, launch: Launch) -> bool:
    """Whether the command stands behind the launch, or in a function that a trap or a later line calls."""
    name = command.around.function
    if not name:
        return command.line > launch.outer.line
    trapped = re.search(rf"^\s*trap\s+[\"']?{re.escape(name)}\b", job.code, re.MULTILINE)
    called = any(other.name == name and other.line > launch.outer.line for other in job.outer_commands)
    return bool(trapped) or called


def _working_directory(job: Job, launch: Launch) -> str:
    """Where the last `cd` in front of the launch goes; empty without one."""
    places = [command for command in job.before(launch.outer) if command.name in ("cd", "pushd") and command.args()]
    return places[-1].args()[0].strip('"') if places else ""


_IN_MEMORY = re.compile(r"/(?:tmp/|dev/shm)")


def _to_large_area(job: Job, line: int, target: str) -> tuple[Edit, ...]:
    """The path itself moved, on this line or where the script gives it the variable that is used for it."""
    area, text = large_area(job), job.lines[line - 1]
    if not area:
        return ()
    moved = _LOCAL.sub(area, text)
    variable = re.match(r"^\"?\$\{?(\w+)\}?", target)
    if moved == text and variable and variable.group(1) in job.assigned:
        command, value = job.assigned[variable.group(1)][0]
        uses = len(re.findall(rf"\$\{{?{variable.group(1)}\b", job.code))
        if uses == 1:
            line, text = command.line, job.lines[command.line - 1]
            moved = _LOCAL.sub(area, text)
        else:
            moved = text.replace(variable.group().lstrip('"'), _LOCAL.sub(area, value), 1)
    return (Edit(line, line, (moved,)),) if moved != text else ()


def _copied_back(launch: Launch, target: str) -> tuple[Edit, ...]:
    """Where no area for big files is known: back to the folder that the job was submitted from."""
    around, end = launch.outer.around, launch.outer.end_line
    if around.loop or around.function or around.branch or around.background or not target:
        return ()
    path = target.strip("\"'")
    return (Edit(end + 1, end, (f'cp -r "{path}" "$SLURM_SUBMIT_DIR"/',)),)


def tmp_in_memory(job: Job) -> Iterator[Found]:
    if job.site is None or job.site.id not in ("lumi-g", "leonardo-booster", "adastra-mi250x", "adastra-mi300a"):
        everywhere = [
            command
            for command in job.outer_commands
            if command.name in ("cp", "tar", "unzip", "rsync")
            and re.search(r"[\s\"]/dev/shm\b", _with_values(job, command.text))
        ]
        if everywhere:
            yield _memory(everywhere[0].line, "/dev/shm is memory and counts against the job")  # noqa: S108
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
        text = _with_values(job, command.text)
        big = command.name in ("tar", "unzip", "cp", "rsync", "zstd", "unsquashfs", "mksquashfs") and re.search(
            r"(?:^|\s|\"|=)(?:/tmp|/dev/shm|\$TMPDIR|\$\{TMPDIR\})(?=[/\s\"]|$)", text
        )
        if big and re.search(r"\.(?:tar|zip|tgz|sqsh|zst|parquet|h5|bin)|data|imagenet|-r|-C|corpus", text):
            small = "about 10 GB" if job.site.id == "leonardo-booster" else "memory of the job"
            yield _memory(command.line, f"/tmp is {small} on {job.site.name}: this may fill it")  # noqa: S108
        in_memory = [name for name, word in command.assignments if _IN_MEMORY.match(word.text)]
        if {"HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "TORCH_HOME"} & set(in_memory):
            yield _memory(command.line, f"`{in_memory[0]}`: /tmp is memory or small on {job.site.name}; data fill it")
        if any(name == "TMPDIR" and word.text.startswith("/dev/shm") for name, word in command.assignments):  # noqa: S108
            yield _memory(command.line, "TMPDIR in /dev/shm counts against the job's memory")


def _with_values(job: Job, text: str) -> str:
    """The text with the script's own variables replaced by their values, one level."""
    return re.sub(r"\$\{?(\w+)\}?", lambda match: job.variables.get(match.group(1), match.group()), text)


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
    data_lost,
    tmp_in_memory,
    python_buffering,
)
