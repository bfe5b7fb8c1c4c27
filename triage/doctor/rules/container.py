"""env-container-flags: how a container is started."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor.job import Job
from triage.doctor.launch import Launch
from triage.doctor.rules.found import Check, Edit, Found, change
from triage.doctor.rules.launching import line_with
from triage.doctor.shell import Command
from triage.doctor.wrappers import DOCKER_VALUES

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
        if box.tool in ("docker", "podman"):
            image = sif_name(box.image)
            fix = f"apptainer pull docker://{box.image} on a login node, then apptainer exec {image} ..."
            edits = _by_apptainer(job, launch, image)
            if box.tool == "docker":
                yield _flag(line, "docker is not there on compute nodes", fix, edits=edits)
            else:  # some sites of their own have it
                what = "podman may not be there on compute nodes: the systems on record name Singularity or Apptainer"
                yield _flag(line, what, fix, severity="warning", edits=edits)
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
                edits=_srun_outside(job, command, tool, names.index("srun", tool)),
            )


_VALUE_FOLLOWS = re.compile(r"-[A-Za-z]$")
_NO_VALUE = ("--exact", "--overlap", "--unbuffered", "--label", "--exclusive", "--pty")


def _srun_outside(job: Job, command: Command, tool: int, srun: int) -> tuple[Edit, ...]:
    """`srun options` put in front of the container; nothing where its options cannot be told from the program."""
    at = srun + 1
    while at < len(command.words) and command.words[at].text.startswith("-"):
        text = command.words[at].text
        if text.startswith("--") and "=" not in text and text not in _NO_VALUE:
            return ()
        at += 2 if _VALUE_FOLLOWS.fullmatch(text) else 1
    if at >= len(command.words) or command.line != command.end_line:
        return ()
    line = job.lines[command.line - 1]
    one, two, three = (command.words[index].column - 1 for index in (tool, srun, at))
    return (Edit(command.line, command.line, (line[:one] + line[two:three] + line[one:two] + line[three:],)),)


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
    if box is None or not job.asks_for_gpus:
        return
    if any("$" in option for option in box.options):
        return
    if job.site is None:
        yield from _no_gpu_flag(job, launch, line)
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
        text = job.lines[line - 1]
        fixed = re.sub(rf"\b{box.tool}\s+{box.verb}\b", f"{box.tool} {box.verb} --rocm", text, count=1)
        yield _flag(
            line,
            f"{box.tool} {box.verb} without --rocm and without the site's bindings module",
            "--rocm or the site's bindings module",
            severity="warning",
            edits=(Edit(line, line, (fixed,)),) if fixed != text else (),
        )


def _no_gpu_flag(job: Job, launch: Launch, line: int) -> Iterator[Found]:
    """On a system that is not known: which of the two flags is right only its GPUs tell."""
    box = launch.container
    flags = {"--nv", "--nvccli", "--rocm"}
    outside = re.search(r"(?:APPTAINER|SINGULARITY)_(?:NV(?:CCLI)?|ROCM)=", job.code) or _SITE_BINDINGS.search(job.code)
    if box is None or flags & set(box.options) or outside or not _uses_gpu(launch):
        return
    kind = f"{job.gpu_type} {' '.join(launch.args)} {job.code}".lower()
    flag = "--rocm" if re.search(r"mi\d{3}|rocm|\bhip", kind) else "--nv"
    text = job.lines[line - 1]
    fixed = re.sub(rf"\b{box.tool}\s+{box.verb}\b", f"{box.tool} {box.verb} {flag}", text, count=1)
    yield Found(
        rule="env-container-flags",
        line=line,
        also=(launch.line,) if launch.line != line else (),
        severity="warning",
        what=f"{box.tool} {box.verb} without --nv (NVIDIA) or --rocm (AMD): the container sees no GPU",
        fix=f"{box.tool} {box.verb} {flag}",
        edits=(Edit(line, line, (fixed,)),) if fixed != text else (),
    )


def sif_name(image: str) -> str:
    """What `apptainer pull docker://image` calls the file."""
    name, _, tag = image.rsplit("/", 1)[-1].partition(":")
    return f"{name}_{tag.partition('@')[0] or 'latest'}.sif"


_DOCKER_KEPT = {"-v": "-B", "--volume": "-B", "-w": "--pwd", "--workdir": "--pwd", "-e": "--env", "--env": "--env"}


def _by_apptainer(job: Job, launch: Launch, image: str) -> tuple[Edit, ...]:
    """`docker run options image program` as `apptainer exec options image.sif program`."""
    command, box = launch.outer, launch.container
    names = [word.text.rsplit("/", 1)[-1] for word in command.words]
    if box is None or box.tool not in names or box.verb != "run":
        return ()
    start = names.index(box.tool)
    at, options = start + 2, [] if job.site and job.site.vendor == "amd" else ["--nv"]
    while at < len(command.words) and command.words[at].text.startswith("-"):
        name, equals, value = command.words[at].raw.partition("=")
        takes = not equals and DOCKER_VALUES.fullmatch(name) and at + 1 < len(command.words)
        value = command.words[at + 1].raw if takes else value
        options += [_DOCKER_KEPT[name], value] if name in _DOCKER_KEPT and value else []
        at += 2 if takes else 1
    if at + 1 >= len(command.words) or not re.fullmatch(r"[\w./:@\-]+", command.words[at].text):
        return ()
    image = sif_name(command.words[at].text)
    first, last = command.words[start].line, command.words[at + 1].line
    head = job.lines[first - 1][: command.words[start].column - 1]
    rest = job.lines[last - 1][command.words[at + 1].column - 1 :]
    return (Edit(first, last, (f"{head}apptainer exec {' '.join(options)} {image} {rest}",)),)


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
    all_of_them = "/pfs,/scratch,/projappl,/project,/flash,/appl"
    fixed = re.sub(rf"((?:-B|--bind)[ =]\"?){links}(?=[\s\"]|$)", rf"\1{all_of_them}", text)
    if fixed == text:  # a folder below: its link is followed to /pfs
        fixed = re.sub(r"((?:-B|--bind)[ =]\"?)(?=/(?:scratch|project|flash)/)", r"\1/pfs,", text, count=1)
    return (Edit(line, line, (fixed,)),) if fixed != text else ()


CHECKS: tuple[Check, ...] = (container_flags,)
