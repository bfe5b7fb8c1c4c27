"""What stands in front of a program: srun, mpirun, containers, wrappers, variables that hold commands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from triage.doctor.directives import option_table

_SRUN_VALUES = frozenset(
    [
        "accel-bind",
        "bcast-exclude",
        "cpu-bind",
        "cpu_bind",
        "epilog",
        "export",
        "het-group",
        "jobid",
        "mpi",
        "msg-timeout",
        "prolog",
        "relative",
        "task-epilog",
        "task-prolog",
        "treewidth",
        "wait",
        "container-image",
        "container-mounts",
        "container-workdir",
        "container-name",
        "container-env",
        "environment",
        "uenv",
        "view",
        "threads",
        "mem_bind",
    ]
)
_SRUN_SHORT = {
    "r": "relative",
    "l": "label",
    "u": "unbuffered",
    "K": "kill-on-bad-exit",
    "X": "disable-status",
    "E": "preserve-env",
}
_CONTAINER_VALUES = frozenset(
    [
        "-B",
        "--bind",
        "--env",
        "--env-file",
        "-H",
        "--home",
        "--pwd",
        "--cwd",
        "-W",
        "--workdir",
        "-S",
        "--scratch",
        "--overlay",
        "--mount",
        "--security",
        "--network",
        "--dns",
        "--hostname",
        "--app",
        "--fusemount",
        "--apply-cgroups",
        "--add-caps",
        "--drop-caps",
        "--image",
        "-v",
        "--volume",
        "--rootfs",
        "--name",
        "--device",
    ]
)
DOCKER_VALUES = re.compile(
    r"-[vweuplmh]|--(?:volume|workdir|env|env-file|gpus|name|shm-size|user|network|net|ipc|ulimit|entrypoint|publish|mount|memory|cpus|"
    r"device|hostname|label|cpuset-cpus|security-opt|runtime|pull|restart|group-add|cap-add|tmpfs|pid|add-host)"
)
_MPI = ("mpirun", "mpiexec", "mpiexec.hydra", "aprun", "jsrun", "prun", "orterun")
_WRAPPERS = {
    "env": 0,
    "time": 0,
    "nohup": 0,
    "exec": 0,
    "stdbuf": 1,
    "nice": 0,
    "numactl": 1,
    "timeout": 2,
    "taskset": 2,
    "command": 0,
    "rocprof": 1,
    "nsys": 1,
    "ncu": 1,
    "coverage": 0,
    "ddtrace-run": 0,
    "setsid": 0,
    "catchsegv": 0,
}
_CONTAINERS = (
    "singularity",
    "apptainer",
    "docker",
    "podman",
    "podman-hpc",
    "sarus",
    "shifter",
    "enroot",
    "charliecloud",
    "ch-run",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    tool: str
    verb: str
    options: tuple[str, ...]
    image: str


@dataclass(slots=True)
class Peeled:
    """What stands in front of the program."""

    srun: dict[str, str] | None = None
    mpi: dict[str, str] | None = None
    mpi_name: str = ""
    container: Container | None = None
    assignments: dict[str, str] = field(default_factory=dict)


_WHOLE = re.compile(r"^\$\{?(\w+)(?:\[[@*]\])?\}?$")
_EACH = re.compile(r"(?<!\\)\$(?:(\w+)|\{(\w+)(?:\[[@*]\])?\})")


def expanded(words: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """Variables that hold commands or option lists replaced, one level."""
    found: list[str] = []
    for word in words:
        match = _WHOLE.match(word)
        value = variables.get(match.group(1), "") if match else ""
        if (
            match
            and not value.startswith(("$(", "`"))
            and (" " in value.strip() or (value and not found) or value.startswith(("-", "(")))
        ):
            found.extend(split_words(value.strip("()")))
        elif " " in word and _EACH.search(word):
            found.append(_EACH.sub(lambda m: _command_value(m, variables), word))
        else:
            found.append(word)
    return found


def _command_value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    value = variables.get(match.group(1) or match.group(2), "")
    return value.strip("()") if " " in value.strip() and not value.startswith("$(") else match.group()


def split_words(text: str) -> list[str]:
    found = re.findall(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""", text.replace("\\\n", " "))
    return [
        word[1:-1] if word[:1] in "\"'" and word[-1:] == word[:1] and len(word) > 1 else word
        for word in found
        if word != "\\"
    ]


