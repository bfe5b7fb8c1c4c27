"""Launch lines: what starts the program, with which options, in how many tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from triage.doctor.directives import option_table
from triage.doctor.shell import Command, Word, inner_commands

Launcher = Literal[
    "torchrun", "torch.distributed.launch", "accelerate", "deepspeed", "python", "vllm", "ray", "server", "other"
]

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
_FLAGS: Mapping[str, frozenset[str]] = {
    "torchrun": frozenset(
        ["standalone", "no-python", "no_python", "run-path", "m", "module", "use-env", "use_env", "virtual-local-rank"]
    ),
    "accelerate": frozenset(
        [
            "multi_gpu",
            "cpu",
            "use_deepspeed",
            "use_fsdp",
            "use_megatron_lm",
            "same_network",
            "tpu",
            "m",
            "module",
            "no_python",
            "quiet",
            "debug",
            "mps",
            "ipex",
            "use_xpu",
            "main_training_function_off",
            "enable_cpu_affinity",
        ]
    ),
    "deepspeed": frozenset(["no_ssh", "no_local_rank", "no_python", "module", "force_multi"]),
    "python": frozenset(["u", "O", "OO", "B", "s", "S", "E", "I", "q", "b", "d", "i", "P", "x"]),
}
_SERVERS = (
    "sglang.launch_server",
    "text-generation-launcher",
    "ollama",
    "tritonserver",
    "vllm.entrypoints.openai.api_server",
    "vllm.entrypoints.api_server",
    "trtllm-serve",
    "lmdeploy",
    "mii.entrypoints",
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """One start of a program."""

    command: Command
    outer: Command
    """The line itself; differs from `command` inside bash -c."""
    srun: Mapping[str, str] | None
    """Options of srun by long name, None without srun."""
    mpi: Mapping[str, str] | None
    mpi_name: str
    container: Container | None
    launcher: Launcher
    options: Mapping[str, str]
    """Of the launcher; names with dashes turned to underscores."""
    program: str
    args: tuple[str, ...]
    in_step: bool
    assignments: Mapping[str, str]
    """Set in front of the program on this line."""
    wrapped: bool = False
    """In the text of bash -c."""
    line: int = 0


@dataclass(slots=True)
class _Peeled:
    """What stands in front of the program."""

    srun: dict[str, str] | None = None
    mpi: dict[str, str] | None = None
    mpi_name: str = ""
    container: Container | None = None
    assignments: dict[str, str] = field(default_factory=dict)


def launches_of(commands: Sequence[Command], variables: Mapping[str, str]) -> Iterator[Launch]:
    for command in commands:
        if command.words and not (command.around.substitution and not command.around.in_step):
            yield from _launches(command, variables)


def _launches(
    command: Command, variables: Mapping[str, str], outer: Command | None = None, peeled: _Peeled | None = None
) -> Iterator[Launch]:
    words = expanded([word.text for word in command.words if not word.text.startswith("<<")], variables)
    around = peeled or _Peeled()
    state = _Peeled(
        srun=around.srun,
        mpi=around.mpi,
        mpi_name=around.mpi_name,
        container=around.container,
        assignments={**around.assignments, **{name: word.text for name, word in command.assignments}},
    )
    rest = _peel(words, state)
    inner = [found for found in inner_commands(_with(command, words)) if found.words]
    if inner and rest and rest[0].rsplit("/", 1)[-1] in ("bash", "sh", "zsh"):
        for found in inner:
            yield from _launches(found, variables, outer or command, state)
        return
    made = _launch(rest, state)
    if made is None:
        return
    launcher, options, program, args = made
    yield Launch(
        command=command,
        outer=outer or command,
        srun=state.srun,
        mpi=state.mpi,
        mpi_name=state.mpi_name,
        container=state.container,
        launcher=launcher,
        options=options,
        program=program,
        args=tuple(args),
        in_step=command.around.in_step,
        assignments=state.assignments,
        wrapped=outer is not None,
        line=command.line,
    )


def _with(command: Command, words: Sequence[str]) -> Command:
    """The command after its variables were replaced, so that bash -c "$CMD" can be looked into."""
    if [word.text for word in command.words] == list(words):
        return command
    first = command.words[0]
    made = tuple(Word(text=text, raw=text, line=first.line, column=first.column) for text in words)
    return Command(
        name=made[0].text if made else "",
        words=made,
        assignments=command.assignments,
        exported=False,
        line=command.line,
        column=command.column,
        end_line=command.end_line,
        text=command.text,
        around=command.around,
        redirects=command.redirects,
    )


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


def _peel(words: list[str], state: _Peeled) -> list[str]:
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
        if words[at] in _CONTAINER_VALUES and at + 1 < len(words):
            options.append(words[at + 1])
            at += 1
        at += 1
    image = words[at] if at < len(words) else ""
    return Container(tool=tool, verb=verb, options=tuple(options), image=image), list(words[at + 1 :])


def _launch(  # noqa: C901, PLR0911 (one branch for each launcher)
    words: list[str], state: _Peeled
) -> tuple[Launcher, dict[str, str], str, list[str]] | None:
    if not words:
        return None
    name = words[0].rsplit("/", 1)[-1]
    if re.fullmatch(r"python[\d.]*|\$\{?(?:PYTHON\w*|PY)\}?", name):
        return _python(words[1:])
    if name == "torchrun":
        return ("torchrun", *_options(words[1:], "torchrun"))
    if name == "accelerate" and words[1:2] == ["launch"]:
        return ("accelerate", *_options(words[2:], "accelerate"))
    if name == "accelerate-launch":
        return ("accelerate", *_options(words[1:], "accelerate"))
    if name == "deepspeed":
        return ("deepspeed", *_options(words[1:], "deepspeed"))
    if name == "vllm":
        options, _, args = _options(words[2:], "none")
        return "vllm", options, " ".join(words[1:2]), [*args, *words[2:]]
    if name == "ray":
        return "ray", _options(words[2:], "none")[0], " ".join(words[1:2]), words[2:]
    if any(server in name for server in _SERVERS):
        return "server", _options(words[1:], "none")[0], name, words[1:]
    if state.srun is not None or state.mpi is not None or state.container is not None:
        return "other", {}, words[0], words[1:]
    return None


def _python(words: list[str]) -> tuple[Launcher, dict[str, str], str, list[str]]:
    at = 0
    options: dict[str, str] = {}
    while at < len(words) and words[at].startswith("-"):
        if words[at] == "-m" and at + 1 < len(words):
            return _module(words[at + 1], words[at + 2 :], options)
        if words[at] == "-c":
            return "python", {**options, "c": words[at + 1] if at + 1 < len(words) else ""}, "-c", words[at + 2 :]
        options[words[at].lstrip("-")] = ""
        at += 2 if words[at] in ("-X", "-W") else 1
    return "python", options, words[at] if at < len(words) else "", words[at + 1 :]


def _module(module: str, words: list[str], before: dict[str, str]) -> tuple[Launcher, dict[str, str], str, list[str]]:
    if module in ("torch.distributed.run", "torch.distributed.launch"):
        kind: Launcher = "torchrun" if module.endswith("run") else "torch.distributed.launch"
        return (kind, *_options(words, "torchrun"))
    if module in ("accelerate.commands.launch", "accelerate.commands.accelerate_cli"):
        return ("accelerate", *_options(words, "accelerate"))
    if module.startswith("vllm.entrypoints"):
        return "vllm", _options(words, "none")[0], "serve" if "api_server" in module else module, words
    if any(server in module for server in _SERVERS):
        return "server", _options(words, "none")[0], module, words
    return "python", {**before, "m": module}, module, words


def _options(words: Sequence[str], kind: str) -> tuple[dict[str, str], str, list[str]]:
    """Options of a launcher, its program, and the program's words. With kind none, all options of the line."""
    flags = _FLAGS.get(kind, frozenset())
    options: dict[str, str] = {}
    at = 0
    while at < len(words) and (words[at].startswith("-") or kind == "none"):
        if not words[at].startswith("-"):
            at += 1
            continue
        name, equals, value = words[at].lstrip("-").partition("=")
        following = words[at + 1] if at + 1 < len(words) else ""
        takes = not equals and name not in flags and bool(following) and not re.match(r"^--?[A-Za-z]", following)
        options[name.replace("-", "_")] = following if takes else value
        at += 2 if takes else 1
    return options, words[at] if at < len(words) else "", list(words[at + 1 :])
