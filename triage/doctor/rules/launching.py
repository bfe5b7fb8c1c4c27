"""launch-*: how processes are started."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor.diagnosis import Severity
from triage.doctor.job import Job
from triage.doctor.launch import Launch
from triage.doctor.rules.found import Check, Edit, Found, add_directive, change
from triage.doctor.rules.signs import is_training

PER_NODE = ("torchrun", "torch.distributed.launch", "accelerate", "deepspeed")
_OWN_PROCESSES = re.compile(
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
        return job.number(options.get("num_gpus", "")) or job.gpus_per_node or None
    return None


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
        option = job.effective.get("ntasks-per-node")
        edits: tuple[Edit, ...] = ()
        if option and line == option.line and option.value.isdigit():
            edits = change(job, line, option.raw, option.raw.replace(option.value, "1"))
            cpus = job.effective.get("cpus-per-task")
            if (
                cpus
                and cpus.value.isdigit()
                and job.site
                and job.site.cores
                and int(cpus.value) * tasks <= job.site.cores * 2
            ):
                edits = (
                    (
                        *edits,
                        *change(job, cpus.line, cpus.raw, cpus.raw.replace(cpus.value, str(int(cpus.value) * tasks))),
                    )
                    if cpus.line != line
                    else edits
                )
        yield Found(
            rule="launch-torchrun-per-gpu",
            line=line,
            edits=edits,
            what=f"srun starts {tasks} copies of {launch.launcher} per node (line {launch.line}), and each starts {count or 'all'} processes again",
            fix="one task per node with all its cores: --ntasks-per-node=1",
        )
        return


def single_task(job: Job) -> Iterator[Found]:
    if job.gpus_per_node * job.nodes <= 1 or _OWN_PROCESSES.search(job.code):
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
            fixed = re.sub(
                r"\bpython[\d.]*\s+(?:-u\s+)?", f"torchrun --standalone --nproc_per_node={count} ", line, count=1
            )
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
    if any(launch.launcher == "ray" for launch in job.launches) or re.search(r"\bhq\b|submitit|sbatch\b", job.code):
        return
    for launch in job.main_launches:
        if (
            launch.srun is not None
            or launch.mpi is not None
            or launch.in_step
            or launch.command.around.function
            or launch.launcher == "other"
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
        line = job.lines[launch.line - 1]
        start = re.search(
            r"(?:(?<=^)|(?<=[\s;&(]))(?:python[\d.]*|torchrun|accelerate|deepspeed|singularity|apptainer|vllm)\b", line
        )
        fixed = f"{line[: start.start()]}srun {line[start.start() :]}" if start else line
        where = f"{job.nodes} nodes" if job.nodes > 1 else f"{job.tasks_total} tasks"
        yield Found(
            rule="launch-missing-srun",
            line=launch.line,
            column=launch.command.column,
            severity="warning" if job.fragment else None,
            what=f"{where}, but `{launch.launcher}` is started without srun: it runs once, on the first node",
            fix="put srun in front",
            edits=(Edit(launch.line, launch.line, (fixed,)),) if fixed != line else (),
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
        ):
            continue
        bind = launch.srun.get("cpu-bind", "")
        if (
            bind.startswith(("mask", "map", "none", "$", "v,mask"))
            or launch.launcher == "other"
            or "exact" in launch.srun
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


_LOCAL = re.compile(r"^\"?(?:localhost|127\.0\.0\.1|0\.0\.0\.0|::1)?(?::|\"?$)")


def rendezvous_local(job: Job) -> Iterator[Found]:
    if job.nodes <= 1:
        return
    for name in ("MASTER_ADDR", "MAIN_PROCESS_IP", "HEAD_NODE_IP", "RDZV_HOST", "MASTER_IP"):
        for command, value in job.assigned.get(name, ()):
            if _LOCAL.match(value) or (command.around.in_step and re.search(r"\$\(hostname|`hostname", value)):
                said = f"`{name}={value}`" if value else f"`{name}` is empty"
                line = command.line
                fixed = re.sub(
                    rf"{name}=\S*",
                    f'{name}=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
                    job.lines[line - 1],
                    count=1,
                )
                yield Found(
                    rule="launch-rendezvous-local",
                    line=line,
                    what=f"{said}: each of the {job.nodes} nodes takes it for itself",
                    fix='MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
                    edits=() if command.around.in_step else (Edit(line, line, (fixed,)),),
                )
    for launch in job.main_launches:
        yield from _local_options(job, launch)


def _local_options(job: Job, launch: Launch) -> Iterator[Found]:
    options = launch.options
    nodes_of_step = job.number((launch.srun or {}).get("nodes", "")) if launch.srun else None
    if nodes_of_step == 1 or launch.launcher not in PER_NODE or launch.srun is None:
        return
    for name in ("rdzv_endpoint", "rdzv-endpoint", "master_addr", "main_process_ip"):
        value = options.get(name, options.get(name.replace("-", "_"), ""))
        in_step_host = launch.in_step and re.search(r"^\"?(?:\$\(hostname|\$HOSTNAME|\$\{HOSTNAME)", value)
        if (value and _LOCAL.match(value)) or in_step_host:
            line = _line_with(job, launch, value)
            yield Found(
                rule="launch-rendezvous-local",
                line=line,
                what=f"`{value}` is another place on each of the {job.nodes} nodes",
                fix='"$MASTER_ADDR:$MASTER_PORT" with MASTER_ADDR of the first node',
                edits=_first_host(job, launch, line, value),
            )
            return
    if "standalone" in options:
        line = _line_with(job, launch, "--standalone")
        yield Found(
            rule="launch-rendezvous-local",
            line=line,
            what=f"--standalone forms one group per node, but there are {job.nodes} nodes",
            fix='--nnodes="$SLURM_JOB_NUM_NODES" --rdzv_backend=c10d --rdzv_endpoint="$MASTER_ADDR:$MASTER_PORT"',
        )
    elif launch.launcher == "torchrun" and not (
        {"rdzv_endpoint", "master_addr", "rdzv_conf", "rdzv_id"} & {name.replace("-", "_") for name in options}
    ):
        if "nnodes" in options and not any("$" in name for name in options):
            yield Found(
                rule="launch-rendezvous-local",
                line=launch.line,
                what="torchrun on several nodes without a rendezvous address",
                fix='--rdzv_backend=c10d --rdzv_endpoint="$MASTER_ADDR:$MASTER_PORT"',
            )


def _line_with(job: Job, launch: Launch, text: str) -> int:
    """Line of the command on which the text stands, else where the script has it, else the command's first line."""
    for number in range(launch.outer.line, min(launch.outer.end_line, len(job.lines)) + 1):
        if text in job.lines[number - 1]:
            return number
    for number, line in enumerate(job.lines, start=1):
        if text in line and not line.lstrip().startswith("#"):
            return number
    return launch.line


