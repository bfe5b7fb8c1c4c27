"""Several runs in one allocation, as job steps one after the other, where a site limits how many jobs one may submit.

Each step has the name that its run would have as a job, so that the accounts tell how each went. The allocation is not
requeued: what had no turn or lost its node is proposed to Slurm again by the watcher, without what is done already.
"""

from __future__ import annotations

import secrets
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from bench_runner.reruns.request import Plan
from bench_runner.reruns.runs import Run
from bench_runner.reruns.script import JOB_PREFIX, LOG, RESULT, directives, job_name
from bench_runner.reruns.sites import Site

SKIP = "skip"
"""A file of this name in a run's folder keeps its step from starting."""
STEP = "step.sh"


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    run: Run
    plan: Plan


def batch_name(batch: str) -> str:
    return f"{JOB_PREFIX}batch-{batch}"


def queue_name(run: Run) -> str:
    """Name of the job that the run is, or is a step of."""
    return batch_name(run.batch) if run.batch else step_name(run)


def step_name(run: Run) -> str:
    return job_name(run.id, run.attempts if run.job else run.attempts + 1)


def new_batch() -> str:
    return secrets.token_hex(6)


def grouped(members: Iterable[Member], site: Site) -> list[list[Member]]:
    """Runs on one node with equally many GPUs, in their order, up to the site's minutes; others stay alone."""
    if site.batch_walltime_min is None:
        return [[member] for member in members]
    groups: list[list[Member]] = []
    filling: dict[int | None, list[Member]] = defaultdict(list)
    for member in members:
        shape = member.plan.spec.gpus_per_node
        group = filling[shape]
        if member.plan.spec.nodes != 1:
            groups.append([member])
        elif _minutes([*group, member]) <= site.batch_walltime_min:
            group.append(member)
        else:
            groups.append(group)
            filling[shape] = [member]
    return [group for group in (*groups, *filling.values()) if group]


def _minutes(members: Sequence[Member]) -> int:
    return sum(member.plan.walltime_min for member in members)


def batch_script(members: Sequence[Member], folder: str) -> str:
    """What sbatch gets; every step has the time that its run was approved for, and none takes the others down."""
    lines = ["#!/bin/bash", *directives(members[0].plan, folder, _minutes(members)), "#SBATCH --no-requeue"]
    for member in members:
        lines += _step(member)
    return "\n".join(lines) + "\n"


def _step(member: Member) -> list[str]:
    run, there = member.run, shlex.quote(member.run.work_dir)
    srun = ["srun", f"--job-name={step_name(run)}", "--nodes=1", "--ntasks=1", f"--time={member.plan.walltime_min}"]
    srun += [f"--chdir={run.work_dir}", f"--output={run.work_dir}/{LOG}", "--open-mode=append", "bash", STEP]
    return [
        f"mkdir -p {there}",
        f"cat > {there}/{STEP} <<'MINERVA_STEP'",
        run.script.rstrip("\n"),
        "MINERVA_STEP",
        f"[ -e {there}/{RESULT} ] || [ -e {there}/{SKIP} ] || {shlex.join(srun)} || true",
    ]


def batch_dir(site: Site, batch: str) -> str:
    return str(PurePosixPath(site.work_dir) / f"batch-{batch}")
