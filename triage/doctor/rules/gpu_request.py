"""res-gpu-*, res-gpus-*: the GPU request by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor import units
from triage.doctor.job import Job
from triage.doctor.rules.found import Check, Edit, Found, add_directive, change
from triage.doctor.rules.launching import processes
from triage.doctor.rules.resource import without_option
from triage.doctor.rules.signs import gpu_sign, is_preparation, submitted_with


def gpus_over_node(job: Job) -> Iterator[Found]:
    if not job.node_gpus or not job.asks_for_gpus:
        return
    per_node = max(job.gpus_per_node, 0)
    total = units.gpus(job.value("gpus"))
    line = job.line_of("gpus-per-node", "gres", "gpus", "gpus-per-task")
    if total and not job.has("gpus-per-node", "gres"):
        if job.has("nodes") and total.count > job.nodes * job.node_gpus:
            need = -(-total.count // job.node_gpus)
            spread = job.nodes > 1 or any(job.tasks_of(launch) > 1 for launch in job.launches)
            held = job.effective["gpus"]
            yield Found(
                rule="res-gpus-over-node",
                line=line,
                what=f"{total.count} GPUs on {job.nodes} node(s): a node of {_name(job)} has {job.node_gpus}",
                fix=f"--nodes={need} --gpus-per-node={job.node_gpus}",
                edits=change(job, job.line_of("nodes"), job.value("nodes"), str(need))
                if spread
                else change(job, held.line, held.raw, held.raw.replace(str(total.count), str(job.node_gpus))),
            )
        return
    if per_node <= job.node_gpus:
        return
    option = job.effective.get("gpus-per-node") or job.effective.get("gres") or job.effective.get("gpus-per-task")
    edits = (
        change(job, option.line, option.raw, option.raw.replace(str(per_node), str(job.node_gpus)))
        if option and option.name != "gpus-per-task"
        else _fewer_tasks(job)
    )
    yield Found(
        rule="res-gpus-over-node",
        line=line,
        what=f"{per_node} GPUs per node: a node of {_name(job)} has {job.node_gpus}",
        fix=f"at most {job.node_gpus} per node; more by --nodes={-(-per_node // job.node_gpus)}",
        edits=edits,
    )


def _fewer_tasks(job: Job) -> tuple[Edit, ...]:
    """With --gpus-per-task: as many tasks on a node as it has GPUs for."""
    each, tasks = units.gpus(job.value("gpus-per-task")), job.effective.get("ntasks-per-node")
    if not (each and each.count and tasks and tasks.value.isdigit() and job.node_gpus):
        return ()
    right = str(max(1, job.node_gpus // each.count))
    return change(job, tasks.line, tasks.raw, tasks.raw.replace(tasks.value, right))


def _name(job: Job) -> str:
    return job.site.name if job.site else "this system"


def gpu_request_missing(job: Job) -> Iterator[Found]:
    if job.asks_for_gpus or not job.directives or submitted_with(job, "gpus", "gres", "G", "gpus-per-node"):
        return
    if job.value("partition") in ("prepost", "lrd_all_serial") or (job.partition and not job.partition.gpus):
        return
    sign = gpu_sign(job)
    on_gpu_partition = bool(
        job.site
        and job.value("partition") in {part.name for part in job.site.partitions if part.gpus}
        and job.main_launches
    )
    if not sign and (not on_gpu_partition or is_preparation(job)):
        return
    mild = bool(job.site and job.site.whole_node) or (is_preparation(job) and not sign) or job.fragment
    count = _wanted(job)
    request = job.site.gpu_request(count) if job.site else f"--gpus-per-node={count}"
    yield Found(
        rule="res-gpu-request-missing",
        line=job.line_of("partition", "nodes"),
        severity="warning" if mild else None,
        what=f"no GPU is asked for, but {sign or 'this is a GPU partition'}",
        fix=f"add #SBATCH {request}",
        edits=add_directive(job, request) if not job.site or job.node_gpus else (),
    )


def _wanted(job: Job) -> int:
    """GPUs on a node for what is started there: all of a whole node, else one for each process."""
    if job.exclusive and job.node_gpus:
        return job.node_gpus
    counts = [processes(job, launch) or 0 for launch in job.main_launches]
    counts += [job.tasks_per_node_of(launch) for launch in job.main_launches if launch.srun is not None]
    for match in re.finditer(r"--tensor[-_]parallel[-_]size[= ](\S+)|\s-tp[= ](\S+)", job.code):
        counts.append(job.number(match.group(1) or match.group(2)) or 0)
    return max(1, min(max(counts, default=1), job.node_gpus or 8))


def gpu_option_conflict(job: Job) -> Iterator[Found]:
    per_node, gres = units.gpus(job.value("gpus-per-node")), units.gres_gpus(job.value("gres"))
    total, per_task = units.gpus(job.value("gpus")), units.gpus(job.value("gpus-per-task"))
    given = job.gpus_given_per_node
    if per_node and gres:
        equal = per_node.count == gres.count
        later = max(job.effective["gres"], job.effective["gpus-per-node"], key=lambda option: option.line)
        yield Found(
            rule="res-gpu-option-conflict",
            line=later.line,
            column=later.column,
            severity="hint" if equal else None,
            what=f"--gres=gpu:{gres.count} and --gpus-per-node={per_node.count} say the same thing twice"
            + ("" if equal else " with different numbers"),
            fix="keep one of them",
            edits=without_option(job, "gres"),
        )
    elif total and given and job.has("nodes") and total.count != job.nodes * given:
        asked = f"{job.nodes} node(s) with {job.gpus_per_node} each are {job.nodes * job.gpus_per_node}"
        yield _conflict(job, "gpus", f"--gpus={total.count}, but {asked}", "drop --gpus")
    elif per_task and given and per_task.count * job.tasks_per_node != given:
        asked = f"--gpus-per-task={per_task.count} with {job.tasks_per_node} task(s) per node"
        what = f"{asked} does not make {job.gpus_per_node} GPUs per node"
        yield _conflict(job, "gpus-per-task", what, "keep one GPU option")
    elif total and per_task and per_task.count and job.ntasks not in (None, total.count // per_task.count):
        needed = f"need {total.count // per_task.count} tasks, but --ntasks={job.ntasks}"
        what = f"--gpus={total.count} and --gpus-per-task={per_task.count} {needed}"
        yield _conflict(job, "gpus-per-task", what, "keep one GPU option")
    for first, second in (("cpus-per-gpu", "cpus-per-task"), ("ntasks-per-gpu", "ntasks-per-node")):
        if job.has(first) and job.has(second):
            yield _conflict(job, first, f"--{first} and --{second} exclude each other", f"keep --{second}")


def _conflict(job: Job, name: str, what: str, fix: str) -> Found:
    return Found(
        rule="res-gpu-option-conflict",
        line=job.line_of(name),
        what=what,
        fix=fix,
        edits=without_option(job, name),
    )


def gpus_total_uneven(job: Job) -> Iterator[Found]:
    yield from _tasks_uneven(job)
    total = units.gpus(job.value("gpus"))
    if total and job.nodes > 1 and not job.has("gpus-per-node", "gpus-per-task", "gres", "ntasks-per-gpu"):
        if job.node_gpus and total.count == job.nodes * job.node_gpus:
            return
        if (job.whole_nodes or job.has("exclusive")) and total.count % job.nodes == 0:
            return
        each = min(-(-total.count // job.nodes), job.node_gpus or total.count)
        edits = change(job, job.line_of("gpus"), job.effective["gpus"].raw, f"--gpus-per-node={each}")
        yield Found(
            rule="res-gpus-total-uneven",
            line=job.line_of("gpus"),
            what=f"{total.count} GPUs in all on {job.nodes} nodes may be split unevenly (3 + 1)",
            fix=f"--gpus-per-node={each}",
            edits=edits,
        )


def _tasks_uneven(job: Job) -> Iterator[Found]:
    """GPUs on each of several shared nodes, but only a total of tasks: Slurm may place 3 + 1."""
    tasks, shared = job.effective.get("ntasks"), not (job.owns_node or job.whole_nodes or job.het)
    if not (tasks and job.ntasks and job.has("nodes") and job.nodes > 1 and job.gpus_given_per_node and shared):
        return
    each, rest = divmod(job.ntasks, job.nodes)
    if job.has("ntasks-per-node") or job.ntasks <= job.nodes or job.value("distribution"):
        return
    yield Found(
        rule="res-gpus-total-uneven",
        line=tasks.line,
        what=f"{job.ntasks} tasks in all on {job.nodes} nodes may be placed unevenly",
        fix=f"--ntasks-per-node={each}" if not rest else "a number of tasks that the nodes share evenly",
        edits=() if rest else change(job, tasks.line, tasks.raw, f"--ntasks-per-node={each}"),
    )


_GRES_WRONG = re.compile(r"^(?:gpus(?::|=|$)|gpu=|gpu:$|\d+$|gpu:\w+:$|gpu\d|GPU)")


def gpu_type_or_unit(job: Job) -> Iterator[Found]:
    gres = job.effective.get("gres")
    if gres and (
        _GRES_WRONG.match(gres.value)
        or (
            gres.value.startswith("gpu")
            and not units.gres_gpus(gres.value)
            and "$" not in gres.value
            and "shard" not in gres.value
        )
    ):
        number = re.search(r"\d+$", gres.value)
        right = f"--gres=gpu:{number.group() if number else _wanted(job)}"
        yield Found(
            rule="res-gpu-type-or-unit",
            line=gres.line,
            column=gres.column,
            what=f"`{gres.value}` is no GPU request",
            fix=right,
            edits=change(job, gres.line, gres.raw, right),
        )
        return
    for name in ("gpus", "gpus-per-node", "gpus-per-task"):
        option = job.effective.get(name)
        if (
            option
            and "$" not in option.value
            and "<" not in option.value
            and option.trouble == ""
            and units.gpus(option.value) is None
        ):
            number = re.search(r"\d+$", option.value)
            yield Found(
                rule="res-gpu-type-or-unit",
                line=option.line,
                column=option.column,
                what=f"`{option.value}` is no GPU count",
                fix=f"--{name}=<number>",
                edits=change(job, option.line, option.raw, f"--{name}={number.group()}") if number else (),
            )
    yield from _type_and_unit_of_site(job)


def _type_and_unit_of_site(job: Job) -> Iterator[Found]:
    if job.site is None:
        return
    line, known = (
        job.line_of("gres", "gpus-per-node", "gpus", "gpus-per-task"),
        str(job.site.directives.get("gpu_request")),
    )
    kind = job.gpu_type
    if job.site.id == "roihu" and job.asks_for_gpus and kind != "gh200":
        count = job.gpus_per_node or 1
        yield Found(
            rule="res-gpu-type-or-unit",
            line=line,
            what="Roihu needs the GPU type gh200",
            fix=f"--gres=gpu:gh200:{count}",
            edits=_typed(job, f"--gres=gpu:gh200:{count}"),
        )
    elif kind and job.site.id != "roihu" and kind not in known:
        yield Found(
            rule="res-gpu-type-or-unit",
            line=line,
            severity="warning" if _plausible_type(job, kind) else None,
            what=f"GPU type `{kind}` is not on record for {job.site.name}",
            fix="leave the type out",
            edits=change(job, line, f"{kind}:", ""),
        )
    elif job.site.id in ("lumi-g", "adastra-mi250x") and job.gpus_per_node == 4 and job.exclusive and _four_ranks(job):
        yield Found(
            rule="res-gpu-type-or-unit",
            line=line,
            what="a node has 8 GPUs as Slurm counts them (GCDs); 4 leave half of the node idle",
            fix="ask for 8 and start 8 processes",
            edits=change(job, line, "4", "8") if _only_gpu_count(job, line) else (),
        )


def _plausible_type(job: Job, kind: str) -> bool:
    """On a system with the GPU model of that name the type may exist, though our records do not have it."""
    model = str(job.site.facts["node"].get("accelerator_model", "")).lower() if job.site else ""
    return bool(job.site and job.site.vendor == "nvidia" and kind.lower().split("_")[0] in model) or (
        job.site is not None and job.site.id in ("jean-zay", "vega")
    )


def _typed(job: Job, right: str) -> tuple[Edit, ...]:
    for name in ("gres", "gpus-per-node", "gpus"):
        if name in job.effective:
            return change(job, job.effective[name].line, job.effective[name].raw, right)
    return ()


def _only_gpu_count(job: Job, line: int) -> bool:
    return job.lines[line - 1].count("4") == 1


def _four_ranks(job: Job) -> bool:
    ranks = [job.number(launch.options.get("nproc_per_node", "")) for launch in job.launches]
    return job.tasks_per_node in (1, 4) and (job.tasks_per_node == 4 or 4 in ranks)


CHECKS: tuple[Check, ...] = (
    gpus_over_node,
    gpu_request_missing,
    gpu_option_conflict,
    gpus_total_uneven,
    gpu_type_or_unit,
)
