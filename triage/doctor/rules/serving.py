"""serve-*: model servers in a job."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor.job import Job
from triage.doctor.launch import Launch
from triage.doctor.rules.found import Check, Edit, Found, change
from triage.doctor.rules.launching import line_with

_CLIENT = re.compile(r"(?i)client|bench|curl|query|eval|request|ask|send|load_?test|generate|lm_eval|guidellm|infer")
_CLIENTS = ("python", "python3", "curl", "srun", "vllm", "lm_eval")
_HOUSEKEEPING = ("echo", "wait", "kill", "trap", "exit", "date", "sleep", "cp", "rsync", "rm")
_POLLED = re.compile(
    r"/health|/v1/models|/ping|wait_for|nc -z|/dev/tcp/|until\s+curl|while ! curl|--retry|localhost\S*/\S*\s*(?:;|\|\|)"
)
_PARALLEL = (("tensor_parallel_size", "tp"), ("pipeline_parallel_size", "pp"), ("data_parallel_size", "dp"))


def servers(job: Job) -> list[Launch]:
    return [
        launch
        for launch in job.launches
        if (launch.launcher == "vllm" and launch.program == "serve") or launch.launcher == "server"
    ]


def parallel(job: Job, launch: Launch) -> tuple[int | None, int, int]:
    """Tensor, pipeline and data parallel sizes; the first is None when not told as a number."""
    options = {name.replace("-", "_"): value for name, value in launch.options.items()}
    for match in re.finditer(r"--((?:tensor|pipeline|data)[-_]parallel[-_]size)[= ]\"?(\$?[\w{}]+)", launch.outer.text):
        options.setdefault(match.group(1).replace("-", "_"), match.group(2))
    sizes: list[int | None] = []
    for names in _PARALLEL:
        given = next((options[name] for name in names if name in options), "1")
        sizes.append(job.number(given))
    return sizes[0], sizes[1] or 1, sizes[2] or 1


def engines(job: Job) -> list[Launch]:
    """Servers, and other programs that are given a tensor parallel size."""
    held = servers(job)
    others = [launch for launch in job.main_launches if launch not in held and launch.launcher in ("vllm", "python")]
    return held + [launch for launch in others if re.search(r"--tensor[-_]parallel[-_]size", launch.outer.text)]


def tensor_parallel(job: Job) -> Iterator[Found]:
    for launch in engines(job):
        tensor, pipeline, data = parallel(job, launch)
        visible = launch.assignments.get("CUDA_VISIBLE_DEVICES", "")
        gpus = len(visible.split(",")) if re.fullmatch(r"[\d,]+", visible) else job.gpus_per_node
        if tensor is None or not gpus:
            continue
        line = _tp_line(job, launch)
        nodes = 1 if launch.srun is None or job.tasks_of(launch) == 1 else job.nodes
        ray = (
            "distributed-executor-backend" in launch.outer.text
            or any(other.launcher == "ray" for other in job.launches)
            or "nnodes" in launch.options
        )
        held = gpus * (job.nodes if ray else nodes)
        if tensor * pipeline * data > held and not (job.nodes > 1):
            yield Found(
                rule="serve-tensor-parallel",
                line=line,
                what=f"tensor x pipeline x data parallel = {tensor * pipeline * data}, but the node gives "
                f"{gpus} GPU(s)",
                fix=f"--tensor-parallel-size {max(1, gpus // (pipeline * data))}",
                edits=_tp_edit(job, line, tensor)
                if pipeline * data == 1
                else _tp_set(job, line, tensor, gpus // (pipeline * data)),
            )
        elif tensor & (tensor - 1) and tensor > 1 and pipeline * data == 1:
            yield Found(
                rule="serve-tensor-parallel",
                line=line,
                what=f"tensor parallel size {tensor} hardly ever divides the number of attention heads",
                fix="1, 2, 4 or 8",
                edits=_tp_edit(job, line, tensor) if not gpus & (gpus - 1) else _four_of_three(job, line, tensor),
            )
        elif tensor * pipeline * data < gpus and job.nodes == 1 and len(engines(job)) == 1 and not visible:
            yield Found(
                rule="serve-tensor-parallel",
                line=line,
                severity="warning",
                what=f"{tensor * pipeline * data} of {gpus} GPUs are used",
                fix='--tensor-parallel-size "$SLURM_GPUS_ON_NODE"',
                edits=_tp_edit(job, line, tensor),
            )


def _tp_line(job: Job, launch: Launch) -> int:
    for number in range(launch.outer.line, min(launch.outer.end_line, len(job.lines)) + 1):
        if re.search(r"--tensor[-_]parallel[-_]size|\s-tp\b|--tp\b", job.lines[number - 1]):
            return number
    return launch.line


def _tp_edit(job: Job, line: int, tensor: int) -> tuple[Edit, ...]:
    text = job.lines[line - 1]
    variable = re.search(r"(?:--tensor[-_]parallel[-_]size|--?tp)[= ]\"?\$\{?(\w+)", text)
    if variable and variable.group(1) in job.assigned:
        command, value = job.assigned[variable.group(1)][0]
        return change(job, command.line, f"{variable.group(1)}={value}", f"{variable.group(1)}=$SLURM_GPUS_ON_NODE")
    fixed = re.sub(
        rf"((?:--tensor[-_]parallel[-_]size|--?tp)[= ]){tensor}\b", r'\1"$SLURM_GPUS_ON_NODE"', text, count=1
    )
    return (Edit(line, line, (fixed,)),) if fixed != text else ()


def _tp_set(job: Job, line: int, tensor: int, right: int) -> tuple[Edit, ...]:
    text = job.lines[line - 1]
    fixed = re.sub(rf"((?:--tensor[-_]parallel[-_]size|--?tp)[= ]){tensor}\b", rf"\g<1>{right}", text, count=1)
    return (Edit(line, line, (fixed,)),) if fixed != text and right else ()


def _four_of_three(job: Job, line: int, tensor: int) -> tuple[Edit, ...]:
    """The next power of two, in the request too, where the node has so many GPUs."""
    right = 1 << job.gpus_per_node.bit_length()
    option = next((job.effective[name] for name in ("gres", "gpus-per-node", "gpus") if name in job.effective), None)
    held = _tp_edit(job, line, tensor)
    if option is None or not held or not job.node_gpus or right > job.node_gpus or job.nodes > 1:
        return ()
    raw = re.sub(rf"\b{job.gpus_per_node}$", str(right), option.raw)
    return (*change(job, option.line, option.raw, raw), *held) if raw != option.raw else ()


def readiness(job: Job) -> Iterator[Found]:
    for launch in servers(job):
        outer = launch.outer
        after = [
            command
            for command in job.outer_commands
            if command.line > outer.end_line and command.words and not command.around.substitution
        ]
        work = [command for command in after if command.name not in _HOUSEKEEPING]
        if outer.around.function:
            continue
        if not outer.around.background:
            if work and not re.search(r"&\s*(?:\w+=\$!)?\s*$", job.lines[outer.end_line - 1]):
                yield Found(
                    rule="serve-readiness",
                    line=launch.line,
                    what=f"the server blocks the script: line {work[0].line} is never reached",
                    fix="start it in the background (&), poll /health, run the client, then kill it",
                    edits=_in_background(job, launch),
                )
            continue
        clients = [command for command in work if command.name in _CLIENTS or _CLIENT.search(command.text)]
        if clients and not _POLLED.search(job.code):
            slept = any(command.name == "sleep" for command in after)
            yield Found(
                rule="serve-readiness",
                line=clients[0].line,
                severity="warning",
                what=f"the client starts {'after a fixed sleep' if slept else 'before the server is ready'}",
                fix="server=$! behind it, then wait for its health check: " + _poll(launch, "server"),
                edits=_poll_behind(job, launch),
            )
        elif clients and not re.search(r"\bkill\b", job.code):
            yield Found(
                rule="serve-readiness",
                line=launch.line,
                severity="warning",
                what="the server is never stopped: the job runs until the walltime",
                fix="server=$! behind it and kill $server at the end",
            )


def _poll_behind(job: Job, launch: Launch) -> tuple[Edit, ...]:
    """The wait for the server behind its start, by the process id that the script keeps already if it does."""
    end = launch.outer.end_line
    kept = re.match(r"\s*(\w+)=\$!\s*$", job.lines[end]) if end < len(job.lines) else None
    if kept:
        return (Edit(end + 2, end + 1, (_poll(launch, kept.group(1)),)),)
    return (Edit(end + 1, end, ("server=$!", _poll(launch, "server"))),)


def _poll(launch: Launch, server: str) -> str:
    port = launch.options.get("port", "") or "8000"
    health = f"http://localhost:{port.strip(chr(34))}/health"
    return f'until curl -sf "{health}"; do kill -0 ${server} || exit 1; sleep 5; done'


def _in_background(job: Job, launch: Launch) -> tuple[Edit, ...]:
    end, last = launch.outer.end_line, len(job.lines)
    while last and not job.lines[last - 1].strip():
        last -= 1
    if launch.outer.around.branch or launch.outer.around.loop or end >= last:
        return ()
    known = re.search(r"\bkill (?:-\w+ )?\"?\$\{?(\w+)", job.code)
    name = known.group(1) if known else "server"
    poll = () if _POLLED.search(job.code) else (_poll(launch, name),)
    held = () if re.match(rf"\s*{name}=\$!", job.lines[end]) else (f"{name}=$!",)
    background = Edit(end, end, (f"{job.lines[end - 1].rstrip()} &", *held, *poll))
    return (background,) if known else (background, Edit(last + 1, last, (f"kill ${name}",)))


def port_host(job: Job) -> Iterator[Found]:
    for launch in servers(job):
        options = {name.replace("-", "_"): value for name, value in launch.options.items()}
        text = launch.outer.text
        host, port = options.get("host", ""), options.get("port", "")
        named = re.fullmatch(r"\"?\$\{?(\w+)\}?\"?", host)
        host = job.variables.get(named.group(1), host) if named else host
        if host in ("0.0.0.0", '"0.0.0.0"') and not re.search(r"--api[-_]key|VLLM_API_KEY", job.code):  # noqa: S104
            line = job.assigned[named.group(1)][0][0].line if named else line_with(job, launch, "--host")
            yield _port(
                line,
                "--host 0.0.0.0 without --api-key: everybody on the network can use the server",
                "--host 127.0.0.1 when the client is in the same job, else --api-key",
                change(job, line, "0.0.0.0", "127.0.0.1"),  # noqa: S104
            )
        if (
            re.search(r"--port[= ]\"?\$\{?VLLM_PORT|--host[= ]\"?\$\{?VLLM_HOST_IP", text)
            or "VLLM_PORT" in job.assigned
        ):
            where = job.assigned["VLLM_PORT"][0][0].line if "VLLM_PORT" in job.assigned else launch.line
            yield _port(
                where,
                "VLLM_PORT and VLLM_HOST_IP are for vLLM's own traffic, not the API address",
                "another variable for --port",
                _other_name(job),
            )
        literal = job.number(port) if port else 8000
        fixed = (
            (not port)
            or port.isdigit()
            or (literal is not None and "SLURM" not in job.variables.get(port.strip('${}"'), ""))
        )
        if fixed and (job.has("array") or not job.owns_node) and job.gpus_per_node and "--uds" not in text:
            line = line_with(job, launch, "--port") if port else launch.line
            variable = re.fullmatch(r"\"?\$\{?(\w+)\}?\"?", port)
            if variable and variable.group(1) in job.assigned:
                line = job.assigned[variable.group(1)][0][0].line
            yield _port(
                line,
                f"fixed port {literal or 8000} on a node that others may share",
                "PORT=$((20000 + SLURM_JOB_ID % 10000))",
                _port_edit(job, launch, line, port),
            )


def _other_name(job: Job) -> tuple[Edit, ...]:
    name = "API_PORT" if job.sets("PORT") else "PORT"
    lines = [n for n, text in enumerate(job.lines, start=1) if "VLLM_PORT" in text]
    return tuple(Edit(n, n, (re.sub(r"\bVLLM_PORT\b", name, job.lines[n - 1]),)) for n in lines)


def _port(line: int, what: str, fix: str, edits: tuple[Edit, ...]) -> Found:
    return Found(rule="serve-port-host", line=line, what=what, fix=fix, edits=edits)


def _port_edit(job: Job, launch: Launch, line: int, port: str) -> tuple[Edit, ...]:
    text = job.lines[line - 1]
    if not port:
        return _port_added(job, launch)
    assigned = re.sub(r"^(\s*(?:export\s+)?\w+=)\"?\d+\"?\s*$", r"\1$((20000 + SLURM_JOB_ID % 10000))", text)
    if assigned != text:
        return (Edit(line, line, (assigned,)),)
    if len(re.findall(rf"\b{port}\b", job.code)) == 1 and port.isdigit() and not launch.wrapped:
        return (
            Edit(
                line, line, (re.sub(rf"(--port[= ]){port}\b", r"\1$((20000 + SLURM_JOB_ID % 10000))", text, count=1),)
            ),
        )
    return _port_in_a_variable(job, launch, port) if port.isdigit() else ()


def _port_added(job: Job, launch: Launch) -> tuple[Edit, ...]:
    """A port of the job's own, where nothing in the script uses the default one."""
    others = [
        c for c in job.outer_commands if c.line > launch.outer.end_line and c.name not in _HOUSEKEEPING and c.words
    ]
    if launch.launcher == "vllm" and re.search(r":8000\b", job.code) and not launch.wrapped:
        return _default_port_in_a_variable(job, launch)
    if others or re.search(r"\b8000\b|curl|client", job.code) or launch.launcher != "vllm":
        return ()
    port = "--port $((20000 + SLURM_JOB_ID % 10000))"
    return change(job, launch.line, "vllm serve ", f"vllm serve {port} ")


