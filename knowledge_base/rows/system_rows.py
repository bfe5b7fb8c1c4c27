"""GPUs per node and walltimes of systems."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

from knowledge_base.rows.row import Row, standing
from knowledge_base.tables import NodeType, Partition, SystemRow, as_of, system_rows

TITLE = "Systems"


def _systems(ids: Iterable[str]) -> list[SystemRow]:
    wanted = set(ids)
    return [system for system in system_rows() if system.id in wanted]


@cache
def telling_partitions() -> dict[str, str]:
    """System by the partition and QoS names that only it has and that are no plain words."""
    names = {(name, system.id) for system in system_rows() for part in system.partitions for name in _names_of(part)}
    owners = Counter(name for name, _ in names)
    return {name: system for name, system in sorted(names) if owners[name] == 1 and re.search(r"[-_\d]", name)}


def _plain_name(partition: Partition) -> str:
    return partition.name.split(" (")[0]


def _names_of(partition: Partition) -> list[str]:
    name = _plain_name(partition)
    qos = partition.qos if partition.qos and "<" not in partition.qos else None
    return [*([] if "," in name or "=" in name else [name]), *([qos] if qos else [])]


def gpus_per_node(ids: Iterable[str], sentence: str) -> list[Row]:
    """A row for each kind of node that the sentence names, else for all kinds."""
    return [
        _gpu_row(system, node)
        for system in _systems(ids)
        for node in [n for n in system.nodes if re.search(rf"\b{n.id}\b", sentence)] or system.nodes
    ]


def _gpu_row(system: SystemRow, node: NodeType) -> Row:
    known = node.gpus is not None and system.hardware_status != "unverified"
    said = f"{node.gpus} GPUs per node on {system.name}: {node.accelerator}"
    if not known:
        said = f"Our tables hold no confirmed number of GPUs per node for {system.name} ({system.state})"
    return _row(system, f"{node.id}/gpus_per_node", "GPUs per node", said, system.hardware_status, known=known)


def max_walltime(ids: Iterable[str], sentence: str) -> list[Row]:
    """A row for each partition that the sentence names, else for all of them."""
    telling = {system for name, system in telling_partitions().items() if _is_named(name, sentence)}
    asked = {*ids}
    rows: list[Row] = []
    for system in _systems(asked if asked & telling else asked | telling):
        limited = [partition for partition in system.partitions if partition.max_walltime]
        rows += [_walltime_row(system, partition) for partition in _named(limited, sentence) or limited]
        if not limited:
            said = f"Our tables hold no maximum walltime for {system.name}; `sinfo -o '%P %l'` there shows it"
            rows.append(_row(system, "max_walltime", "Maximum walltime", said, "unknown", known=False))
    return rows


def _named(partitions: Sequence[Partition], sentence: str) -> list[Partition]:
    """By QoS where one is named, else by partition."""
    by_qos = [partition for partition in partitions if partition.qos and _is_named(partition.qos, sentence)]
    return by_qos or [partition for partition in partitions if _is_named(_plain_name(partition), sentence)]


def _is_named(name: str, sentence: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name.lower())}(?![\w-])", sentence) is not None


def _walltime_row(system: SystemRow, partition: Partition) -> Row:
    qos = f", QoS {partition.qos}" if partition.qos else ""
    limits = [f"at most {partition.max_nodes} nodes"] if partition.max_nodes else []
    about = "; ".join([*limits, *partition.about])
    said = f"Maximum walltime {partition.max_walltime} on {system.name}, partition {partition.name}{qos}"
    key = "/".join(["partitions", partition.name, *([partition.qos] if partition.qos else [])])
    full = f"{said} ({about})" if about else said
    return _row(system, key, f"Partition {partition.name}", full, system.partition_status)


def _row(system: SystemRow, key: str, heading: str, said: str, status: str, *, known: bool = True) -> Row:
    hint = f" Note: {system.note}." if system.note and key.startswith("partitions") else ""
    return Row(
        id=f"systems/{system.id}/{key}",
        title=TITLE,
        heading=f"{system.name}: {heading}",
        text=f"{said} {standing(status, as_of('systems'))}.{hint}",
        url=system.docs_url,
        systems=(system.id,),
        known=known,
    )
