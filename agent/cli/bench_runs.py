"""`minerva bench run | approve | reject | status | rerun | cancel | budget | stop | go | watch`: new measurements."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.benchmarks import bench_sites
from agent.cli.bench_store import bench_store
from agent.errors import HelpdeskError
from agent.settings import load_settings
from agent.store.database import open_database
from bench_runner.errors import RequestError, StateError
from bench_runner.report import printable
from bench_runner.reruns import runs, slurm
from bench_runner.reruns.cancelling import cancel_submitted
from bench_runner.reruns.proposing import Proposed, answer_wish, propose_all
from bench_runner.reruns.reframe_export import reframe_test
from bench_runner.reruns.request import plans
from bench_runner.reruns.runs import Run, RunState
from bench_runner.reruns.script import job_script
from bench_runner.reruns.sites import Site
from bench_runner.reruns.watcher import Watcher

By = Annotated[str, typer.Option("--by", metavar="EMAIL", help="Who you are: the address of an engineer of the desk.")]
RunId = Annotated[str, typer.Argument(help="Id of the run, or its beginning.", metavar="RUN")]


def run(
    spec: Annotated[Path, typer.Argument(help="Specification in YAML; a list in place of a value is a sweep.")],
    by: By,
    project: Annotated[str, typer.Option("--project", help="Project whose budget it is.")] = "minerva",
    wish: Annotated[str, typer.Option("--for", metavar="RUN", help="The request from a ticket that it answers.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the job scripts; nothing is stored.")] = False,
    reframe: Annotated[
        Path | None, typer.Option("--reframe", metavar="FILE", help="Write ReFrame tests instead; nothing is stored.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Propose it even if it was measured already.")] = False,
) -> None:
    """Proposes runs, one for each point of the sweep; a named engineer approves them."""
    found = plans(_read(spec), _sites())
    if reframe is not None:
        _write(reframe, "\n\n".join(reframe_test(plan) for plan in found))
        print(f"{len(found)} tests in {reframe}; `minerva bench import` reads their run report.")
        return
    if dry_run:
        for plan in found:
            sys.stdout.write(f"# {plan.title}: up to {plan.gpu_hours:.2f} GPU-hours\n{job_script(plan, 'RUN')}\n")
        return
    who = _engineer(by)
    with bench_store().write() as connection:
        asked = runs.find(connection, wish) if wish else None
        origin = asked.origin if asked else "command line"
        for item in propose_all(connection, found, by=who, project=project, origin=origin, again=again):
            sys.stdout.write(printable(_proposal(item)))
        if asked:
            answer_wish(connection, asked, who)


def _proposal(item: Proposed) -> str:
    if item.run is None:
        told = "".join(f"  {text}\n" for text in item.before)
        return f"Already measured, --again measures it anew: {item.plan.title}\n{told}"
    return f"{item.run.id} proposed, up to {item.plan.gpu_hours:.2f} GPU-hours: {item.plan.title}\n"


def approve(run: RunId, by: By) -> None:
    """Reserves the GPU-hours and lets the watcher submit the job."""
    who = _engineer(by)
    with bench_store().write() as connection:
        found = runs.find(connection, run)
        runs.approve(connection, found, who)
    print(f"{found.id} approved by {who}; `minerva bench watch` submits it.")


def reject(run: RunId, by: By, why: Annotated[str, typer.Option("--why", help="Reason, kept with the run.")]) -> None:
    """Turns a proposal down."""
    who = _engineer(by)
    with bench_store().write() as connection:
        found = runs.find(connection, run)
        runs.reject(connection, found, who, why)
    print(f"{found.id} rejected.")


def status(
    run: Annotated[str, typer.Argument(help="Id of a run for its whole history; without one, all runs.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Runs and their states, budgets, and whether everything is stopped."""
    with bench_store().read() as connection:
        found = [runs.find(connection, run)] if run else runs.runs(connection)
        history = runs.events(connection, found[0].id) if run else []
        budgets, stopped = runs.budgets(connection), runs.is_stopped(connection)
    if as_json:
        listed: dict[str, Any] = {"stopped": stopped, "runs": [asdict(item) for item in found], "history": history}
        listed["budgets"] = [dict(zip(("holder", "name", "gpu_hours", "left"), row, strict=True)) for row in budgets]
        print(printable(json.dumps(listed, ensure_ascii=False)))
        return
    if stopped:
        print("STOPPED: nothing is approved or submitted (`minerva bench go` lifts that).")
    for item in found:
        sys.stdout.write(printable(_line(item)))
    for at, who, what in history:
        sys.stdout.write(printable(f"  {at}  {who}: {what}\n"))
    if not run:
        for holder, name, hours, left in budgets:
            sys.stdout.write(printable(f"budget of {holder} {name}: {left:.2f} of {hours:.2f} GPU-hours left\n"))


