"""Directives of other batch systems as the #SBATCH options that mean the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_Option = Callable[[str], str]


def translated_directive(line: str) -> str:
    """The #SBATCH line; empty when the line as a whole has no plain counterpart."""
    match = re.match(r"^#(PBS|BSUB|OAR|\$)\s+(-{1,2}[A-Za-z]\w*)\s*(.*?)\s*$", line)
    if not match:
        return ""
    system, option, value = match.groups()
    made = _TABLES[system](option, value)
    return f"#SBATCH {made}" if made else ""


def _simple(names: Mapping[str, str], option: str, value: str) -> str:
    name = names.get(option)
    return f"--{name}={value}" if name and re.fullmatch(r"\S+", value) else ""


def _pbs(option: str, value: str) -> str:
    if option == "-l":
        return _joined(value, {"walltime": _time, "mem": _memory, "nodes": _nodes, "select": _select})
    if option in ("-J", "-t"):
        return f"--array={value}"
    return _simple({"-q": "partition", "-N": "job-name", "-o": "output", "-e": "error", "-A": "account"}, option, value)


def _joined(value: str, readers: Mapping[str, _Option]) -> str:
    """All parts of `-l a=1,b=2`; empty when one of them is not known."""
    found = []
    for part in value.split(","):
        name, _, given = part.partition("=")
        reader = readers.get(name)
        made = reader(given) if reader else ""
        if not made:
            return ""
        found.append(made)
    return " ".join(found)


def _time(value: str) -> str:
    return f"--time={value}" if re.fullmatch(r"(?:\d+-)?\d+(?::\d+){0,2}", value) else ""


def _memory(value: str) -> str:
    match = re.fullmatch(r"(\d+)([kmgt])b?", value.lower())
    return f"--mem={match.group(1)}{match.group(2).upper()}" if match else ""


def _nodes(value: str) -> str:
    match = re.fullmatch(r"(\d+)(?::ppn=(\d+))?(?::gpus=(\d+))?", value)
    if not match:
        return ""
    tasks = f" --ntasks-per-node={match.group(2)}" if match.group(2) else ""
    return f"--nodes={match.group(1)}{tasks}" + (f" --gpus-per-node={match.group(3)}" if match.group(3) else "")


def _select(value: str) -> str:
    """Chunks of PBS Pro: `1:ncpus=16:ngpus=4:mpiprocs=4:mem=64gb`, one chunk a node."""
    count, *parts = value.split(":")
    given = dict(part.partition("=")[::2] for part in parts)
    cores, tasks = given.pop("ncpus", ""), given.pop("mpiprocs", "1")
    gpus, memory = given.pop("ngpus", ""), given.pop("mem", "")
    if not count.isdigit() or given or not tasks.isdigit() or int(tasks) < 1 or not (cores or "1").isdigit():
        return ""
    options = [f"--nodes={count}", f"--ntasks-per-node={tasks}"]
    options += [f"--cpus-per-task={max(1, int(cores) // int(tasks))}"] if cores else []
    options += [f"--gpus-per-node={gpus}"] if gpus.isdigit() else []
    options += [_memory(memory)] if memory else []
    return " ".join(option for option in options if option)


def _lsf(option: str, value: str) -> str:
    if option == "-W":
        match = re.fullmatch(r"(?:(\d+):)?(\d+)", value)
        return f"--time={int(match.group(1) or 0):02}:{int(match.group(2)):02}:00" if match else ""
    if option == "-gpu":
        match = re.search(r"num=(\d+)", value)
        return f"--gpus-per-node={match.group(1)}" if match else ""
    names = {"-q": "partition", "-J": "job-name", "-o": "output", "-e": "error", "-n": "ntasks", "-P": "account"}
    return _simple(names, option, value.replace("%J", "%j"))


def _oar(option: str, value: str) -> str:
    if option == "-l":
        resources, _, walltime = value.partition(",walltime=")
        match = re.fullmatch(r"/?(?:nodes=(\d+))?/?(?:gpu=(\d+))?(?:/core=(\d+))?", resources)
        if not match or not any(match.groups()):
            return ""
        nodes, gpus, cores = match.groups()
        made = [f"--nodes={nodes or 1}"]
        made += [f"--gpus-per-node={gpus}"] if gpus else []
        made += [f"--cpus-per-task={cores}"] if cores else []
        made += [_time(walltime)] if walltime else []
        return " ".join(made)
    names = {"-q": "partition", "-n": "job-name", "-O": "output", "-E": "error", "--project": "account"}
    return _simple(names, option, value.replace("%jobid%", "%j"))


def _sge(option: str, value: str) -> str:
    if option == "-l":
        return _joined(value, {"h_rt": _time, "gpu": _gpus, "h_vmem": _memory_of_core, "mem": _memory_of_core})
    if option == "-pe":
        match = re.fullmatch(r"(?:smp|openmp|threaded|shared)\S*\s+(\d+)", value)
        return f"--cpus-per-task={match.group(1)}" if match else ""
    if option == "-t":
        return f"--array={value}"
    return _simple({"-N": "job-name", "-o": "output", "-e": "error", "-q": "partition", "-P": "account"}, option, value)


def _gpus(value: str) -> str:
    return f"--gpus-per-node={value}" if value.isdigit() else ""


def _memory_of_core(value: str) -> str:
    return _memory(value).replace("--mem=", "--mem-per-cpu=")


_TABLES: Mapping[str, Callable[[str, str], str]] = {"PBS": _pbs, "BSUB": _lsf, "OAR": _oar, "$": _sge}
