"""A specification in YAML -> resolved plans, checked against the allow-list, the system's profile and the site."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import product
from typing import Any

import yaml

from bench_runner.errors import RequestError
from bench_runner.names import system_id
from bench_runner.reruns.sites import Site
from bench_runner.spec import BenchmarkSpec, spec_hash, split_flags
from knowledge_base.catalogue import read_yaml

FIELDS: Mapping[str, type] = {
    "system": str,
    "framework": str,
    "model": str,
    "dataset": str,
    "precision": str,
    "tp": int,
    "pp": int,
    "nodes": int,
    "gpus_per_node": int,
    "concurrency": int,
    "num_prompts": int,
    "max_model_len": int,
    "input_len": int,
    "output_len": int,
    "server_flags": str,
    "walltime_min": int,
}
REQUIRED = ("system", "framework", "model", "dataset")
DEFAULTS: Mapping[str, Any] = {
    "tp": 1,
    "pp": 1,
    "nodes": 1,
    "concurrency": 100,
    "server_flags": "",
    "precision": "auto",
    "walltime_min": 60,
}
PROMPTS_PER_SLOT = 5
"""Fewer than three a slot of concurrency are no steady state (rule D7)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """One resolved run: what is measured, and what it needs from the scheduler."""

    spec: BenchmarkSpec
    site: Site
    walltime_min: int
    input_len: int | None
    output_len: int | None
    source: str
    """The one point of the sweep as YAML."""

    @property
    def title(self) -> str:
        spec = self.spec
        where = f"{spec.framework} {spec.model} on {spec.system}"
        return f"{where}, TP{spec.tp} PP{spec.pp}, {spec.dataset}, c={spec.concurrency}"

    @property
    def gpus(self) -> int:
        return self.spec.gpus or 1

    @property
    def gpu_hours(self) -> float:
        """At most: the whole wall time on all GPUs."""
        return self.gpus * self.walltime_min / 60

    @property
    def hash(self) -> str:
        return spec_hash(self.spec)


