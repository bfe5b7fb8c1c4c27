"""env-container-env: what the inside of a container has, and what it lacks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from triage.doctor.job import Job
from triage.doctor.launch import Launch
from triage.doctor.rules.found import Check, Edit, Found, change
from triage.doctor.rules.launching import line_with

_NEEDED = re.compile(r"MASTER_ADDR|MASTER_PORT|SLURM_|NCCL_|HF_|RANK")
_CLEAN_VARIABLES = ("--cleanenv", "-e", "--containall", "-C")
_CLEAN = (*_CLEAN_VARIABLES, "--contain", "-c")


def container_env(job: Job) -> Iterator[Found]:
    for launch in job.launches:
        box = launch.container
        if box is None or box.tool not in ("singularity", "apptainer"):
            continue
        cleaned = _cleaned_away(job, box.options)
        line = line_with(job, launch, box.tool)
        if cleaned:
            yield _env(
                line,
                f"{cleaned} takes the variables away that the program needs",
                "leave it out, or pass them by --env",
                change(job, line, f" {cleaned}", ""),
            )
        elif re.search(r"\b(?:scontrol|squeue|sinfo|nslookup)\s", _inside(launch)):
            yield _env(
                line_with(job, launch, "scontrol"),
                "scontrol and its like are not in the container",
                "compute MASTER_ADDR outside, before the container",
                _address_outside(job, launch) or _nothing_asked(job, launch),
            )
        elif (
            launch.launcher in ("python", "torchrun")
            and not re.search(r"activate|/bin/python", launch.outer.text)
            and _activated_outside(job)
            and not job.sets("PYTHONPATH")
        ):
            yield _env(
                _activated_outside(job),
                "the environment is activated outside the container and has no effect inside",
                "activate it inside: bash -c 'source .../activate && python ...'",
                _activated_inside(job, launch),
            )
        elif re.search(r"\bmodule load\b", _inside(launch)):
            yield _env(
                line_with(job, launch, "module load"),
                "module load inside the container has no effect",
                "use what the image brings",
                _no_module(job, launch),
            )
    if any(launch.container for launch in job.launches):
        yield from _leaks_inside(job)


def _cleaned_away(job: Job, options: Iterable[str]) -> str:
    """The option that leaves variables outside which the script needs, or nothing."""
    given = list(options)
    cleaned = next((option for option in given if option in _CLEAN), "")
    passed = any(option.startswith("--env") for option in given) or re.search(
        r"(?:APPTAINER|SINGULARITY)ENV_", job.code
    )
    return cleaned if cleaned in _CLEAN_VARIABLES and not passed and _NEEDED.search(job.code) else ""


def _leaks_inside(job: Job) -> Iterator[Found]:
    for command in job.outer_commands:
        values = {name: word.text for name, word in command.assignments if name in ("PYTHONPATH", "LD_LIBRARY_PATH")}
        if command.name not in ("export", "") or not values:
            continue
        name, value = next(iter(values.items()))
        if re.search(r"/lib(?:64)?/python|site-packages|\$(?:EB|CUDA|ROCM)|/apps?/|/opt/", value):
            yield Found(
                rule="env-container-env",
                line=command.line,
                severity="hint",
                what=f"`{name}` of the host leaks into the container",
                fix="unset it, or set it with --env for the container only",
            )


def _address_outside(job: Job, launch: Launch) -> tuple[Edit, ...]:
    """MASTER_ADDR computed in the batch part, its assignment taken out of the text in the container."""
    line = line_with(job, launch, "scontrol")
    text = job.lines[line - 1]
    inside = re.compile(r"(?:export\s+)?\bMASTER_ADDR=\"?\\?\$\(scontrol [^)]*\)\"?(?:\s*(?:;|&&)\s*|\s+)?")
    match = inside.search(text)
    if not match or line < launch.outer.line:
        return ()
    exported = match.group().startswith("export") and not re.search(r"[;&]\s*$", match.group())
    fixed = f"{text[: match.start()]}{'export ' if exported else ''}{text[match.end() :]}"
    first = launch.outer.line
    address = 'export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)'
    above = () if job.sets_outside("MASTER_ADDR") else (Edit(first, first - 1, (address,)),)
    return (*above, Edit(line, line, (fixed,)))


def _nothing_asked(job: Job, launch: Launch) -> tuple[Edit, ...]:
    """Without a command that only shows something of Slurm."""
    line = launch.line
    fixed = re.sub(r"\b(?:squeue|sinfo)\b[^;&|'\"]*(?:;|&&)\s*", "", job.lines[line - 1], count=1)
    return (Edit(line, line, (fixed,)),) if fixed != job.lines[line - 1] else ()


def _no_module(job: Job, launch: Launch) -> tuple[Edit, ...]:
    line = line_with(job, launch, "module load")
    fixed = re.sub(r"\bmodule load [^;&'\"\n]*(?:;|&&)\s*", "", job.lines[line - 1], count=1)
    return (Edit(line, line, (fixed,)),) if fixed != job.lines[line - 1] else ()


def _activated_inside(job: Job, launch: Launch) -> tuple[Edit, ...]:
    """The venv's activation moved into the container, in front of the program."""
    outside, box = _activated_outside(job), launch.container
    text = job.lines[outside - 1].strip()
    source = re.fullmatch(r"(?:source|\.)\s+(\S+/bin/activate)(?:\s*\|\|\s*exit(?:\s+\d+)?)?", text)
    words = launch.outer.words
    image = next((at for at, word in enumerate(words) if box and word.text == box.image), len(words))
    if source is None or launch.wrapped or image + 1 >= len(words) or len(job.main_launches) != 1 or "'" in text:
        return ()
    program = words[image + 1]
    line = job.lines[program.line - 1]
    inside = f"bash -c 'source {source.group(1)} && exec \"$@\"' bash "
    if program.line == outside or not line.isascii():
        return ()
    fixed = f"{line[: program.column - 1]}{inside}{line[program.column - 1 :]}"
    return (Edit(outside, outside, ()), Edit(program.line, program.line, (fixed,)))


def _inside(launch: Launch) -> str:
    """The text that runs in the container."""
    text, image = launch.outer.text, launch.container.image if launch.container else ""
    return text[text.find(image) + len(image) :] if image and image in text else launch.command.text


def _activated_outside(job: Job) -> int:
    if all(launch.container for launch in job.main_launches):
        for command in job.outer_commands:
            if (command.name in ("source", ".") and "activate" in command.text) or (
                command.name == "conda" and "activate" in command.text
            ):
                return command.line
    return 0


def _env(line: int, what: str, fix: str, edits: tuple[Edit, ...]) -> Found:
    return Found(rule="env-container-env", line=line, what=what, fix=fix, edits=edits)


CHECKS: tuple[Check, ...] = (container_env,)
