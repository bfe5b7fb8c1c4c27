"""res-*: account, partition, QoS, memory and cores as the system wants them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor import units
from triage.doctor.job import Job
from triage.doctor.rules.found import Check, Edit, Found, add_directive, change
from triage.doctor.rules.resource import AS_OF, _without, near
from triage.doctor.rules.signs import gpu_sign, is_preparation, is_training, submitted_with

_CPU_PARTITIONS = {
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


def account(job: Job) -> Iterator[Found]:
    if job.site is None or not job.directives:
        return
    entry = job.site.directives.get("account") or {}
    option = job.effective.get("account")
    if option is None:
        if entry.get("required") is True and not submitted_with(job, "account", "A", "SBATCH_ACCOUNT", "SLURM_ACCOUNT"):
            how = f" ({entry['how_to_find']} lists yours)" if entry.get("how_to_find") else ""
            yield Found(
                rule="res-account",
                line=job.line_of("partition", "job-name"),
                severity="warning" if job.fragment else None,
                what=f"no --account, which {job.site.name} needs",
                fix=f"add #SBATCH --account=<project>{how}",
            )
        return
    value = option.value
    if not value or re.search(r"[<$]|x{3}|(?i:your|my_?(?:account|project))", value):
        return
    problem = _account_problem(job, value, entry.get("regex"))
    if problem:
        yield Found(
            rule="res-account",
            line=option.line,
            column=option.column,
            what=problem,
            fix=f"the project id as {job.site.name} writes it, for example {entry.get('example')}",
        )


def _account_problem(job: Job, value: str, regex: str | None) -> str:
    site = job.site
    if site is None:
        return ""
    if site.id == "jean-zay":
        suffix = value.partition("@")[2]
        if not suffix:
            return ""
        kind = job.node_type
        wanted = str(kind["account_suffix"]).strip("@") if kind else "cpu"
        return f"account suffix @{suffix}, but these nodes are charged to @{wanted}" if suffix != wanted else ""
    if regex and not re.match(regex, value):
        return f"`{value}` does not look like an account of {site.name}"
    if site.id == "deucalion" and "a100" in job.value("partition") and not value.lower().endswith("g"):
        return f"`{value}` does not end in g, which the A100 partitions need"
    if site.id == "arrhenius" and job.value("partition") == "gpu" and not value.endswith("-gpu"):
        return f"`{value}` does not end in -gpu, which partition gpu needs"
    return ""


def partition(job: Job) -> Iterator[Found]:
    site = job.site
    if site is None or not job.directives:
        return
    option = job.effective.get("partition")
    gpu_job = job.asks_for_gpus or bool(gpu_sign(job))
    if option is None:
        if site.required("partition") and not submitted_with(job, "partition", "p", "SBATCH_PARTITION"):
            choice = _best_partition(job)
            yield Found(
                rule="res-partition",
                line=job.line_of("gres", "gpus-per-node", "gpus", "nodes"),
                severity="warning" if job.fragment else None,
                what=f"no --partition, which {site.name} needs",
                fix=f"add #SBATCH --partition={choice}" if choice else "add --partition",
                edits=add_directive(job, f"--partition={choice}") if choice else (),
            )
        return
    cpu = _CPU_PARTITIONS.get(site.id, ())
    for name in option.value.split(","):
        if name.strip() in cpu:
            if gpu_job and not (is_preparation(job) and not job.asks_for_gpus):
                choice = _best_partition(job)
                yield Found(
                    rule="res-partition",
                    line=option.line,
                    column=option.column,
                    what=f"partition `{name}` has no GPUs",
                    fix=f"--partition={choice}",
                    edits=change(job, option.line, option.value, choice) if choice else (),
                )
        elif (
            site.id not in ("mn5-acc", "adastra-mi250x", "adastra-mi300a", "jean-zay")
            and not _known(job, name)
            and not re.search(r"[<$]", name)
        ):
            meant = near(name, site.partition_names) or (_best_partition(job) if job.asks_for_gpus else "")
            yield Found(
                rule="res-partition",
                line=option.line,
                column=option.column,
                what=f"`{name}` is not among the partitions of {site.name} ({AS_OF})",
                fix=f"--partition={meant}" if meant else "sinfo -s shows the partitions",
                edits=change(job, option.line, option.value, meant) if meant else (),
            )


def _known(job: Job, name: str) -> bool:
    return bool(
        job.site
        and (
            name in job.site.partition_names
            or name.startswith(tuple(job.site.partition_names - {"gpu", "cpu", "fat"} or {"\0"}))
        )
    )


def _best_partition(job: Job) -> str:
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


def qos_and_constraint(job: Job) -> Iterator[Found]:
    site = job.site
    if site is None or not job.directives:
        return
    checks = {
        "mn5-acc": _mn5_qos,
        "meluxina": _required_qos,
        "discoverer-plus": _required_qos,
        "adastra-mi250x": _adastra,
        "adastra-mi300a": _adastra,
        "jean-zay": _jean_zay,
        "leonardo-booster": _leonardo_qos,
    }
    check = checks.get(site.id)
    if check:
        yield from check(job)


def _rule(job: Job, what: str, fix: str, *names: str, edits: tuple[Edit, ...] = ()) -> Found:
    return Found(
        rule="res-qos-constraint",
        line=job.line_of(*names),
        what=what,
        fix=fix,
        edits=edits,
        severity="warning" if job.fragment else None,
    )


def _mn5_qos(job: Job) -> Iterator[Found]:
    qos = job.value("qos")
    if not qos and not submitted_with(job, "qos", "q", "SBATCH_QOS"):
        yield _rule(
            job,
            "no --qos, which chooses the partition on MareNostrum 5",
            "add #SBATCH --qos=acc_ehpc (bsc_queues lists yours)",
            "gres",
            "account",
            edits=add_directive(job, "--qos=acc_ehpc"),
        )
    elif qos.startswith("gp_") and job.asks_for_gpus:
        yield _rule(
            job,
            f"QoS `{qos}` belongs to the CPU partition",
            "--qos=acc_ehpc",
            "qos",
            edits=change(job, job.line_of("qos"), qos, qos.replace("gp_", "acc_", 1)),
        )
    elif qos and not re.match(r"acc_|gp_", qos) and not re.search(r"[<$]", qos):
        yield _rule(
            job,
            f"QoS `{qos}` is not one of MareNostrum 5 (acc_...)",
            "--qos=acc_ehpc (bsc_queues lists yours)",
            "qos",
            edits=change(
                job,
                job.line_of("qos"),
                qos,
                near(qos, frozenset(("acc_ehpc", "acc_debug", "acc_bench", "acc_interactive"))) or "acc_ehpc",
            ),
        )


def _required_qos(job: Job) -> Iterator[Found]:
    if job.has("qos") or submitted_with(job, "qos", "q", "SBATCH_QOS"):
        known = {part.qos for part in (job.site.partitions if job.site else ()) if part.qos} | {"gpudev", "urgent"}
        if (
            job.site
            and job.site.id == "meluxina"
            and job.value("qos") not in known
            and not re.search(r"[<$]", job.value("qos"))
        ):
            yield _rule(
                job,
                f"QoS `{job.value('qos')}` is not on record for MeluXina",
                "--qos=default",
                "qos",
                edits=change(job, job.line_of("qos"), job.value("qos"), "default"),
            )
        if (
            job.site
            and job.site.id == "discoverer-plus"
            and job.value("qos") in ("normal", "2cpu-single-host")
            and job.asks_for_gpus
        ):
            yield _rule(job, f"QoS `{job.value('qos')}` gives no GPU on Discoverer+", "--qos=<project name>", "qos")
        return
    if job.site and job.site.id == "meluxina":
        yield _rule(
            job,
            "no --qos, which MeluXina needs",
            "add #SBATCH --qos=default",
            "partition",
            edits=add_directive(job, "--qos=default"),
        )
    else:
        yield _rule(
            job, "no --qos: the default QoS gives 1 minute and no GPU", "add #SBATCH --qos=<project name>", "partition"
        )


def _adastra(job: Job) -> Iterator[Found]:
    value = job.value("constraint")
    wanted = "MI300" if job.site and job.site.id == "adastra-mi300a" else "MI250"
    if not value:
        yield _rule(
            job,
            "no --constraint, which chooses the node type on Adastra",
            f"add #SBATCH --constraint={wanted}",
            "account",
            "nodes",
            edits=add_directive(job, f"--constraint={wanted}"),
        )
        return
    software = "MI300" if "gfx942" in job.code else "MI250" if "gfx90a" in job.code else ""
    if software and software not in value and ("MI250" in value or "MI300" in value):
        yield _rule(
            job,
            f"constraint {value}, but the software is built for {software}",
            f"--constraint={software} or the other build",
            "constraint",
            edits=change(job, job.line_of("constraint"), value, software),
        )
    elif not re.search(r"MI250|MI300|GENOA|HPDA", value):
        yield _rule(
            job,
            f"constraint `{value}` is not one of Adastra",
            f"--constraint={wanted}",
            "constraint",
            edits=change(job, job.line_of("constraint"), value, wanted),
        )


def _jean_zay(job: Job) -> Iterator[Found]:
    constraint, qos = job.value("constraint"), job.value("qos")
    wants = next(
        (kind for kind in ("h100", "a100") if f"arch/{kind}" in job.code or job.value("account").endswith(f"@{kind}")),
        "",
    )
    partition = job.value("partition")
    if not constraint and wants and partition not in ("gpu_p5", "gpu_p6", "prepost", "compil_h100"):
        yield _rule(
            job,
            f"{wants} is wanted, but without -C {wants} the job goes to the V100 nodes",
            f"add #SBATCH --constraint={wants}",
            "account",
            "gres",
            edits=add_directive(job, f"--constraint={wants}"),
        )
    kind = job.node_type
    table = kind.get("qos") if kind else None
    if qos and isinstance(table, dict) and qos not in table and not re.search(r"[<$]", qos) and kind:
        right = next(iter(table))
        same = qos.rsplit("-", 1)[-1]
        right = next((name for name in table if name.endswith(f"-{same}")), right)
        yield _rule(
            job,
            f"QoS `{qos}` does not belong to {kind['id']} nodes",
            f"--qos={right}",
            "qos",
            edits=change(job, job.line_of("qos"), qos, right),
        )
    if (
        constraint
        and not re.fullmatch(r"(?:h100|a100|v100(?:-16g|-32g)?|[&|])+", constraint)
        and not re.search(r"[<$]", constraint)
    ):
        yield _rule(
            job,
            f"constraint `{constraint}` is not one of Jean Zay",
            "-C h100, a100, v100-16g or v100-32g",
            "constraint",
        )


def _leonardo_qos(job: Job) -> Iterator[Found]:
    qos, nodes = job.value("qos"), job.nodes
    if qos == "boost_qos_dbg" and (nodes > 2 or (job.minutes or 0) > 30):
        yield _rule(
            job,
            f"boost_qos_dbg allows 2 nodes and 30 minutes ({AS_OF})",
            "drop the QoS for production, or stay within it",
            "qos",
        )
    elif qos == "boost_qos_bprod" and nodes < 65:
        yield _rule(
            job, f"boost_qos_bprod starts at 65 nodes ({AS_OF})", "drop the QoS", "qos", edits=_without(job, "qos")
        )
    elif nodes > 64 and qos != "boost_qos_bprod" and job.value("partition") == "boost_usr_prod":
        yield _rule(
            job,
            f"more than 64 nodes need boost_qos_bprod ({AS_OF})",
            "add #SBATCH --qos=boost_qos_bprod",
            "nodes",
            edits=add_directive(job, "--qos=boost_qos_bprod") if not qos else (),
        )
    elif (
        qos
        and qos not in ("normal", "boost_qos_dbg", "boost_qos_bprod", "boost_qos_lprod")
        and qos.startswith(("boost_", "acc_", "qos_"))
    ):
        yield _rule(
            job,
            f"QoS `{qos}` is not on record for Leonardo Booster",
            "drop it or take the one of the site's table",
            "qos",
        )


def mem_over_node(job: Job) -> Iterator[Found]:
    if (
        job.site is None
        or job.mem_gib is None
        or job.site.ram_gb is None
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
            what=f"{job.mem_gib:.0f} GiB for {job.gpus_per_node} GPU(s): the share of a GPU is {job.site.ram_per_gpu:.0f} GiB; more is billed as further GPUs or waits",
            fix=f"--mem={int(job.site.ram_per_gpu * job.gpus_per_node)}G",
        )


def mem_spec(job: Job) -> Iterator[Found]:
    given = [job.effective[name] for name in ("mem", "mem-per-cpu", "mem-per-gpu") if job.has(name)]
    if len(given) > 1:
        yield Found(
            rule="res-mem-spec",
            line=max(given, key=lambda option: option.line).line,
            what=" and ".join(f"--{option.name}" for option in given) + " exclude each other",
            fix="keep one of them",
            edits=_without(job, max(given, key=lambda option: option.line).name),
        )
    for option in given:
        value = option.value
        if re.search(r"[$<]", value) or option.trouble == "blank-around-equals":
            continue
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
        elif value.isdigit() and 0 < int(value) <= 2048:
            yield Found(
                rule="res-mem-spec",
                line=option.line,
                column=option.column,
                severity="warning",
                what=f"`{value}` without a unit is read as {value} MiB",
                fix=f"--{option.name}={value}G",
                edits=change(job, option.line, option.raw, option.raw.replace(value, f"{value}G")),
            )
    if job.has("mem-per-gpu") and not job.asks_for_gpus:
        yield Found(
            rule="res-mem-spec",
            line=job.line_of("mem-per-gpu"),
            what="--mem-per-gpu without a GPU request is refused",
            fix="ask for GPUs, or use --mem",
        )
    stray = [
        option
        for option in job.options
        if option.trouble == "stray-word" and re.fullmatch(r"[KMGT]i?B?", option.name, re.IGNORECASE)
    ]
    for option in stray:
        if any(other.line == option.line for other in given):
            yield Found(
                rule="res-mem-spec",
                line=option.line,
                column=option.column,
                what="a blank inside the memory value",
                fix=f"--mem=<number>{option.name[0].upper()}",
                edits=(
                    Edit(
                        option.line,
                        option.line,
                        (re.sub(r"(\d)\s+([KMGT])i?B?\b", r"\1\2", job.lines[option.line - 1]),),
                    ),
                ),
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
                edits=_without(job, name),
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
    fix = _cores(job, job.tasks_per_node)
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


def cpus_over_node(job: Job) -> Iterator[Found]:
    site = job.site
    if (
        site is None
        or site.cores is None
        or job.has("overcommit")
        or not job.has("cpus-per-task", "cpus-per-gpu", "ntasks-per-node", "ntasks")
    ):
        return
    cores = site.cores
    if job.value("hint") == "multithread" or job.value("threads-per-core") == "2" or site.id in ("vega",):
        cores *= 2
    wanted = job.tasks_per_node * job.cpus_per_task
    if wanted > cores and (job.cpus_per_task > 1 or site.id == "lumi-g"):
        right = max(1, cores // job.tasks_per_node)
        option = job.effective.get("cpus-per-task")
        yield Found(
            rule="res-cpus-over-node",
            line=job.line_of("cpus-per-task", "ntasks-per-node"),
            what=f"{job.tasks_per_node} x {job.cpus_per_task} = {wanted} cores per node, but jobs may use {cores}",
            fix=f"--cpus-per-task={right}",
            edits=change(job, option.line, option.value, str(right)) if option and option.value else (),
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
    edits = change(job, line, job.value("cpus-per-task"), str(right))
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
            what=f"{cores} cores for {job.gpus_per_node} GPU(s): the share of a GPU is {limit}; more is billed as further GPUs",
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
        production = _best_partition(job)
        yield Found(
            rule="res-debug-misuse",
            line=job.line_of("partition" if job.value("partition") == name else "qos"),
            what=f"`{name}` is for debugging; this looks like a production run",
            fix=f"use the production partition{f' ({production})' if production else ''}",
        )


CHECKS: tuple[Check, ...] = (
    account,
    partition,
    qos_and_constraint,
    mem_over_node,
    mem_spec,
    mem_default,
    cpus_per_task_missing,
    cpus_over_node,
    cpu_gpu_ratio,
    debug_misuse,
)
