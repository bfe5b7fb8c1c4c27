"""Whether and how a model fits on a system: GPUs, nodes, parallelism, walltime. Pure; nothing is submitted before."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench_runner.reruns.request import gpus_per_node, limit_problems, profile
from bench_runner.reruns.sites import Site
from deploy.llm.errors import ServiceError
from deploy.llm.presets import Preset

USABLE = 0.9
"""Of a GPU's memory, vLLM's own default for `--gpu-memory-utilization`."""
OF_MEMORY = 0.9
"""Of the main memory that belongs to the GPUs: nominal figures include what the system keeps for itself."""
MOST_NODES = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    nodes: int
    gpus_per_node: int
    """That are asked for on each node."""
    tp: int
    pp: int
    gpu_memory_gb: float
    vendor: str
    """`nvidia` or `amd`."""
    cpus: int | None
    """Cores of a node that belong to these GPUs; None where the facts do not know."""
    ram_gb: int | None
    """Main memory that belongs to them; None where it is unknown or follows the cores by itself."""

    @property
    def usable_gb(self) -> float:
        """Usable memory of all GPUs together."""
        return USABLE * self.gpu_memory_gb * self.tp * self.pp


def place(preset: Preset, site: Site, walltime_min: int) -> Placement:
    """The fewest GPUs that hold the model: tensor parallel in a node (a power of two), pipeline parallel across nodes.

    Raises:
        ServiceError: with every reason why it cannot be served there.
    """
    per_node, memory = gpus_per_node(site), _gpu_memory(site)
    problems = []
    if per_node is None:
        problems.append(f"GPUs a node: not known for {site.system}; state gpus_per_node in sites.yaml")
    if memory is None:
        problems.append(f"GPU memory: not known for {site.system}; state gpu_memory_gb in sites.yaml")
    if preset.context_tokens is not None and preset.max_model_len > preset.context_tokens:
        problems.append(f"max_model_len: {preset.max_model_len} is over the model's {preset.context_tokens} tokens")
    if per_node is None or memory is None:
        raise ServiceError(f"{preset.name} cannot be served on {site.system}:", tuple(problems))
    tp, pp = _parallelism(preset.serving_gb, per_node, memory)
    if pp > MOST_NODES:
        problems.append(f"memory: {preset.serving_gb:g} GB need {pp} nodes of {per_node} x {memory:g} GB")
    problems += limit_problems(site, nodes=pp, walltime_min=walltime_min)
    if problems:
        raise ServiceError(f"{preset.name} cannot be served on {site.system}:", tuple(problems))
    vendor = str((profile(site.system).get("node") or {}).get("accelerator_vendor") or "nvidia")
    cpus, ram_gb = _share(site.system, tp)
    return Placement(
        nodes=pp, gpus_per_node=tp, tp=tp, pp=pp, gpu_memory_gb=memory, vendor=vendor, cpus=cpus, ram_gb=ram_gb
    )


def _parallelism(serving_gb: float, per_node: int, memory: float) -> tuple[int, int]:
    """(tp, pp)."""
    largest = 2 ** int(math.log2(per_node))
    sizes = [2**n for n in range(int(math.log2(largest)) + 1)]
    fitting = [tp for tp in sizes if serving_gb <= USABLE * memory * tp]
    return (fitting[0], 1) if fitting else (largest, math.ceil(serving_gb / (USABLE * memory * largest)))


def _share(system: str, gpus: int) -> tuple[int | None, int | None]:
    """(cores, GB) that so many GPUs bring; without them a job gets one core and little memory on most systems."""
    limits, directives = profile(system).get("per_gpu_limits") or {}, profile(system).get("directives") or {}
    cpus, ram_gb = limits.get("cpus"), limits.get("ram_gb")
    may_ask = directives.get("memory") is None or str(directives["memory"]).startswith("--mem")
    return (
        cpus * gpus if isinstance(cpus, int) else None,
        int(OF_MEMORY * ram_gb * gpus) if isinstance(ram_gb, int) and may_ask else None,
    )


def _gpu_memory(site: Site) -> float | None:
    """In 1e9 bytes; None where neither the site nor the facts have one figure for all GPUs."""
    found = site.gpu_memory_gb or (profile(site.system).get("node") or {}).get("gpu_memory_gb")
    return float(found) if isinstance(found, int | float) else None
