"""launch-rendezvous-local, launch-port-fixed: where processes meet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from triage.doctor.diagnosis import Severity
from triage.doctor.job import Job
from triage.doctor.launch import Launch
from triage.doctor.rules.found import Check, Edit, Found, change
from triage.doctor.rules.launching import PER_NODE, line_with
from triage.doctor.shell import Command

_LOCAL = re.compile(r"^\"?(?:localhost|127\.0\.0\.1|0\.0\.0\.0|::1)?(?::|\"?$)")


_ADDRESS_NAMES = ("MASTER_ADDR", "MAIN_PROCESS_IP", "HEAD_NODE_IP", "RDZV_HOST", "MASTER_IP")
FIRST_HOST = '$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)'


def _same_place_everywhere(job: Job, line: int, value: str) -> Found:
    fixed = re.sub(rf"=[\"']?{re.escape(value)}[\"']?", lambda _: f"={FIRST_HOST}", job.lines[line - 1], count=1)
    return Found(
        rule="launch-rendezvous-local",
        line=line,
        what=f"`{value}` is another place on each of the {job.nodes} nodes",
        fix=f"MASTER_ADDR={FIRST_HOST}",
        edits=(Edit(line, line, (fixed,)),),
    )


def rendezvous_local(job: Job) -> Iterator[Found]:
    if job.nodes <= 1:
        return
    for name in _ADDRESS_NAMES:
        for command, value in job.given.get(name, ()):
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
                    edits=_before_the_step(job, command, name)
                    if command.around.in_step
                    else (Edit(line, line, (fixed,)),),
                )
    for launch in job.main_launches:
        yield from _local_options(job, launch)


def _before_the_step(job: Job, command: Command, name: str) -> tuple[Edit, ...]:
    """The address taken out of the step's text and computed once, in front of the step."""
    step = next((c for c in job.outer_commands if c.name == "srun" and c.line <= command.line <= c.end_line), None)
    text = job.lines[command.line - 1]
    inside = re.compile(
        rf"(?:export\s+)?\b{name}=\"?\\?(?:\$\(hostname[^)]*\)|`hostname[^`]*`)\"?(?:\s*(?:;|&&)\s*|\s+|$)"
    )
    match = inside.search(text)
    if step is None or match is None or step.around.loop or step.around.function:
        return ()
    rest = f"{text[: match.start()]}{text[match.end() :]}"
    if (
        match.group().startswith("export")
        and not re.search(r"[;&\s]$", match.group())
        and re.match(r"\w+=", text[match.end() :])
    ):
        return ()
    first = step.line
    kept = (rest,) if rest.strip() else ()
    return (Edit(first, first - 1, (f"export {name}={FIRST_HOST}",)), Edit(command.line, command.line, kept))


def _no_address(options: Mapping[str, str]) -> bool:
    names = {name.replace("-", "_") for name in options}
    known = {"rdzv_endpoint", "master_addr", "rdzv_conf", "rdzv_id"} & names
    return not known and not any("$" in name for name in names)


def _local_options(job: Job, launch: Launch) -> Iterator[Found]:
    options = launch.options
    nodes_of_step = job.number((launch.srun or {}).get("nodes", "")) if launch.srun else None
    if nodes_of_step == 1 or launch.launcher not in PER_NODE or (launch.srun is None and launch.mpi is None):
        return
    for name in ("rdzv_endpoint", "rdzv-endpoint", "master_addr", "main_process_ip"):
        value = options.get(name, options.get(name.replace("-", "_"), ""))
        variable = re.match(r"^\"?\$\{?(\w+)\}?(?=[:\"]|$)", value)
        if variable and variable.group(1) not in _ADDRESS_NAMES and variable.group(1) in job.assigned:
            command, given = job.assigned[variable.group(1)][0]
            if given and _LOCAL.match(given):
                yield _same_place_everywhere(job, command.line, given)
                return
        in_step_host = launch.in_step and re.search(r"^\"?(?:\$\(hostname|\$HOSTNAME|\$\{HOSTNAME)", value)
        if (value and _LOCAL.match(value)) or in_step_host:
            line = line_with(job, launch, value)
            yield Found(
                rule="launch-rendezvous-local",
                line=line,
                what=f"`{value}` is another place on each of the {job.nodes} nodes",
                fix='"$MASTER_ADDR:$MASTER_PORT" with MASTER_ADDR of the first node',
                edits=_first_host(job, launch, line, value),
            )
            return
    if "standalone" in options:
        line = line_with(job, launch, "--standalone")
        yield Found(
            rule="launch-rendezvous-local",
            line=line,
            what=f"--standalone forms one group per node, but there are {job.nodes} nodes",
            fix='--nnodes="$SLURM_JOB_NUM_NODES" --rdzv_backend=c10d --rdzv_endpoint="$MASTER_ADDR:$MASTER_PORT"',
            edits=_with_address(job, launch, line, "--standalone"),
        )
    elif launch.launcher == "torchrun" and _no_address(options) and job.tasks_of(launch) > 1:
        yield Found(
            rule="launch-rendezvous-local",
            line=launch.line,
            what="torchrun on several nodes without a rendezvous address",
            fix='--rdzv_backend=c10d --rdzv_endpoint="$MASTER_ADDR:$MASTER_PORT"',
            edits=_with_address(job, launch, line_with(job, launch, "torchrun"), "torchrun"),
        )


