"""Values of Slurm options: walltime, memory, GPU requests, node counts."""

from __future__ import annotations

import re
from dataclasses import dataclass

NO_LIMIT = ("0", "-1", "UNLIMITED", "INFINITE")
_TIME = re.compile(r"^(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?$")
_MEM = re.compile(r"^(\d+)([KMGT]?)B?$", re.IGNORECASE)
_GRES = re.compile(r"^gpu(?::(\w*[A-Za-z][\w.\-]*))?(?::(\d+))?(?:\([^)]*\))?$")
_GPUS = re.compile(r"^(?:(\w*[A-Za-z][\w.\-]*):)?(\d+)$")
_MIB = {"": 1.0, "K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0 * 1024}


@dataclass(frozen=True, slots=True)
class GpuCount:
    count: int
    type: str
    """Empty when the request names none."""


def minutes_of(value: str) -> int | None:
    """Walltime in minutes, seconds rounded up; None when Slurm does not read the value or it means no limit."""
    match = _TIME.match(value)
    if not match:
        return None
    days, first, second, third = (None if part is None else int(part) for part in match.groups())
    if days is not None:
        hours, minutes, seconds = first or 0, second or 0, third or 0
    elif third is not None:
        hours, minutes, seconds = first or 0, second or 0, third
    else:
        hours, minutes, seconds = 0, first or 0, second or 0
    return (days or 0) * 1440 + hours * 60 + minutes + (seconds + 59) // 60


def clock(minutes: int) -> str:
    """Walltime as Slurm reads it without doubt, D-HH:MM:SS above one day."""
    days, rest = divmod(minutes, 1440)
    hours, left = divmod(rest, 60)
    if days and rest == 0:
        return f"{days}-00:00:00"
    return f"{days}-{hours:02}:{left:02}:00" if days > 1 else f"{days * 24 + hours:02}:{left:02}:00"


def gib_of(value: str) -> float | None:
    """Memory in GiB (a bare number is MiB), None when Slurm does not read it."""
    match = _MEM.match(value)
    return int(match.group(1)) * _MIB[match.group(2).upper()] / 1024 if match else None


def gres_gpus(value: str) -> GpuCount | None:
    """GPUs of a --gres value, a comma list of resources; None when it names none."""
    found = [match for part in value.split(",") if (match := _GRES.match(part.strip()))]
    if not found:
        return None
    return GpuCount(sum(int(match.group(2) or 1) for match in found), found[0].group(1) or "")


def gpus(value: str) -> GpuCount | None:
    """GPUs of --gpus, --gpus-per-node, --gpus-per-task: N, TYPE:N, or a comma list of them."""
    found = [_GPUS.match(part.strip()) for part in value.split(",")]
    if not value or not all(found):
        return None
    matches = [match for match in found if match]
    return GpuCount(sum(int(match.group(2)) for match in matches), matches[0].group(1) or "")


def node_range(value: str) -> tuple[int, int] | None:
    """Least and most nodes of --nodes; None when it is no count."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?(?::\d+)?", value)
    return (int(match.group(1)), int(match.group(2) or match.group(1))) if match else None


def array_size(value: str) -> tuple[int, int, int | None] | None:
    """Number of tasks, highest index, throttle of an --array value; None when malformed."""
    spec, _, throttle = value.partition("%")
    count = highest = 0
    for part in spec.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part)
        if not match:
            return None
        first, last, step = int(match.group(1)), int(match.group(2) or match.group(1)), int(match.group(3) or 1)
        if last < first or not step:
            return None
        count += (last - first) // step + 1
        highest = max(highest, last)
    return (count, highest, int(throttle) if throttle.isdigit() and int(throttle) else None)