def _default_port_in_a_variable(job: Job, launch: Launch) -> tuple[Edit, ...]:
    """The default port replaced where it is used, and the server given the same."""
    first = launch.outer.line
    uses = [n for n, text in enumerate(job.code.split("\n"), start=1) if re.search(r":8000\b", text)]
    quoted = any(re.search(r"'[^']*:8000\b[^']*'", job.lines[n - 1]) for n in uses)
    started = job.lines[launch.line - 1].replace("vllm serve ", 'vllm serve --port "$PORT" ', 1)
    if quoted or job.sets("PORT") or min(uses) <= launch.line or started == job.lines[launch.line - 1]:
        return ()
    return (
        Edit(first, first - 1, ("PORT=$((20000 + SLURM_JOB_ID % 10000))",)),
        Edit(launch.line, launch.line, (started,)),
        *(Edit(n, n, (re.sub(r":8000\b", ":$PORT", job.lines[n - 1]),)) for n in uses),
    )


def _port_in_a_variable(job: Job, launch: Launch, port: str) -> tuple[Edit, ...]:
    """Every use of the port replaced by $PORT; nothing when one stands in single quotes or PORT means something."""
    uses = [number for number, line in enumerate(job.code.split("\n"), start=1) if re.search(rf"\b{port}\b", line)]
    first = launch.outer.line
    quoted = any(re.search(rf"'[^']*\b{port}\b[^']*'", job.lines[number - 1]) for number in uses)
    if quoted or job.sets("PORT") or min(uses, default=0) < first or "${PORT" in job.code or "$PORT" in job.code:
        return ()
    edits = [Edit(at, at, (re.sub(rf"\b{port}\b", "$PORT", job.lines[at - 1]),)) for at in uses]
    return (Edit(first, first - 1, ("PORT=$((20000 + SLURM_JOB_ID % 10000))",)), *edits)


