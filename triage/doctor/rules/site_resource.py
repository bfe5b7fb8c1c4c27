"""res-*: account, partition, QoS, memory and cores as the system wants them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor import units
from triage.doctor.job import Job
from triage.doctor.rules.found import Check, Found, add_directive, cpus_changed
from triage.doctor.rules.signs import is_training


def best_partition(job: Job) -> str:
    """The production partition that fits nodes and walltime."""
    if job.site is None:
        return ""
    fitting = [
        part.name
        for part in job.site.partitions
        if part.gpus
        and not part.debug
        and (part.max_nodes is None or part.max_nodes >= job.nodes)
        and job.nodes >= part.min_nodes
        and (part.max_minutes is None or job.minutes is None or part.max_minutes >= job.minutes)
        and part.name not in ("bench", "lumid", "gpuinteractive")
    ]
    if job.site.id == "lumi-g":
        fitting.sort(
            key=lambda name: name != ("standard-g" if job.gpus_per_node == 8 and job.nodes >= 1 else "small-g")
        )
    return fitting[0] if fitting else ""


def cpus_per_task_missing(job: Job) -> Iterator[Found]:
    if not job.asks_for_gpus or not job.gpus_per_node or job.has("cpus-per-task", "cpus-per-gpu", "mincpus"):
        procs = [
            job.number(launch.options.get("nproc_per_node", "")) or 0
            for launch in job.launches
            if launch.launcher == "torchrun"
        ]
        if (
            job.has("cpus-per-task")
            and job.asks_for_gpus
            and procs
            and max(procs) > 1
            and job.cpus_per_task < max(procs)
            and job.tasks_per_node == 1
        ):
            yield Found(
                rule="res-cpus-per-task-missing",
                line=job.line_of("cpus-per-task"),
                what=f"{job.cpus_per_task} core(s) for {max(procs)} processes of torchrun",
                fix=_cores(job, 1),
            )
        return
    if job.site and job.site.id == "karolina":
        return
    with_srun = any(launch.srun is not None and "cpus-per-task" not in launch.srun for launch in job.main_launches)
    if job.exclusive and not with_srun:
        return
    if job.exclusive and job.whole_nodes and not is_training(job):
        return
    given = next((cpus for launch in job.main_launches if (cpus := (launch.srun or {}).get("cpus-per-task", ""))), "")
    fix = f"#SBATCH --cpus-per-task={given}" if given.isdigit() else _cores(job, job.tasks_per_node)
    match = re.search(r"--cpus-per-task=(\d+)", fix)
    yield Found(
        rule="res-cpus-per-task-missing",
        line=job.line_of("ntasks-per-node", "gpus-per-node", "gres", "gpus"),
        what="one core per task: data loading starves the GPU",
        fix=fix,
        edits=add_directive(job, match.group()) if match else (),
    )


def _cores(job: Job, tasks: int) -> str:
    if not job.cpus_per_gpu:
        return "add --cpus-per-task: the cores of a node / GPUs of a node, for each GPU of the task"
    total = min(job.cpus_per_gpu * job.gpus_per_node, (job.site.cores if job.site else None) or 10_000)
    return f"#SBATCH --cpus-per-task={max(1, total // max(1, tasks))}"


def on_cpu_nodes(job: Job) -> bool:
    """The partition has no GPUs, so that what is on record about the GPU nodes does not hold."""
    if job.site is None or job.asks_for_gpus:
        return False
    name = job.value("partition")
    return name in CPU_PARTITIONS.get(job.site.id, ()) or bool(job.partition and not job.partition.gpus)


CPU_PARTITIONS = {
    "lumi-g": ("standard", "small", "largemem", "lumid", "debug"),
    "karolina": ("qcpu", "qcpu_exp", "qcpu_free"),
    "vega": ("cpu",),
    "arrhenius": ("cpu", "fat"),
    "deucalion": ("normal-x86", "dev-x86", "normal-arm", "dev-arm", "large-x86", "large-arm"),
    "leonardo-booster": ("lrd_all_serial", "dcgp_usr_prod"),
    "meluxina": ("cpu", "largemem", "fpga"),
    "mn5-acc": ("gpp",),
    "roihu": ("test", "small", "medium", "large"),
}


def cpus_over_node(job: Job) -> Iterator[Found]:
    site, cores = job.site, job.node_cores
    if (
        site is None
        or cores is None
        or on_cpu_nodes(job)
        or job.has("overcommit")
        or not job.has("cpus-per-task", "cpus-per-gpu", "ntasks-per-node", "ntasks")
    ):
        return
    wanted = job.tasks_per_node * job.cpus_per_task
    if wanted > cores and (job.cpus_per_task > 1 or site.id == "lumi-g"):
        share = (job.cpus_per_gpu or 0) * job.gpus_per_node if not job.owns_node else 0
        right = max(1, min(cores, share or cores) // job.tasks_per_node)
        yield Found(
            rule="res-cpus-over-node",
            line=job.line_of("cpus-per-task", "ntasks-per-node"),
            what=f"{job.tasks_per_node} x {job.cpus_per_task} = {wanted} cores per node, but jobs may use {cores}",
            fix=f"--cpus-per-task={right}",
            edits=cpus_changed(job, right),
        )


def cpu_gpu_ratio(job: Job) -> Iterator[Found]:
    limit = job.cpus_per_gpu
    if job.site is None or not limit or not job.gpus_per_node or not job.has("cpus-per-task"):
        return
    if job.site.id not in (
        "mn5-acc",
        "deucalion",
        "leonardo-booster",
        "lumi-g",
        "jean-zay",
        "karolina",
        "arrhenius",
        "roihu",
    ):
        return
    cores, allowed = job.tasks_per_node * job.cpus_per_task, limit * job.gpus_per_node
    if job.site.id == "mn5-acc" and job.value("threads-per-core") == "2":
        allowed *= 2
    line, right = job.line_of("cpus-per-task"), max(1, allowed // job.tasks_per_node)
    edits = cpus_changed(job, right)
    if job.site.id == "mn5-acc":
        if cores != allowed:
            yield Found(
                rule="res-cpu-gpu-ratio",
                line=line,
                severity="error",
                what=f"{cores} cores for {job.gpus_per_node} GPU(s): MareNostrum 5 wants exactly {limit} per GPU",
                fix=f"--cpus-per-task={right}",
                edits=edits,
            )
        return
    if cores > allowed and not job.owns_node:
        yield Found(
            rule="res-cpu-gpu-ratio",
            line=line,
            what=f"{cores} cores for {job.gpus_per_node} GPU(s): the share of a GPU is {limit}; more is billed "
            f"as further GPUs",
            fix=f"--cpus-per-task={right}",
            edits=edits,
        )
    elif cores * 2 < allowed and job.cpus_per_task > 1 and is_training(job) and limit <= 24:
        yield Found(
            rule="res-cpu-gpu-ratio",
            line=line,
            severity="hint",
            what=f"{cores} cores for {job.gpus_per_node} GPU(s), of {allowed} that come with them",
            fix=f"--cpus-per-task={right}",
        )


def debug_misuse(job: Job) -> Iterator[Found]:
    if job.site is None:
        return
    name = next(
        (
            value
            for value in (job.value("qos"), job.value("partition"))
            if re.search(r"dbg|debug|-dev$|^dev-|_exp$|gputest|^test$|^dev$", value)
        ),
        "",
    )
    if not name:
        return
    array = units.array_size(job.value("array")) if job.has("array") else None
    chain = job.has("dependency", "requeue") or "singleton" in job.text
    if (array and array[0] > 2) or chain:
        production = best_partition(job)
        yield Found(
            rule="res-debug-misuse",
            line=job.line_of("partition" if job.value("partition") == name else "qos"),
            also=tuple(job.line_of(option) for option in ("array", "dependency", "requeue") if job.has(option)),
            what=f"`{name}` is for debugging; this looks like a production run",
            fix=f"use the production partition{f' ({production})' if production else ''}",
        )


CHECKS: tuple[Check, ...] = (
    cpus_per_task_missing,
    cpus_over_node,
    cpu_gpu_ratio,
    debug_misuse,
)
