"""env-container-*, env-ulimit, env-secret-in-script."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor.job import Job
from triage.doctor.launch import Launch
from triage.doctor.rules.found import Check, Edit, Found, change
from triage.doctor.rules.launching import line_with

_RUN = ("exec", "run", "shell")
_MOUNTED = (
    "/tmp",  # noqa: S108
    "/home",
    "/users",
    "/opt",
    "/usr",
    "/etc",
    "/var",
    "/dev",
    "/proc",
    "/sys",
    "/bin",
    "/workspace",
    "/app",
    "/user-software",
    "/root",
    "/appl",
)


def container_flags(job: Job) -> Iterator[Found]:
    for launch in job.launches:
        box = launch.container
        if box is None:
            continue
        line = line_with(job, launch, box.tool)
        if box.tool in ("docker",):
            yield _flag(line, "docker is not there on compute nodes", "apptainer or singularity with the image as .sif")
            continue
        if box.tool not in ("singularity", "apptainer") or box.verb not in _RUN:
            continue
        yield from _gpu_flag(job, launch, line)
        if (
            launch.srun is None
            and re.search(r"\bsrun\b", launch.command.text)
            and launch.outer.text.find("srun") > launch.outer.text.find(box.tool)
        ):
            yield _flag(
                line, "srun is called inside the container, which has no Slurm", "srun singularity exec ... instead"
            )
        yield from _binds(job, launch, line)
        image = job.variables.get(box.image.strip('${}"'), box.image)
        if job.site and job.site.id == "jean-zay" and _unregistered(job, image):
            yield _flag(
                line,
                "Jean Zay starts only images that were registered: this one is not in $SINGULARITY_ALLOWED_DIR",
                "idrcontmgr cp <image>, then $SINGULARITY_ALLOWED_DIR/<image>",
                edits=_allowed_image(job, image),
            )
        if re.match(r"(?:\$HOME|\$\{HOME\}|~)/", image):
            yield _flag(
                line_with(job, launch, "$HOME") if "$HOME" in image else line,
                "the image is in the home directory, whose quota is small",
                "put it on project or scratch storage",
                severity="warning",
            )
    yield from _nested(job)


def _allowed_image(job: Job, image: str) -> tuple[Edit, ...]:
    if not image.endswith((".sif", ".simg", ".img")):
        return ()
    line = next((number for number, text in enumerate(job.lines, start=1) if image in text), 0)
    return change(job, line, image, f"$SINGULARITY_ALLOWED_DIR/{image.rsplit('/', 1)[-1]}") if line else ()


def _unregistered(job: Job, image: str) -> bool:
    return (
        image.endswith((".sif", ".simg", ".img"))
        and "ALLOWED_DIR" not in image
        and "SINGULARITY_ALLOWED_DIR" not in job.code
    ) or image.startswith(("docker://", "oras://"))


def _nested(job: Job) -> Iterator[Found]:
    for command in job.outer_commands:
        names = [word.text for word in command.words]
        tool = next(
            (index for index, name in enumerate(names) if name.rsplit("/", 1)[-1] in ("singularity", "apptainer")), None
        )
        if tool is not None and "srun" in names[tool + 1 :]:
            yield _flag(
                command.line,
                "srun is called inside the container, which has no Slurm",
                "srun singularity exec ... instead",
            )


def _flag(line: int, what: str, fix: str, *, severity: str = "error", edits: tuple[Edit, ...] = ()) -> Found:
    return Found(
        rule="env-container-flags",
        line=line,
        what=what,
        fix=fix,
        edits=edits,
        severity="error" if severity == "error" else "warning",
    )


_SITE_BINDINGS = re.compile(r"lumi-aif|/appl/local/|singularity-(?:AI-)?bindings|EasyBuild|CONTAINER_|LD_LIBRARY_PATH")


def _gpu_flag(job: Job, launch: Launch, line: int) -> Iterator[Found]:
    box = launch.container
    if box is None or job.site is None or not job.asks_for_gpus:
        return
    if any("$" in option for option in box.options):
        return
    if job.site.vendor == "nvidia":
        given = {"--nv", "--nvccli"} & set(box.options) or re.search(
            r"(?:APPTAINER|SINGULARITY)_NV(?:CCLI)?=", job.code
        )
        if not given and _uses_gpu(launch):
            text = job.lines[line - 1]
            fixed = re.sub(rf"\b{box.tool}\s+{box.verb}\b", f"{box.tool} {box.verb} --nv", text, count=1)
            yield _flag(
                line,
                f"{box.tool} {box.verb} without --nv: the container sees no GPU",
                f"{box.tool} {box.verb} --nv",
                edits=(Edit(line, line, (fixed,)),) if fixed != text else (),
            )
    elif "--nv" in box.options:
        yield _flag(
            line,
            "--nv is for NVIDIA GPUs",
            "leave it out; the site's container or bindings module brings the GPU in",
            edits=change(job, line, " --nv", "" if _SITE_BINDINGS.search(job.code) else " --rocm"),
        )
    elif "--rocm" not in box.options and not _SITE_BINDINGS.search(job.code) and _uses_gpu(launch):
        yield _flag(
            line,
            f"{box.tool} {box.verb} without --rocm and without the site's bindings module",
            "--rocm or the site's bindings module",
            severity="warning",
        )


def _uses_gpu(launch: Launch) -> bool:
    if (
        re.search(r"https?://|--(?:base[-_]?)?url\b|--endpoint\b", " ".join(launch.args))
        and launch.launcher == "python"
    ):
        return False  # a client of a server that has the GPU
    return launch.launcher != "other" or not re.search(
        r"(?i)\b(?:tar|cp|mksquashfs|ls|cat|pip|mkdir|tokeni|preprocess|download)",
        f"{launch.program} {' '.join(launch.args[:2])}",
    )


def _binds(job: Job, launch: Launch, line: int) -> Iterator[Found]:
    box = launch.container
    if box is None or job.site is None:
        return
    bound = (
        " ".join(box.options)
        + " "
        + " ".join(
            job.variables.get(name, "")
            for name in ("APPTAINER_BIND", "SINGULARITY_BIND", "APPTAINER_BINDPATH", "SINGULARITY_BINDPATH")
        )
    )
    if job.site.id == "lumi-g":
        if (
            re.search(
                r"(?:-B|--bind|BIND\w*=?)[ =]\"?(?:/scratch|/project|/scratch,/project|"
                r"/project,/scratch)(?:[\s\",:]|$)",
                bound + " ",
            )
            and "pfs" not in bound
            and "lumi-aif" not in job.code
            and "bindings" not in job.code
        ):
            yield _flag(
                line,
                "/scratch and /project are links on LUMI: binding only them leaves them empty",
                "bind /pfs,/scratch,/projappl,/project,/flash,/appl or load lumi-aif-singularity-bindings",
                edits=_real_paths(job, line),
            )
        return
    if "$" in bound or "bindings" in job.code or "CONTAINER" in bound:
        return
    for word in (launch.program, *launch.args):
        path = word.split("=", 1)[-1].strip("'\"")
        top = re.match(r"^(/[\w.\-]+)(?:/[\w.\-]+)+", path)
        if top and top.group(1) not in _MOUNTED and top.group(1) not in bound and top.group(1) != "/work":
            where = line_with(job, launch, path)
            text = job.lines[line - 1]
            fixed = re.sub(
                rf"\b({box.tool}\s+{box.verb}(?:\s+--(?:nv|rocm))?)\b", rf"\1 -B {top.group(1)}", text, count=1
            )
            yield _flag(
                where,
                f"`{top.group(1)}` is not bound into the container",
                f"-B {top.group(1)}",
                severity="warning",
                edits=(Edit(line, line, (fixed,)),) if fixed != text else (),
            )
            return


def _real_paths(job: Job, line: int) -> tuple[Edit, ...]:
    text = job.lines[line - 1]
    links = r"/(?:scratch|project)(?:,/(?:scratch|project))*"
    fixed = re.sub(
        rf"((?:-B|--bind)[ =]\"?){links}(?=[\s\"]|$)", r"\1/pfs,/scratch,/projappl,/project,/flash,/appl", text
    )
    return (Edit(line, line, (fixed,)),) if fixed != text else ()


_NEEDED = re.compile(r"MASTER_ADDR|MASTER_PORT|SLURM_|NCCL_|HF_|RANK")
_CLEAN = ("--cleanenv", "-e", "--containall", "-C", "--contain", "-c")


def container_env(job: Job) -> Iterator[Found]:
    for launch in job.launches:
        box = launch.container
        if box is None or box.tool not in ("singularity", "apptainer"):
            continue
        cleaned = [option for option in box.options if option in _CLEAN]
        passed = any(option.startswith("--env") for option in box.options) or re.search(
            r"(?:APPTAINER|SINGULARITY)ENV_", job.code
        )
        line = line_with(job, launch, box.tool)
        if (
            cleaned
            and cleaned[0] in ("--cleanenv", "-e", "--containall", "-C")
            and not passed
            and _NEEDED.search(job.code)
        ):
            yield _env(
                line,
                f"{cleaned[0]} takes the variables away that the program needs",
                "leave it out, or pass them by --env",
                change(job, line, f" {cleaned[0]}", ""),
            )
        elif re.search(r"\b(?:scontrol|squeue|sinfo|nslookup)\s", _inside(launch)):
            yield _env(
                line_with(job, launch, "scontrol"),
                "scontrol and its like are not in the container",
                "compute MASTER_ADDR outside, before the container",
                _address_outside(job, launch),
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
                (),
            )
        elif re.search(r"\bmodule load\b", _inside(launch)):
            yield _env(
                line_with(job, launch, "module load"),
                "module load inside the container has no effect",
                "use what the image brings",
                (),
            )
    for command in job.outer_commands:
        if (
            command.name in ("export", "")
            and any(name in ("PYTHONPATH", "LD_LIBRARY_PATH") for name, _ in command.assignments)
            and any(launch.container for launch in job.launches)
        ):
            name = next(name for name, _ in command.assignments if name in ("PYTHONPATH", "LD_LIBRARY_PATH"))
            value = dict(command.assignments)[name].text
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


def ulimits(job: Job) -> Iterator[Found]:
    starts = [launch.line for launch in job.main_launches]
    for command in job.outer_commands:
        if command.name != "ulimit":
            continue
        if re.search(r"-[vm]\s+\d", command.text):
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
            if match and not re.search(r"(?i)x{6,}|\*{4,}|your|example|placeholder", match.group()):
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


CHECKS: tuple[Check, ...] = (container_flags, container_env, ulimits, secret)
