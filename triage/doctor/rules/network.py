"""env-download-in-job, env-offline-flags, env-cache-in-home: the internet and what comes from it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor.job import Job
from triage.doctor.rules.found import Check, Edit, Found
from triage.doctor.rules.signs import hub_models, is_language_work, is_training, large_area, sets_export, uses_hub
from triage.doctor.shell import here_documents

_HOME = re.compile(r"(?:\$HOME|\$\{HOME\}|~)/|(?:^|[\s=\"'])/(?:users|home|homes)/")
_DATA_OPTION = re.compile(
    r"--(?:output[-_]?dir|out(?:put)?|save[-_]?(?:dir|path)?|checkpoint[-_]?dir|ckpt[-_]?(?:dir|path)?|"
    r"data(?:[-_](?:dir|path|root))?|logging[-_]dir|results?[-_]?dir|cache[-_]dir|download[-_]dir|"
    r"log[-_]?dir)[= ]\"?(\S+)"
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
    named = list(_named_at_home(job))
    yield from named
    yield from _environments_at_home(job)
    yield from _image_layers(job)
    if (
        named
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


def _named_at_home(job: Job) -> Iterator[Found]:
    """Variables, options of programs, and pip install --user."""
    area = large_area(job)
    for name in _CACHES:
        for command, value in job.assigned.get(name, ()):
            if _HOME.search(f" {value}") and not re.search(r"\.secrets|token", value):
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
            yield Found(
                rule="env-cache-in-home",
                line=command.line,
                what="pip install --user fills the home directory",
                fix="a virtual environment on project or scratch storage, or PYTHONUSERBASE there",
                edits=(Edit(command.line, command.line - 1, (f'export PYTHONUSERBASE="{area}/python"',)),)
                if area
                else (),
            )


_AT_HOME = r"[\"']?(?:\$HOME|\$\{HOME\}|~|/(?:users|home|homes)/[\w.\-]+)/"
_ENVIRONMENT = re.compile(
    rf"\b(?:conda|mamba|micromamba)\s+(?:env\s+)?create\b.*\s(?:-p|--prefix)[= ]{_AT_HOME}|"
    rf"(?:-m venv|virtualenv|uv venv)\s(?:.*\s)?{_AT_HOME}|"
    rf"pip\d?\s+install\b.*\s(?:-t|--target|--prefix)[= ]{_AT_HOME}"
)


def _environments_at_home(job: Job) -> Iterator[Found]:
    for command in job.outer_commands:
        match = _ENVIRONMENT.search(command.text)
        if match:
            line = command.line + command.text[: match.end()].count("\n")
            yield Found(
                rule="env-cache-in-home",
                line=line,
                what="an environment in the home directory, whose quota (also of files) is small",
                fix=_elsewhere(job),
                edits=_out_of_home(job, line),
            )


def _image_layers(job: Job) -> Iterator[Found]:
    """Layers of an image that is fetched or built go to ~/.apptainer unless told otherwise."""
    names = ("APPTAINER_CACHEDIR", "SINGULARITY_CACHEDIR", "XDG_CACHE_HOME")
    if any(sets_export(job, name) for name in names):
        return
    for command in job.outer_commands:
        tool = re.search(r"\b(apptainer|singularity)\s+(?:-\S+\s+)*(?:pull|build)\b", command.text)
        if tool and not command.around.substitution:
            area, first = large_area(job), command.line
            name = f"{tool.group(1).upper()}_CACHEDIR"
            yield Found(
                rule="env-cache-in-home",
                line=first,
                what=f"{name} is not set: the layers of the image go to the home directory, whose quota is small",
                fix=_elsewhere(job),
                edits=(Edit(first, first - 1, (f'export {name}="{area}/{tool.group(1)}"',)),) if area else (),
            )
            return


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
    r"(?:\bpip\d?|-m pip|\buv(?: pip)?|\bconda|\bmamba)\s+(?:install|sync|create|"
    r"env (?:create|update))\b(?!.*(?:--no-index|--find-links[= ]/))(?!\s+(?:-e\s+)?\.(?:\s|$))|\bwget\s|"
    r"\bcurl\s(?!.*(?:localhost|127\.0\.0\.1|\$\{?HOST|\$\{?HEAD|\$\{?host|\$\{?NODE|\$\{?URL|\$\(hostname))|"
    r"\bgit\s+(?:-C\s+\S+\s+)?(?:clone|pull|fetch|lfs pull)\b|"
    r"\b(?:huggingface-cli|hf)\s+download\b|snapshot_download|\b(?:docker|oras|"
    r"library)://|\bapt(?:-get)?\s+install\b|\bnltk\.download|\baws s3\b|\bgdown\b|\bmodelscope download\b"
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
            what = (
                f"`{match.group().strip()}` needs the internet, which compute nodes of {site.name} "
                f"{'do not have' if offline else 'may not have (not on record)'}"
            )
            yield Found(
                rule="env-download-in-job",
                line=line,
                what=what,
                severity=None if offline else "warning",
                fix=f"do it before the job ({_elsewhere_online(site.id)}), then use local paths",
            )
    if offline:
        yield from _hub_names(job)
        yield from _in_python(job)


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


_PYTHON_DOWNLOAD = re.compile(
    r"snapshot_download|hf_hub_download|urlretrieve|urlopen\(|requests\.get\(|"
    r"load_dataset\(\s*[\"'](?!(?:json|csv|parquet|text|arrow|imagefolder|webdataset)[\"']|[/.$~])|"
    r"from_pretrained\(\s*[\"'][\w\-]+/[\w.\-]+[\"']"
)


def _in_python(job: Job) -> Iterator[Found]:
    """In a Python text that the script itself holds, and nothing says that a filled cache is to be used."""
    if any(_switched_on(job, name) for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")):
        return
    for first, last, _ in here_documents(job.lines):
        if not re.search(r"\bpython[\d.]*\b", job.lines[first - 1]):
            continue
        for number in range(first + 1, last):
            match = _PYTHON_DOWNLOAD.search(job.lines[number - 1])
            if match and not job.lines[number - 1].lstrip().startswith("#"):
                name = job.site.name if job.site else "this system"
                yield Found(
                    rule="env-download-in-job",
                    line=number,
                    column=match.start() + 1,
                    what=f"`{match.group().rstrip('(')}` needs the internet, which compute nodes of {name} do not have",
                    fix="download it before the job, then use its local path and HF_HUB_OFFLINE=1",
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
    if hub and not any(_switched_on(job, name) for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")):
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
    if "HF_HUB_OFFLINE" in job.assigned and "HF_HUB_OFFLINE=1" in missing:
        line = job.assigned["HF_HUB_OFFLINE"][0][0].line
        fixed = re.sub(r"HF_HUB_OFFLINE=\S+", "HF_HUB_OFFLINE=1", job.lines[line - 1], count=1)
        yield Found(
            rule="env-offline-flags",
            line=line,
            what="the libraries are told to try the network, which compute nodes do not have",
            fix="HF_HUB_OFFLINE=1",
            edits=(Edit(line, line, (fixed,)),),
        )
        return
    yield Found(
        rule="env-offline-flags",
        line=line,
        what="compute nodes have no internet, but libraries try the network first and wait for time-outs",
        fix=f"export {' '.join(missing)} before the program",
        edits=(Edit(first, first - 1, (f"export {' '.join(missing)}",)),),
    )


def _switched_on(job: Job, name: str) -> bool:
    off = job.variables.get(name, "1").strip('"').lower() in ("0", "false", "no", "off")
    return sets_export(job, name) and not off


def _tracker_line(job: Job) -> int:
    return next(
        (
            number
            for number, line in enumerate(job.lines, start=1)
            if _ONLINE_TRACKER.search(line) and not line.lstrip().startswith("#")
        ),
        1,
    )


CHECKS: tuple[Check, ...] = (
    cache_in_home,
    download_in_job,
    offline_flags,
)