@cache
def allowed() -> Mapping[str, Any]:
    content = resources.files("bench_runner").joinpath("reruns/allowed.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(content)
    return loaded


def plans(text: str, sites: Mapping[str, Site]) -> list[Plan]:
    """All points of the sweep, each resolved.

    Raises:
        RequestError: with every problem, one a line, each naming its field.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RequestError([f"is not YAML: {str(error).splitlines()[0]}"]) from error
    if not isinstance(content, dict):
        raise RequestError(["must be a mapping of fields to values"])
    points = _points(content)
    problems: dict[str, None] = {}
    found: dict[str, Plan] = {}
    for point in points:
        wrong = list(_problems(point, sites))
        problems.update(dict.fromkeys(wrong))
        if not wrong:
            plan = _plan(point, sites[system_id(point["system"])])
            found.setdefault(plan.hash, plan)
    if problems:
        raise RequestError(list(problems))
    return list(found.values())


def _points(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A list in place of a value is a sweep over it."""
    problems = [
        f"{name}: there is no such field; there are {', '.join(FIELDS)}" for name in content if name not in FIELDS
    ]
    problems += [f"{name}: is missing" for name in REQUIRED if content.get(name) in (None, "", [])]
    axes: list[list[tuple[str, Any]]] = []
    for name, kind in FIELDS.items():
        value = content.get(name, DEFAULTS.get(name))
        values = value if isinstance(value, list) else [value]
        for item in values:
            if item is not None and (not isinstance(item, kind) or isinstance(item, bool)):
                problems.append(f"{name}: {item!r} is no {'whole number' if kind is int else 'text'}")
            elif kind is int and isinstance(item, int) and item < 1:
                problems.append(f"{name}: {item} must be at least 1")
        axes.append([(name, item) for item in values])
    if problems:
        raise RequestError(problems)
    size, limit = 1, allowed()["limits"]["sweep"]
    for axis in axes:
        size *= len(axis)
    if size > limit:
        raise RequestError([f"the sweep has {size} points; at most {limit} are allowed"])
    return [dict(point) for point in product(*axes)]


def _problems(point: Mapping[str, Any], sites: Mapping[str, Site]) -> Sequence[str]:
    rules = allowed()
    limits = rules["limits"]
    problems = [
        f"{name}: {point[name]} is over the limit of {limits[name]}"
        for name in ("nodes", "walltime_min", "num_prompts", "concurrency")
        if point[name] is not None and point[name] > limits[name]
    ]
    if re.fullmatch(rules["model"], point["model"]) is None:
        problems.append(f"model: {point['model']!r} is no model name such as meta-llama/Llama-3.1-8B-Instruct")
    problems += [
        f"{name}: {point[name]!r} is not allowed; allowed are {', '.join(rules[f'{name}s'])}"
        for name in ("dataset", "precision")
        if point[name] not in rules[f"{name}s"]
    ]
    if point["framework"] not in rules["frameworks"]:
        problems.append(f"framework: {point['framework']!r} is not allowed; allowed: {', '.join(rules['frameworks'])}")
    else:
        problems += _flag_problems(point["server_flags"], rules["frameworks"][point["framework"]]["flags"])
    return [*problems, *_site_problems(point, sites)]


def _flag_problems(text: str, flags: Mapping[str, str | None]) -> list[str]:
    problems = []
    words = list(split_flags(text))
    while words:
        flag = words.pop(0)
        if flag not in flags:
            problems.append(f"server_flags: {flag!r} is not allowed; allowed are {', '.join(flags)}")
            continue
        pattern = flags[flag]
        if pattern is None:
            continue
        value = words.pop(0) if words else ""
        if re.fullmatch(pattern, value) is None:
            problems.append(f"server_flags: {flag} does not take {value!r}")
    return problems


def _site_problems(point: Mapping[str, Any], sites: Mapping[str, Site]) -> list[str]:
    site = sites.get(system_id(point["system"]))
    if site is None:
        known = ", ".join(sites) or "none yet"
        return [f"system: {point['system']!r} is not set up for runs; set up are {known} (see docs/benchmarks.md)"]
    problems = []
    per_node = point["gpus_per_node"] or gpus_per_node(site)
    if per_node is None:
        problems.append(f"gpus_per_node: neither stated nor known for {site.system}")
    else:
        needed = point["tp"] * point["pp"]
        if needed > per_node * point["nodes"]:
            problems.append(f"tp x pp: needs {needed} GPUs, {point['nodes']} nodes hold {per_node * point['nodes']}")
        elif point["nodes"] > 1 and needed <= per_node * (point["nodes"] - 1):
            problems.append(f"nodes: tp x pp uses {needed} GPUs and leaves a whole node idle (rule D2)")
    if point["dataset"] != "random" and point["dataset"] not in dict(site.datasets):
        problems.append(f"dataset: {point['dataset']} has no file on {site.system} in sites.yaml")
    return [*problems, *limit_problems(site, nodes=point["nodes"], walltime_min=point["walltime_min"])]


@cache
def _profiles() -> Mapping[str, Mapping[str, Any]]:
    return {row["id"]: row for row in read_yaml("facts/systems.yaml")["systems"]}


def profile(system: str) -> Mapping[str, Any]:
    """The system's row of systems.yaml; empty for one that is not there."""
    return _profiles().get(system, {})


def gpus_per_node(site: Site) -> int | None:
    """None where neither the site nor the system's profile says."""
    found = site.gpus_per_node or (profile(site.system).get("node") or {}).get("gpus_per_node")
    return int(found) if found else None


def limit_problems(site: Site, *, nodes: int, walltime_min: int) -> list[str]:
    """Against what systems.yaml has of the partition; what is not there is not checked."""
    rows = [row for row in profile(site.system).get("partitions") or [] if row.get("name") == site.partition]
    if not rows:
        return []
    problems = []
    times = [minutes for row in rows if (minutes := _minutes(row.get("max_walltime"))) is not None]
    if times and walltime_min > max(times):
        problems.append(f"walltime_min: {walltime_min} is over {max(times):.0f} of {site.partition}")
    most = [row["max_nodes"] for row in rows if isinstance(row.get("max_nodes"), int)]
    if len(most) == len(rows) and nodes > max(most):
        problems.append(f"nodes: {nodes} is over {max(most)} of {site.partition}")
    return problems


def _minutes(walltime: object) -> float | None:
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", str(walltime or ""))
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + minutes + seconds / 60


def _plan(point: Mapping[str, Any], site: Site) -> Plan:
    needed = point["tp"] * point["pp"]
    per_node = point["gpus_per_node"] or min(gpus_per_node(site) or 1, -(-needed // point["nodes"]))
    lengths = tuple((name, point[name]) for name in ("input_len", "output_len") if point[name] is not None)
    spec = BenchmarkSpec(
        kind="inference",
        system=point["system"],
        partition=site.partition,
        framework=point["framework"],
        model=point["model"],
        dataset=point["dataset"],
        precision=None if point["precision"] == "auto" else point["precision"],
        tp=point["tp"],
        pp=point["pp"],
        gpus=per_node * point["nodes"],
        gpus_per_node=per_node,
        nodes=point["nodes"],
        concurrency=point["concurrency"],
        num_prompts=point["num_prompts"] or max(100, PROMPTS_PER_SLOT * point["concurrency"]),
        max_model_len=point["max_model_len"],
        server_flags=split_flags(point["server_flags"]),
        settings=tuple((f"random_{name}" if point["dataset"] == "random" else name, value) for name, value in lengths),
    )
    return Plan(
        spec=spec,
        site=site,
        walltime_min=point["walltime_min"],
        input_len=point["input_len"],
        output_len=point["output_len"],
        source=yaml.safe_dump(
            {name: value for name, value in point.items() if value not in (None, "")}, sort_keys=False
        ),
    )