def _first_host(job: Job, launch: Launch, line: int, value: str) -> tuple[Edit, ...]:
    host = re.match(r"\"?(localhost|127\.0\.0\.1|0\.0\.0\.0)", value)
    if not host:
        return ()
    edits = change(job, line, host.group(1), "$MASTER_ADDR")
    if job.sets("MASTER_ADDR") or launch.in_step or line < launch.outer.line:
        return edits
    first = launch.outer.line
    return (
        Edit(first, first - 1, ('MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',)),
        *edits,
    )


_PORT = re.compile(r"^\"?\d{4,5}\"?$")


def port_fixed(job: Job) -> Iterator[Found]:
    if not any(launch.launcher in (*PER_NODE, "python", "other") for launch in job.main_launches):
        return
    mild: Severity | None = "hint" if job.owns_node and not job.has("array") else None
    for name in ("MASTER_PORT", "RDZV_PORT", "MAIN_PROCESS_PORT"):
        for command, value in job.assigned.get(name, ()):
            if _PORT.match(value):
                fixed = re.sub(
                    rf"{name}=[\"']?\d+[\"']?",
                    f"{name}=$((10000 + SLURM_JOB_ID % 20000))",
                    job.lines[command.line - 1],
                    count=1,
                )
                yield Found(
                    rule="launch-port-fixed",
                    line=command.line,
                    severity=mild,
                    what=f"fixed port {value}: two jobs on one node collide",
                    fix=f"{name}=$((10000 + SLURM_JOB_ID % 20000))",
                    edits=(Edit(command.line, command.line, (fixed,)),),
                )
    for launch in job.main_launches:
        for name in ("master_port", "main_process_port", "rdzv_endpoint", "rdzv-endpoint", "master-port"):
            value = launch.options.get(name, "")
            port = value.rsplit(":", 1)[-1] if "endpoint" in name else value
            if "endpoint" in name and ":" not in value:
                continue
            if _PORT.match(port) and launch.launcher in PER_NODE:
                line = _line_with(job, launch, port)
                yield Found(
                    rule="launch-port-fixed",
                    line=line,
                    severity=mild,
                    what=f"fixed port {port}: two jobs on one node collide",
                    fix="a port derived from the job id: $((10000 + SLURM_JOB_ID % 20000))",
                    edits=_port_edit(job, launch, line, port),
                )