def multi_node(job: Job) -> Iterator[Found]:
    for launch in servers(job):
        tensor, pipeline, _ = parallel(job, launch)
        tasks = job.tasks_of(launch)
        spread = (
            any(other.launcher == "ray" for other in job.launches)
            or re.search(r"distributed[-_]executor[-_]backend|--nnodes|--node[-_]rank|--dist-init-addr", job.code)
            or re.search(r"ray\s+start|ray_start|start_ray", job.code)
        )
        line = launch.line
        if job.nodes > 1 and tensor and tensor * pipeline > max(job.gpus_per_node, 1) and not spread:
            yield Found(
                rule="serve-multi-node",
                line=line,
                what=f"{tensor * pipeline} GPUs over {job.nodes} nodes without Ray or --nnodes/--node-rank",
                fix="Ray head and workers by srun, or vllm serve --nnodes N --node-rank $SLURM_NODEID "
                "--master-addr in the step",
            )
        elif (
            launch.srun is not None
            and tasks > 1
            and not spread
            and not re.search(r"PROCID|LOCALID|NODEID", launch.outer.text)
        ):
            yield Found(
                rule="serve-multi-node",
                line=line,
                what=f"srun starts {tasks} servers on one port",
                fix="one task: srun --ntasks=1, or one server per task with its own port and GPU",
            )
    for launch in job.launches:
        if (
            launch.launcher == "ray"
            and launch.program == "start"
            and launch.srun is not None
            and not (
                {"gpus", "gpus-per-node", "gpus-per-task", "gres", "exact", "cpus-per-task", "overlap"}
                & set(launch.srun)
            )
            and not job.sets("SRUN_CPUS_PER_TASK")
        ):
            yield Found(
                rule="serve-multi-node",
                line=launch.line,
                severity="warning",
                what="a Ray step without --gpus, -c or --exact may get no GPU or one core",
                fix='srun -w <node> --exact --gpus-per-node=... -c "$SLURM_CPUS_PER_TASK" ray start ...',
            )


CHECKS: tuple[Check, ...] = (tensor_parallel, readiness, port_host, multi_node)
