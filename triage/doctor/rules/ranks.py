"""launch-world-size-mismatch, launch-rank-env, launch-slurm-var-unset: numbers that processes are given."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from triage.doctor.job import Job
from triage.doctor.launch import Launch
from triage.doctor.rules.found import Check, Edit, Found, add_directive, change, quoted
from triage.doctor.rules.launching import OWN_PROCESSES, line_with
from triage.doctor.wrappers import srun_options


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
        lambda match: quoted(text, match.start(), right) if right.startswith("$") else right,
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
    if launch.launcher in ("torchrun", "torch.distributed.launch"):
        yield from _torchrun_counts(job, launch, options)
    elif launch.launcher == "accelerate":
        yield from _accelerate_counts(job, launch, options)
    elif launch.launcher == "deepspeed":
        number = job.number(options.get("num_gpus", ""))
        if number and job.gpus_per_node and number != job.gpus_per_node:
            said = f"--num_gpus {number}, but {job.gpus_per_node} GPU(s) per node are asked for"
            yield _option_mismatch(job, launch, "num_gpus", options["num_gpus"], said, "$SLURM_GPUS_ON_NODE")
    elif launch.launcher == "python" and launch.srun is not None:
        yield from _lightning(job, launch)
        yield from _more_ranks_than_gpus(job, launch)


def _torchrun_counts(job: Job, launch: Launch, options: Mapping[str, str]) -> Iterator[Found]:
    nnodes, procs = options.get("nnodes", ""), options.get("nproc_per_node", "")
    number = None if ":" in nnodes else job.number(nnodes)
    asked = job.has("nodes") or (number or 0) > 1
    if number and number != job.nodes and asked and (launch.srun is not None or number > job.nodes):
        said = f"--nnodes={number}, but the job has {job.nodes} node(s)"
        yield _option_mismatch(job, launch, "nnodes", nnodes, said, "$SLURM_JOB_NUM_NODES")
    count = job.number(procs)
    bound = launch.srun is not None and "gpus-per-task" in launch.srun
    if count and job.gpus_per_node and count != job.gpus_per_node and not bound and not _visible(job, launch, count):
        said = f"--nproc_per_node={count}, but {job.gpus_per_node} GPU(s) per node are asked for"
        yield _option_mismatch(job, launch, "nproc_per_node", procs, said, "$SLURM_GPUS_ON_NODE")


def _accelerate_counts(job: Job, launch: Launch, options: Mapping[str, str]) -> Iterator[Found]:
    number, machines = job.number(options.get("num_processes", "")), job.number(options.get("num_machines", ""))
    nodes, total = job.nodes, job.nodes * job.gpus_per_node
    if machines and machines != nodes:
        said = f"--num_machines {machines}, but the job has {nodes} node(s)"
        yield _option_mismatch(job, launch, "num_machines", options["num_machines"], said, "$SLURM_JOB_NUM_NODES")
    if number and total and number != total and not _visible(job, launch, number):
        counted = f"{nodes} x {job.gpus_per_node} GPUs are {total} (accelerate counts all machines)"
        said = f"--num_processes {number}, but {counted}"
        right = "$((SLURM_JOB_NUM_NODES * SLURM_GPUS_ON_NODE))"
        yield _option_mismatch(job, launch, "num_processes", options["num_processes"], said, right)


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
        meant = job.value("ntasks-per-node")  # that --ntasks contradicts it is another rule's
        if match and int(match.group(1)) != wanted and job.gpus_per_node and match.group(1) != meant:
            line = line_with(job, launch, match.group().split("=")[0].split(" ")[0])
            yield _mismatch(
                job,
                line,
                f"`{match.group()}`, but the step has {wanted}",
                match.group(1),
                f"${variable}" if variable == "SLURM_JOB_NUM_NODES" else str(wanted),
            )


def _more_ranks_than_gpus(job: Job, launch: Launch) -> Iterator[Found]:
    """One GPU for each rank is meant (LOCAL_RANK is mapped), but there are fewer GPUs than tasks."""
    tasks = job.tasks_per_node_of(launch)
    mapped = re.search(r"LOCAL_RANK=\\?\$\{?SLURM_LOCALID", launch.outer.text)
    if (
        mapped
        and job.gpus_per_node
        and tasks > job.gpus_per_node
        and not {"ntasks", "ntasks-per-node"} & set(launch.srun or ())
    ):
        line = job.line_of("ntasks-per-node", "ntasks")
        option = job.effective.get("ntasks-per-node")
        yield Found(
            rule="launch-world-size-mismatch",
            line=line,
            what=f"{tasks} tasks per node, but {job.gpus_per_node} GPU(s): the surplus ranks find no device",
            fix=f"--ntasks-per-node={job.gpus_per_node}",
            edits=change(job, option.line, option.raw, option.raw.replace(option.value, str(job.gpus_per_node)))
            if option and option.value.isdigit()
            else (),
        )


def _option_mismatch(job: Job, launch: Launch, name: str, value: str, what: str, right: str) -> Found:  # noqa: PLR0917
    variable = re.fullmatch(r"\"?\$\{?(\w+)\}?\"?", value)
    if variable and variable.group(1) in job.assigned:
        command, literal = job.assigned[variable.group(1)][0]
        name = command.around.function
        calls = tuple(other.line for other in job.outer_commands if name and other.name == name)
        return replace(_mismatch(job, command.line, what, literal, right), also=(launch.line, *calls) if calls else ())
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
        lambda match: match.group(1) + quoted(text, match.start(), right),
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
    yield from _no_meeting_point(job)
    if OWN_PROCESSES.search(job.code) or re.search(
        r"idr_torch|SLURM_PROCID|SLURM_LOCALID|mpi4py|--multiprocessing|hydra/launcher", job.code
    ):
        return
    for launch in job.main_launches:
        if launch.launcher != "python" or launch.srun is None or job.tasks_of(launch) <= 1 or not job.gpus_per_node:
            continue
        if launch.command.around.background and launch.command.around.loop:
            continue
        words = " ".join((launch.program, *launch.args))
        meant = bool(re.search(r"(?i)ddp|fsdp|train|distributed|deepspeed|zero", words)) or job.sets(
            "MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE"
        )
        if not meant or re.search(r"(?i)--devices|--num_nodes|trainer\.", words):
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
            what="python is started once per GPU by srun, but RANK and LOCAL_RANK are never set (Slurm sets "
            "SLURM_PROCID, SLURM_LOCALID)",
            fix="srun bash -c 'RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID exec python ...' with MASTER_ADDR, "
            "MASTER_PORT, WORLD_SIZE exported before",
            edits=_rank_edit(job, launch),
        )


def _no_meeting_point(job: Job) -> Iterator[Found]:
    """RANK is mapped in the step, but nobody says where the ranks meet."""
    for launch in job.main_launches:
        if launch.launcher != "python" or launch.srun is None or job.tasks_of(launch) <= 1 or launch.container:
            continue
        mapped = "RANK" in launch.assignments and "SLURM_PROCID" in launch.assignments["RANK"]
        set_in_text = re.search(r"\bRANK=\\?\$\{?SLURM_PROCID", launch.outer.text)
        if (mapped or set_in_text) and not re.search(
            r"(?i)MASTER_ADDR|--\w*(?:master|dist|init|rdzv|endpoint)|tcp://", f"{job.code}\n{launch.outer.text}"
        ):
            first = launch.outer.line
            yield Found(
                rule="launch-rank-env",
                line=launch.line,
                what="RANK is set, but MASTER_ADDR is not: the ranks have no place to meet",
                fix='export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1) before srun',
                edits=(
                    Edit(
                        first,
                        first - 1,
                        ('export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',),
                    ),
                ),
            )
            return


_RANKS = "RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID"


def _rank_edit(job: Job, launch: Launch) -> tuple[Edit, ...]:
    """RANK and LOCAL_RANK set in the step, and in front of it what every rank shares."""
    started = _ranks_in_step(job, launch)
    if not started:
        return ()
    indent = re.match(r"\s*", job.lines[launch.outer.line - 1])
    before = [f"{indent.group() if indent else ''}{text}" for text in _shared_by_ranks(job)]
    first = started[0]
    if first.first == launch.outer.line:
        return (Edit(first.first, first.last, (*before, *first.lines)), *started[1:])
    return (Edit(launch.outer.line, launch.outer.line - 1, tuple(before)), *started) if before else started


def _shared_by_ranks(job: Job) -> list[str]:
    tasks = job.tasks_total if not job.has("ntasks-per-node", "ntasks") else "$SLURM_NTASKS"
    wanted = (
        ("WORLD_SIZE", f"export WORLD_SIZE={tasks}"),
        ("MASTER_PORT", "export MASTER_PORT=$((10000 + SLURM_JOB_ID % 20000))"),
        ("MASTER_ADDR", 'export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)'),
    )
    return [text for name, text in wanted if not job.sets(name)]


def _ranks_in_step(job: Job, launch: Launch) -> tuple[Edit, ...]:
    command = launch.outer
    body = next((word for word in command.words if word.literal and len(word.raw) > 2), None)
    if launch.wrapped and body is not None and "\n" not in body.raw:
        text = job.lines[body.line - 1]
        return (Edit(body.line, body.line, (f"{text[: body.column]}export {_RANKS}; {text[body.column :]}",)),)
    words = [word.text for word in command.words]
    if launch.wrapped or command.name != "srun":
        return ()
    at = len(words) - len(srun_options(words[1:])[1])
    if at >= len(words):
        return ()
    program = command.words[at]
    text = job.lines[program.line - 1]
    if not text.isascii():
        return ()
    head, rest = text[: program.column - 1], text[program.column - 1 :]
    return (Edit(program.line, program.line, (f"{head}bash -c '{_RANKS} exec \"$@\"' bash {rest}",)),)


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
    "SLURM_MEM_PER_GPU": ("mem-per-gpu",),
    "SLURM_CPUS_PER_GPU": ("cpus-per-gpu",),
    "SLURM_GPUS_PER_SOCKET": ("gpus-per-socket",),
    "SLURM_NTASKS_PER_GPU": ("ntasks-per-gpu",),
    "SLURM_NTASKS_PER_SOCKET": ("ntasks-per-socket",),
    "SLURM_NTASKS_PER_CORE": ("ntasks-per-core",),
    "SLURM_THREADS_PER_CORE": ("threads-per-core",),
}
_NO_NAMES = {
    "SLURM_NUM_NODES": "SLURM_JOB_NUM_NODES",
    "SLURM_NODES": "SLURM_JOB_NUM_NODES",
    "SLURM_JOB_NODES": "SLURM_JOB_NUM_NODES",
    "SLURM_NUM_TASKS": "SLURM_NTASKS",
    "SLURM_WORLD_SIZE": "SLURM_NTASKS",
    "SLURM_NUM_GPUS": "SLURM_GPUS_ON_NODE",
    "SLURM_NGPUS": "SLURM_GPUS_ON_NODE",
    "SLURM_RANK": "SLURM_PROCID",
    "SLURM_LOCAL_RANK": "SLURM_LOCALID",
    "SLURM_NODE_RANK": "SLURM_NODEID",
    "SLURM_CPUS": "SLURM_CPUS_ON_NODE",
    "SLURM_HOSTLIST": "SLURM_JOB_NODELIST",
    "SLURM_WORKDIR": "SLURM_SUBMIT_DIR",
    "SLURM_ARRAY_TASKID": "SLURM_ARRAY_TASK_ID",
    "SLURM_ARRAY_ID": "SLURM_ARRAY_TASK_ID",
    "SLURM_TASK_ID": "SLURM_ARRAY_TASK_ID",
}
"""Names that Slurm never sets, and the one that is meant."""


def slurm_var_unset(job: Job) -> Iterator[Found]:
    for number, line in enumerate(job.lines, start=1):
        if line.lstrip().startswith(("#", "echo", "printf")):
            continue
        sums = [match.span() for match in re.finditer(r"\$\(\(.*?\)\)", line)]
        for match in re.finditer(r"(?<![\\\w])(?:\$\{?)?(SLURM_[A-Z_]+)\b(:?[-=+?]|\}?)", line):
            name = match.group(1)
            if not match.group().startswith("$") and not any(one < match.start() < other for one, other in sums):
                continue
            plain = name not in job.variables and not (match.group(2) or "}").strip("}")
            if name in _NO_NAMES and plain:
                yield _never_set(job, number, match.start() + 1, name)
            if name not in _SET_WHEN or not plain or job.has(*_SET_WHEN[name]):
                continue
            if name == "SLURM_NTASKS" and _in_step_text(line):
                continue
            yield _unset(job, number, match)


def _unset(job: Job, number: int, match: re.Match[str]) -> Found:
    name, line = match.group(1), job.lines[number - 1]
    wanted = f"--{_SET_WHEN[name][0]}"
    same = name == "SLURM_GPUS_PER_NODE" or (name == "SLURM_GPUS_PER_TASK" and job.tasks_per_node == 1)
    processes = re.search(rf"nproc[-_]per[-_]node[= ]\"?\$\{{?{name}\b", line)
    right = "SLURM_GPUS_ON_NODE" if (same or processes) and job.asks_for_gpus else ""
    edits = change(job, number, name, right) if right else ()
    if name == "SLURM_GPUS" and job.asks_for_gpus:
        edits = _all_gpus(job, number, match)
    if not right and name == "SLURM_NTASKS":
        edits = add_directive(job, f"--ntasks-per-node={job.tasks_per_node}")
    default = {"SLURM_CPUS_PER_TASK": job.cpus_per_task, "SLURM_NTASKS_PER_NODE": job.tasks_per_node}.get(name)
    if not right and default:
        written = match.group().rstrip("}") + ("}" if "{" in match.group() else "")
        edits = change(job, number, written, f"${{{name}:-{default}}}")
    if name == "SLURM_MEM_PER_NODE":
        without = re.sub(r"\s--mem[= ]\"?\$\{?SLURM_MEM_PER_NODE\}?\"?(?=\s)", "", line, count=1)
        edits = (Edit(number, number, (without,)),) if without != line else ()
    return Found(
        rule="launch-slurm-var-unset",
        line=number,
        column=match.start() + 1,
        what=f"${name} is set only when {wanted} is given; here it is empty",
        fix=f"use ${right}" if right else f"add {wanted}, or a default: ${{{name}:-...}}",
        edits=edits,
    )


def _all_gpus(job: Job, number: int, match: re.Match[str]) -> tuple[Edit, ...]:
    """The GPUs of all nodes, from variables that are set however they were asked for."""
    text, written = job.lines[number - 1], match.group()
    product = "SLURM_JOB_NUM_NODES * SLURM_GPUS_ON_NODE"
    inside = text[: match.start()].count("$((") > text[: match.start()].count("))")
    braces = "}" if written.startswith("${") and not written.endswith("}") else ""
    right = f"({product})" if inside else f"$(({product}))"
    return change(job, number, f"{written}{braces}", right)


def _never_set(job: Job, line: int, column: int, name: str) -> Found:
    right = _NO_NAMES[name]
    what = f"Slurm sets no variable ${name}: it is empty"
    edits = change(job, line, name, right)
    return Found(rule="launch-slurm-var-unset", line=line, column=column, what=what, fix=f"use ${right}", edits=edits)


def _in_step_text(line: str) -> bool:
    return bool(re.search(r"srun\b.*(?:bash|sh) -c '", line)) or line.lstrip().startswith(
        "WORLD_SIZE=$SLURM_NTASKS RANK"
    )


CHECKS: tuple[Check, ...] = (
    world_size,
    rank_env,
    slurm_var_unset,
)
