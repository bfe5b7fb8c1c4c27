"""What a job script would bill if it ran to its walltime: an upper bound, from the request alone."""

from __future__ import annotations

import re
from math import ceil

from triage.doctor import units
from triage.doctor.diagnosis import Cost
from triage.doctor.facts import facts
from triage.doctor.job import Job

_SHARE_IS_BILLED = ("lumi-g", "leonardo-booster", "jean-zay", "karolina", "deucalion", "arrhenius")
"""Sites that bill more cores or memory than a GPU's share as further GPUs."""


def cost_of(job: Job) -> Cost | None:
    """None when the script asks for no GPU, or gives no walltime and no default is on record."""
    minutes = job.minutes or (job.partition.default_minutes if job.partition else None)
    if not job.asks_for_gpus or not job.gpus_per_node or not minutes or job.het:
        return None
    array = units.array_size(job.value("array")) if job.has("array") else None
    runs, hours, gpus = (array[0] if array else 1), minutes / 60, job.nodes * _held_per_node(job)
    billing = job.site.facts.get("billing") if job.site else None
    unit, rate = (str(billing["unit"]), float(billing["per_gpu_hour"])) if billing else ("GPU-hours", 1.0)
    gpu_hours = gpus * hours * runs
    watts = _watts(job)
    return Cost(
        gpus=gpus,
        hours=round(hours, 2),
        runs=runs,
        gpu_hours=round(gpu_hours, 2),
        billed=round(gpu_hours * rate, 2),
        unit=unit,
        max_kwh=round(gpu_hours * watts / 1000, 1) if watts else None,
    )


def _held_per_node(job: Job) -> int:
    """GPUs of a node that nobody else can use meanwhile."""
    if job.node_gpus and job.exclusive:
        return job.node_gpus
    held = job.gpus_per_node
    if job.site and job.site.id in _SHARE_IS_BILLED:
        if job.cpus_per_gpu:
            held = max(held, ceil(job.tasks_per_node * job.cpus_per_task / job.cpus_per_gpu))
        if job.site.ram_per_gpu and job.mem_gib:
            held = max(held, ceil(job.mem_gib / (job.site.ram_per_gpu * 1.05)))
    return min(held, job.node_gpus) if job.node_gpus else held


def _watts(job: Job) -> float | None:
    """Board limit of one GPU as Slurm counts it; None when it is not on record."""
    rows = {row["id"]: row for row in facts("training_recipes")["energy"]}
    limits = {str(name).split(" ", maxsplit=1)[0]: value for name, value in rows["tdp"]["watts"].items()}
    kind = job.node_type
    model = str(kind["gpu"] if kind else job.site.facts["node"].get("accelerator_model") if job.site else "")
    name = next((name for name in limits if re.search(rf"\b{name}\b", model)), "")
    value = limits.get(name)
    if not isinstance(value, int):
        return None
    return value / 2 if name == "MI250X" else float(value)  # a module is two GPUs for Slurm
