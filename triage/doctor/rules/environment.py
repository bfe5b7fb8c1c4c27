"""env-*: modules, environments, containers, network and caches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from triage.doctor.diagnosis import Severity
from triage.doctor.facts import facts
from triage.doctor.job import Job
from triage.doctor.launch import Launch
from triage.doctor.rules.found import Check, Edit, Found, change, without_setting
from triage.doctor.rules.signs import NO_TRAINING, is_training
from triage.doctor.shell import Command

NEEDS_LOGIN_SHELL = ("vega", "jean-zay")


def leak_export(job: Job) -> Iterator[Found]:
    yield from _blank_in_export(job)
    yield from _cut_off_by_srun(job)
    yield from _nested_submission(job)
    value = job.value("export")
    option = job.effective.get("export")
    stray = [
        other
        for other in job.options
        if option and other.line == option.line and other.trouble == "stray-word" and "=" in other.name
    ]
    if option and (re.search(r",\s", value) or stray):
        yield Found(
            rule="env-leak-export",
            line=option.line,
            what="a blank inside the --export list ends it",
            fix="--export=ALL,NAME=value without blanks",
            edits=(Edit(option.line, option.line, (re.sub(r",\s+", ",", job.lines[option.line - 1]),)),),
        )
        return
    if (
        option
        and value
        and not re.search(r"\bALL\b", value, re.IGNORECASE)
        and any(launch.srun is not None for launch in job.launches)
        and not job.sets("SLURM_EXPORT_ENV")
    ):
        if all("ALL" in (launch.srun or {}).get("export", "") for launch in job.launches if launch.srun is not None):
            return
        first = min(launch.outer.line for launch in job.launches if launch.srun is not None)
        yield Found(
            rule="env-leak-export",
            line=option.line,
            also=(first,),
            what=f"--export={value} also cuts the environment of srun: tasks have no PATH",
            fix="export SLURM_EXPORT_ENV=ALL before srun",
            edits=(Edit(first, first - 1, ("export SLURM_EXPORT_ENV=ALL",)),),
        )


def _cut_off_by_srun(job: Job) -> Iterator[Found]:
    """srun --export=NONE, or a list without ALL: the tasks have no PATH."""
    for launch in job.launches:
        value = (launch.srun or {}).get("export", "")
        if not value or re.search(r"\bALL\b|\$", value, re.IGNORECASE) or launch.container or "=" not in value + "=":
            continue
        line = next(
            (n for n in range(launch.outer.line, launch.outer.end_line + 1) if "--export" in job.lines[n - 1]), 0
        )
        if not line:
            continue
        nothing = value.upper() in ("NONE", "NIL")
        fixed = re.sub(r"\s*(--export[= ])(\S+)", "" if nothing else r" \1ALL,\2", job.lines[line - 1], count=1)
        yield Found(
            rule="env-leak-export",
            line=line,
            what=f"srun --export={value}: the tasks get no PATH and nothing else of the script",
            fix="leave it out, or --export=ALL,NAME=value",
            edits=(Edit(line, line, (fixed,)),),
        )


def _nested_submission(job: Job) -> Iterator[Found]:
    """A job that submits another hands its SLURM_* variables on."""
    for command in job.outer_commands:
        if command.name != "sbatch" or "--export" in command.text or re.search(r"unset\s+[^\n]*SLURM_", job.code):
            continue
        yield Found(
            rule="env-leak-export",
            line=command.line,
            severity="hint",
            what="sbatch from inside a job: SLURM_MEM_PER_*, SLURM_NTASKS and others of this job leak into the next",
            fix="unset SLURM_MEM_PER_CPU SLURM_MEM_PER_NODE SLURM_MEM_PER_GPU SLURM_NTASKS SLURM_CPUS_PER_TASK first",
        )


def _blank_in_export(job: Job) -> Iterator[Found]:
    """In the lines that start steps or further jobs."""
    for command in job.outer_commands:
        if command.name not in ("sbatch", "srun"):
            continue
        for number in range(command.line, min(command.end_line, len(job.lines)) + 1):
            text = job.lines[number - 1]
            cut = re.search(r"--export[= ][\w,=.]*,(?=\s+[A-Z_]\w*(?:[=,]|\s))", text)
            if cut:
                yield Found(
                    rule="env-leak-export",
                    line=number,
                    column=cut.start() + 1,
                    what="a blank inside the --export list ends it",
                    fix="--export=ALL,NAME=value without blanks",
                    edits=(Edit(number, number, (re.sub(r"(--export[= ]\S*),\s+", r"\1,", text),)),),
                )


def omp_threads(job: Job) -> Iterator[Found]:
    torchrun = [
        launch
        for launch in job.main_launches
        if launch.launcher in ("torchrun", "torch.distributed.launch", "accelerate", "deepspeed")
    ]
    given = job.assigned.get("OMP_NUM_THREADS", [])
    for command, value in given:
        if not command.around.in_step:
            yield from _given_threads(job, command, value, shared=bool(torchrun))
    if not given and job.gpus_per_node and is_training(job):
        yield from _no_threads(job, torchrun)


def _given_threads(job: Job, command: Command, value: str, *, shared: bool) -> Iterator[Found]:
    """`shared`: a launcher starts several processes that share the cores of its task."""
    number = job.number(value)
    if not value.strip('"'):
        if command.name in ("export", "") and job.gpus_per_node:
            yield _threads(job, command.line, "OMP_NUM_THREADS is empty, which is no number", shared=shared)
    elif number and job.has("cpus-per-task") and number > job.cpus_per_task and not shared and job.tasks_per_node > 1:
        said = f"OMP_NUM_THREADS={number}, but each process has {job.cpus_per_task} cores"
        yield _threads(job, command.line, said, shared=False)
    elif (
        shared
        and number
        and job.gpus_per_node > 1
        and number * job.gpus_per_node > max(job.cpus_per_task * job.tasks_per_node, 1)
        and number >= job.cpus_per_task > 1
        and job.tasks_per_node == 1
    ):
        said = (
            f"OMP_NUM_THREADS={number} for each of {job.gpus_per_node} processes that share {job.cpus_per_task} cores"
        )
        yield _threads(job, command.line, said, shared=True)


def _no_threads(job: Job, torchrun: Sequence[Launch]) -> Iterator[Found]:
    per_task = [
        launch
        for launch in job.main_launches
        if launch.launcher == "python" and launch.srun is not None and job.tasks_per_node_of(launch) > 1
    ]
    if torchrun and job.cpus_per_task > 1 and job.gpus_per_node > 1:
        yield Found(
            rule="env-omp-threads",
            line=torchrun[0].line,
            what="OMP_NUM_THREADS is not set: torchrun sets it to 1",
            fix=f"export OMP_NUM_THREADS=$((SLURM_CPUS_PER_TASK / {job.gpus_per_node}))",
        )
    elif per_task and job.cpus_per_task >= 16:
        yield Found(
            rule="env-omp-threads",
            line=per_task[0].line,
            what="OMP_NUM_THREADS is not set: each process may start a thread for every core",
            fix="export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}",
        )


def _threads(job: Job, line: int, what: str, *, shared: bool) -> Found:
    """`shared`: the processes of one task share its cores."""
    cores = "SLURM_CPUS_PER_TASK" if job.has("cpus-per-task") else str(job.cpus_per_task)
    several = shared and job.gpus_per_node > 1 and job.has("cpus-per-task")
    right = f"$((SLURM_CPUS_PER_TASK / {job.gpus_per_node}))" if several else f"${cores}" if cores.isupper() else cores
    fixed = re.sub(r"OMP_NUM_THREADS=\S*", lambda _: f"OMP_NUM_THREADS={right}", job.lines[line - 1], count=1)
    return Found(
        rule="env-omp-threads",
        line=line,
        severity="warning",
        what=what,
        fix=f"OMP_NUM_THREADS={right}",
        edits=(Edit(line, line, (fixed,)),),
    )


def network_vars(job: Job) -> Iterator[Found]:
    for name in ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME", "TP_SOCKET_IFNAME", "UCX_NET_DEVICES"):
        for command, value in job.given.get(name, ()):
            problem = _foreign_interface(job, value)
            if problem:
                yield _network(
                    job,
                    command.line,
                    name,
                    f"`{name}={value}`: {problem}",
                    "error",
                    job.site.environment.get(name) if job.site else None,
                )
    for command, value in job.given.get("NCCL_IB_HCA", ()):
        if job.site and job.site.slingshot and "mlx5" in value:
            yield _network(
                job,
                command.line,
                "NCCL_IB_HCA",
                "`NCCL_IB_HCA` names InfiniBand cards, but this is Slingshot",
                "error",
                None,
            )
    if job.nodes > 1:
        for name, bad in (
            ("NCCL_IB_DISABLE", "1"),
            ("NCCL_P2P_DISABLE", "1"),
            ("NCCL_SHM_DISABLE", "1"),
            ("NCCL_NET", "Socket"),
            ("FI_PROVIDER", "tcp"),
            ("FI_PROVIDER", "sockets"),
        ):
            for command, value in job.given.get(name, ()):
                if value.strip('"') == bad:
                    severity: Severity = (
                        "hint" if name.startswith("NCCL_IB") and job.site and job.site.slingshot else "warning"
                    )
                    yield _network(
                        job, command.line, name, f"`{name}={bad}` switches the fast path off", severity, None
                    )
        yield from _missing_network(job)


def _foreign_interface(job: Job, value: str) -> str:
    plain = value.strip('"=^').split(",")[0]
    if value.strip('"').startswith("^"):
        return ""
    if re.match(r"(?:eth\d|eno\d|ens\d|enp\w+|lo$|docker|em\d)", plain):
        return "not the fast network of any of these systems"
    if job.site and job.site.slingshot and re.match(r"ib\d?|mlx", plain):
        return "an InfiniBand name, but this is Slingshot (hsn0 ...)"
    if (
        job.site
        and (job.site.infiniband or job.site.id in ("jean-zay", "karolina", "vega"))
        and plain.startswith("hsn")
    ):
        return "a Slingshot name, but this system has InfiniBand"
    return ""


def _network(job: Job, line: int, name: str, what: str, severity: Severity, right: object) -> Found:  # noqa: PLR0917
    text = job.lines[line - 1]
    alone = re.fullmatch(rf"\s*(?:export\s+)?{name}=\S+\s*(?:#.*)?", text)
    value = str(right) if right and " " not in str(right) else ""
    if value:
        fixed = re.sub(rf"{name}=(?:[^\s,\"']|,(?!\w+=))+", f"{name}={value}", text, count=1)
        edits: tuple[Edit, ...] = (Edit(line, line, (fixed,)),)
    else:
        edits = (Edit(line, line, ()),) if alone else (Edit(line, line, (without_setting(text, name),)),)
    return Found(
        rule="env-network-vars",
        line=line,
        what=what,
        fix=f"{name}={value}" if value else "remove it",
        edits=edits,
        severity=severity,
    )


def _missing_network(job: Job) -> Iterator[Found]:
    if job.site is None or any(launch.container for launch in job.launches):
        return
    if not is_training(job) and not any(_one_rank_a_gpu(job, launch) for launch in job.main_launches):
        return
    wanted = job.site.environment.get("NCCL_SOCKET_IFNAME")
    if not wanted or any(
        name in job.code for name in ("NCCL_SOCKET_IFNAME", "aws-ofi", "lumi-aif", "laifs", "NCCL_NET", "/appl/local/")
    ):
        return
    known = [
        launch
        for launch in job.main_launches
        if launch.launcher in ("torchrun", "python", "accelerate", "deepspeed") and job.gpus_per_node
    ]
    if known:
        first = known[0].outer.line
        yield Found(
            rule="env-network-vars",
            line=known[0].line,
            severity="warning" if job.site.id in ("mn5-acc", "lumi-g") else "hint",
            what=f"several nodes without NCCL_SOCKET_IFNAME: {job.site.name} documents {wanted}",
            fix=f"export NCCL_SOCKET_IFNAME={wanted}",
            edits=(Edit(first, first - 1, (f"export NCCL_SOCKET_IFNAME={wanted}",)),),
        )


def _one_rank_a_gpu(job: Job, launch: Launch) -> bool:
    """A Python program that srun starts once for each GPU, and that is no evaluation of independent parts."""
    ranks = launch.launcher == "python" and launch.srun is not None and job.tasks_of(launch) > 1
    return ranks and not NO_TRAINING.search(launch.program)


_DEBUG_VARS = (
    ("CUDA_LAUNCH_BLOCKING", r"1"),
    ("HIP_LAUNCH_BLOCKING", r"1"),
    ("AMD_SERIALIZE_KERNEL", r"[1-9]"),
    ("NCCL_DEBUG", r"(?i)INFO|TRACE"),
    ("NCCL_DEBUG_SUBSYS", r"(?i).*ALL.*"),
    ("TORCH_DISTRIBUTED_DEBUG", r"(?i)DETAIL"),
    ("TORCH_LOGS", r".+"),
    ("TORCH_USE_CUDA_DSA", r"1"),
    ("FI_LOG_LEVEL", r"(?i)debug|trace|info"),
    ("AMD_LOG_LEVEL", r"[3-9]"),
)


def debug_vars(job: Job) -> Iterator[Found]:
    for name, pattern in _DEBUG_VARS:
        for command, value in job.given.get(name, ()):
            if not re.fullmatch(pattern, value.strip('"')) or (
                name == "NCCL_DEBUG" and value.upper() == "INFO" and job.nodes <= 4
            ):
                continue
            queue = f"{job.value('partition')} {job.value('qos')}"
            if re.search(r"(?i)debug|dbg|nccl[-_]?test", job.value("job-name")) or re.search(r"debug|dbg|test", queue):
                continue
            yield Found(
                rule="env-debug-vars-left",
                line=command.line,
                what=f"`{name}={value}` is a debugging setting: it slows the run down or floods the log",
                fix="remove it; NCCL_DEBUG=WARN is enough",
            )
    for command in job.outer_commands:
        if "--enforce-eager" in command.text and command.words and "vllm" in command.text:
            line = command.line + command.text[: command.text.index("--enforce-eager")].count("\n")
            yield Found(
                rule="env-debug-vars-left",
                line=line,
                what="--enforce-eager switches CUDA graphs off and halves throughput",
                fix="remove it",
            )
        if command.name == "ulimit" and "-c unlimited" in command.text:
            yield Found(
                rule="env-debug-vars-left",
                line=command.line,
                what="core dumps of every rank fill the quota",
                fix="ulimit -c 0",
            )


def _both_set(job: Job, line: int, name: str, right: str) -> Iterator[Found]:
    """Old and new name together: right for an old library in a container, else of no use."""
    if any(launch.container for launch in job.launches):
        return
    text = job.lines[line - 1]
    alone = re.fullmatch(rf"\s*(?:export\s+)?{name}=\S+\s*", text)
    yield Found(
        rule="env-deprecated-vars",
        line=line,
        what=f"`{name}` is the old name of {right}, which is set too: only old versions read it",
        fix=f"leave {name} out",
        edits=(Edit(line, line, () if alone else (without_setting(text, name),)),),
    )


def deprecated_vars(job: Job) -> Iterator[Found]:
    table = facts("script_rules")["renamed_variables"]
    for name, row in table.items():
        if " " in name or name in ("SLURM_NODELIST", "SLURM_JOBID"):
            continue
        right = row["now"].split(" or ")[0]
        for command, _ in job.given.get(name, ()):
            if right in job.assigned:
                yield from _both_set(job, command.line, name, right)
                continue
            yield Found(
                rule="env-deprecated-vars",
                line=command.line,
                what=f"`{name}` is the old name of {row['now']}",
                fix=f"{right}=...",
                edits=change(job, command.line, name, right),
            )
    for number, line in enumerate(job.lines, start=1):
        if line.lstrip().startswith("#"):
            continue
        if re.search(r"-m\s+torch\.distributed\.launch\b", line):
            fixed = re.sub(
                r"python[\d.]*\s+(?:-u\s+)?-m\s+torch\.distributed\.launch(?:\s+--use[-_]env)?", "torchrun", line
            )
            yield Found(
                rule="env-deprecated-vars",
                line=number,
                what="torch.distributed.launch is replaced by torchrun",
                fix="torchrun",
                edits=(Edit(number, number, (fixed,)),),
            )
        match = re.search(r"(?<![\w\\])(SLURM_NODELIST|SLURM_JOBID)(?![\w=])", line)
        if match:
            right = table[match.group(1)]["now"]
            yield Found(
                rule="env-deprecated-vars",
                line=number,
                what=f"`{match.group(1)}` is the old name of {right}",
                fix=f"${right}",
                edits=change(job, number, match.group(1), right),
            )


CHECKS: tuple[Check, ...] = (
    leak_export,
    omp_threads,
    network_vars,
    debug_vars,
    deprecated_vars,
)
