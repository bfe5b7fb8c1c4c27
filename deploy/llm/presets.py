"""Which models can be served: our choice of how (presets.yaml) joined with the facts about them (facts/models.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from deploy.llm.errors import ServiceError
from knowledge_base.catalogue import read_yaml

Dtype = Literal["auto", "bfloat16", "float16"]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    facts: str
    max_model_len: int = Field(ge=1024)
    dtype: Dtype
    flags: list[str] = []


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    name: str
    """Under which it is served, and asked for."""
    hf_id: str
    country: str
    licence: str
    params_b: float
    serving_gb: float
    """GPU memory for weights in 16 bit, runtime and a modest KV cache (facts: bf16_serving_min), in 1e9 bytes."""
    context_tokens: int | None
    """Of the model; None where the facts do not know."""
    max_model_len: int
    dtype: Dtype
    flags: tuple[str, ...]


@cache
def presets() -> Mapping[str, Preset]:
    """By name, in the order of the file. Raises KeyError when a preset names no model of the facts."""
    text = resources.files("deploy").joinpath("llm/presets.yaml").read_text(encoding="utf-8")
    facts = {row["id"]: row for row in read_yaml("facts/models.yaml")["language_models"]}
    rows = {name: _Row.model_validate(row) for name, row in yaml.safe_load(text)["presets"].items()}
    return {name: _preset(name, row, facts[row.facts]) for name, row in rows.items()}


def preset(name: str) -> Preset:
    """Raises ServiceError."""
    if name not in presets():
        raise ServiceError(f"there is no preset {name!r}; there are {', '.join(presets())}")
    return presets()[name]


def _preset(name: str, row: _Row, facts: Mapping[str, Any]) -> Preset:
    return Preset(
        name=name,
        hf_id=facts["hf_id"],
        country=facts["country"],
        licence=facts["licence"],
        params_b=facts["params_b"],
        serving_gb=facts["memory_gb"]["bf16_serving_min"],
        context_tokens=facts["context_tokens"],
        max_model_len=row.max_model_len,
        dtype=row.dtype,
        flags=tuple(row.flags),
    )