def _with_address(job: Job, launch: Launch, line: int, word: str) -> tuple[Edit, ...]:
    """The options of a c10d rendezvous behind `torchrun`, or in place of `--standalone`."""
    text = job.lines[line - 1]
    if launch.wrapped or word not in text or line < launch.outer.line:
        return ()
    nodes = "" if {"nnodes"} & set(launch.options) else '--nnodes="$SLURM_JOB_NUM_NODES" '
    port = "$MASTER_PORT" if job.sets("MASTER_PORT") else "$((10000 + SLURM_JOB_ID % 20000))"
    options = f'{nodes}--rdzv_backend=c10d --rdzv_id="$SLURM_JOB_ID" --rdzv_endpoint="$MASTER_ADDR:{port}"'
    fixed = text.replace(word, options if word.startswith("--") else f"{word} {options}", 1)
    first = launch.outer.line
    address = () if job.sets("MASTER_ADDR") else (Edit(first, first - 1, (f"MASTER_ADDR={FIRST_HOST}",)),)
    return (*address, Edit(line, line, (fixed,)))


def _first_host(job: Job, launch: Launch, line: int, value: str) -> tuple[Edit, ...]:
    host = re.match(r"\"?(localhost|127\.0\.0\.1|0\.0\.0\.0|\$\(hostname[^()]*\)|\$\{?HOSTNAME\}?)", value)
    if not host:
        return ()
    edits = change(job, line, host.group(1), "$MASTER_ADDR")
    if job.sets("MASTER_ADDR") or line < launch.outer.line:
        return edits
    first, exported = launch.outer.line, "export " if launch.in_step else ""
    return (Edit(first, first - 1, (f"{exported}MASTER_ADDR={FIRST_HOST}",)), *edits)


_PORT = re.compile(r"^\"?\d{4,5}\"?$")


_PORT_NAMES = ("MASTER_PORT", "RDZV_PORT", "MAIN_PROCESS_PORT")


def port_fixed(job: Job) -> Iterator[Found]:
    if not any(launch.launcher in (*PER_NODE, "python", "other") for launch in job.main_launches):
        return
    mild: Severity | None = "hint" if job.owns_node and not job.has("array") else None
    for name in _PORT_NAMES:
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
            assigned, port = _behind_variable(job, port)
            if _PORT.match(port) and launch.launcher in PER_NODE:
                line = assigned or line_with(job, launch, port)
                yield Found(
                    rule="launch-port-fixed",
                    line=line,
                    severity=mild,
                    what=f"fixed port {port}: two jobs on one node collide",
                    fix="a port derived from the job id: $((10000 + SLURM_JOB_ID % 20000))",
                    edits=change(job, line, port, "$((10000 + SLURM_JOB_ID % 20000))"),
                )


def _behind_variable(job: Job, value: str) -> tuple[int, str]:
    """The value that a variable of the script stands for, and its line; 0 when it is no such variable."""
    name = re.fullmatch(r"\"?\$\{?(\w+)\}?\"?", value)
    given = job.assigned.get(name.group(1), []) if name and name.group(1) not in _PORT_NAMES else []
    return (given[0][0].line, given[0][1]) if given else (0, value)


CHECKS: tuple[Check, ...] = (
    rendezvous_local,
    port_fixed,
)
