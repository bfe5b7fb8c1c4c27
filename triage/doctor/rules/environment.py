"""env-*: modules, environments, containers, network and caches."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor.diagnosis import Severity
from triage.doctor.facts import facts
from triage.doctor.job import Job
from triage.doctor.rules.found import Check, Edit, Found, change
from triage.doctor.rules.signs import hub_models, is_language_work, is_training, large_area, sets_export, uses_hub
from triage.doctor.shell import Command

_LOGIN = re.compile(r"^#!.*(?:bash|sh)\s+-\w*l")
_PROFILE = re.compile(
    r"(?:source|\.)\s+\S*(?:/etc/(?:bashrc|profile)|profile\.d|\.bash_?(?:rc|profile)|/init/(?:bash|profile)|lmod|modules\.sh|Lmod)"
)
NEEDS_LOGIN_SHELL = ("vega", "jean-zay")


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
    for command in job.outer_commands:
        if command.name not in ("conda", "mamba") or command.args()[:1] != ["activate"]:
            continue
        if _conda_ready(job, command):
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
            r"conda\.sh|shell\.bash hook|shell hook|/bin/activate\b|conda init|mamba\.sh|\.bashrc|\.bash_profile|condainit",
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
    for command, verb, names in modules(job):
        if verb == "purge":
            cray = job.site is not None and (job.site.slingshot and job.site.vendor == "amd")
            if {"--force", "-f"} & set(names) and (cray or job.site is None):
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
        names = [name for name in names if not name.startswith("-")]
        arch = [name for name in names if name.startswith("arch/")]
        inline_late = arch and names.index(arch[0]) > 0
        if arch and (loaded or inline_late):
            yield _order(
                command.line,
                f"`{arch[0]}` after other modules: those were taken for another architecture",
                f"load {arch[0]} first",
                _arch_first(job, command, arch[0]),
            )
        torch = next(
            (name for name in [*loaded, *names] if re.match(r"(?i)(?:pytorch|python-pytorch|cineca-ai)", name)), ""
        )
        cuda = next((name for name in names if re.match(r"(?i)(?:cuda|cudnn)(?:/|$)", name)), "")
        if torch and cuda:
            yield _order(
                command.line,
                f"`{cuda}` beside `{torch}`, which brings its own",
                f"leave {cuda} out",
                _drop_module(job, command, cuda),
            )
        if activated and activated.line < command.line and names and not command.around.branch:
            yield _order(
                command.line,
                f"modules are loaded after the environment is activated (line {activated.line}): they go before it in PATH",
                "load modules first, activate last",
                (),
            )
        loaded += names
    yield from _arch_missing(job, loaded)


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


_CUDA = re.compile(
    r"\b(?:cuda|cudnn|nvhpc)/[\w.\-]+|\bnvcr\.io/|/whl/cu1\d\d|--extra-index-url\s+\S*cu1[123]\d|\+cu1\d\d\b|\bnsys\b|\bnvidia-smi\b"
)
_ROCM = re.compile(r"\brocm/[\w.\-]+|/whl/rocm|\+rocm\d|\brocm-smi\b|PYTORCH_ROCM_ARCH|gfx90a|gfx942|docker://rocm")


def vendor_mismatch(job: Job) -> Iterator[Found]:
    if job.site is None:
        return
    amd = job.site.vendor == "amd"
    for number, line in enumerate(job.lines, start=1):
        if line.lstrip().startswith(("#", "echo")) or re.search(r"\|\|\s*rocm-smi|\|\|\s*true|command -v|which ", line):
            continue
        code = line.split(" #")[0]
        match = (_CUDA if amd else _ROCM).search(code)
        if amd and not match:
            match = re.search(
                r"(?:singularity|apptainer)\s.*?\s(--nv)\b|^\s*(?:module load|ml)\s.*?\b((?:cuda|cudnn|CUDA|nccl)(?:/|\s|$))|pip\d?\s+install\s.*?\b(flash-attn|bitsandbytes)\b",
                code,
            )
        elif not amd and not match:
            match = re.search(
                r"(?:singularity|apptainer)\s.*?\s(--rocm)\b|^\s*(?:module load|ml)\s.*?\b((?:rocm|ROCm)(?:/|\s|$))",
                code,
            )
        if match:
            word = (
                next((group for group in match.groups() if group), match.group()) if match.groups() else match.group()
            )
            yield Found(
                rule="env-vendor-mismatch",
                line=number,
                column=match.start() + 1,
                what=f"`{word.strip()}` is for {'NVIDIA' if amd else 'AMD'} GPUs; {job.site.name} has {'AMD' if amd else 'NVIDIA'} ones",
                fix="use the site's ROCm container or modules" if amd else "use CUDA builds and nvidia-smi",
            )
    if job.site.id == "adastra-mi300a" and "gfx90a" in job.code:
        number = next(number for number, line in enumerate(job.lines, start=1) if "gfx90a" in line)
        yield Found(
            rule="env-vendor-mismatch",
            line=number,
            what="gfx90a builds do not run on MI300A, which needs gfx942",
            fix="build for gfx942",
        )


def arch_mismatch(job: Job) -> Iterator[Found]:
    if job.site is None:
        return
    arm = job.site.arch == "aarch64" and job.value("partition") not in ("cpu", "fat", "small", "large", "test")
    for number, line in enumerate(job.lines, start=1):
        code = line.split(" #")[0]
        if line.lstrip().startswith(("#", "echo")):
            continue
        wrong = (
            re.search(
                r"x86[-_]64|manylinux\w*x86|linux/amd64|[-_/.]amd64\b|[-_/.]x86\b|skylake|-march=(?:znver\d|x86)", code
            )
            if arm
            else None
        )
        if arm and not wrong and job.site.id == "jupiter-booster":
            wrong = re.search(
                r"\bpip\d?\s+install\s+(?:-\S+\s+)*torch(?:==[\d.]+)?(?=\s|$)(?!.*(?:index-url|find-links))", code
            )
        if not arm and job.site.arch == "x86_64" and "arm" not in job.value("partition"):
            wrong = re.search(r"aarch64|linux/arm64|[-_/.]arm64\b|sbsa", code)
        if wrong:
            yield Found(
                rule="env-arch-mismatch",
                line=number,
                column=wrong.start() + 1,
                what=f"`{wrong.group().strip()}` is not for the {job.site.arch} nodes of {job.site.name}",
                fix=f"take the {job.site.arch} build, made in a job or on the matching login node",
            )


_HOME = re.compile(r"(?:\$HOME|\$\{HOME\}|~)/|(?:^|[\s=\"'])/(?:users|home|homes)/")
_DATA_OPTION = re.compile(
    r"--(?:output[-_]?dir|out(?:put)?|save[-_]?(?:dir|path)?|checkpoint[-_]?dir|ckpt[-_]?(?:dir|path)?|data(?:[-_](?:dir|path|root))?|logging[-_]dir|results?[-_]?dir|cache[-_]dir|download[-_]dir|log[-_]?dir)[= ]\"?(\S+)"
)
_CACHES = (
    "HF_HOME",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "TRANSFORMERS_CACHE",
    "TORCH_HOME",
    "XDG_CACHE_HOME",
    "TRITON_CACHE_DIR",
    "VLLM_CACHE_ROOT",
    "PIP_CACHE_DIR",
    "CONDA_PKGS_DIRS",
    "APPTAINER_CACHEDIR",
    "SINGULARITY_CACHEDIR",
    "WANDB_DIR",
    "WANDB_CACHE_DIR",
    "TORCH_EXTENSIONS_DIR",
    "TORCHINDUCTOR_CACHE_DIR",
    "HF_DATASETS_CACHE",
    "PYTHONUSERBASE",
    "MIOPEN_USER_DB_PATH",
    "OUTPUT_DIR",
    "OUT_DIR",
    "CKPT_DIR",
    "CHECKPOINT_DIR",
    "DATA_DIR",
    "DATA",
    "OUT",
    "CKPT",
    "OUTPUT",
    "RESULTS",
    "RUN_DIR",
    "SAVE_DIR",
    "CHECKPOINTS",
    "DATADIR",
    "OUTDIR",
    "LOGDIR",
    "CACHE_DIR",
    "DATASET",
    "DATA_PATH",
)


def cache_in_home(job: Job) -> Iterator[Found]:
    reported = False
    for name in _CACHES:
        for command, value in job.assigned.get(name, ()):
            if _HOME.search(f" {value}") and not re.search(r"\.secrets|token", value):
                reported = True
                yield Found(
                    rule="env-cache-in-home",
                    line=command.line,
                    what=f"`{name}` points into the home directory, whose quota is small",
                    fix=_elsewhere(job),
                    edits=_out_of_home(job, command.line),
                )
    for command in job.outer_commands:
        for match in _DATA_OPTION.finditer(command.text):
            if _HOME.search(f" {match.group(1)}"):
                reported = True
                yield Found(
                    rule="env-cache-in-home",
                    line=command.line + command.text[: match.start()].count("\n"),
                    what=f"`{match.group(1)}` is in the home directory, whose quota is small",
                    fix=_elsewhere(job),
                    edits=_out_of_home(job, command.line + command.text[: match.start()].count("\n")),
                )
        if (
            re.match(r"(?:python\d? -m )?pip\d?$", command.name)
            and "--user" in command.args()
            and not job.sets("PYTHONUSERBASE")
        ):
            reported = True
            yield Found(
                rule="env-cache-in-home",
                line=command.line,
                what="pip install --user fills the home directory",
                fix="a virtual environment on project or scratch storage, or PYTHONUSERBASE there",
            )
    if (
        reported
        or not uses_hub(job)
        or any(
            sets_export(job, name)
            for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "TRANSFORMERS_CACHE")
        )
    ):
        return
    downloads = [number for number, _ in hub_models(job)] or [
        launch.line for launch in job.main_launches if launch.launcher == "vllm"
    ]
    if not downloads or _offline_local(job):
        return
    yield Found(
        rule="env-cache-in-home",
        line=downloads[0],
        what="HF_HOME is not set: models and data go to ~/.cache, whose quota is small",
        fix=f"export HF_HOME=<scratch or project>/hf before it{_where(job)}",
        edits=_cache_edit(job, downloads[0]),
    )


def _cache_edit(job: Job, line: int) -> tuple[Edit, ...]:
    area = large_area(job)
    first = next((item.line for item in job.outer_commands if item.line <= line <= item.end_line and item.words), line)
    return (Edit(first, first - 1, (f'export HF_HOME="{area}/hf"',)),) if area else ()


def _out_of_home(job: Job, line: int) -> tuple[Edit, ...]:
    area, text = large_area(job), job.lines[line - 1]
    if not area:
        return ()
    moved = re.sub(r"(?:\$HOME|\$\{HOME\}|~|/(?:users|home|homes)/[\w.\-]+)(?=/)", area, text)
    return (Edit(line, line, (moved,)),) if moved != text else ()


def _offline_local(job: Job) -> bool:
    return job.variables.get("HF_HUB_OFFLINE") == "1" and not hub_models(job)


def _elsewhere(job: Job) -> str:
    return f"put it on scratch or project storage{_where(job)}"


def _where(job: Job) -> str:
    paths = [
        str(area.get("path") or f"${area.get('env')}")
        for area in (job.site.filesystems if job.site else ())
        if area["area"] in ("scratch", "work", "projects", "project") and (area.get("path") or area.get("env"))
    ]
    return f" ({paths[0]})" if paths else ""


_DOWNLOAD = re.compile(
    r"(?:\bpip\d?|-m pip|\buv(?: pip)?|\bconda|\bmamba)\s+(?:install|sync|create|env create)\b(?!.*(?:--no-index|--find-links[= ]/))(?!\s+(?:-e\s+)?\.(?:\s|$))|\bwget\s|\bcurl\s(?!.*(?:localhost|127\.0\.0\.1|\$\{?HOST|\$\{?HEAD|\$\{?host|\$\{?NODE|\$\{?URL|\$\(hostname))|"
    r"\bgit\s+(?:clone|pull|fetch)\b|\b(?:huggingface-cli|hf)\s+download\b|snapshot_download|\b(?:docker|oras|library)://|\bapt(?:-get)?\s+install\b|\bnltk\.download|\baws s3\b|\bgdown\b|\bmodelscope download\b"
)
_ONLINE_TRACKER = re.compile(
    r"--report_to[= ]\"?(?:wandb|mlflow|comet_ml|all)|wandb login|--(?:use[-_])?wandb\b|wandb_project|--logger[= ]wandb"
)


def download_in_job(job: Job) -> Iterator[Found]:
    site = job.site
    offline = (
        site is not None
        and site.internet is False
        and not (site.id == "jean-zay" and job.value("partition") in ("prepost", "archive", "visu", "compil"))
    )
    offline = offline and job.value("partition") not in ("lrd_all_serial", "dev-x86", "dev-arm")
    unknown = site is not None and site.internet is None
    proxied = re.search(r"https?_proxy=|HF_ENDPOINT=http://(?!hugg)|--index-url\s+http://(?:localhost|10\.)", job.code)
    if site is None or proxied:
        yield from _download_race(job)
        return
    if not offline and not unknown:
        yield from _download_race(job)
        return
    for command in job.commands:
        match = (
            None
            if command.name in ("echo", "printf") or command.around.substitution
            else _DOWNLOAD.search(command.text)
        )
        if match and not (
            command.name in ("srun", "bash", "sh", "singularity", "apptainer")
            and any(
                other is not command
                and other.line >= command.line
                and other.end_line <= command.end_line
                and _DOWNLOAD.search(other.text)
                for other in job.commands
            )
        ):
            line = command.line + command.text[: match.start()].count("\n")
            what = f"`{match.group().strip()}` needs the internet, which compute nodes of {site.name} {'do not have' if offline else 'may not have (not on record)'}"
            yield Found(
                rule="env-download-in-job",
                line=line,
                what=what,
                severity=None if offline else "warning",
                fix=f"do it before the job ({_elsewhere_online(site.id)}), then use local paths",
            )
    if offline:
        yield from _hub_names(job)


def _hub_names(job: Job) -> Iterator[Found]:
    filled = any(
        sets_export(job, name) for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE")
    )
    flagged = any(sets_export(job, name) for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    for line, model in hub_models(job):
        if filled or flagged:
            continue
        name = job.site.name if job.site else "this system"
        yield Found(
            rule="env-download-in-job",
            line=line,
            what=f"`{model}` would be downloaded, but compute nodes of {name} have no internet",
            fix="download it before the job, then give its local path",
        )


def _elsewhere_online(system: str) -> str:
    return {
        "jean-zay": "login node or partition prepost",
        "leonardo-booster": "login node, data mover or lrd_all_serial",
        "deucalion": "dev-x86 or dev-arm",
        "mn5-acc": "your own machine, then transfer1.bsc.es; login nodes have no internet either",
    }.get(system, "login node")


def _download_race(job: Job) -> Iterator[Found]:
    for launch in job.launches:
        if launch.srun is None or job.tasks_of(launch) <= 1:
            continue
        match = re.search(
            r"\bpip\d?\s+install\b|snapshot_download|hf download|huggingface-cli download", launch.outer.text
        )
        if match:
            yield Found(
                rule="env-download-in-job",
                line=launch.line,
                severity="warning",
                what=f"`{match.group()}` runs in every task at once",
                fix="do it once, before srun",
            )
            return


def offline_flags(job: Job) -> Iterator[Found]:
    if (
        job.site is None
        or job.site.internet is not False
        or job.value("partition") in ("prepost", "lrd_all_serial", "dev-x86", "dev-arm")
    ):
        return
    hub = (uses_hub(job) or is_language_work(job)) and (
        is_training(job)
        or any(launch.launcher in ("vllm", "server") for launch in job.launches)
        or re.search(r"(?i)lm[-_]eval|infer|generat|eval", job.code)
    )
    tracker = _ONLINE_TRACKER.search(job.code)
    missing = []
    if hub and not any(sets_export(job, name) for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")):
        missing.append("HF_HUB_OFFLINE=1")
    if (
        re.search(r"(?i)\bwandb\b", job.code)
        and not sets_export(job, "WANDB_MODE")
        and not re.search(r"WANDB_DISABLED|wandb offline|report_to[= ]none|WANDB_OFFLINE", job.code)
    ):
        missing.append("WANDB_MODE=offline")
    if not missing or not job.main_launches:
        return
    line = _tracker_line(job) if tracker and "WANDB_MODE=offline" in missing else job.main_launches[0].line
    first = job.main_launches[0].outer.line
    yield Found(
        rule="env-offline-flags",
        line=line,
        what="compute nodes have no internet, but libraries try the network first and wait for time-outs",
        fix=f"export {' '.join(missing)} before the program",
        edits=(Edit(first, first - 1, (f"export {' '.join(missing)}",)),),
    )


def _tracker_line(job: Job) -> int:
    return next(
        (
            number
            for number, line in enumerate(job.lines, start=1)
            if _ONLINE_TRACKER.search(line) and not line.lstrip().startswith("#")
        ),
        1,
    )


def leak_export(job: Job) -> Iterator[Found]:
    value = job.value("export")
    option = job.effective.get("export")
    stray = [
        other
        for other in job.options
        if option and other.line == option.line and other.trouble == "stray-word" and "=" in other.name
    ]
    if option and (re.search(r",\s", value) or stray):
        yield Found(
            rule="env-leak-export",
            line=option.line,
            what="a blank inside the --export list ends it",
            fix="--export=ALL,NAME=value without blanks",
            edits=(Edit(option.line, option.line, (re.sub(r",\s+", ",", job.lines[option.line - 1]),)),),
        )
        return
    if (
        option
        and value
        and not re.search(r"\bALL\b", value, re.IGNORECASE)
        and any(launch.srun is not None for launch in job.launches)
        and not job.sets("SLURM_EXPORT_ENV")
    ):
        if all("ALL" in (launch.srun or {}).get("export", "") for launch in job.launches if launch.srun is not None):
            return
        first = min(launch.outer.line for launch in job.launches if launch.srun is not None)
        yield Found(
            rule="env-leak-export",
            line=option.line,
            what=f"--export={value} also cuts the environment of srun: tasks have no PATH",
            fix="export SLURM_EXPORT_ENV=ALL before srun",
            edits=(Edit(first, first - 1, ("export SLURM_EXPORT_ENV=ALL",)),),
        )


def omp_threads(job: Job) -> Iterator[Found]:
    torchrun = [
        launch
        for launch in job.main_launches
        if launch.launcher in ("torchrun", "torch.distributed.launch", "accelerate", "deepspeed")
    ]
    given = job.assigned.get("OMP_NUM_THREADS", [])
    for command, value in given:
        if command.around.in_step:
            continue
        number = job.number(value)
        if re.fullmatch(r"\"?\$\{?SLURM_CPUS_PER_TASK\}?\"?", value) and not job.has("cpus-per-task"):
            continue
        if (
            torchrun
            and number
            and job.gpus_per_node > 1
            and number * job.gpus_per_node > max(job.cpus_per_task * job.tasks_per_node, 1)
            and number >= job.cpus_per_task > 1
            and job.tasks_per_node == 1
        ):
            fixed = re.sub(
                r"OMP_NUM_THREADS=\S+",
                f"OMP_NUM_THREADS=$((SLURM_CPUS_PER_TASK / {job.gpus_per_node}))",
                job.lines[command.line - 1],
                count=1,
            )
            yield Found(
                rule="env-omp-threads",
                line=command.line,
                severity="warning",
                what=f"OMP_NUM_THREADS={number} for each of {job.gpus_per_node} processes that share {job.cpus_per_task} cores",
                fix=f"$((SLURM_CPUS_PER_TASK / {job.gpus_per_node}))",
                edits=(Edit(command.line, command.line, (fixed,)),),
            )
    if given or not job.gpus_per_node or not is_training(job):
        return
    per_task = [
        launch
        for launch in job.main_launches
        if launch.launcher == "python" and launch.srun is not None and job.tasks_per_node_of(launch) > 1
    ]
    if torchrun and job.cpus_per_task > 1 and job.gpus_per_node > 1:
        yield Found(
            rule="env-omp-threads",
            line=torchrun[0].line,
            what="OMP_NUM_THREADS is not set: torchrun sets it to 1",
            fix=f"export OMP_NUM_THREADS=$((SLURM_CPUS_PER_TASK / {job.gpus_per_node}))",
        )
    elif per_task and job.cpus_per_task >= 16:
        yield Found(
            rule="env-omp-threads",
            line=per_task[0].line,
            what="OMP_NUM_THREADS is not set: each process may start a thread for every core",
            fix="export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}",
        )


def network_vars(job: Job) -> Iterator[Found]:
    for name in ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME", "TP_SOCKET_IFNAME", "UCX_NET_DEVICES"):
        for command, value in job.assigned.get(name, ()):
            problem = _foreign_interface(job, value)
            if problem:
                yield _network(
                    job,
                    command.line,
                    name,
                    f"`{name}={value}`: {problem}",
                    "error",
                    job.site.environment.get(name) if job.site else None,
                )
    for command, value in job.assigned.get("NCCL_IB_HCA", ()):
        if job.site and job.site.slingshot and "mlx5" in value:
            yield _network(
                job,
                command.line,
                "NCCL_IB_HCA",
                "`NCCL_IB_HCA` names InfiniBand cards, but this is Slingshot",
                "error",
                None,
            )
    if job.nodes > 1:
        for name, bad in (
            ("NCCL_IB_DISABLE", "1"),
            ("NCCL_P2P_DISABLE", "1"),
            ("NCCL_SHM_DISABLE", "1"),
            ("NCCL_NET", "Socket"),
            ("FI_PROVIDER", "tcp"),
            ("FI_PROVIDER", "sockets"),
        ):
            for command, value in job.assigned.get(name, ()):
                if value.strip('"') == bad:
                    severity: Severity = (
                        "hint" if name.startswith("NCCL_IB") and job.site and job.site.slingshot else "warning"
                    )
                    yield _network(
                        job, command.line, name, f"`{name}={bad}` switches the fast path off", severity, None
                    )
        yield from _missing_network(job)


def _foreign_interface(job: Job, value: str) -> str:
    plain = value.strip('"=^').split(",")[0]
    if value.strip('"').startswith("^"):
        return ""
    if re.match(r"(?:eth\d|eno\d|ens\d|enp\w+|lo$|docker|em\d)", plain):
        return "not the fast network of any of these systems"
    if job.site and job.site.slingshot and re.match(r"ib\d?|mlx", plain):
        return "an InfiniBand name, but this is Slingshot (hsn0 ...)"
    if (
        job.site
        and (job.site.infiniband or job.site.id in ("jean-zay", "karolina", "vega"))
        and plain.startswith("hsn")
    ):
        return "a Slingshot name, but this system has InfiniBand"
    return ""


def _network(job: Job, line: int, name: str, what: str, severity: Severity, right: object) -> Found:  # noqa: PLR0917
    text = job.lines[line - 1]
    alone = re.fullmatch(rf"\s*(?:export\s+)?{name}=\S+\s*(?:#.*)?", text)
    value = str(right) if right and " " not in str(right) else ""
    if value:
        edits: tuple[Edit, ...] = (Edit(line, line, (re.sub(rf"{name}=\S+", f"{name}={value}", text, count=1),)),)
    else:
        edits = (
            (Edit(line, line, ()),) if alone else (Edit(line, line, (re.sub(rf"\s*\b{name}=\S+", "", text, count=1),)),)
        )
    return Found(
        rule="env-network-vars",
        line=line,
        what=what,
        fix=f"{name}={value}" if value else "remove it",
        edits=edits,
        severity=severity,
    )


def _missing_network(job: Job) -> Iterator[Found]:
    if job.site is None or not is_training(job) or any(launch.container for launch in job.launches):
        return
    wanted = job.site.environment.get("NCCL_SOCKET_IFNAME")
    if not wanted or any(
        name in job.code for name in ("NCCL_SOCKET_IFNAME", "aws-ofi", "lumi-aif", "laifs", "NCCL_NET", "/appl/local/")
    ):
        return
    known = [
        launch
        for launch in job.main_launches
        if launch.launcher in ("torchrun", "python", "accelerate", "deepspeed") and job.gpus_per_node
    ]
    if known:
        first = known[0].outer.line
        yield Found(
            rule="env-network-vars",
            line=known[0].line,
            severity="warning" if job.site.id in ("mn5-acc", "lumi-g") else "hint",
            what=f"several nodes without NCCL_SOCKET_IFNAME: {job.site.name} documents {wanted}",
            fix=f"export NCCL_SOCKET_IFNAME={wanted}",
            edits=(Edit(first, first - 1, (f"export NCCL_SOCKET_IFNAME={wanted}",)),),
        )


_DEBUG_VARS = (
    ("CUDA_LAUNCH_BLOCKING", r"1"),
    ("HIP_LAUNCH_BLOCKING", r"1"),
    ("AMD_SERIALIZE_KERNEL", r"[1-9]"),
    ("NCCL_DEBUG", r"(?i)INFO|TRACE"),
    ("NCCL_DEBUG_SUBSYS", r"(?i).*ALL.*"),
    ("TORCH_DISTRIBUTED_DEBUG", r"(?i)DETAIL"),
    ("TORCH_LOGS", r".+"),
    ("TORCH_USE_CUDA_DSA", r"1"),
    ("FI_LOG_LEVEL", r"(?i)debug|trace|info"),
    ("AMD_LOG_LEVEL", r"[3-9]"),
)


def debug_vars(job: Job) -> Iterator[Found]:
    for name, pattern in _DEBUG_VARS:
        for command, value in job.assigned.get(name, ()):
            if not re.fullmatch(pattern, value.strip('"')) or (
                name == "NCCL_DEBUG" and value.upper() == "INFO" and job.nodes <= 4
            ):
                continue
            if re.search(r"(?i)debug|dbg|test", f"{job.value('job-name')} {job.value('partition')} {job.value('qos')}"):
                continue
            yield Found(
                rule="env-debug-vars-left",
                line=command.line,
                what=f"`{name}={value}` is a debugging setting: it slows the run down or floods the log",
                fix="remove it; NCCL_DEBUG=WARN is enough",
            )
    for command in job.outer_commands:
        if "--enforce-eager" in command.text and command.words and "vllm" in command.text:
            line = command.line + command.text[: command.text.index("--enforce-eager")].count("\n")
            yield Found(
                rule="env-debug-vars-left",
                line=line,
                what="--enforce-eager switches CUDA graphs off and halves throughput",
                fix="remove it",
            )
        if command.name == "ulimit" and "-c unlimited" in command.text:
            yield Found(
                rule="env-debug-vars-left",
                line=command.line,
                what="core dumps of every rank fill the quota",
                fix="ulimit -c 0",
            )


def deprecated_vars(job: Job) -> Iterator[Found]:
    table = facts("script_rules")["renamed_variables"]
    for name, row in table.items():
        if " " in name or name in ("SLURM_NODELIST", "SLURM_JOBID"):
            continue
        right = row["now"].split(" or ")[0]
        for command, _ in job.assigned.get(name, ()):
            if right in job.assigned:
                continue
            yield Found(
                rule="env-deprecated-vars",
                line=command.line,
                what=f"`{name}` is the old name of {row['now']}",
                fix=f"{right}=...",
                edits=change(job, command.line, name, right),
            )
    for number, line in enumerate(job.lines, start=1):
        if line.lstrip().startswith("#"):
            continue
        if re.search(r"-m\s+torch\.distributed\.launch\b", line):
            fixed = re.sub(
                r"python[\d.]*\s+(?:-u\s+)?-m\s+torch\.distributed\.launch(?:\s+--use[-_]env)?", "torchrun", line
            )
            yield Found(
                rule="env-deprecated-vars",
                line=number,
                what="torch.distributed.launch is replaced by torchrun",
                fix="torchrun",
                edits=(Edit(number, number, (fixed,)),),
            )
        match = re.search(r"\$\{?(SLURM_NODELIST|SLURM_JOBID)\b", line)
        if match:
            right = table[match.group(1)]["now"]
            yield Found(
                rule="env-deprecated-vars",
                line=number,
                what=f"`{match.group(1)}` is the old name of {right}",
                fix=f"${right}",
                edits=change(job, number, match.group(1), right),
            )


CHECKS: tuple[Check, ...] = (
    module_command,
    conda_activate,
    module_order,
    vendor_mismatch,
    arch_mismatch,
    cache_in_home,
    download_in_job,
    offline_flags,
    leak_export,
    omp_threads,
    network_vars,
    debug_vars,
    deprecated_vars,
)
