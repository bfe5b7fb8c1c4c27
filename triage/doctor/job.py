"""A job script as the rules see it: directives, commands, launch lines, and the numbers that follow from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from triage.doctor import units
from triage.doctor.directives import Directive, Option, directives_of
from triage.doctor.launch import Launch, is_side_work, launches_of
from triage.doctor.numbers import number_of
from triage.doctor.shell import Around, Command, inner_commands, parse_shell
from triage.doctor.sites import Partition, Site, SystemGuess, guess_system, site
from triage.doctor.systems import named_systems

GPU_OPTIONS = ("gres", "gpus", "gpus-per-node", "gpus-per-task", "gpus-per-socket")


@dataclass(frozen=True, kw_only=True)
class Job:
    """Lines are numbered from 1 in `lines`, the text after form faults were mended."""

    lines: tuple[str, ...]
    hint: str
    """System id that the user stated, or text around the script that may name one."""
    fragment: bool
    """Pasted without its head: what is missing may stand elsewhere."""

    @cached_property
    def _parsed(self) -> tuple[tuple[Directive, ...], int]:
        return directives_of(self.lines)

    @property
    def directives(self) -> tuple[Directive, ...]:
        return self._parsed[0]

    @property
    def block_end(self) -> int:
        """Line after the directive block."""
        return self._parsed[1]

    @cached_property
    def text(self) -> str:
        return "\n".join(self.lines)

    @cached_property
    def code(self) -> str:
        """The text without comment lines."""
        return "\n".join("" if line.lstrip().startswith("#") else line for line in self.lines)

    @cached_property
    def uses_own_launcher(self) -> bool:
        """The script names a library that starts processes, or uses several GPUs, by itself."""
        return bool(re.search(r"(?i)deepspeed|lightning|jax|device_map|vllm|mpirun", self.code))

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """All options that are meant, also those that sbatch does not see as they stand."""
        given = [option for directive in self.directives for option in directive.options]
        active = {option.name for option in given if option.active}
        return tuple(option for option in given if option.active or not _switched_off(option, self, active))

    @cached_property
    def effective(self) -> Mapping[str, Option]:
        """The last occurrence of each option, a misspelt one under the name that is meant."""
        ordered = sorted(self.options, key=lambda option: (option.active, option.meant == option.name))
        return {option.meant: option for option in ordered if option.name}

    def value(self, name: str) -> str:
        option = self.effective.get(name)
        return option.value if option else ""

    def has(self, *names: str) -> bool:
        return any(name in self.effective for name in names)

    def line_of(self, *names: str) -> int:
        """Line of the first of these options that is given, else of the directive block's first directive."""
        for name in names:
            if name in self.effective:
                return self.effective[name].line
        return self.directives[0].line if self.directives else 1

    @cached_property
    def het(self) -> bool:
        return any(option.name in ("hetjob", "packjob") for option in self.options)

    @cached_property
    def commands(self) -> tuple[Command, ...]:
        """All commands, those inside bash -c too."""
        found: list[Command] = []
        for command in self.outer_commands:
            found.append(command)
            found.extend(inner_commands(command))
        return tuple(found)

    @cached_property
    def outer_commands(self) -> tuple[Command, ...]:
        return parse_shell(self.text, around=Around()).commands

    @cached_property
    def assigned(self) -> Mapping[str, list[tuple[Command, str]]]:
        """Every assignment of each variable, in order."""
        found: dict[str, list[tuple[Command, str]]] = {}
        for command in self.commands:
            for name, word in command.assignments:
                found.setdefault(name, []).append((command, word.text))
        return found

    @cached_property
    def given(self) -> Mapping[str, list[tuple[Command, str]]]:
        """As `assigned`, with what --export, --env and env give to a single command; the line is that of the value."""
        found = {name: list(values) for name, values in self.assigned.items()}
        for command in self.commands:
            for line, name, value in _given_in_words(command):
                found.setdefault(name, []).append((replace(command, line=line), value))
        return found

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """First value of each variable of the script, with what += adds to it."""
        plain = {name: _grown(name, values) for name, values in self.assigned.items()}
        for name, value in plain.items():
            match = _ARGUMENT.fullmatch(value)
            function = self.assigned[name][0][0].around.function
            if match and function:
                plain[name] = self._argument(function, int(match.group(1))) or value
        return plain

    def _argument(self, function: str, number: int) -> str:
        """What every call of the function gives as its nth argument; empty when they differ."""
        calls = [command.args() for command in self.outer_commands if command.name == function]
        values = {args[number - 1] if len(args) >= number else "" for args in calls}
        return values.pop() if len(values) == 1 else ""

    def sets(self, *names: str) -> bool:
        return any(name in self.assigned or name in self._set_in_containers for name in names)

    @cached_property
    def _set_in_containers(self) -> frozenset[str]:
        listed = re.findall(r"--env[ =](\S+)", self.code)
        named = (name for words in listed for name in re.findall(r"(\w+)=", words))
        return frozenset(named) | frozenset(re.findall(r"(?:APPTAINERENV|SINGULARITYENV)_(\w+)=", self.code))

    def sets_outside(self, name: str) -> bool:
        """Whether the batch part itself sets the variable, not only the text of a step."""
        return any(name in dict(command.assignments) for command in self.outer_commands)

    @cached_property
    def launches(self) -> tuple[Launch, ...]:
        return tuple(launches_of(self.outer_commands, self.variables))

    @cached_property
    def main_launches(self) -> tuple[Launch, ...]:
        """Starts of the real work: no probes, installs or other preparation."""
        return tuple(launch for launch in self.launches if not is_side_work(launch))

    @cached_property
    def guess(self) -> SystemGuess:
        if site(self.hint) or self.hint in ("discoverer",):
            return SystemGuess(system=self.hint, confidence=1.0)
        gpu_type = self.gpu_type
        return guess_system(
            partitions=[part for part in re.split(r"[,\s]+", self.value("partition")) if part],
            qos=self.value("qos"),
            account=self.value("account"),
            constraint=self.value("constraint"),
            text=self.text,
            named=named_systems(f"{self.text}\n{self.hint}"),
            gres_type=gpu_type,
        )

    @cached_property
    def site(self) -> Site | None:
        return site(self.guess.system) if self.guess.system else None

    @cached_property
    def partition(self) -> Partition | None:
        """Partition (with the QoS that fits best) on record, None when unknown or several are named."""
        if self.site is None:
            return None
        name, qos = self.value("partition"), self.value("qos")
        if not name and not self.site.required("partition") and len({part.name for part in self.site.partitions}) == 1:
            name = self.site.partitions[0].name
        fitting = [part for part in self.site.partitions if part.name == name]
        by_qos = [part for part in fitting if part.qos == qos] if qos else []
        default = [part for part in fitting if part.qos in (None, "normal", "default")]
        if qos and not by_qos and any(part.qos for part in fitting):
            default = [part for part in fitting if part.qos is None]
            fitting = []
        chosen = by_qos or default or (fitting if len(fitting) == 1 else [])
        return chosen[0] if chosen else None

    # ---------------------------------------------------------------- numbers
    @cached_property
    def nodes(self) -> int:
        given = units.node_range(self.value("nodes"))
        if given:
            return given[0]
        total, per_node = self.ntasks, units.gpus(self.value("ntasks-per-node"))
        if total and per_node and per_node.count:
            return -(-total // per_node.count)
        gpus, each = units.gpus(self.value("gpus")), self.gpus_given_per_node
        return -(-gpus.count // each) if gpus and each else 1

    @cached_property
    def ntasks(self) -> int | None:
        value = self.value("ntasks")
        return int(value) if value.isdigit() else None

    @cached_property
    def tasks_per_node(self) -> int:
        value = self.value("ntasks-per-node")
        if self.ntasks is not None and self.nodes:
            return max(1, -(-self.ntasks // self.nodes))
        if value.isdigit():
            return int(value)
        per_task = units.gpus(self.value("gpus-per-task"))
        if per_task and per_task.count and self.gpus_given_per_node:
            return max(1, self.gpus_given_per_node // per_task.count)
        each = self.value("ntasks-per-gpu")
        if each.isdigit() and self.gpus_per_node:
            return int(each) * self.gpus_per_node
        return 1

    @cached_property
    def tasks_total(self) -> int:
        return self.ntasks if self.ntasks is not None else self.nodes * self.tasks_per_node

    @cached_property
    def gpus_given_per_node(self) -> int:
        per_node = units.gpus(self.value("gpus-per-node"))
        if per_node:
            return per_node.count
        gres = units.gres_gpus(self.value("gres"))
        return gres.count if gres else 0

    @cached_property
    def gpus_per_node(self) -> int:
        """0 when no GPU is asked for."""
        if self.gpus_given_per_node:
            return self.gpus_given_per_node
        total = units.gpus(self.value("gpus"))
        if total:
            return max(1, total.count // max(1, self.nodes)) if total.count else 0
        per_task = units.gpus(self.value("gpus-per-task"))
        if per_task:
            tasks = self.value("ntasks-per-node")
            return per_task.count * (int(tasks) if tasks.isdigit() else self.tasks_per_node)
        return 0

    @cached_property
    def gpu_type(self) -> str:
        for name in ("gpus-per-node", "gpus", "gpus-per-task"):
            found = units.gpus(self.value(name))
            if found and found.type:
                return found.type
        gres = units.gres_gpus(self.value("gres"))
        return gres.type if gres else ""

    @cached_property
    def asks_for_gpus(self) -> bool:
        value = self.value("gres").lower()
        gres = "gpu" in value or value.isdigit() or "gpu" in self.value("tres-per-task")
        return gres or self.has("gpus", "gpus-per-node", "gpus-per-task", "gpus-per-socket")

    @cached_property
    def cpus_per_task(self) -> int:
        value = self.value("cpus-per-task")
        if value.isdigit():
            return int(value)
        each = self.value("cpus-per-gpu")
        return max(1, int(each) * self.gpus_per_node // max(1, self.tasks_per_node)) if each.isdigit() else 1

    @cached_property
    def minutes(self) -> int | None:
        return units.minutes_of(self.value("time"))

    @cached_property
    def mem_gib(self) -> float | None:
        """Memory per node; None when not given or the whole node."""
        for name, times in (
            ("mem", 1),
            ("mem-per-cpu", self.cpus_per_task * self.tasks_per_node),
            ("mem-per-gpu", self.gpus_per_node),
        ):
            amount = units.gib_of(self.value(name))
            if amount:
                return amount * times
        return None

    @cached_property
    def node_gpus(self) -> int | None:
        """GPUs of a node of the system, by node type where there are several."""
        kind = self.node_type
        if kind:
            return int(kind["gpus_per_node"])
        return self.site.gpus_per_node if self.site else None

    @cached_property
    def node_cores(self) -> int | None:
        """CPUs of a node that jobs may use, as Slurm counts them there; None when not on record."""
        kind = self.node_type
        cores = (kind.get("cpu_cores") if kind else None) or (self.site.cores if self.site else None)
        if not isinstance(cores, int) or self.site is None:
            return None
        threads = self.value("hint") == "multithread" or self.value("threads-per-core") == "2"
        doubled = self.site.id in ("vega", "discoverer-plus") or (bool(kind) and self.value("hint") != "nomultithread")
        return cores * 2 if threads or doubled else cores

    @cached_property
    def node_type(self) -> Mapping[str, Any] | None:
        if self.site is None or self.site.id != "jean-zay":
            return None
        constraint, partition = self.value("constraint"), self.value("partition")
        kinds: dict[str, Mapping[str, Any]] = {str(kind["id"]): kind for kind in self.site.facts["node_types"]}
        if partition in ("gpu_p2", "gpu_p2s", "gpu_p2l"):
            return kinds["v100x8"]
        if "v100" in constraint:
            return kinds["v100"]
        if "h100" in constraint or partition == "gpu_p6" or "h100" in self.value("qos"):
            return kinds["h100"]
        if "a100" in constraint or partition == "gpu_p5" or "a100" in self.value("qos"):
            return kinds["a100"]
        return None if partition in ("prepost", "archive", "compil", "visu", "compil_h100") else kinds["v100"]

    @cached_property
    def cpus_per_gpu(self) -> int | None:
        kind = self.node_type
        if kind:
            return None if kind["cpus_per_gpu"] is None else int(kind["cpus_per_gpu"])
        return self.site.cpus_per_gpu if self.site else None

    @cached_property
    def exclusive(self) -> bool:
        return self.has("exclusive") or self.whole_nodes

    @cached_property
    def whole_nodes(self) -> bool:
        if self.site is None:
            return False
        return self.site.whole_node or bool(self.partition and not self.partition.shared)

    @cached_property
    def owns_node(self) -> bool:
        """Nobody else can be on the job's nodes."""
        return self.exclusive or bool(self.node_gpus and self.gpus_per_node >= self.node_gpus)

    def number(self, text: str) -> int | None:
        """Value of a literal, a script or Slurm variable, or simple arithmetic of them; None when unknown."""
        return number_of(text.strip().strip('"'), self)

    def tasks_of(self, launch: Launch) -> int:
        """Tasks that this srun starts in all; 1 without srun."""
        if launch.srun is None:
            return 1
        total = self.number(launch.srun.get("ntasks", ""))
        if total:
            return total
        nodes = self.number(launch.srun.get("nodes", "").split("-")[0]) or self.nodes
        per_node = self.number(launch.srun.get("ntasks-per-node", ""))
        return (
            nodes * per_node if per_node else self.tasks_total if nodes == self.nodes else nodes * self.tasks_per_node
        )

    def tasks_per_node_of(self, launch: Launch) -> int:
        if launch.srun is None:
            return 1
        per_node = self.number(launch.srun.get("ntasks-per-node", ""))
        if per_node:
            return per_node
        nodes = self.number(launch.srun.get("nodes", "").split("-")[0]) or self.nodes
        return max(1, -(-self.tasks_of(launch) // nodes))

    def before(self, command: Command) -> Iterator[Command]:
        return (other for other in self.commands if (other.line, other.column) < (command.line, command.column))


def _grown(name: str, values: Sequence[tuple[Command, str]]) -> str:
    first = values[0][1]
    added = [value for command, value in values[1:] if f"{name}+=" in command.text]
    if not added:
        return first
    if first.startswith("("):
        return f"({' '.join(value.strip('()') for value in (first, *added))})"
    return "".join((first, *added))


_ARGUMENT = re.compile(r"\"?\$\{?([1-9])\}?\"?")
_SETTING = re.compile(r"(?:^|,)([A-Za-z_]\w*)=([^,]*)")


def _given_in_words(command: Command) -> Iterator[tuple[int, str, str]]:
    """Line, name and value of the variables that the command's own words set."""
    if command.name in ("export", "declare", "typeset", "sbatch"):
        return
    before = ""
    for word in command.words:
        option, equals, rest = word.text.partition("=")
        listed = rest if option in ("--export", "--env") and equals else word.text if before in _SETTERS else ""
        for name, value in _SETTING.findall(listed):
            yield word.line, name, value
        before = "env" if before == "env" and equals else word.text.rsplit("/", 1)[-1]


_SETTERS = ("--export", "--env", "env", "-x")


def _switched_off(option: Option, job: Job, active: set[str]) -> bool:
    """A directive behind ## or # whose option is given elsewhere is taken as switched off on purpose."""
    directive = next(item for item in job.directives if item.line == option.line)
    return directive.state == "marker" and (option.name in active or directive.marker.startswith("##"))