def rerun(run: RunId, by: By) -> None:
    """Proposes the same specification again."""
    who = _engineer(by)
    with bench_store().write() as connection:
        old = runs.find(connection, run)
        if not old.spec:
            raise StateError(f"run {old.id} has no specification yet: write one and use `minerva bench run`")
        (plan,) = plans(old.spec, _sites())
        made = runs.propose(
            connection,
            plan,
            spec=old.spec,
            title=old.title,
            by=who,
            project=old.project,
            origin=old.origin,
            rerun_of=old.id,
        )
    print(f"{made.id} proposed, the specification of {old.id}.")


def cancel(run: RunId, by: By) -> None:
    """Cancels a run, and its job if there is one."""
    who = _engineer(by)
    store = bench_store()
    with store.write() as connection:
        found = runs.find(connection, run)
        if runs.cancel_unsubmitted(connection, found, who):
            print(f"{found.id} cancelled.")
            return
        if found.state != RunState.SUBMITTED or found.job is None:
            raise StateError(f"run {found.id} is {found.state}: there is nothing to cancel now; look again in a moment")
        runs.note(connection, found.id, who, "cancel asked for")
    site = _sites().get(found.system)
    if site is None:
        raise StateError(f"{found.system} is no longer in sites.yaml: cancel job {found.job} there yourself")
    what = cancel_submitted(store, slurm.transport_of(site.transport), found, who)
    print(f"{found.id}: {what} is being cancelled.")


def budget(
    holder: Annotated[str, typer.Argument(help="person, project or system.")],
    name: Annotated[str, typer.Argument(help="Address of the person, project, or id of the system.")],
    gpu_hours: Annotated[float, typer.Argument(min=0, help="GPU-hours in all, spent ones included.")],
    by: By,
) -> None:
    """Sets how many GPU-hours a person, a project or a system may use for runs."""
    who = _engineer(by)
    with bench_store().write() as connection:
        runs.set_budget(connection, holder, name, gpu_hours, who)
        left = runs.remaining(connection, holder, name)
    print(f"{holder} {name}: {left:.2f} of {gpu_hours:.2f} GPU-hours left.")


def stop(by: By) -> None:
    """The kill switch: nothing is approved or submitted any more, and the watcher cancels all jobs of ours."""
    with bench_store().write() as connection:
        runs.stop(connection, _engineer(by))
    print("Stopped. `minerva bench go` lifts it.")


def go(by: By) -> None:
    """Lifts the kill switch."""
    _engineer(by)
    with bench_store().write() as connection:
        runs.go(connection)
    print("Going on.")


def watch(
    once: Annotated[bool, typer.Option("--once", help="One round instead of going on until interrupted.")] = False,
    every_s: Annotated[float, typer.Option("--every", min=1, help="Seconds between rounds.")] = 30.0,
) -> None:
    """Submits what is approved, follows all jobs, and stores their results; may be stopped and started at any time."""
    watcher = Watcher(store=bench_store(), sites=_sites())
    while True:
        watcher.tick()
        if once:
            return
        time.sleep(every_s)


def _line(item: Run) -> str:
    job = f", job {item.job}" if item.job else ""
    used = f", used {item.used_gpu_hours:.3f} GPU-hours" if item.used_gpu_hours is not None else ""
    return f"{item.id} {item.state}{job}{used}: {item.title}" + (f" ({item.reason})" if item.reason else "") + "\n"


def _engineer(address: str) -> str:
    """Only people of the desk decide."""
    from agent.store import people  # noqa: PLC0415  # hashes a password as it is loaded: 64 MB, which others need not

    database = open_database(load_settings().database)
    try:
        with database.read() as session:
            engineer = people.by_email(session, address)
    finally:
        database.close()
    if engineer.disabled_at is not None:
        raise HelpdeskError(f"{address} is disabled")
    return engineer.email


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError([f"{path} cannot be read: {error}"]) from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RequestError([f"{path} cannot be written: {error.strerror}"]) from error


def _sites() -> Mapping[str, Site]:
    """Written by the operators; none as long as there is no file."""
    return bench_sites(load_settings().bench_dir)
