"""launch-* and res-over-asking: which process gets which GPU and core, and whether all that is held is used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from triage.doctor.job import Job
from triage.doctor.launch import Launch
from triage.doctor.rules.found import Check, Edit, Found, change, without_setting
from triage.doctor.rules.launching import PER_NODE, line_with, processes
from triage.doctor.rules.rendezvous import FIRST_HOST


def one_visible_gpu(job: Job) -> Iterator[Found]:
    each = job.value("gpus-per-task")
    for launch in job.main_launches:
        srun = launch.srun or {}
        own = srun.get("gpus-per-task", "") or each
        bind = srun.get("gpu-bind", "") or job.value("gpu-bind")
        in_step = re.search(r"(?:CUDA|HIP|ROCR)_VISIBLE_DEVICES=\\?\$\{?SLURM_LOCALID", launch.outer.text)
        narrowed = own == "1" or in_step or re.match(r"(?:single:1|closest|map_gpu|per_task|mask_gpu)", bind)
        count = processes(job, launch)
        line = (
            job.line_of("gpus-per-task", "gpu-bind") if not {"gpus-per-task", "gpu-bind"} & set(srun) else launch.line
        )
        if launch.launcher in PER_NODE and own.isdigit() and count and count > int(own) and launch.srun is not None:
            yield Found(
                rule="launch-one-visible-gpu",
                line=line,
                also=(launch.line,),
                what=f"{launch.launcher} starts {count} processes, but its task is given {own} GPU(s)",
                fix="--gpus-per-node instead of --gpus-per-task",
            )
        elif (
            narrowed
            and launch.launcher == "python"
            and launch.srun is not None
            and re.search(r"LOCAL_RANK=\\?\$\{?SLURM_LOCALID", launch.outer.text)
        ):
            yield Found(
                rule="launch-one-visible-gpu",
                line=line,
                also=(launch.line,),
                what="each task sees one GPU, as device 0, but LOCAL_RANK counts 0, 1, 2 ...",
                fix="--gpus-per-node with srun --gpu-bind=none, or device 0 in the program",
            )


def visible_devices(job: Job) -> Iterator[Found]:
    names = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
    for name in names:
        for command, value in job.given.get(name, ()):
            if (
                command.around.in_step
                or command.around.loop
                or command.around.function
                or (command.words and command.name not in ("export", "declare") and len(job.main_launches) != 1)
            ):
                continue
            if not re.fullmatch(r"[\d,]*", value) or (not value and not job.asks_for_gpus):
                continue
            listed = [int(part) for part in value.split(",") if part]
            whole = bool(job.node_gpus and job.gpus_per_node >= job.node_gpus)
            if listed and listed == list(range(job.gpus_per_node)) and (whole or job.node_gpus is None):
                continue
            if not job.gpus_per_node and listed:
                continue
            what = (
                f"`{name}={value}` by hand, but Slurm gives the job {job.gpus_per_node} GPU(s) and sets it"
                if listed
                else f"`{name}` is emptied on a GPU job"
            )
            yield Found(
                rule="launch-visible-devices-hardcoded",
                line=command.line,
                what=what,
                fix="remove it; Slurm sets it",
                edits=_removed(job, command.line, name),
            )
    if "ROCR_VISIBLE_DEVICES" in job.assigned and any(name in job.assigned for name in names[:2]):
        command = next(job.assigned[name][0][0] for name in names[:2] if name in job.assigned)
        yield Found(
            rule="launch-visible-devices-hardcoded",
            line=command.line,
            what="ROCR_VISIBLE_DEVICES and HIP/CUDA_VISIBLE_DEVICES filter twice: the second counts within the first",
            fix="keep ROCR_VISIBLE_DEVICES only",
        )


def _removed(job: Job, line: int, name: str) -> tuple[Edit, ...]:
    text = job.lines[line - 1]
    if re.fullmatch(rf"\s*(?:export\s+)?{name}=[\d,\"']*\s*(?:#.*)?", text):
        return (Edit(line, line, ()),)
    return (Edit(line, line, (without_setting(text, name),)),)


def mpirun(job: Job) -> Iterator[Found]:
    for command in job.outer_commands:
        names = [word.text.rsplit("/", 1)[-1] for word in command.words]
        if not names or command.around.substitution:
            continue
        if names[0] in ("jsrun", "aprun"):
            yield _mpi(job, command.line, names[0], f"`{names[0]}` belongs to another batch system", "error")
    for launch in job.launches:
        if not launch.mpi_name or launch.mpi_name in ("jsrun", "aprun"):
            continue
        line = line_with(job, launch, launch.mpi_name)
        if launch.srun is not None:
            yield _mpi(
                job,
                line,
                launch.mpi_name,
                f"{launch.mpi_name} under srun starts everything once per task",
                "error",
                nested=True,
                also=(launch.line,),
            )
        elif job.site and job.site.id == "jupiter-booster":
            what = f"{launch.mpi_name} is not supported on JUPITER"
            yield _mpi(job, line, launch.mpi_name, what, "error", also=(launch.line,))
        else:
            count = job.number((launch.mpi or {}).get("np", "") or (launch.mpi or {}).get("n", ""))
            if count and count != job.tasks_total and job.has("ntasks", "ntasks-per-node", "nodes"):
                what = f"-np {count}, but the job has {job.tasks_total} task(s)"
                yield _mpi(job, line, launch.mpi_name, what, "warning", also=(launch.line,))


def _mpi(
    job: Job, line: int, name: str, what: str, severity: str, *, nested: bool = False, also: tuple[int, ...] = ()
) -> Found:
    text = job.lines[line - 1]
    value = r"[^\s\"']+"
    options = rf"(?:\s+(?:-np|-n|--np|-ppn)\s+{value}|\s+--(?:map-by|bind-to)[= ]{value}|\s+-x\s+{value})*"
    fixed = (
        re.sub(rf"\bsrun\b(.*?)\s+{re.escape(name)}{options}\s", r"srun\1 ", text, count=1)
        if nested
        else re.sub(rf"\b{re.escape(name)}\b{options}", "srun", text, count=1)
    )
    return Found(
        rule="launch-mpirun",
        line=line,
        what=what,
        fix="start with srun",
        severity="error" if severity == "error" else "warning",
        edits=(Edit(line, line, (fixed,)),) if fixed != text else (),
        also=also,
    )


def deepspeed_accelerate(job: Job) -> Iterator[Found]:
    if job.nodes <= 1:
        return
    for launch in job.main_launches:
        options = {name.replace("-", "_"): value for name, value in launch.options.items()}
        if launch.launcher == "deepspeed":
            said = _deepspeed_problem(launch, options)
            if said:
                yield _ssh(job, launch, *said)
        elif launch.launcher == "accelerate" and launch.srun is not None:
            rank, address = options.get("machine_rank", ""), options.get("main_process_ip", "")
            rdzv = options.get("rdzv_backend") == "c10d"
            if rank.isdigit() or (not rank and not rdzv):
                yield _machine_rank(job, launch, rank)
            elif not address:
                what = "accelerate on several nodes needs --main_process_ip"
                yield replace(_ssh(job, launch, "accelerate", what), edits=_with_address(job, launch))


_BY_SLURM_OR_MPI = ("slurm", "openmpi", "mpich", "impi", "mvapich")


def _deepspeed_problem(launch: Launch, options: Mapping[str, str]) -> tuple[str, str] | None:
    """Where it shows on the line, and what is wrong."""
    if "hostfile" in options:
        return "--hostfile", "the deepspeed launcher reaches the other nodes by ssh and a host file"
    if options.get("launcher") == "pdsh":
        return "--launcher", "the pdsh launcher needs ssh between the nodes"
    if "no_ssh" in options or options.get("launcher", "") in _BY_SLURM_OR_MPI:
        return None
    if launch.srun is None:
        return "deepspeed", "the deepspeed launcher needs ssh or a host file for several nodes"
    if not {"node_rank", "master_addr"} & set(options):
        return "deepspeed", "each node starts deepspeed for itself and forms a group of its own"
    return None


def _machine_rank(job: Job, launch: Launch, rank: str) -> Found:
    if not rank:
        what = "accelerate needs --machine_rank evaluated in the step on several nodes"
        return replace(_ssh(job, launch, "accelerate", what), edits=_as_several_machines(job, launch))
    found = _ssh(job, launch, "--machine_rank", f"--machine_rank {rank} is the same on every node")
    text = job.lines[found.line - 1]
    fixed = re.sub(rf"(--machine[-_]rank[= ]){rank}\b", r"\1$SLURM_NODEID", text, count=1)
    if not launch.in_step:
        fixed = re.sub(rf" --machine[-_]rank[= ]{rank}\b", "", text, count=1)
        step = "bash -c 'exec accelerate launch --machine_rank $SLURM_NODEID \"$@\"' bash"
        fixed = re.sub(r"\baccelerate launch\b", lambda _: step, fixed, count=1) if fixed != text else text
        fixed = fixed if step in fixed else text
    return replace(found, edits=(Edit(found.line, found.line, (fixed,)),)) if fixed != text else found


def _with_address(job: Job, launch: Launch) -> tuple[Edit, ...]:
    """The first host as --main_process_ip, from a variable of the batch part."""
    line, first = line_with(job, launch, "accelerate launch"), launch.outer.line
    option = "accelerate launch --main_process_ip $MASTER_ADDR"
    above = () if job.sets_outside("MASTER_ADDR") else (Edit(first, first - 1, (f"export MASTER_ADDR={FIRST_HOST}",)),)
    return (*above, *change(job, line, "accelerate launch", option)) if launch.command.around.in_step else ()


def _as_several_machines(job: Job, launch: Launch) -> tuple[Edit, ...]:
    """`accelerate launch` with what it needs on several nodes, its rank read in the step."""
    line = line_with(job, launch, "accelerate")
    text, given = job.lines[line - 1], {name.replace("-", "_") for name in launch.options}
    if launch.wrapped or not re.search(r"\baccelerate launch\b", text):
        return ()
    port = "$MASTER_PORT" if job.sets("MASTER_PORT") else "$((10000 + SLURM_JOB_ID % 20000))"
    wanted = (
        ("num_machines", "$SLURM_JOB_NUM_NODES"),
        ("num_processes", "$((SLURM_JOB_NUM_NODES * SLURM_GPUS_ON_NODE))"),
        ("machine_rank", "$SLURM_NODEID"),
        ("main_process_ip", "$MASTER_ADDR"),
        ("main_process_port", port),
    )
    options = " ".join(f"--{name} {value}" for name, value in wanted if name not in given)
    step = f"bash -c 'exec accelerate launch {options} \"$@\"' bash"
    first = launch.outer.line
    address = () if job.sets("MASTER_ADDR") else (Edit(first, first - 1, (f"export MASTER_ADDR={FIRST_HOST}",)),)
    return (*address, Edit(line, line, (re.sub(r"\baccelerate launch\b", lambda _: step, text, count=1),)))


_PER_NODE_START = (
    'one launcher per node: srun torchrun --nnodes="$SLURM_JOB_NUM_NODES" --nproc_per_node="$SLURM_GPUS_ON_NODE" '
    '--rdzv_backend=c10d --rdzv_endpoint="$MASTER_ADDR:$MASTER_PORT" ...; '
    "with accelerate --machine_rank=$SLURM_NODEID inside bash -c"
)


def _ssh(job: Job, launch: Launch, text: str, what: str) -> Found:
    return Found(
        rule="launch-deepspeed-accelerate",
        line=line_with(job, launch, text),
        what=what,
        fix=_PER_NODE_START,
        edits=_with_torchrun(job, launch) if launch.launcher == "deepspeed" else (),
    )


def _with_torchrun(job: Job, launch: Launch) -> tuple[Edit, ...]:
    """The deepspeed launcher and its options replaced by torchrun, started by srun once per node."""
    words = launch.outer.words
    start = next((word for word in words if word.text.rsplit("/", 1)[-1] == "deepspeed"), None)
    program = next((word for word in words if start and word.text == launch.program and word.line >= start.line), None)
    if launch.wrapped or start is None or program is None or not job.lines[program.line - 1].isascii():
        return ()
    module = "-m " if "module" in launch.options else ""
    head, rest = job.lines[start.line - 1][: start.column - 1], job.lines[program.line - 1][program.column - 1 :]
    srun = "srun " if launch.srun is None and launch.mpi is None else ""
    port = "$MASTER_PORT" if job.sets("MASTER_PORT") else "$((10000 + SLURM_JOB_ID % 20000))"
    started = (
        f'{srun}torchrun --nnodes="$SLURM_JOB_NUM_NODES" --nproc_per_node="$SLURM_GPUS_ON_NODE" --rdzv_backend=c10d '
        f'--rdzv_id="$SLURM_JOB_ID" --rdzv_endpoint="$MASTER_ADDR:{port}" {module}{rest}'
    )
    address = () if job.sets("MASTER_ADDR") else (f"MASTER_ADDR={FIRST_HOST}",)
    first = launch.outer.line
    above = (Edit(first, first - 1, address),) if address else ()
    return (*above, Edit(start.line, program.line, (f"{head}{started}",)))


def binding(job: Job) -> Iterator[Found]:
    if job.site is None:
        return
    for launch in job.launches:
        bind = (launch.srun or {}).get("cpu-bind", "")
        if bind.startswith("$"):
            name = bind.strip('${}"')
            bind = job.variables.get(name, bind).strip('"').removeprefix("--cpu-bind=")
        line = line_with(job, launch, "--cpu-bind") if "cpu-bind" in (launch.srun or {}) else launch.line
        masks = re.match(r"(?:v(?:erbose)?,)?(map_cpu|mask_cpu):(\S+)", bind)
        if masks:
            yield from _masks(job, launch, line, masks)
        elif (
            job.site.id == "lumi-g"
            and "numa" not in job.code
            and launch.srun is not None
            and not bind
            and launch.launcher in ("python", "other")
            and job.exclusive
            and job.tasks_per_node_of(launch) == 8
            and "NUMA" not in job.code
            and "select_gpu" not in job.code
        ):
            known = job.site.facts["cpu_gpu_binding"]
            several = job.cpus_per_task > 1
            wanted = (
                f"mask_cpu:{known['cpu_masks_seven_cores_per_gcd']}" if several else known["cpu_map_one_core_per_gcd"]
            )
            yield Found(
                rule="launch-binding",
                line=line,
                what="8 tasks on a full LUMI-G node without --cpu-bind: tasks and GPUs may be on different NUMA "
                "domains",
                fix=f"--cpu-bind={wanted}",
                edits=change(job, line, "srun", f"srun --cpu-bind={wanted}"),
            )


def _masks(job: Job, launch: Launch, line: int, masks: re.Match[str]) -> Iterator[Found]:
    values = masks.group(2).strip('"').split(",")
    text = job.lines[line - 1]
    fixed = re.sub(r"\s--cpu-bind[= ]\S+", "", text, count=1)
    removed = (Edit(line, line, (fixed,)),) if fixed != text and job.lines[line - 1].count("srun") else ()
    lumi = masks.group(2).startswith(("49,57,17,25", "0x00fe", "0xfe0000", "0x7e", "0xfe", "7e00"))
    if job.site and lumi and job.site.id != "lumi-g":
        yield Found(
            rule="launch-binding",
            line=line,
            severity="error",
            what=f"the CPU map of LUMI-G does not fit {job.site.name}",
            fix="remove it",
            edits=removed,
        )
    elif (not job.exclusive and not job.owns_node and job.site and job.site.id == "lumi-g") or (
        job.site and job.site.id == "lumi-g" and not job.exclusive and job.value("partition") in ("small-g", "dev-g")
    ):
        yield Found(
            rule="launch-binding",
            line=line,
            severity="error",
            what="a full-node CPU map on a shared node: these cores are not in the allocation",
            fix="remove it, or take whole nodes",
            edits=removed,
        )
    elif len(values) > 1 and len(values) != job.tasks_per_node_of(launch) and "$" not in masks.group(2):
        yield Found(
            rule="launch-binding",
            line=line,
            severity="warning",
            what=f"{len(values)} masks for {job.tasks_per_node_of(launch)} task(s) per node",
            fix="one mask per task",
            edits=_known_masks(job, launch, line, masks) or removed,
        )


def _known_masks(job: Job, launch: Launch, line: int, masks: re.Match[str]) -> tuple[Edit, ...]:
    """The masks of a full node of LUMI-G, one for each of its eight tasks."""
    if job.site is None or job.site.id != "lumi-g" or job.tasks_per_node_of(launch) != 8:
        return ()
    known = job.site.facts["cpu_gpu_binding"]
    right = known["cpu_map_one_core_per_gcd" if masks.group(1) == "map_cpu" else "cpu_masks_seven_cores_per_gcd"]
    right = str(right).removeprefix("map_cpu:").removeprefix("mask_cpu:")
    return change(job, line, masks.group(2).strip('"'), right)


CHECKS: tuple[Check, ...] = (
    one_visible_gpu,
    visible_devices,
    mpirun,
    deepspeed_accelerate,
    binding,
)