def _port_edit(job: Job, launch: Launch, line: int, port: str) -> tuple[Edit, ...]:
    if launch.wrapped:
        return ()
    return change(job, line, port, "$((10000 + SLURM_JOB_ID % 20000))")


def world_size(job: Job) -> Iterator[Found]:
    for launch in job.main_launches:
        if launch.command.around.loop or (
            launch.srun and {"nodes", "nodelist", "gpus-per-node", "gpus", "gres"} & set(launch.srun)
        ):
            continue
        yield from _counts(job, launch)
    for command, value in job.assigned.get("WORLD_SIZE", ()):
        number = job.number(value)
        if (
            value.isdigit()
            and number
            and number not in (job.tasks_total, job.nodes * job.gpus_per_node)
            and job.gpus_per_node
        ):
            yield _mismatch(
                job,
                command.line,
                f"WORLD_SIZE={value}, but {job.tasks_total} task(s) are started",
                value,
                "$SLURM_NTASKS",
            )
    if job.has("nodes") and "NNODES" in job.variables:
        command, value = job.assigned["NNODES"][0]
        if value.isdigit() and int(value) != job.nodes:
            yield _mismatch(
                job, command.line, f"NNODES={value}, but --nodes={job.nodes}", value, "$SLURM_JOB_NUM_NODES"
            )


def _mismatch(job: Job, line: int, what: str, wrong: str, right: str) -> Found:
    text = job.lines[line - 1]
    fixed = re.sub(
        rf"(?<=[= ])[\"']?{re.escape(wrong)}[\"']?(?![\w.])",
        f'"{right}"' if right.startswith("$") else right,
        text,
        count=1,
    )
    return Found(
        rule="launch-world-size-mismatch",
        line=line,
        what=what,
        fix=f"take it from Slurm: {right}",
        edits=(Edit(line, line, (fixed,)),) if fixed != text else (),
    )


def _counts(job: Job, launch: Launch) -> Iterator[Found]:
    options = {name.replace("-", "_"): value for name, value in launch.options.items()}
    nodes, total = job.nodes, job.nodes * job.gpus_per_node
    if launch.launcher in ("torchrun", "torch.distributed.launch"):
        nnodes, procs = options.get("nnodes", ""), options.get("nproc_per_node", "")
        number = None if ":" in nnodes else job.number(nnodes)
        if (
            number
            and number != nodes
            and (job.has("nodes") or number > 1)
            and (launch.srun is not None or number > nodes)
        ):
            yield _option_mismatch(
                job,
                launch,
                "nnodes",
                nnodes,
                f"--nnodes={number}, but the job has {nodes} node(s)",
                "$SLURM_JOB_NUM_NODES",
            )
        count = job.number(procs)
        if (
            count
            and job.gpus_per_node
            and count != job.gpus_per_node
            and not (launch.srun and "gpus-per-task" in launch.srun)
            and not _visible(job, launch, count)
        ):
            said = f"--nproc_per_node={count}, but {job.gpus_per_node} GPU(s) per node are asked for"
            yield _option_mismatch(job, launch, "nproc_per_node", procs, said, "$SLURM_GPUS_ON_NODE")
    elif launch.launcher == "accelerate":
        number, machines = job.number(options.get("num_processes", "")), job.number(options.get("num_machines", ""))
        if machines and machines != nodes:
            yield _option_mismatch(
                job,
                launch,
                "num_machines",
                options["num_machines"],
                f"--num_machines {machines}, but the job has {nodes} node(s)",
                "$SLURM_JOB_NUM_NODES",
            )
        if number and total and number != total and not _visible(job, launch, number):
            yield _option_mismatch(
                job,
                launch,
                "num_processes",
                options["num_processes"],
                f"--num_processes {number}, but {nodes} x {job.gpus_per_node} GPUs are {total} (accelerate counts all machines)",
                "$((SLURM_JOB_NUM_NODES * SLURM_GPUS_ON_NODE))",
            )
    elif launch.launcher == "deepspeed":
        number = job.number(options.get("num_gpus", ""))
        if number and job.gpus_per_node and number != job.gpus_per_node:
            yield _option_mismatch(
                job,
                launch,
                "num_gpus",
                options["num_gpus"],
                f"--num_gpus {number}, but {job.gpus_per_node} GPU(s) per node are asked for",
                "$SLURM_GPUS_ON_NODE",
            )
    elif launch.launcher == "python" and launch.srun is not None:
        yield from _lightning(job, launch)


