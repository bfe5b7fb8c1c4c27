"""env-module-*, env-conda-activate: modules and environments."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor.job import Job
from triage.doctor.rules.environment import NEEDS_LOGIN_SHELL
from triage.doctor.rules.found import Check, Edit, Found, change
from triage.doctor.shell import Command

_LOGIN = re.compile(r"^#!.*(?:bash|sh)\s+-\w*l")
_PROFILE = re.compile(
    r"(?:source|\.)\s+\S*(?:/etc/(?:bashrc|profile)|profile\.d|\.bash_?(?:rc|profile)|csh\.(?:cshrc|login)|\.t?cshrc|/init/(?:bash|profile)|lmod|modules\.sh|Lmod)"
)


def modules(job: Job) -> list[tuple[Command, str, list[str]]]:
    """Module commands: the command, its verb, its arguments."""
    found = []
    for command in job.outer_commands:
        if command.name not in ("module", "ml"):
            continue
        args = [arg for arg in command.args() if not arg.startswith("-") or arg in ("--force", "-f")]
        verbs = (
            "load",
            "add",
            "purge",
            "use",
            "unload",
            "swap",
            "switch",
            "restore",
            "avail",
            "list",
            "reset",
            "show",
            "spider",
            "rm",
            "del",
        )
        force = [arg for arg in args if arg in ("--force", "-f")]
        rest = [arg for arg in args if arg not in ("--force", "-f")]
        verb = rest[0] if rest and rest[0] in verbs else "load" if command.name == "ml" and rest else ""
        found.append((command, verb, [*force, *(rest[1:] if rest and rest[0] in verbs else rest)]))
    return found


def module_command(job: Job) -> Iterator[Found]:
    used = modules(job)
    if not used:
        return
    first = used[0][0]
    sourced = any(_PROFILE.search(command.text) for command in job.before(first))
    head = job.lines[0] if job.lines else ""
    if (
        job.value("export").upper().startswith(("NONE", "NIL"))
        and not _LOGIN.match(head)
        and not sourced
        and "get-user-env" not in job.effective
    ):
        yield _module(job, first, "--export=NONE: the module function of the login shell is not there", "error")
    elif (
        job.site
        and job.site.id in NEEDS_LOGIN_SHELL
        and head.startswith("#!")
        and not _LOGIN.match(head)
        and not sourced
    ):
        what = f"the module command may be missing in batch shells of {job.site.name}"
        yield _module(job, first, what, "warning")
        yield Found(
            rule="env-module-command", line=1, severity="hint", what=f"no login shell: {what}", fix="#!/bin/bash -l"
        )
    foreign = _foreign_module(job)
    if foreign:
        yield foreign


def _module(job: Job, command: Command, what: str, severity: str) -> Found:
    fixed = re.sub(r"^(#!\s*\S*bash)\s*$", r"\1 -l", job.lines[0])
    return Found(
        rule="env-module-command",
        line=command.line,
        what=what,
        severity="error" if severity == "error" else "warning",
        fix="first line #!/bin/bash -l, or source the site profile before the first module line",
        edits=(Edit(1, 1, (fixed,)),) if fixed != job.lines[0] else (),
    )


_SITE_MODULES = (
    ("jean-zay", re.compile(r"^(?:pytorch-gpu/py3|arch/[ah]100)")),
    ("lumi-g", re.compile(r"^(?:LUMI/|lumi-|CrayEnv|partition/G)")),
    ("leonardo-booster", re.compile(r"^(?:profile/deeplrn|cineca-ai)")),
    ("jupiter-booster", re.compile(r"^Stages/")),
    ("meluxina", re.compile(r"^env/(?:release|staging)/")),
    ("roihu", re.compile(r"^python-(?:pytorch|vllm)")),
)


def _foreign_module(job: Job) -> Found | None:
    if job.site is None:
        return None
    for command, verb, names in modules(job):
        for name in names if verb in ("load", "add") else ():
            owner = next((system for system, pattern in _SITE_MODULES if pattern.match(name)), job.site.id)
            if owner != job.site.id and not (owner.startswith("lumi") and job.site.id.startswith("lumi")):
                return Found(
                    rule="env-module-command",
                    line=command.line,
                    severity="error",
                    what=f"module `{name}` belongs to another site, not to {job.site.name}",
                    fix="module avail shows the names here",
                )
    return None


def conda_activate(job: Job) -> Iterator[Found]:
    boxes = [launch.outer for launch in job.launches if launch.container]
    for command in job.commands:
        if command.name not in ("conda", "mamba") or command.args()[:1] != ["activate"]:
            continue
        inside = command not in job.outer_commands and any(box.line <= command.line <= box.end_line for box in boxes)
        if inside or _conda_ready(job, command):
            continue
        yield Found(
            rule="env-conda-activate",
            line=command.line,
            column=command.column,
            what="`conda activate` does not work in a batch shell without its hook",
            severity="warning" if job.fragment else None,
            fix='source <prefix>/etc/profile.d/conda.sh before it, or eval "$(conda shell.bash hook)"',
        )
    yield from _late_activation(job)


def _conda_ready(job: Job, command: Command) -> bool:
    if _LOGIN.match(job.lines[0] if job.lines else ""):
        return True
    for other in job.before(command):
        if re.search(
            r"conda\.sh|shell\.bash hook|shell hook|/bin/activate\b|conda init|mamba\.sh|\.bashrc|"
            r"\.bash_profile|condainit",
            other.text,
        ):
            return True
        if other.name in ("module", "ml") and re.search(
            r"(?i)conda|forge|mamba|cray-python|anaconda|python", " ".join(other.args())
        ):
            return True
        if other.name in ("source", ".") and re.search(r"(?i)conda|forge|mamba|activate|env", " ".join(other.args())):
            return True
    return False


def _late_activation(job: Job) -> Iterator[Found]:
    starts = [
        launch
        for launch in job.main_launches
        if launch.launcher in ("python", "torchrun", "accelerate", "deepspeed", "vllm") and launch.container is None
    ]
    if not starts:
        return
    first = min(launch.line for launch in starts)
    activations = [command for command in job.outer_commands if _activates(command)]
    if activations and all(command.line > first for command in activations):
        yield Found(
            rule="env-conda-activate",
            line=activations[0].line,
            what=f"the environment is activated after the program (line {first})",
            fix="move it up, above the program",
        )


def _activates(command: Command) -> bool:
    return (
        command.name in ("source", ".")
        and any(re.search(r"activate$", arg) or arg == "activate" for arg in command.args())
    ) or (command.name in ("conda", "mamba", "micromamba") and command.args()[:1] == ["activate"])


def module_order(job: Job) -> Iterator[Found]:
    loaded: list[str] = []
    activated = next((command for command in job.outer_commands if _activates(command)), None)
    for command, verb, given in modules(job):
        if verb == "purge":
            cray = job.site is not None and (job.site.slingshot and job.site.vendor == "amd")
            if {"--force", "-f"} & set(given) and (cray or job.site is None):
                fixed = re.sub(r"\s+(?:--force|-f)\b", "", job.lines[command.line - 1])
                yield _order(
                    command.line,
                    "`module --force purge` also removes the sticky system modules",
                    "module purge without --force",
                    (Edit(command.line, command.line, (fixed,)),),
                )
            if loaded:
                yield _order(
                    command.line,
                    f"module purge after a load undoes it ({', '.join(loaded[:3])})",
                    "purge first, then load",
                    _purge_first(job, command),
                )
            loaded = []
            continue
        if verb not in ("load", "add"):
            continue
        names = [name for name in given if not name.startswith("-")]
        arch = [name for name in names if name.startswith("arch/")]
        inline_late = arch and names.index(arch[0]) > 0
        if arch and (loaded or inline_late):
            yield _order(
                command.line,
                f"`{arch[0]}` after other modules: those were taken for another architecture",
                f"load {arch[0]} first",
                _arch_first(job, command, arch[0]),
            )
        if activated and activated.line < command.line and names and not command.around.branch:
            yield _order(
                command.line,
                f"modules are loaded after the environment is activated (line {activated.line}): they go before "
                f"it in PATH",
                "load modules first, activate last",
                _activate_last(job, activated),
            )
        loaded += names
    yield from _arch_missing(job, loaded)
    yield from _second_toolkit(job)
    yield from _tree_too_late(job)


def _tree_too_late(job: Job) -> Iterator[Found]:
    """`module use` behind the last load: nothing is taken from that tree."""
    used = [item for item in modules(job) if item[1] in ("use", "load", "add")]
    loads = [command for command, verb, _ in used if verb != "use"]
    late = [command for command, verb, _ in used if verb == "use" and loads and command.line > loads[-1].line]
    for command in late:
        moved = (
            Edit(loads[0].line, loads[0].line - 1, (job.lines[command.line - 1],)),
            Edit(command.line, command.line, ()),
        )
        yield _order(
            command.line,
            "`module use` stands behind all loads, so none of them finds what is in that tree",
            "module use first, then load",
            moved if command.line == command.end_line else (),
        )


def _second_toolkit(job: Job) -> Iterator[Found]:
    """CUDA or cuDNN modules beside a PyTorch module that has its own."""
    torch = ""
    toolkits: list[tuple[Command, str]] = []
    for command, verb, given in modules(job):
        if verb == "purge":
            torch, toolkits = "", []
        for name in given if verb in ("load", "add") else ():
            if re.match(r"(?i)(?:pytorch|python-pytorch|cineca-ai)", name):
                torch = name
            elif re.match(r"(?i)(?:cuda|cudnn)(?:/|$)", name):
                toolkits.append((command, name))
    for command, name in toolkits if torch else ():
        yield _order(
            command.line,
            f"`{name}` beside `{torch}`, which brings its own",
            f"leave {name} out",
            _drop_module(job, command, name),
        )


def _activate_last(job: Job, activated: Command) -> tuple[Edit, ...]:
    """The activation moved behind the last module command."""
    last = max((command.end_line for command, verb, _ in modules(job) if verb in ("load", "add", "use")), default=0)
    if activated.line != activated.end_line or activated.around.branch or last <= activated.line:
        return ()
    return (
        Edit(activated.line, activated.line, ()),
        Edit(last + 1, last, (job.lines[activated.line - 1],)),
    )


def _arch_missing(job: Job, loaded: list[str]) -> Iterator[Found]:
    if job.site is None or job.site.id != "jean-zay" or not loaded:
        return
    kind = next((name for name in ("h100", "a100") if name in job.value("constraint")), "")
    if kind and not any(name.startswith("arch/") for name in loaded):
        first = next(command for command, verb, _ in modules(job) if verb in ("load", "add"))
        yield _order(
            first.line,
            f"-C {kind}, but `module load arch/{kind}` is missing before the other modules",
            f"module load arch/{kind} first",
            (Edit(first.line, first.line - 1, (f"module load arch/{kind}",)),),
        )
    wrong = next((name for name in loaded if name.startswith("arch/") and kind and name != f"arch/{kind}"), "")
    if wrong:
        command = next(command for command, _, names in modules(job) if wrong in names)
        yield _order(
            command.line,
            f"`{wrong}`, but the job runs on {kind} nodes",
            f"module load arch/{kind}",
            change(job, command.line, wrong, f"arch/{kind}"),
        )


def _order(line: int, what: str, fix: str, edits: tuple[Edit, ...]) -> Found:
    return Found(rule="env-module-order", line=line, what=what, fix=fix, edits=edits)


def _purge_first(job: Job, command: Command) -> tuple[Edit, ...]:
    first = next((other for other, verb, _ in modules(job) if verb in ("load", "add", "use")), None)
    if first is None or first.line == command.line or command.line != command.end_line:
        return ()
    return (Edit(first.line, first.line - 1, (job.lines[command.line - 1],)), Edit(command.line, command.line, ()))


def _arch_first(job: Job, command: Command, arch: str) -> tuple[Edit, ...]:
    first = next((other for other, verb, _ in modules(job) if verb in ("load", "add")), command)
    if first.line == command.line:
        return (
            Edit(
                command.line,
                command.line,
                (
                    re.sub(
                        rf"(module load|ml)(.*?)\s+{re.escape(arch)}\b",
                        rf"\1 {arch}\2",
                        job.lines[command.line - 1],
                        count=1,
                    ),
                ),
            ),
        )
    if [arg for arg in command.args() if arg not in ("load", "add")] == [arch]:
        return (Edit(first.line, first.line - 1, (job.lines[command.line - 1],)), Edit(command.line, command.line, ()))
    return ()


def _drop_module(job: Job, command: Command, name: str) -> tuple[Edit, ...]:
    others = [arg for arg in command.args() if arg not in ("load", "add", name)]
    if not others:
        return (Edit(command.line, command.line, ()),)
    return change(job, command.line, f" {name}", "")


CHECKS: tuple[Check, ...] = (
    module_command,
    conda_activate,
    module_order,
)
