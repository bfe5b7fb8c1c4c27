"""The facts that structured questions are answered from, as typed rows, read at their first use.

`status` is how sure a row is, in the codes of the facts; `as_of` is the day of the edition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from knowledge_base.catalogue import read_yaml


@dataclass(frozen=True, kw_only=True, slots=True)
class Partition:
    name: str
    qos: str | None
    max_walltime: str | None
    """As the source writes it: `3-00:00:00`, or words where it depends on the QoS."""
    max_nodes: str | None
    about: tuple[str, ...]
    """Purpose and notes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeType:
    id: str
    gpus: int | None
    """As Slurm counts them; None when unknown."""
    accelerator: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemRow:
    id: str
    name: str
    state: str
    nodes: tuple[NodeType, ...]
    partitions: tuple[Partition, ...]
    docs_url: str | None
    hardware_status: str
    partition_status: str
    note: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRow:
    id: str
    name: str
    hf_id: str | None
    params_b: float | None
    """Billions."""
    licence: str | None
    licence_class: str | None
    commercial_use: str | None
    memory_gb: Mapping[str, float]
    """By use, such as `bf16_serving_min`; empty when the size is unknown."""
    status: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessMode:
    id: str
    name: str
    family: str
    who: tuple[str, ...]
    not_for: tuple[str, ...]
    unit: str
    low: int | None
    high: int | None
    """Confirmed bounds in `unit`; None where there is none or it was not found."""
    amount: str
    systems: str | None
    cut_off: str | None
    url: str | None
    superseded: bool
    status: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSetRow:
    id: str
    name: str
    hub_name: str | None
    """On the Hugging Face Hub."""
    uses: tuple[str, ...]
    """Such as `pre-train`, `instruct`, `preference`, `translation`, `benchmark`."""
    modality: str
    size: str | None
    caveats: tuple[str, ...]
    licence: str | None
    commercial_use: str | None
    languages: str | None
    url: str | None
    status: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TextSize:
    """Uncompressed text of one language in two collections, in GiB; None where there is no report."""

    language: str
    fineweb2_gib: float | None
    hplt2_gib: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    title: str
    when: str
    organisers: tuple[str, ...]
    topics: tuple[str, ...]
    material: str
    url: str
    status: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LearningRate:
    stage: str
    """`pretraining`, `sft`, `dpo` or `lora`."""
    model: str
    rate: str
    batch: str | None
    status: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A rule of thumb or a measured figure."""

    id: str
    section: str
    fact: str
    status: str


@cache
def system_rows() -> tuple[SystemRow, ...]:
    return tuple(_system(row) for row in read_yaml("facts/systems.yaml")["systems"])


@cache
def model_rows() -> tuple[ModelRow, ...]:
    return tuple(
        ModelRow(
            id=row["id"],
            name=row["name"],
            hf_id=row.get("hf_id"),
            params_b=row.get("params_b"),
            licence=row.get("licence"),
            licence_class=row.get("licence_class"),
            commercial_use=row.get("commercial_use"),
            memory_gb=row.get("memory_gb") or {},
            status=row["status"],
        )
        for row in read_yaml("facts/models.yaml")["language_models"]
    )


@cache
def access_modes() -> tuple[AccessMode, ...]:
    return tuple(
        AccessMode(
            id=row["id"],
            name=row["name"],
            family=row["family"],
            who=tuple(row["who"]),
            not_for=tuple(row["not_for"]),
            unit=row["amount"]["unit"],
            low=row["amount"]["min"],
            high=row["amount"]["max"],
            amount=row["amount"]["note"],
            systems=row.get("systems"),
            cut_off=row.get("cut_off"),
            url=row.get("url"),
            superseded=bool(row.get("superseded_by")),
            status=row["status"],
        )
        for row in read_yaml("facts/access.yaml")["modes"]
    )


@cache
def data_sets() -> tuple[DataSetRow, ...]:
    return tuple(
        DataSetRow(
            id=row["id"],
            name=row["name"],
            hub_name=row.get("hf_id"),
            uses=tuple(row["use"]),
            modality=row["modality"],
            size=_size(row.get("size") or {}),
            caveats=tuple(row.get("caveats") or ()),
            licence=row.get("licence"),
            commercial_use=row.get("commercial_use"),
            languages=_words(row.get("languages")),
            url=row.get("url") or (f"https://huggingface.co/datasets/{row['hf_id']}" if row.get("hf_id") else None),
            status=row["status"],
        )
        for row in read_yaml("facts/datasets.yaml")["datasets"]
    )


@cache
def text_sizes() -> tuple[TextSize, ...]:
    return tuple(
        TextSize(language=row["language"], fineweb2_gib=row["fineweb2_text_gib"], hplt2_gib=row["hplt2_text_gib"])
        for row in read_yaml("facts/datasets.yaml")["per_language_sizes"]
    )


@cache
def trainings() -> tuple[Training, ...]:
    return tuple(
        Training(
            title=row["title"],
            when=str(row["date"]),
            organisers=tuple(row["organisers"]),
            topics=tuple(row["topics"]),
            material=row["material"],
            url=row["url"],
            status=row["status"],
        )
        for row in read_yaml("facts/services.yaml")["events"]
    )


@cache
def learning_rates() -> tuple[LearningRate, ...]:
    section = read_yaml("facts/training_recipes.yaml")["learning_rate_and_batch"]
    return tuple(
        LearningRate(
            stage=stage,
            model=row["model"],
            rate=f"{row['lr']:g}" if isinstance(row["lr"], float) else str(row["lr"]),
            batch=_batch(row),
            status=section["status"],
        )
        for stage in ("pretraining", "sft", "dpo", "lora")
        for row in section[stage]
    )


def _batch(row: dict[str, Any]) -> str | None:
    if row.get("batch_tokens_m") is not None:
        return f"{row['batch_tokens_m']} million tokens"
    return None if row.get("batch") is None else str(row["batch"])


def memory_rule(rule_id: str) -> dict[str, Any]:
    """`rule` and `status` of one of the memory rules of the models."""
    return next(rule for rule in read_yaml("facts/models.yaml")["memory_rules"] if rule["id"] == rule_id)


@cache
def recipes() -> tuple[Recipe, ...]:
    sections = read_yaml("facts/training_recipes.yaml")
    return tuple(
        Recipe(id=row["id"], section=section, fact=row["fact"], status=row["status"])
        for section, rows in sections.items()
        if isinstance(rows, list)
        for row in rows
        if "fact" in row
    )


@cache
def as_of(file: str) -> str:
    """Day of the edition of a file of the facts, ISO 8601."""
    content = read_yaml(f"facts/{file}.yaml")
    return str(content["collected"] if "collected" in content else content["meta"]["as_of"])


def _system(row: dict[str, Any]) -> SystemRow:
    return SystemRow(
        id=row["id"],
        name=row["name"],
        state=row["status"],
        nodes=_nodes(row["node"], row.get("node_types") or []),
        partitions=tuple(
            Partition(
                name=str(each["name"]),
                qos=_words(each.get("qos")),
                max_walltime=_words(each.get("max_walltime")),
                max_nodes=_words(each.get("max_nodes")),
                about=tuple(str(each[key]) for key in ("purpose", "note") if each.get(key)),
            )
            for each in row.get("partitions") or ()
        ),
        docs_url=row.get("docs_url"),
        hardware_status=row["confidence"]["hardware"],
        partition_status=row["confidence"]["partitions"],
        note=row["confidence"].get("note"),
    )


def _nodes(node: dict[str, Any], kinds: list[dict[str, Any]]) -> tuple[NodeType, ...]:
    if kinds:
        return tuple(
            NodeType(id=kind["id"], gpus=kind["gpus_per_node"], accelerator=f"{kind['gpu']}, {kind['select']}")
            for kind in kinds
        )
    unit = f"; {node['gpu_unit']}" if node.get("gpu_unit") else ""
    accelerator = f"{node.get('accelerator_model') or 'model unknown'}{unit}"
    return (NodeType(id="node", gpus=node.get("gpus_per_node"), accelerator=accelerator),)


_SCALES = {"k": "thousand", "m": "million", "b": "billion", "t": "T"}


def _size(size: dict[str, Any]) -> str | None:
    """`18.5 T tokens; grows with new crawls`."""
    figures = [_figure(key, value) for key, value in size.items() if isinstance(value, int | float)]
    return "; ".join([*figures, *([str(size["note"])] if size.get("note") else [])]) or None


def _figure(key: str, value: float) -> str:
    """`tokens_t: 18.5` as `18.5 T tokens`, `disk_tb: 8` as `8 TB (disk)`."""
    what, _, unit = key.rpartition("_")
    if unit in _SCALES and what:
        return f"{value:g} {_SCALES[unit]} {what}"
    return f"{value:g} {unit.upper()} ({what})" if unit in {"tb", "gb", "mb"} else f"{value:,} {key.replace('_', ' ')}"


def _words(value: object) -> str | None:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return None if value is None else str(value)
