"""launch-*: how processes are started."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from triage.doctor.job import Job
from triage.doctor.launch import Launch, is_side_work
from triage.doctor.rules.found import Check, Edit, Found, cpus_changed, options_changed, srun_cpus_changed
from triage.doctor.rules.signs import is_training

PER_NODE = ("torchrun", "torch.distributed.launch", "accelerate", "deepspeed")
OWN_PROCESSES = re.compile(
    r"(?i)lightning|submitit|jax|ray\b|mirrored|device_map|tensor[-_]parallel|\btp\b|vllm|mii|nemo|keras|horovod|spawn"
)
_DDP = re.compile(
    r"(?i)ddp|fsdp|deepspeed|--local[_-]rank|distributed|--nproc|zero\d|--devices|--num[_-]gpus|--n[_-]?gpus?\b|multi[_-]?gpu|parallel"
)


def processes(job: Job, launch: Launch) -> int | None:
    """Processes that this launcher starts on each node; None when not told."""
    options = launch.options
    if launch.launcher in ("torchrun", "torch.distributed.launch"):
        return job.number(options.get("nproc_per_node", options.get("nproc-per-node", "")))
    if launch.launcher == "accelerate":
        total = job.number(options.get("num_processes", ""))
        machines = job.number(options.get("num_machines", "")) or 1
        return total // machines if total else None
    if launch.launcher == "deepspeed":
        return job.number(options.get("num_gpus", "")) or included(options) or job.gpus_per_node or None
    return None


def included(options: Mapping[str, str]) -> int | None:
    """GPUs of `--include localhost:0,1` of deepspeed."""
    match = re.fullmatch(r"\"?[\w\-]+:(\d+(?:,\d+)*)\"?", options.get("include", ""))
    return len(match.group(1).split(",")) if match else None


def torchrun_per_gpu(job: Job) -> Iterator[Found]:
    for launch in job.main_launches:
        if launch.launcher not in PER_NODE or launch.srun is None:
            continue
        tasks, count = job.tasks_per_node_of(launch), processes(job, launch)
        if (
            tasks <= 1
            or count == 1
            or (
                count is None
                and launch.launcher != "accelerate"
                and tasks != job.gpus_per_node
                and not job.gpus_per_node
            )
        ):
            continue
        line = (
            job.line_of("ntasks-per-node", "ntasks")
            if not {"ntasks", "ntasks-per-node"} & set(launch.srun)
            else launch.line
        )
        edits: tuple[Edit, ...] = _one_task_a_node(job, tasks)
        if {"ntasks", "ntasks-per-node"} & set(launch.srun):
            edits = _one_task(job, launch, tasks)
        yield Found(
            rule="launch-torchrun-per-gpu",
            line=line,
            edits=edits,
            also=(launch.line,),
            what=f"srun starts {tasks} copies of {launch.launcher} per node (line {launch.line}), and each "
            f"starts {count or 'all'} processes again",
            fix="one task per node with all its cores: --ntasks-per-node=1",
        )
        return


def _one_task_a_node(job: Job, tasks: int) -> tuple[Edit, ...]:
    """In the directives: one task per node with the cores of all."""
    values = {"ntasks-per-node": 1, "ntasks": job.nodes}
    cpus = job.effective.get("cpus-per-task")
    if cpus is None or not cpus.value.isdigit():
        return options_changed(job, values)
    together = int(cpus.value) * tasks
    lines = [option.line for name in values if (option := job.effective.get(name))]
    if cpus.line in lines:
        return (*options_changed(job, {**values, "cpus-per-task": together}), *srun_cpus_changed(job, together))
    return (*options_changed(job, values), *cpus_changed(job, together))


def _one_task(job: Job, launch: Launch, tasks: int) -> tuple[Edit, ...]:
    """The srun line with one task per node that has the cores of all."""
    text = job.lines[launch.outer.line - 1]
    fixed = re.sub(r"(--ntasks-per-node[= ])\d+", r"\g<1>1", text, count=1)
    fixed = re.sub(r"(\s(?:-n ?|--ntasks[= ]))\d+", rf"\g<1>{job.nodes}", fixed, count=1)
    fixed = re.sub(
        r"(\s(?:-c ?|--cpus-per-task[= ]))(\d+)",
        lambda match: f"{match.group(1)}{int(match.group(2)) * tasks}",
        fixed,
        count=1,
    )
    return (Edit(launch.outer.line, launch.outer.line, (fixed,)),) if fixed != text else ()


def single_task(job: Job) -> Iterator[Found]:
    if job.gpus_per_node * job.nodes <= 1 or OWN_PROCESSES.search(job.code):
        return
    for launch in job.main_launches:
        if launch.launcher != "python" or job.tasks_of(launch) > 1 or (launch.mpi is not None and launch.mpi):
            continue
        if (
            launch.command.around.background
            or launch.command.around.loop
            or job.nodes > 1
            or "CUDA_VISIBLE_DEVICES" in launch.assignments
        ):
            continue
        if _DDP.search(" ".join((launch.program, *launch.args))):
            count = job.gpus_per_node
            line = job.lines[launch.line - 1]
            started = f"--standalone --nproc_per_node={count} "
            fixed = re.sub(r"(?<![\w/])python[\d.]*\s+(?:-u\s+)?", f"torchrun {started}", line, count=1)
            if fixed == line:  # an interpreter of its own, by a path or a variable
                own = r"(\S*/python[\d.]*\"?|\"?\$\{?PY(?:THON)?\w*\}?\"?)\s+(?:-u\s+)?"
                fixed = re.sub(own, rf"\1 -m torch.distributed.run {started}", line, count=1)
            yield Found(
                rule="launch-single-task",
                line=launch.line,
                what=f"one python process for {count} GPUs, but `{launch.program}` expects one process per GPU",
                fix=f"torchrun --standalone --nproc_per_node={count} {launch.program}",
                edits=(Edit(launch.line, launch.line, (fixed,)),) if fixed != line else (),
            )


def missing_srun(job: Job) -> Iterator[Found]:
    if job.nodes <= 1 and job.tasks_total <= 1:
        return
    yield from _bare_program(job)
    if any(launch.launcher == "ray" for launch in job.launches) or re.search(r"\bhq\b|submitit|sbatch\b", job.code):
        return
    for launch in job.main_launches:
        if (
            launch.srun is not None
            or launch.mpi is not None
            or launch.in_step
            or (launch.command.around.function and _handed_to_srun(job, launch.command.around.function))
            or (launch.launcher == "other" and _preparation_step(launch))
        ):
            continue
        if job.nodes == 1 and launch.launcher in (*PER_NODE, "vllm", "server"):
            continue
        if launch.launcher in ("deepspeed",) and ("hostfile" in launch.options or "launcher" in launch.options):
            continue
        if launch.launcher == "python" and not (is_training(job) or job.nodes > 1):
            continue
        if launch.launcher == "python" and _preparation_step(launch):
            continue
        where = f"{job.nodes} nodes" if job.nodes > 1 else f"{job.tasks_total} tasks"
        yield Found(
            rule="launch-missing-srun",
            line=launch.line,
            column=launch.command.column,
            severity="warning" if job.fragment else None,
            what=f"{where}, but `{_started(launch)}` is started without srun: it runs once, on the first node",
            fix="put srun in front",
            edits=_srun_in_front(job, launch),
        )


def _srun_in_front(job: Job, launch: Launch) -> tuple[Edit, ...]:
    text_of_shell = launch.wrapped and launch.outer.name in ("bash", "sh")
    at = launch.outer.line if text_of_shell else launch.line
    line = job.lines[at - 1]
    start = re.search(
        r"(?:(?<=^)|(?<=[\s;&(]))(?:python[\d.]*|torchrun|accelerate|deepspeed|singularity|apptainer|vllm)\b", line
    )
    if start is None and not text_of_shell and (launch.wrapped or launch.outer.line != launch.line):
        return ()
    column = start.start() if start and not text_of_shell else launch.outer.column - 1
    return (Edit(at, at, (f"{line[:column]}srun {line[column:]}",)),)


def _bare_program(job: Job) -> Iterator[Found]:
    """Several tasks, and a program of the user's own that nothing starts in them."""
    if job.tasks_total <= 1 or job.launches or re.search(r"\b(?:srun|mpirun|mpiexec|sbatch|hq)\b", job.code):
        return
    for command in job.outer_commands:
        own = re.fullmatch(r"(?:\./|\$\{?\w+\}?/|/\S*/bin/)[\w./\-]+", command.name)
        if not own or command.name.endswith((".sh", ".bash", "activate")) or command.around.substitution:
            continue
        text = job.lines[command.line - 1]
        fixed = f"{text[: command.column - 1]}srun {text[command.column - 1 :]}"
        yield Found(
            rule="launch-missing-srun",
            line=command.line,
            severity="warning",
            what=f"{job.tasks_total} tasks, but `{command.name}` is started without srun: it runs once",
            fix="put srun in front",
            edits=(Edit(command.line, command.line, (fixed,)),) if text.isascii() else (),
        )


