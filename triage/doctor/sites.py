"""What is on record about one system, with the types that the rules need."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from triage.doctor.facts import facts
from triage.doctor.systems import systems
from triage.doctor.units import minutes_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Partition:
    name: str
    qos: str | None
    max_minutes: int | None
    default_minutes: int | None
    min_nodes: int
    max_nodes: int | None
    shared: bool
    debug: bool
    gpus: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    id: str
    name: str
    vendor: str
    arch: str
    gpus_per_node: int | None
    cores: int | None
    """Cores of a node that jobs may use, hardware threads where Slurm counts those."""
    ram_gb: float | None
    cpus_per_gpu: int | None
    ram_per_gpu: float | None
    partitions: tuple[Partition, ...]
    partition_names: frozenset[str]
    directives: Mapping[str, Any]
    environment: Mapping[str, Any]
    internet: bool | None
    slingshot: bool
    infiniband: bool
    whole_node: bool
    filesystems: tuple[Mapping[str, Any], ...]
    url: str | None
    facts: Mapping[str, Any]

    def required(self, what: str) -> bool:
        entry = self.directives.get(what) or {}
        return isinstance(entry, dict) and entry.get("required") is True

    def gpu_request(self, count: int) -> str:
        """The GPU request that the site prefers, for `count` GPUs of a node."""
        form = str((self.directives.get("gpu_request") or {}).get("preferred") or "--gpus-per-node=N")
        option = next((word for word in form.split() if word.startswith("--g")), "--gpus-per-node=N").rstrip(",;")
        if option == "--gpus":
            option = "--gpus-per-node=N"
        return re.sub(r"=(?:gpu:)?(?:[A-Za-z]\w*:)?[\dN](?:\.\.\d)?$", lambda m: _count(m.group(), count), option)


def _count(form: str, count: int) -> str:
    return re.sub(r"[\dN](?:\.\.\d)?$", str(count), form)


@cache
def site(system: str) -> Site | None:
    """None for a system whose facts are not enough for checks."""
    row = systems().get(system)
    classes = facts("script_rules")["classes"]
    if row is None or system in classes["no_checks"]:
        return None
    node, limits = row["node"], row["per_gpu_limits"]
    partitions = tuple(part for entry in row["partitions"] for part in _partitions(entry))
    names = {part.name for part in partitions} | set(row["detect"].get("partitions") or ())
    return Site(
        id=system,
        name=row["name"],
        vendor=node["accelerator_vendor"],
        arch=node["cpu_arch"],
        gpus_per_node=_integer(node["gpus_per_node"]),
        cores=_integer(node.get("cpu_cores_usable")) or _integer(node.get("cpu_cores")),
        ram_gb=_number(node.get("ram_gb_usable")) or _number(node.get("ram_gb")),
        cpus_per_gpu=_integer(limits.get("cpus")),
        ram_per_gpu=_number(limits.get("ram_gb")),
        partitions=partitions,
        partition_names=frozenset(names),
        directives=row["directives"] or {},
        environment=row.get("environment") or {},
        internet=row["network"]["internet_on_compute"],
        slingshot=system in classes["slingshot"],
        infiniband=system in classes["infiniband"],
        whole_node=system in classes["whole_node"],
        filesystems=tuple(row.get("filesystems") or ()),
        url=row.get("docs_url"),
        facts=row,
    )


def _partitions(entry: Mapping[str, Any]) -> Sequence[Partition]:
    purpose = str(entry.get("purpose") or "")
    limits = str(entry.get("limits") or "")
    maximum = str(entry.get("max_walltime") or "")
    qos = entry.get("qos")
    return [
        Partition(
            name=name.split("(")[0].strip(),
            qos=str(qos) if qos and not str(qos).startswith("<") else None,
            max_minutes=minutes_of(maximum) if re.fullmatch(r"[\d:\-]+", maximum) else None,
            default_minutes=minutes_of(str(entry.get("default_walltime") or "")),
            min_nodes=_integer(entry.get("min_nodes")) or 1,
            max_nodes=_integer(entry.get("max_nodes")),
            shared="whole node" not in str(entry.get("sharing") or "") and "full nodes" not in limits,
            debug=any(word in purpose for word in ("debug", "test", "express")),
            gpus="no GPU" not in limits
            and not re.search(r"(?<!\d)0 GPUs", limits)
            and "CPU" not in purpose
            and "serial" not in purpose,
        )
        for name in str(entry["name"]).split(",")
    ]


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemGuess:
    system: str | None
    confidence: float


_DETECT_WEIGHTS = {"partition": 4, "qos": 5, "account": 3, "path": 4, "module": 3, "constraint": 5, "name": 3}


def guess_system(
    *,
    partitions: Sequence[str],
    qos: str,
    account: str,
    constraint: str,
    text: str,
    named: Sequence[str],
    gres_type: str,
) -> SystemGuess:
    """Best fit of a script to the systems on record; none when nothing fits or two fit alike."""
    scores = {name: _score(name, partitions, qos, account, constraint, text, gres_type) for name in systems()}
    for place, name in enumerate(named):
        scores[name] = scores.get(name, 0) + (_DETECT_WEIGHTS["name"] if place == 0 else 1)
    _adastra(scores, constraint, text)
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    best, second = ranked[0], ranked[1]
    if best[1] < 3 or best[1] == second[1]:
        return SystemGuess(system=None, confidence=0.0)
    return SystemGuess(
        system=best[0], confidence=round(min(0.98, 0.5 + 0.06 * best[1] + 0.04 * (best[1] - second[1])), 2)
    )


_GPU_MODELS = ("a100", "h100")
"""Constraints that many clusters have; beside a partition that a system does not have they say nothing."""


def _score(  # noqa: PLR0917 (the marks of a script)
    name: str, partitions: Sequence[str], qos: str, account: str, constraint: str, text: str, gres_type: str
) -> float:
    row = systems()[name]
    detect = row["detect"]
    score = 0.0
    known = set(detect.get("partitions") or ())
    for partition in partitions:
        score += _DETECT_WEIGHTS["partition"] / _shared_by(partition) if partition in known else 0
    score += _DETECT_WEIGHTS["qos"] if qos and (qos in _qos_names(name)) else 0
    asked = [part.strip() for part in re.split(r"[&|,]", constraint)]
    fitting = [part for part in asked if part in (detect.get("constraints") or ())]
    if fitting and not all(part in _GPU_MODELS for part in fitting):
        score += _DETECT_WEIGHTS["constraint"]
    elif fitting and not (partitions and known.isdisjoint(partitions)):
        score += 2 + ("nomultithread" in text)
    if name == "leonardo-booster" and re.match(r"(?i)(?:iscr[abc]_|euhpc_|aifac_)", account):
        score += _DETECT_WEIGHTS["account"]
    regex = ((row["directives"] or {}).get("account") or {}).get("regex")
    if account and regex and re.match(regex, account):
        score += _DETECT_WEIGHTS["account"] if name != "roihu" or not re.match(r"^project_465\d{6}$", account) else 0
    path = detect.get("path_regex")
    score += _DETECT_WEIGHTS["path"] if path and re.search(path.lstrip("^"), text) else 0
    score += 2 if gres_type and gres_type in str((row["directives"] or {}).get("gpu_request")) else 0
    score += _DETECT_WEIGHTS["module"] if any(mark in text for mark in _MARKS.get(name, ())) else 0
    return score


_MARKS: Mapping[str, Sequence[str]] = {
    "lumi-g": (
        "/appl/local/laifs",
        "/appl/local/containers",
        "/appl/local/csc",
        "lumi-aif-singularity-bindings",
        "module load LUMI/",
        "CrayEnv",
    ),
    "leonardo-booster": ("cineca-ai", "profile/deeplrn", "CINECA_SCRATCH"),
    "mn5-acc": ("bsc_", "/gpfs/apps/MN5"),
    "jupiter-booster": ("Stages/20", "jutil "),
    "jean-zay": ("pytorch-gpu/py3", "arch/h100", "arch/a100", "idr_torch", "$DSDIR", "idrcontmgr"),
    "adastra-mi250x": ("craype-accel-amd-gfx90a", "cpe/24"),
    "adastra-mi300a": ("craype-accel-amd-gfx942",),
    "meluxina": ("env/release/20", "env/staging/20"),
    "vega": ("/ceph/hpc",),
    "deucalion": ("normal-a100", "dev-a100"),
    "discoverer-plus": ("/valhalla/",),
    "arrhenius": ("/nobackup/proj/", "SNIC_TMP"),
    "roihu": ("python-pytorch/", "gpu:gh200"),
}


def _adastra(scores: dict[str, float], constraint: str, text: str) -> None:
    """The two halves of Adastra share paths and accounts; constraint or build target tells them apart."""
    if "MI300" in constraint or "gfx942" in text:
        scores["adastra-mi300a"] = scores.get("adastra-mi300a", 0) + 3
        scores["adastra-mi250x"] = min(scores.get("adastra-mi250x", 0), scores["adastra-mi300a"] - 2)
    elif scores.get("adastra-mi250x"):
        scores["adastra-mi250x"] += 1


@cache
def _shared_by(partition: str) -> int:
    return sum(partition in (row["detect"].get("partitions") or ()) for row in systems().values()) or 1


@cache
def _qos_names(name: str) -> frozenset[str]:
    row = systems()[name]
    names = set(row["detect"].get("qos") or ())
    names |= {str(part["qos"]) for part in row["partitions"] if part.get("qos")}
    names |= {qos for kind in row.get("node_types", ()) for qos in kind.get("qos", ())}
    return frozenset(names - {"normal", "default", "short", "long", "large", "dev", "test", "None"})
