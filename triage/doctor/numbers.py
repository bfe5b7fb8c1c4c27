"""Numbers in a script: literals, script and Slurm variables, simple arithmetic of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol


class Numbers(Protocol):
    """What a script says of itself."""

    @property
    def variables(self) -> Mapping[str, str]: ...
    @property
    def nodes(self) -> int: ...
    @property
    def gpus_per_node(self) -> int: ...


def number_of(text: str, job: Numbers) -> int | None:
    """None when the text is no number that the script tells."""
    return _number(text, job, 0)


_SLURM_NUMBERS = {
    "SLURM_NNODES": "nodes",
    "SLURM_JOB_NUM_NODES": "nodes",
    "SLURM_NTASKS": "tasks_total",
    "SLURM_NPROCS": "tasks_total",
    "SLURM_GPUS_ON_NODE": "gpus_per_node",
    "SLURM_GPUS_PER_NODE": "gpus_per_node",
    "SLURM_CPUS_PER_TASK": "cpus_per_task",
    "SLURM_NTASKS_PER_NODE": "tasks_per_node",
    "SLURM_TASKS_PER_NODE": "tasks_per_node",
}
_NAME = re.compile(r"\$\{?(\w+)(?::?[-=][^}]*)?\}?")


def _number(text: str, job: Numbers, depth: int) -> int | None:
    if text.isdigit():
        return int(text) if len(text) < 10 else None
    if depth > 4 or not text or len(text) > 200:
        return None
    match = _NAME.fullmatch(text)
    if match:
        return _variable(match.group(1), job, depth)
    if text.startswith("$((") and text.endswith("))"):
        return _arithmetic(text[3:-2], job, depth)
    return None


def _variable(name: str, job: Numbers, depth: int) -> int | None:
    if name in job.variables:
        return _number(job.variables[name].strip('"'), job, depth + 1)
    if name in _SLURM_NUMBERS:
        value = getattr(job, _SLURM_NUMBERS[name])
        return int(value) if value else None
    if name == "SLURM_GPUS":
        return job.nodes * job.gpus_per_node or None
    return None


def _arithmetic(text: str, job: Numbers, depth: int) -> int | None:
    total: int | None = None
    operator = ""
    for part in re.findall(r"\$?\{?\w+\}?|[-+*/%]", text):
        if part in "+-*/%":
            operator = part
            continue
        plain = part.strip("${}")
        value = int(plain) if plain.isdigit() and len(plain) < 10 else _variable(plain, job, depth + 1)
        if value is None:
            return None
        total = value if total is None else _apply(total, operator, value)
        if total is None:
            return None
    return total


def _apply(one: int, operator: str, other: int) -> int | None:
    if operator in "/%":
        if not other:
            return None
        return one // other if operator == "/" else one % other
    return {"+": one + other, "-": one - other, "*": one * other}.get(operator)
