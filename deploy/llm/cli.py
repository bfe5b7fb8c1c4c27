"""`minerva llm up | status | down | logs | keep`: the model servers that the helpdesk keeps up on Slurm."""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import structlog
import typer

from agent.llm.records import read_records
from agent.logs import configure_logs
from agent.settings import load_settings
from bench_runner.errors import BenchError
from bench_runner.reruns.sites import Site, read_sites
from deploy.llm.errors import ServiceError
from deploy.llm.keeper import Keeper, address_on
from deploy.llm.placement import place
from deploy.llm.presets import preset, presets
from deploy.llm.script import folder_of, job_script
from deploy.llm.service import Service, read_services, service_name

log = structlog.get_logger()

llm_app = typer.Typer(help="Model servers that are kept up as Slurm jobs.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Name of a preset; `minerva llm status` lists them.")]
System = Annotated[
    str, typer.Option("--system", metavar="NAME", help="A system of sites.yaml; not needed when there is only one.")
]


@llm_app.command("up")
def up(
    model: Model,
    system: System = "",
    walltime_min: Annotated[int, typer.Option("--walltime-min", min=2, help="Of one job; then a successor.")] = 720,
    idle_min: Annotated[
        int | None, typer.Option("--idle-min", min=1, help="Stop after so long without a question, start at the next.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the job script; nothing is submitted.")] = False,
) -> None:
    """Wants a model to be served: checks that it fits, submits the job, and has it kept up from then on."""
    keeper = _keeper()
    chosen, site = preset(model), _site(keeper, system)
    placement = place(chosen, site, walltime_min)
    address_on(site, "node", "20001")
    name = service_name(model, site.system)
    if dry_run:
        folder = folder_of(site, name, 1)
        sys.stdout.write(job_script(chosen, site, placement, folder=folder, walltime_min=walltime_min))
        return
    now = datetime.now(UTC)
    keeper.up(
        Service(
            name=name, preset=model, system=site.system, walltime_min=walltime_min, idle_min=idle_min, wanted_at=now
        )
    )
    print(
        f"{name}: {placement.nodes} nodes x {placement.gpus_per_node} GPUs, TP{placement.tp} PP{placement.pp}, "
        f"{chosen.serving_gb:g} of {placement.usable_gb:.0f} GB needed."
    )
    _print_services(keeper)
    print("`minerva serve` with MINERVA_LLM_KEEP=true keeps it up, or `minerva llm keep`.")


@llm_app.command("status")
def status() -> None:
    """What is wanted, what serves, what is on its way; and the presets."""
    keeper = _keeper()
    _print_services(keeper)
    print(f"Presets: {', '.join(presets())}.")


@llm_app.command("down")
def down(model: Model, system: System = "") -> None:
    """Ends a model's jobs at once and wants it no more."""
    keeper = _keeper()
    service = _wanted(keeper, model, system)
    keeper.down(service)
    print(f"{service.name} is down.")


@llm_app.command("logs")
def logs(
    model: Model, system: System = "", lines: Annotated[int, typer.Option("--lines", min=1, help="How many.")] = 80
) -> None:
    """The end of what the youngest job of a model has written."""
    keeper = _keeper()
    text = keeper.newest_log(_wanted(keeper, model, system), lines)
    sys.stdout.write(text or "The job has written nothing yet.\n")


@llm_app.command("keep")
def keep(
    every_s: Annotated[float, typer.Option("--every", min=1, help="Seconds between looks.")] = 15.0,
    once: Annotated[bool, typer.Option("--once", help="One look instead of going on until interrupted.")] = False,
    until_input_ends: Annotated[bool, typer.Option("--until-input-ends", hidden=True)] = False,
) -> None:
    """Keeps up what is wanted: successors before walltimes end, replacements, sleep and waking. May run twice.

    Reads sites.yaml anew at each look.
    """
    configure_logs(load_settings().log_format)
    if until_input_ends:  # started by `minerva serve`: ends with it, however that ends
        threading.Thread(target=_end_with_input, daemon=True).start()
    urls: dict[str, str] = {}
    while True:
        try:
            replace(_keeper(), urls=urls).tick()
        except (ServiceError, BenchError) as error:
            if once:
                raise
            log.error("llm_keeper_hindered", problem=str(error))  # noqa: TRY400  # it says what to do
        if once:
            return
        time.sleep(every_s)


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def _keeper() -> Keeper:
    settings = load_settings()
    path = settings.bench_dir / "sites.yaml"
    try:
        sites = read_sites(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise ServiceError(f"{path} cannot be read: {error}") from error
    return Keeper(services=settings.llm_services_dir, endpoints=settings.endpoints_dir, sites=sites)


def _site(keeper: Keeper, name: str) -> Site:
    if not name and len(keeper.sites) == 1:
        return next(iter(keeper.sites.values()))
    if name not in keeper.sites:
        known = ", ".join(keeper.sites) or "none yet (see docs/llm.md)"
        raise ServiceError(f"--system: name one of those in sites.yaml; there are {known}")
    return keeper.sites[name]


def _wanted(keeper: Keeper, model: str, system: str) -> Service:
    found = [s for s in read_services(keeper.services) if s.preset == model and system in ("", s.system)]
    if len(found) != 1:
        known = ", ".join(f"{s.preset} on {s.system}" for s in read_services(keeper.services)) or "nothing"
        raise ServiceError(f"{model}{f' on {system}' if system else ''} is not what is wanted; wanted is {known}")
    return found[0]


def _print_services(keeper: Keeper) -> None:
    records = read_records(keeper.endpoints)
    services = read_services(keeper.services)
    for service in services:
        looked = f", looked at {service.looked_at:%H:%M:%S} UTC" if service.looked_at else ""
        print(f"{service.name}: {len(service.jobs)} jobs{looked}{f'; {service.problem}' if service.problem else ''}")
        for record in records.records:
            if record.model == service.preset and record.name.startswith(service.name):
                until = f", until {record.expires_at:%H:%M} UTC" if record.expires_at else ""
                starts = f", starts about {record.starts_at:%d %b %H:%M} UTC" if record.starts_at else ""
                note = f" ({record.note})" if record.note else ""
                print(f"  {record.name} job {record.job or '-'}: {record.state}{until}{starts}{note}")
    if not services:
        print("No model is wanted.")
    for problem in records.problems:
        print(problem)
