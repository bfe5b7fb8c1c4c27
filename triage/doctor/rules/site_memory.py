"""res-mem-*: memory against the node."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor import units
from triage.doctor.directives import Option
from triage.doctor.job import Job
from triage.doctor.rules.found import Check, Edit, Found, add_directive, change
from triage.doctor.rules.resource import without_option
from triage.doctor.rules.site_resource import on_cpu_nodes


def mem_over_node(job: Job) -> Iterator[Found]:
    if (
        job.site is None
        or job.mem_gib is None
        or job.site.ram_gb is None
        or on_cpu_nodes(job)
        or job.value("partition") in ("lumid", "largemem", "fat")
    ):
        return
    line = job.line_of("mem", "mem-per-gpu", "mem-per-cpu")
    if job.mem_gib > job.site.ram_gb * 1.01:
        option = job.effective.get("mem") or job.effective.get("mem-per-gpu")
        right = f"{int(job.site.ram_gb)}G" if option and option.name == "mem" else ""
        if option and option.name == "mem" and job.site.ram_per_gpu and job.gpus_per_node and not job.exclusive:
            right = f"{min(int(job.site.ram_gb), int(job.site.ram_per_gpu * job.gpus_per_node))}G"
        if option and option.name == "mem-per-gpu" and job.site.ram_per_gpu:
            right = f"{int(job.site.ram_per_gpu)}G"
        yield Found(
            rule="res-mem-over-node",
            line=line,
            what=f"{job.mem_gib:.0f} GiB per node, but a node of {job.site.name} offers {job.site.ram_gb:.0f}",
            fix=f"--{option.name if option else 'mem'}={right}" if right else "less memory, or --mem=0 on whole nodes",
            edits=change(job, option.line, option.value, right) if option and right else (),
        )
    elif (
        job.site.ram_per_gpu
        and job.gpus_per_node
        and not job.exclusive
        and job.mem_gib > job.site.ram_per_gpu * job.gpus_per_node * 1.05
        and job.site.id != "roihu"
    ):
        yield Found(
            rule="res-mem-over-node",
            line=line,
            severity="warning",
            what=f"{job.mem_gib:.0f} GiB for {job.gpus_per_node} GPU(s): the share of a GPU is "
            f"{job.site.ram_per_gpu:.0f} GiB; more is billed as further GPUs or waits",
            fix=f"--mem={int(job.site.ram_per_gpu * job.gpus_per_node)}G",
            edits=_share(job),
        )


def _share(job: Job) -> tuple[Edit, ...]:
    share = job.site.ram_per_gpu if job.site else None
    cores = job.cpus_per_task * job.tasks_per_node
    for name, amount in (
        ("mem", float(job.gpus_per_node)),
        ("mem-per-gpu", 1.0),
        ("mem-per-cpu", job.gpus_per_node / max(1, cores)),
    ):
        option = job.effective.get(name)
        if option and share and int(share * amount):
            return change(job, option.line, option.value, f"{int(share * amount)}G")
    return ()


def mem_spec(job: Job) -> Iterator[Found]:
    given = [job.effective[name] for name in ("mem", "mem-per-cpu", "mem-per-gpu") if job.has(name)]
    if len(given) > 1 and not job.het:
        last = max(given, key=lambda option: option.line)
        yield Found(
            rule="res-mem-spec",
            line=last.line,
            what=" and ".join(f"--{option.name}" for option in given) + " exclude each other",
            fix="keep one of them",
            edits=without_option(job, last.name),
        )
    stray = [
        option
        for option in job.options
        if option.trouble == "stray-word" and re.fullmatch(r"[KMGT]i?B?", option.name, re.IGNORECASE)
    ]
    split_lines = {option.line for option in stray}
    for option in given:
        if not re.search(r"[$<]", option.value) and option.trouble != "blank-around-equals":
            yield from _memory_value(job, option, split=option.line in split_lines)
    if job.has("mem-per-gpu") and not job.asks_for_gpus:
        yield Found(
            rule="res-mem-spec",
            line=job.line_of("mem-per-gpu"),
            what="--mem-per-gpu without a GPU request is refused",
            fix="ask for GPUs, or use --mem",
        )
    for option in stray:
        if any(other.line == option.line for other in given):
            joined = re.sub(r"(\d)\s+([KMGT])i?B?\b", r"\1\2", job.lines[option.line - 1])
            yield Found(
                rule="res-mem-spec",
                line=option.line,
                column=option.column,
                what="a blank inside the memory value",
                fix=f"--mem=<number>{option.name[0].upper()}",
                edits=(Edit(option.line, option.line, (joined,)),),
            )


def _memory_value(job: Job, option: Option, *, split: bool) -> Iterator[Found]:
    """`split`: the unit stands behind a blank, which is a finding of its own."""
    value = option.value
    if units.gib_of(value) is None:
        number = re.match(r"^(\d+)(?:\.\d+)?\s*([KMGT])", value, re.IGNORECASE)
        right = f"{number.group(1)}{number.group(2).upper()}" if number and "." not in value else _whole_unit(value)
        yield Found(
            rule="res-mem-spec",
            line=option.line,
            column=option.column,
            what=f"`{value}` is no memory value that Slurm reads",
            fix=f"--{option.name}={right}" if right else "an integer with K, M, G or T",
            edits=change(job, option.line, option.value, right) if right else (),
        )
    elif value.isdigit() and 0 < int(value) <= 2048 and not split:
        yield Found(
            rule="res-mem-spec",
            line=option.line,
            column=option.column,
            severity="warning",
            what=f"`{value}` without a unit is read as {value} MiB",
            fix=f"--{option.name}={value}G",
            edits=change(job, option.line, option.raw, option.raw.replace(value, f"{value}G")),
        )


def _whole_unit(value: str) -> str:
    match = re.match(r"^(\d+\.\d+)\s*([GT])", value, re.IGNORECASE)
    return f"{int(float(match.group(1)) * 1024)}{'M' if match.group(2).upper() == 'G' else 'G'}" if match else ""


def mem_default(job: Job) -> Iterator[Found]:
    if job.site is None:
        return
    given = job.has("mem", "mem-per-cpu", "mem-per-gpu")
    site, line = job.site, job.line_of("mem", "mem-per-gpu", "mem-per-cpu")
    if site.id in ("mn5-acc", "jean-zay", "roihu"):
        if given and job.asks_for_gpus and not (job.has("mem") and job.value("mem") == "0" and site.id != "mn5-acc"):
            name = next(name for name in ("mem", "mem-per-gpu", "mem-per-cpu") if job.has(name))
            yield Found(
                rule="res-mem-default",
                line=line,
                what=f"memory follows the {'GPUs' if site.id == 'roihu' else 'cores'} on {site.name}: do not set it",
                fix="remove the option",
                edits=without_option(job, name),
            )
        return
    if given or not job.asks_for_gpus or job.partition is None or not job.partition.shared or job.whole_nodes:
        return
    if site.id.startswith("adastra"):
        return
    where = job.line_of("exclusive") if job.has("exclusive") else job.line_of("partition")
    if job.has("exclusive"):
        yield Found(
            rule="res-mem-default",
            line=where,
            what="--exclusive owns the node, but only the default memory per core comes with it",
            fix="add #SBATCH --mem=0",
            edits=add_directive(job, "--mem=0"),
        )
    elif (
        site.id in ("lumi-g", "leonardo-booster", "karolina", "arrhenius")
        and site.ram_per_gpu
        and site.id != "karolina"
    ):
        share = int(site.ram_per_gpu * job.gpus_per_node)
        yield Found(
            rule="res-mem-default",
            line=where,
            what="no memory is asked for on a shared partition: the default per core may be small",
            fix=f"add #SBATCH --mem={share}G",
            edits=add_directive(job, f"--mem={share}G"),
        )


CHECKS: tuple[Check, ...] = (
    mem_over_node,
    mem_spec,
    mem_default,
)