def peel(words: list[str], state: Peeled) -> list[str]:
    """Take srun, mpirun, containers, wrappers and assignments off the front."""
    for _ in range(12):
        if not words:
            return words
        name = words[0].rsplit("/", 1)[-1]
        if re.match(r"^[A-Za-z_]\w*=", words[0]):
            key, _, value = words[0].partition("=")
            state.assignments[key] = value
            words = words[1:]
        elif name == "srun":
            options, words = srun_options(words[1:])
            state.srun = {**(state.srun or {}), **options}
        elif name in _MPI:
            state.mpi_name = name
            state.mpi, words = _mpi_options(words[1:])
        elif name in _CONTAINERS and len(words) > 1:
            state.container, words = _container(name, words[1:])
        elif name in _WRAPPERS:
            words = _after_wrapper(words[1:], _WRAPPERS[name])
        else:
            return words
    return words


def _after_wrapper(words: list[str], kind: int) -> list[str]:
    """kind 0: options only; 1: options with values to the first word that names a program; 2: one argument more."""
    at = 0
    while at < len(words) and (words[at].startswith("-") or "=" in words[at].split("/")[0]):
        at += 1
    if kind == 2:
        at += 1
    if kind == 1:
        while at < len(words) and not re.match(
            r"^(?:[\w./$\{}-]*/)?(?:python[\d.]*|torchrun|bash|sh|accelerate|deepspeed|vllm|srun)$", words[at]
        ):
            at += 1
    return words[at:]


def srun_options(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Options by long name, and the words from the program on."""
    table = option_table()
    options: dict[str, str] = {}
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "-":
        word = words[at]
        following = words[at + 1] if at + 1 < len(words) else ""
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            takes = not equals and (name in table.value_required or name in _SRUN_VALUES)
            options[name.replace("cpu_bind", "cpu-bind")] = following if takes else value
            at += 2 if takes else 1
            continue
        name = table.short.get(word[1], _SRUN_SHORT.get(word[1], word[1:]))
        if word[1] in _SRUN_SHORT and word[1] not in "r":
            options[_SRUN_SHORT[word[1]]] = word[2:]
            at += 1
            continue
        takes = len(word) == 2 and (name in table.value_required or name == "relative")
        options[name] = following if takes else word[2:].lstrip("=")
        at += 2 if takes else 1
    return options, list(words[at:])


def _mpi_options(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    at = 0
    valued = (
        "-np",
        "-n",
        "--np",
        "-ppn",
        "-N",
        "--map-by",
        "--bind-to",
        "-x",
        "-H",
        "--host",
        "--hostfile",
        "-hostfile",
        "-machinefile",
        "--rank-by",
        "-genv",
        "-env",
        "-a",
        "-c",
        "-g",
        "-r",
        "-d",
        "--npernode",
        "-npernode",
        "-wdir",
        "-f",
    )
    while at < len(words) and words[at].startswith("-"):
        word = words[at]
        if word in ("--mca", "-mca", "-genv"):
            at += 3
            continue
        name, equals, value = word.partition("=")
        takes = not equals and word in valued
        options[name.lstrip("-")] = words[at + 1] if takes and at + 1 < len(words) else value
        at += 2 if takes else 1
    return options, list(words[at:])


def _container(tool: str, words: Sequence[str]) -> tuple[Container, list[str]]:
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 1
    verb = words[at] if at < len(words) else ""
    at += 1
    options: list[str] = []
    while at < len(words) and words[at].startswith("-"):
        options.append(words[at])
        docker = tool in ("docker", "podman", "podman-hpc") and DOCKER_VALUES.fullmatch(words[at])
        if (docker or words[at] in _CONTAINER_VALUES) and at + 1 < len(words):
            options.append(words[at + 1])
            at += 1
        at += 1
    image = words[at] if at < len(words) else ""
    return Container(tool=tool, verb=verb, options=tuple(options), image=image), list(words[at + 1 :])