def _visible(job: Job, launch: Launch, count: int) -> bool:
    """Fewer processes on purpose: the visible devices are cut down to that many."""
    value = launch.assignments.get("CUDA_VISIBLE_DEVICES") or job.variables.get("CUDA_VISIBLE_DEVICES", "")
    return bool(re.fullmatch(r"[\d,]+", value)) and len(value.split(",")) == count


def _lightning(job: Job, launch: Launch) -> Iterator[Found]:
    text = " ".join(launch.args)
    for pattern, wanted, variable in (
        (r"--(?:trainer\.)?devices[= ](\d+)", job.tasks_per_node_of(launch), "SLURM_NTASKS_PER_NODE"),
        (r"--(?:trainer\.)?num_nodes[= ](\d+)", job.nodes, "SLURM_JOB_NUM_NODES"),
    ):
        match = re.search(pattern, text)
        if match and int(match.group(1)) != wanted and job.gpus_per_node:
            line = _line_with(job, launch, match.group().split("=")[0].split(" ")[0])
            yield _mismatch(
                job,
                line,
                f"`{match.group()}`, but the step has {wanted}",
                match.group(1),
                f"${variable}" if variable == "SLURM_JOB_NUM_NODES" else str(wanted),
            )


def _option_mismatch(job: Job, launch: Launch, name: str, value: str, what: str, right: str) -> Found:  # noqa: PLR0917
    variable = re.fullmatch(r"\"?\$\{?(\w+)\}?\"?", value)
    if variable and variable.group(1) in job.assigned:
        command, literal = job.assigned[variable.group(1)][0]
        return _mismatch(job, command.line, what, literal, right)
    written = re.compile(rf"--?{name.replace('_', '[-_]')}[= ]")
    line = next(
        (
            n
            for n in range(launch.outer.line, min(launch.outer.end_line, len(job.lines)) + 1)
            if written.search(job.lines[n - 1])
        ),
        0,
    )
    line = line or next(
        (n for n, text in enumerate(job.lines, start=1) if written.search(text) and not text.lstrip().startswith("#")),
        launch.line,
    )
    text = job.lines[line - 1]
    fixed = re.sub(
        rf"(--?{name.replace('_', '[-_]')}[= ])[\"']?{re.escape(value)}[\"']?",
        lambda m: f'{m.group(1)}"{right}"',
        text,
        count=1,
    )
    if launch.wrapped:
        fixed = fixed.replace(f'"{right}"', right)
    return Found(
        rule="launch-world-size-mismatch",
        line=line,
        what=what,
        fix=f"take it from Slurm: {right}",
        edits=(Edit(line, line, (fixed,)),) if fixed != text else (),
    )


def rank_env(job: Job) -> Iterator[Found]:
    if job.tasks_total <= 1 and not any(launch.srun for launch in job.launches):
        return
    if _OWN_PROCESSES.search(job.code) or re.search(
        r"idr_torch|SLURM_PROCID|SLURM_LOCALID|mpi4py|--multiprocessing|hydra/launcher", job.code
    ):
        return
    for launch in job.main_launches:
        if launch.launcher != "python" or launch.srun is None or job.tasks_of(launch) <= 1 or not job.gpus_per_node:
            continue
        if launch.command.around.background and launch.command.around.loop:
            continue
        words = " ".join((launch.program, *launch.args))
        if not (re.search(r"(?i)ddp|fsdp|train|distributed|deepspeed|zero", words)) or re.search(
            r"(?i)--devices|--num_nodes|trainer\.", words
        ):
            continue
        if launch.container and "$" in launch.program:
            continue
        known = job.sets("RANK") or job.sets("LOCAL_RANK")
        if known:
            continue
        certain = bool(re.search(r"(?i)ddp|fsdp|distributed|deepspeed", words)) or job.sets("MASTER_ADDR")
        yield Found(
            rule="launch-rank-env",
            line=launch.line,
            severity=None if certain else "warning",
            what="python is started once per GPU by srun, but RANK and LOCAL_RANK are never set (Slurm sets SLURM_PROCID, SLURM_LOCALID)",
            fix="srun bash -c 'RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID exec python ...' with MASTER_ADDR, MASTER_PORT, WORLD_SIZE exported before",
            edits=_rank_edit(job, launch),
        )