def _started(launch: Launch) -> str:
    return launch.program if launch.launcher == "other" else launch.launcher


def _handed_to_srun(job: Job, function: str) -> bool:
    """Whether the function runs in a step: exported, and named behind srun."""
    return bool(
        re.search(rf"export\s+-f[^\n]*\b{re.escape(function)}\b|\bsrun\b[^\n]*\b{re.escape(function)}\b", job.code)
    )


def _preparation_step(launch: Launch) -> bool:
    return bool(
        re.search(
            r"(?i)download|prepare|preprocess|tokeni|convert|merge|export|eval|plot|summar|report|check|index|collect",
            launch.program,
        )
    )


def srun_cpus(job: Job) -> Iterator[Found]:
    if not job.has("cpus-per-task") or job.cpus_per_task <= 1 or (job.site and job.site.id == "deucalion"):
        return
    if job.sets("SRUN_CPUS_PER_TASK") or "SRUN_CPUS_PER_TASK" in job.code or "SLURM_CPU_BIND" in job.assigned:
        return
    for launch in job.launches:
        if (
            launch.srun is None
            or "cpus-per-task" in launch.srun
            or (launch.outer.name != "srun" and "srun" not in launch.outer.text)
            or launch.outer.name in ("singularity", "apptainer")  # srun inside of it is another rule's
        ):
            continue
        bind = launch.srun.get("cpu-bind", "")
        if (
            bind.startswith(("mask", "map", "none", "$", "v,mask"))
            or (launch.launcher == "other" and is_side_work(launch))
            or "overlap" in launch.srun
        ):
            continue
        number = next(
            (
                n
                for n in range(launch.outer.line, launch.outer.end_line + 1)
                if re.search(r"\bsrun\b", job.lines[n - 1])
            ),
            launch.line,
        )
        fixed = re.sub(r"\bsrun\b", 'srun --cpus-per-task="$SLURM_CPUS_PER_TASK"', job.lines[number - 1], count=1)
        yield Found(
            rule="launch-srun-cpus",
            line=number,
            what="srun of Slurm 22.05 and 23.02 does not take over --cpus-per-task: each task is bound to one core",
            fix='srun --cpus-per-task="$SLURM_CPUS_PER_TASK"',
            edits=(Edit(number, number, (fixed,)),),
        )


def line_with(job: Job, launch: Launch, text: str) -> int:
    """Line of the command on which the text stands, else where the script has it, else the command's first line."""
    for number in range(launch.outer.line, min(launch.outer.end_line, len(job.lines)) + 1):
        if text in job.lines[number - 1]:
            return number
    for number, line in enumerate(job.lines, start=1):
        if text in line and not line.lstrip().startswith("#"):
            return number
    return launch.line


CHECKS: tuple[Check, ...] = (
    torchrun_per_gpu,
    single_task,
    missing_srun,
    srun_cpus,
)
