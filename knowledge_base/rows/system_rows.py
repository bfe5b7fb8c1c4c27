"""GPUs per node and walltimes from `facts/systems.yaml`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

from knowledge_base.catalogue import read_yaml
from knowledge_base.rows.row import Row, standing

TITLE = "Systems"


@cache
def _facts() -> dict[str, Any]:
    return read_yaml("facts/systems.yaml")


def _systems(ids: Iterable[str]) -> list[dict[str, Any]]:
    wanted = set(ids)
    return [system for system in _facts()["systems"] if system["id"] in wanted]


@cache
def telling_partitions() -> dict[str, str]:
    """System by the partition and QoS names that only it has and that are no plain words."""
    names = [(name, s["id"]) for s in _facts()["systems"] for p in s["partitions"] or () for name in _names_of(p)]
    owners = Counter(name for name, _ in set(names))
    return {name: system for name, system in names if owners[name] == 1 and re.search(r"[-_\d]", name)}


def _names_of(partition: dict[str, Any]) -> list[str]:
    name, qos = str(partition["name"]).split(" (")[0], partition.get("qos")
    plain = [] if "," in name or "=" in name else [name]
    return [*plain, *([str(qos)] if qos and "<" not in str(qos) else [])]


def gpus_per_node(ids: Iterable[str], sentence: str) -> list[Row]:
    return [row for system in _systems(ids) for row in _gpu_rows(system, sentence)]


def _gpu_rows(system: dict[str, Any], sentence: str) -> list[Row]:
    node, kinds = system["node"], system.get("node_types") or []
    if kinds:
        named = [kind for kind in kinds if re.search(rf"\b{kind['id']}\b", sentence)]
        return [
            _gpu_row(system, kind["gpus_per_node"], f"{kind['gpu']}, {kind['select']}", kind["id"])
            for kind in named or kinds
        ]
    unit = f"; {node['gpu_unit']}" if node.get("gpu_unit") else ""
    what = f"{node.get('accelerator_model') or 'model unknown'}{unit}"
    return [_gpu_row(system, node.get("gpus_per_node"), what, "node")]


def _gpu_row(system: dict[str, Any], count: int | None, what: str, key: str) -> Row:
    status = system["confidence"]["hardware"]
    known = count is not None and status != "unverified"
    said = f"{count} GPUs per node on {system['name']}: {what}"
    if not known:
        said = f"Our tables hold no confirmed number of GPUs per node for {system['name']} ({system['status']})"
    return _row(system, f"{key}/gpus_per_node", "GPUs per node", said, status, known=known)


def max_walltime(ids: Iterable[str], sentence: str) -> list[Row]:
    """A row for each partition that the sentence names, else for all of them."""
    telling = {system for name, system in telling_partitions().items() if _is_named(name, sentence)}
    asked = {*ids}
    rows: list[Row] = []
    for system in _systems(asked if asked & telling else asked | telling):
        partitions = [p for p in system["partitions"] or [] if p.get("max_walltime")]
        shown = _named(partitions, sentence) or partitions
        rows += [_walltime_row(system, partition) for partition in shown]
        if not partitions:
            said = f"Our tables hold no maximum walltime for {system['name']}; `sinfo -o '%P %l'` there shows it"
            rows.append(_row(system, "max_walltime", "Maximum walltime", said, "unknown", known=False))
    return rows


def _named(partitions: list[dict[str, Any]], sentence: str) -> list[dict[str, Any]]:
    """By QoS where one is named, else by partition."""
    by_qos = [p for p in partitions if p.get("qos") and _is_named(str(p["qos"]), sentence)]
    by_name = [p for p in partitions if _is_named(str(p["name"]).split(" (")[0], sentence)]
    return by_qos or by_name


def _is_named(name: str, sentence: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name.lower())}(?![\w-])", sentence) is not None


def _walltime_row(system: dict[str, Any], partition: dict[str, Any]) -> Row:
    qos = f", QoS {partition['qos']}" if partition.get("qos") else ""
    extra = [f"at most {partition['max_nodes']} nodes"] if partition.get("max_nodes") else []
    extra += [str(partition[key]) for key in ("purpose", "note") if partition.get(key)]
    about = f" ({'; '.join(extra)})" if extra else ""
    said = (
        f"Maximum walltime {partition['max_walltime']} on {system['name']}, partition {partition['name']}{qos}{about}"
    )
    key = f"partitions/{partition['name']}{'/' + str(partition['qos']) if partition.get('qos') else ''}"
    return _row(system, key, f"Partition {partition['name']}", said, system["confidence"]["partitions"])


def _row(system: dict[str, Any], key: str, heading: str, said: str, status: str, *, known: bool = True) -> Row:
    note = system["confidence"].get("note")
    hint = (
        f" Note: {note}." if known and note and "partition" in f"{key} {note}" and key.startswith("partitions") else ""
    )
    return Row(
        id=f"systems/{system['id']}/{key}",
        title=TITLE,
        heading=f"{system['name']}: {heading}",
        text=f"{said} {standing(status, str(_facts()['collected']))}.{hint}",
        url=system.get("docs_url"),
        systems=(system["id"],),
        known=known,
    )
