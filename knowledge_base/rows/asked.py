"""What a structured question asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Intent(StrEnum):
    GPUS_PER_NODE = "gpus_per_node"
    MAX_WALLTIME = "max_walltime"
    MODELS_FIT = "models_fit"
    THROUGHPUT = "throughput"
    ACCESS_AMOUNT = "access_amount"
    DATA_SET = "data_set"
    """One that is named."""
    DATA_SETS = "data_sets"
    TEXT_SIZE = "text_size"
    GPU_HOURS = "gpu_hours"
    CHECKPOINT_SIZE = "checkpoint_size"
    TUNING_MEMORY = "tuning_memory"
    LEARNING_RATE = "learning_rate"
    TRAININGS = "trainings"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    intent: Intent
    sentence: str
    """Lower case."""
    systems: frozenset[str] = field(default_factory=frozenset)
    memory_gb: int | None = None
    hours: int | None = None
    unit: str = ""
    """`node` or `gpu`, of the hours."""
    params_b: float | None = None
    """Billions of parameters."""
    tokens_b: float | None = None
    """Billions of tokens."""
