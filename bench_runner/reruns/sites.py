"""How each system is reached, from the operators' file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from bench_runner.errors import RequestError
from bench_runner.names import system_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """How a system is reached, as its operators wrote it down in sites.yaml."""

    system: str
    partition: str
    work_dir: str
    transport: str = "local"
    """`local`, or `ssh:HOST`."""
    account: str | None = None
    qos: str | None = None
    gpus_per_node: int | None = None
    gpu_request: str = "--gpus-per-node={n}"
    setup: tuple[str, ...] = ()
    """Shell lines before the server starts: modules, environment."""
    environment: str | None = None
    """Container image or environment that these lines bring up, for the record."""
    container: str | None = None
    """Apptainer image on the system in which model servers of the helpdesk run; without one, what `setup` brings up."""
    gpu_memory_gb: float | None = None
    """Of one GPU, where the system's profile has no single figure."""
    llm_url: str = "http://{node}:{port}/v1"
    """How the helpdesk reaches a model server that runs on a node: directly, or through a proxy."""
    llm_flags: tuple[str, ...] = ()
    """Further options of every model server there, such as its certificate."""
    batch_walltime_min: int | None = None
    """Minutes up to which runs on one node share an allocation; None: each is a job of its own."""
    stale_after_days: int | None = None
    """Finished runs older than that are proposed again; None: never."""
    datasets: tuple[tuple[str, str], ...] = ()
    """Files of the data sets on the system, by name."""
    models: tuple[tuple[str, str], ...] = ()
    """Folders of models on the system, by name; others are named as they are."""


def read_sites(text: str) -> dict[str, Site]:
    """The operators' file: `sites: {SYSTEM: {partition, work_dir, …}}`. Raises RequestError."""
    try:
        content = yaml.safe_load(text) or {}
        rows = content.get("sites") or {}
        return {system_id(name): _site(system_id(name), row) for name, row in rows.items()}
    except (yaml.YAMLError, AttributeError, TypeError, KeyError) as error:
        raise RequestError([f"sites.yaml cannot be used: {error}"]) from error


def _site(system: str, row: Mapping[str, Any]) -> Site:
    given = dict(row)
    for name in ("datasets", "models"):
        given[name] = tuple((str(key), str(value)) for key, value in (given.get(name) or {}).items())
    for name in ("setup", "llm_flags"):
        given[name] = tuple(map(str, given.get(name) or ()))
    return Site(system=system, **given)
