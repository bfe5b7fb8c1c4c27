"""res-over-asking: whether all that is held is used."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor.job import Job
from triage.doctor.launch import Launch
from triage.doctor.rules.found import Check, Edit, Found, change
from triage.doctor.rules.launching import included, processes
from triage.doctor.rules.resource import without_option

_USES_ALL = re.compile(
    r"(?i)device_map|tensor[-_]parallel|\s-tp\s|vllm|jax|mirrored|megatron|mii|lightning|ray\b|llama-server|llama\.cpp|sglang|deepspeed|spawn|"
    r"--devices|--num[-_]?gpus|--gpus\b|--n[-_]?gpus?\b|accelerate|nproc|submitit|data[-_]parallel|multi[-_]?gpu|ddp|fsdp|distributed|tensorflow|keras"
)


def over_asking(job: Job) -> Iterator[Found]:
    if not job.gpus_per_node or not job.main_launches or job.het:
        return
    total = job.gpus_per_node * job.nodes
    line = job.line_of("gpus-per-node", "gres", "gpus", "gpus-per-task", "partition")
    used = _used(job)
    if used is not None and used < total:
        shared = f"; {job.site.name} charges the whole node" if job.site and job.site.whole_node else ""
        yield Found(
            rule="res-over-asking",
            line=line,
            also=(job.main_launches[0].line,),
            what=f"{total} GPU(s) are held, but the script uses {used}{shared}",
            fix=f"ask for {used}, or start a process for each GPU",
            edits=_fewer(job, used) if used and job.nodes == 1 and not job.exclusive else (),
        )
    elif job.whole_nodes and job.node_gpus and job.gpus_per_node < job.node_gpus:
        where = "partition" if not (job.site and job.site.whole_node) else "gres"
        yield Found(
            rule="res-over-asking",
            line=job.line_of(where, "gpus-per-node", "gpus", "partition"),
            also=(line,),
            what=f"a whole node with {job.node_gpus} GPUs is taken and billed for {job.gpus_per_node}",
            fix="use all GPUs of the node, or a partition that shares nodes",
            edits=_shared_partition(job) if job.nodes == 1 else (),
        )
    elif (
        used is not None
        and job.has("exclusive")
        and job.node_gpus
        and job.gpus_per_node < job.node_gpus
        and not job.whole_nodes
        and job.nodes == 1
    ):
        yield Found(
            rule="res-over-asking",
            line=job.line_of("exclusive"),
            also=(line,),
            what=f"--exclusive takes the whole node with {job.node_gpus} GPUs for {job.gpus_per_node}",
            fix="drop --exclusive",
            edits=without_option(job, "exclusive"),
        )


def _shared_partition(job: Job) -> tuple[Edit, ...]:
    """The partition of the system that shares its nodes, where the job fits into it."""
    option = job.effective.get("partition")
    fitting = [
        part.name
        for part in (job.site.partitions if job.site else ())
        if part.shared
        and part.gpus
        and not part.debug
        and (part.max_nodes is None or part.max_nodes >= job.nodes)
        and (part.max_minutes is None or job.minutes is None or part.max_minutes >= job.minutes)
    ]
    if option is None or not fitting or option.value == fitting[0]:
        return ()
    return change(job, option.line, option.raw, option.raw.replace(option.value, fitting[0]))


def _fewer(job: Job, used: int) -> tuple[Edit, ...]:
    for name in ("gpus-per-node", "gres", "gpus"):
        option = job.effective.get(name)
        if option:
            return (
                change(job, option.line, option.raw, re.sub(r"\d+$", str(used), option.raw))
                if re.search(r"\d+$", option.raw)
                else ()
            )
    return ()


def _used(job: Job) -> int | None:
    """GPUs that the script's processes can use at the same time; None when it cannot be told."""
    most = 0
    together = 0
    serving = any(launch.launcher in ("vllm", "server") for launch in job.main_launches)
    for launch in job.main_launches:
        if serving and launch.launcher == "python" and not launch.outer.around.background:
            continue  # a client of the server that has the GPUs
        count = _used_by(job, launch)
        if count is None:
            return None
        if launch.outer.around.background or launch.outer.around.loop:
            together += count
            if launch.outer.around.loop:
                return None
        most = max(most, count)
    return max(most, together) or None


def _used_by(job: Job, launch: Launch) -> int | None:
    if launch.launcher in ("torchrun", "torch.distributed.launch", "deepspeed"):
        count = included(launch.options) if launch.launcher == "deepspeed" else processes(job, launch)
        return count * job.nodes if count else None
    if launch.launcher == "vllm":
        return _serving(job, launch)
    if launch.launcher != "python" or not launch.program.endswith(".py"):
        return None
    own = bool(_USES_ALL.search(" ".join((launch.program, *launch.args))))
    if launch.srun is not None and job.tasks_of(launch) > 1 and not own:
        return job.tasks_of(launch)
    if _USES_ALL.search(" ".join((launch.outer.text, *launch.args, launch.program))) or job.uses_own_launcher:
        return None
    return 1


def _serving(job: Job, launch: Launch) -> int | None:
    if launch.program not in ("serve", ""):
        return None
    options = {name.replace("-", "_"): value for name, value in launch.options.items()}
    product = 1
    for names in (("tensor_parallel_size", "tp"), ("pipeline_parallel_size", "pp"), ("data_parallel_size", "dp")):
        given = next((options[name] for name in names if name in options), "1")
        number = job.number(given)
        if number is None:
            return None
        product *= number
    return None if product & (product - 1) else product  # a size that fits no model is another rule's


CHECKS: tuple[Check, ...] = (over_asking,)
