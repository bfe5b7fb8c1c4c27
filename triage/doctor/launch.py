"""Launch lines: what starts the program, with which options, in how many tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from triage.doctor.shell import Command, Word, inner_commands
from triage.doctor.wrappers import Container, Peeled, expanded, peel

Launcher = Literal[
    "torchrun", "torch.distributed.launch", "accelerate", "deepspeed", "python", "vllm", "ray", "server", "other"
]
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


_ALL_ARGUMENTS = ("$@", "${@}", "$*")


def launches_of(commands: Sequence[Command], variables: Mapping[str, str]) -> Iterator[Launch]:
    wrappers = _wrapper_functions(commands)
    for command in commands:
        if not command.words or (command.around.substitution and not command.around.in_step):
            continue
        body = wrappers.get(command.name)
        if body is not None:
            words = _with_arguments(body.words, command.words[1:])
            outer = replace(body, around=command.around)
            yield from _launches(replace(command, name=words[0].text, words=words), variables, outer)
        elif command.around.function not in wrappers or wrappers[command.around.function] != command:
            yield from _launches(command, variables)


def _wrapper_functions(commands: Sequence[Command]) -> Mapping[str, Command]:
    """Functions that hand their arguments to one command: run() { srun -c 8 "$@"; }"""
    return {
        command.around.function: command
        for command in commands
        if command.around.function and any(word.text in _ALL_ARGUMENTS for word in command.words[1:])
    }


def _with_arguments(words: Sequence[Word], arguments: Sequence[Word]) -> tuple[Word, ...]:
    """The words with `"$@"` replaced by what it stands for."""
    found: list[Word] = []
    for word in words:
        found.extend(arguments if word.text in _ALL_ARGUMENTS else (word,))
    return tuple(found)


def _launches(
    command: Command, variables: Mapping[str, str], outer: Command | None = None, peeled: Peeled | None = None
) -> Iterator[Launch]:
    words = expanded([word.text for word in command.words if not word.text.startswith("<<")], variables)
    around = peeled or Peeled()
    state = Peeled(
        srun=around.srun,
        mpi=around.mpi,
        mpi_name=around.mpi_name,
        container=around.container,
        assignments={**around.assignments, **{name: word.text for name, word in command.assignments}},
    )
    rest = peel(words, state)
    if rest and (again := expanded(rest[:1], variables)) != rest[:1]:  # an interpreter or launcher in a variable
        rest = peel([*again, *rest[1:]], state)
    inner = [found for found in inner_commands(_with(command, words)) if found.words]
    if inner and rest and rest[0].rsplit("/", 1)[-1] in ("bash", "sh", "zsh"):
        arguments = _arguments_of_text(command)
        for found in inner:
            given = _with_arguments(found.words, arguments)
            yield from _launches(replace(found, name=given[0].text, words=given), variables, outer or command, state)
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


def _arguments_of_text(command: Command) -> tuple[Word, ...]:
    """What `"$@"` stands for in `bash -c 'text' name arguments...`; "$@" itself when none are given."""
    names = [word.text.rsplit("/", 1)[-1] for word in command.words]
    shell = next((index for index, name in enumerate(names) if name in ("bash", "sh", "zsh")), 0)
    at = next((index for index in range(shell, len(names)) if re.fullmatch(r"-\w*c", names[index])), 0)
    given = command.words[at + 3 :]
    return given or tuple(replace(command.words[0], text=name, raw=name) for name in _ALL_ARGUMENTS[:1])


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


def _launch(  # noqa: C901, PLR0911 (one branch for each launcher)
    words: list[str], state: Peeled
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


_SIDE = re.compile(
    r"(?i)(?:^|/)(?:download|prepare|preprocess|tokeni[sz]e|convert|check|test_env|setup|build|make_|merge|export|plot|print|monitor|collect|"
    r"get_|gather_|stage|copy|clean|consolidat|summar|report)"
)


def is_side_work(launch: Launch) -> bool:
    if launch.launcher == "python":
        if launch.program in ("-c", "") or launch.options.get("m") in (
            "pip",
            "venv",
            "compileall",
            "http.server",
            "timeit",
        ):
            return True
        return bool(_SIDE.search(launch.program)) and launch.srun is None
    if launch.launcher == "other":
        return is_probe(launch.program) or (
            launch.container is not None and launch.container.verb in ("build", "pull", "inspect")
        )
    return False


def is_probe(program: str) -> bool:
    """A command that only looks or copies; bash counts as one, because its text is looked into elsewhere."""
    return program.rsplit("/", 1)[-1] in _PROBES


_PROBES = frozenset(
    [
        "hostname",
        "nvidia-smi",
        "rocm-smi",
        "rocminfo",
        "echo",
        "date",
        "env",
        "printenv",
        "ls",
        "cat",
        "mkdir",
        "cp",
        "rsync",
        "tar",
        "rm",
        "pwd",
        "module",
        "ulimit",
        "sleep",
        "lscpu",
        "df",
        "which",
        "bash",
        "true",
        "ibstat",
        "numactl",
    ]
)