def _rank_edit(job: Job, launch: Launch) -> tuple[Edit, ...]:
    if launch.outer.line != launch.outer.end_line or launch.container or launch.wrapped:
        return ()
    line = job.lines[launch.line - 1]
    match = re.match(r"^(\s*)(srun\b.*?)\s(python[\d.]*\s[^'|>&;]*?)(\s*(?:(?:\d?>|\||&|;).*)?)$", line)
    if not match:
        return ()
    before = []
    if not job.sets("WORLD_SIZE"):
        before.append(
            f"{match.group(1)}export WORLD_SIZE={job.tasks_total if not job.has('ntasks-per-node', 'ntasks') else '$SLURM_NTASKS'}"
        )
    if not job.sets("MASTER_PORT"):
        before.append(f"{match.group(1)}export MASTER_PORT=$((10000 + SLURM_JOB_ID % 20000))")
    if not job.sets("MASTER_ADDR"):
        before.append(
            f'{match.group(1)}export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)'
        )
    started = f"{match.group(1)}{match.group(2)} bash -c 'RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID exec {match.group(3)}'{match.group(4)}"
    return (Edit(launch.line, launch.line, (*before, started)),)


_SET_WHEN = {
    "SLURM_GPUS_PER_NODE": ("gpus-per-node",),
    "SLURM_GPUS": ("gpus",),
    "SLURM_GPUS_PER_TASK": ("gpus-per-task",),
    "SLURM_NTASKS": ("ntasks", "ntasks-per-node", "tasks-per-node"),
    "SLURM_NPROCS": ("ntasks", "ntasks-per-node"),
    "SLURM_NTASKS_PER_NODE": ("ntasks-per-node",),
    "SLURM_CPUS_PER_TASK": ("cpus-per-task",),
    "SLURM_MEM_PER_NODE": ("mem",),
    "SLURM_MEM_PER_CPU": ("mem-per-cpu",),
}


def slurm_var_unset(job: Job) -> Iterator[Found]:
    for number, line in enumerate(job.lines, start=1):
        if line.lstrip().startswith(("#", "echo", "printf")):
            continue
        for match in re.finditer(r"(?<!\\)\$\{?(SLURM_[A-Z_]+)\b(\}?|:?[-=+?])|\$\(\([^)]*?\b(SLURM_[A-Z_]+)\b", line):
            name = match.group(1) or match.group(3)
            if (
                name not in _SET_WHEN
                or (match.group(2) or "}").strip("}")
                or job.has(*_SET_WHEN[name])
                or name in job.variables
            ):
                continue
            if name == "SLURM_NTASKS" and _in_step_text(line):
                continue
            wanted = f"--{_SET_WHEN[name][0]}"
            right = "SLURM_GPUS_ON_NODE" if name == "SLURM_GPUS_PER_NODE" and job.asks_for_gpus else ""
            edits = change(job, number, name, right) if right else ()
            if not right and name == "SLURM_NTASKS":
                edits = add_directive(job, f"--ntasks-per-node={job.tasks_per_node}")
            yield Found(
                rule="launch-slurm-var-unset",
                line=number,
                column=match.start() + 1,
                what=f"${name} is set only when {wanted} is given; here it is empty",
                fix=f"use ${right}" if right else f"add {wanted}, or a default: ${{{name}:-...}}",
                edits=edits,
            )


def _in_step_text(line: str) -> bool:
    return bool(re.search(r"srun\b.*(?:bash|sh) -c '", line)) or line.lstrip().startswith(
        "WORLD_SIZE=$SLURM_NTASKS RANK"
    )


CHECKS: tuple[Check, ...] = (
    torchrun_per_gpu,
    single_task,
    missing_srun,
    srun_cpus,
    rendezvous_local,
    port_fixed,
    world_size,
    rank_env,
    slurm_var_unset,
)
