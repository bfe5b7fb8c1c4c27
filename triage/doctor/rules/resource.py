"""res-*: what is asked for, by itself and against the nodes of the system."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor import units
from triage.doctor.directives import distance_at_most
from triage.doctor.job import Job
from triage.doctor.rules.found import Check, Edit, Found, change
from triage.doctor.rules.signs import is_training, submitted_with

AS_OF = "according to our records"


def time_format(job: Job) -> Iterator[Found]:
    option = job.effective.get("time")
    if option is None or "$" in option.value or option.trouble == "blank-around-equals" or "<" in option.value:
        return
    value = option.value
    if value.upper() in units.NO_LIMIT:
        if job.partition and job.partition.max_minutes:
            yield Found(
                rule="res-time-format",
                line=option.line,
                column=option.column,
                what=f"`{value}` means no limit, but the partition has one",
                fix=f"write --time with at most {units.clock(job.partition.max_minutes)}",
            )
        return
    minutes = units.minutes_of(value)
    if minutes is None:
        yield Found(
            rule="res-time-format",
            line=option.line,
            column=option.column,
            what=f"`{value}` is no walltime that Slurm reads",
            fix=f"write HH:MM:SS or D-HH:MM:SS{_time_meant(value)}",
        )
        return
    debug = bool(job.partition and job.partition.debug) or "debug" in job.value("qos") or "dev" in job.value("qos")
    short = re.fullmatch(r"(\d+):\d\d", value) or re.fullmatch(r"\d+", value)
    usual = ":" not in value and minutes in (5, 10, 15, 20, 30, 45, 60) and not is_training(job)
    if short and minutes <= 72 and not debug and not usual:
        yield Found(
            rule="res-time-format",
            line=option.line,
            column=option.column,
            severity="warning",
            what=f"`{value}` is read as {minutes} minutes",
            fix=f"for {minutes} hours write --time={units.clock(minutes * 60)}",
        )


def _time_meant(value: str) -> str:
    match = re.fullmatch(r"(\d+)\s*(h|hours?|hrs?|m|min|minutes?|d|days?)", value, re.IGNORECASE)
    if not match:
        return ""
    unit = {"h": 60, "m": 1, "d": 1440}[match.group(2)[0].lower()]
    return f", here --time={units.clock(int(match.group(1)) * unit)}"


def time_over_limit(job: Job) -> Iterator[Found]:
    limit = job.partition.max_minutes if job.partition else _jean_zay_limit(job)
    if job.minutes is None or limit is None or job.minutes <= limit or job.has("reservation"):
        return
    name = job.partition.name if job.partition else "this choice of node and QoS"
    qos = f" with QoS {job.partition.qos}" if job.partition and job.partition.qos else ""
    yield Found(
        rule="res-time-over-limit",
        line=job.line_of("time"),
        column=job.effective["time"].column,
        what=f"{job.value('time')} is more than {name}{qos} allows ({units.clock(limit)}, {AS_OF})",
        fix=f"--time={units.clock(limit)} at most{_longer(job)}, or checkpoint and chain jobs",
    )


def _jean_zay_limit(job: Job) -> int | None:
    kind = job.node_type
    if kind is None:
        return None
    table = kind.get("qos")
    if not isinstance(table, dict):
        return None
    qos = job.value("qos") or next((name for name, text in table.items() if "default" in str(text)), "")
    return units.minutes_of(str(table.get(qos, "")).split()[0].rstrip(",")) if qos in table else None


def _longer(job: Job) -> str:
    if job.site is None or job.minutes is None:
        return ""
    fitting = [
        part
        for part in job.site.partitions
        if part.max_minutes
        and part.max_minutes >= job.minutes
        and part.gpus
        and (part.max_nodes is None or part.max_nodes >= job.nodes)
        and job.nodes >= part.min_nodes
    ]
    if not fitting:
        return ""
    best = fitting[0]
    return (
        f", or --partition={best.name}"
        + (f" --qos={best.qos}" if best.qos else "")
        + f" ({units.clock(best.max_minutes or 0)})"
    )


def time_missing(job: Job) -> Iterator[Found]:
    if job.has("time") or not job.directives or submitted_with(job, "time", "t", "SBATCH_TIMELIMIT"):
        return
    must = job.site is not None and job.site.required("time")
    default = job.partition.default_minutes if job.partition else None
    said = (
        "mandatory here"
        if must
        else f"the default is {units.clock(default)}"
        if default
        else "the default may be minutes or the maximum"
    )
    yield Found(
        rule="res-time-missing",
        line=job.line_of("partition", "nodes"),
        severity="error" if must and not job.fragment else None,
        what=f"no --time: {said}",
        fix="add #SBATCH --time=HH:MM:SS with the expected run plus 10-20 %",
    )


def node_count(job: Job) -> Iterator[Found]:
    if job.site is None or job.partition is None or job.has("reservation") or not job.has("nodes", "ntasks", "gpus"):
        return
    part, line = job.partition, job.line_of("nodes", "ntasks", "gpus")
    if part.max_nodes and job.nodes > part.max_nodes:
        yield Found(
            rule="res-node-count",
            line=line,
            what=f"{job.nodes} nodes, but {part.name}{f' with QoS {part.qos}' if part.qos else ''}"
            f" allows {part.max_nodes} ({AS_OF})",
            fix=f"at most {part.max_nodes} nodes, or the partition or QoS for larger jobs{_longer(job)}",
        )
    elif job.nodes < part.min_nodes:
        yield Found(
            rule="res-node-count",
            line=line,
            what=f"{job.nodes} nodes, but {part.name}{f' with QoS {part.qos}' if part.qos else ''}"
            f" starts at {part.min_nodes} ({AS_OF})",
            fix="the partition or QoS made for this size",
        )
    elif job.site.id == "roihu" and part.name == "gpumedium" and job.nodes * job.gpus_per_node > 4:
        yield Found(
            rule="res-node-count",
            line=line,
            what=f"{job.nodes * job.gpus_per_node} GPUs, but gpumedium allows 4 per job ({AS_OF})",
            fix="4 GPUs, or gpularge",
        )


def without_option(job: Job, name: str) -> tuple[Edit, ...]:
    option = job.effective[name]
    rest = job.lines[option.line - 1].replace(option.raw, "", 1).rstrip()
    bare = re.sub(r"\s+#.*$", "", rest).strip()
    return (Edit(option.line, option.line, () if bare in ("#SBATCH", "") else (re.sub(r"  +(?=-)", " ", rest),)),)


def ntasks_inconsistent(job: Job) -> Iterator[Found]:
    per_node = job.value("ntasks-per-node")
    given = units.node_range(job.value("nodes"))
    if job.ntasks is None or job.het or (given and given[0] != given[1]):
        return
    line, total = job.line_of("ntasks"), job.ntasks
    others = tuple(job.line_of(name) for name in ("ntasks-per-node", "nodes") if job.has(name))
    if per_node.isdigit() and given and total != given[0] * int(per_node):
        if _srun_overrides(job):
            return
        yield Found(
            rule="res-ntasks-inconsistent",
            line=line,
            also=others,
            what=f"--ntasks={total} wins over --nodes={given[0]} x --ntasks-per-node={per_node} = "
            f"{given[0] * int(per_node)}",
            fix="drop --ntasks",
            edits=without_option(job, "ntasks"),
        )
    elif per_node.isdigit() and not given and total < int(per_node):
        yield Found(
            rule="res-ntasks-inconsistent",
            line=line,
            also=others,
            what=f"--ntasks={total} wins over --ntasks-per-node={per_node}",
            fix="drop --ntasks",
            edits=without_option(job, "ntasks"),
        )
    elif given and total < given[0]:
        yield Found(
            rule="res-ntasks-inconsistent",
            line=line,
            also=others,
            what=f"{total} task(s) cannot use {given[0]} nodes",
            fix="drop --ntasks and give --ntasks-per-node",
            edits=change(job, line, job.effective["ntasks"].raw, "--ntasks-per-node=1")
            if total == 1
            else without_option(job, "ntasks"),
        )


def _srun_overrides(job: Job) -> bool:
    return bool(job.launches) and all(
        launch.srun is not None and {"ntasks", "ntasks-per-node"} <= set(launch.srun) for launch in job.launches
    )


def near(name: str, names: frozenset[str]) -> str:
    """The one name that differs by one letter, else by two; nothing when there are several."""
    plain = name.replace("_", "-")
    for limit in (1, 2):
        found = [other for other in names if name != other and distance_at_most(plain, other.replace("_", "-"), limit)]
        if found:
            return found[0] if len(found) == 1 else ""
    return ""


CHECKS: tuple[Check, ...] = (
    time_format,
    time_over_limit,
    time_missing,
    node_count,
    ntasks_inconsistent,
)
