"""Benchmark runs at the desk: asking for a measurement, and the yes or no of a named engineer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import yaml
from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import Connection
from sqlmodel import Session

from agent.benchmarks import MAX_WORDS, bench_sites
from agent.desk.pages import done, language_of, not_done, page
from agent.desk.session import COOKIE, Checked, DeskState, SignedIn, Who
from agent.desk.state import Desk, desk_of
from agent.store import people, tickets
from agent.translations import gettext, marked, speaking
from bench_runner.dashboard.words import Tell
from bench_runner.errors import BenchError
from bench_runner.reruns import runs
from bench_runner.reruns.proposing import answer_wish, propose_all
from bench_runner.reruns.request import DEFAULTS, FIELDS, Plan, allowed, plans
from bench_runner.reruns.script import job_script
from bench_runner.store.database import open_store

router = APIRouter()

PROJECT = "minerva"
RUNS = "/benchmarks/runs"
SHOWN_RUNS = 200


class Asked(BaseModel):
    """The form as it was filled in."""

    spec: str = Field(default="", max_length=20_000)
    """YAML."""
    words: Annotated[str, StringConstraints(max_length=MAX_WORDS, strip_whitespace=True)] = ""
    ticket: str = ""
    """Number of the ticket that it is for; empty for none."""
    wish: str = ""
    """Id of the wish that it answers; empty for none."""
    act: str = "check"
    """`check` (a dry run), `propose`, or `wish`, for which words are enough."""
    again: bool = False
    """Also what was measured already."""


def reader(request: Request) -> tuple[str, Tell]:
    """For the page of results, which asks nobody to sign in: who is signed in has it as chosen under Account."""
    token = request.cookies.get(COOKIE, "")
    with desk_of(request).database.read() as session:
        found = people.session_of(session, token) if token else None
    language = language_of(request, found[1] if found else None)

    def tell(text: str) -> str:
        with speaking(language):
            return gettext(text)

    return language, tell


@router.get(RUNS)
def listed(request: Request, desk: DeskState, who: Who) -> Response:
    """Wishes, proposals and runs, newest first, with what the budgets have left."""
    with _store(desk) as connection:
        found = runs.runs(connection)[:SHOWN_RUNS]
        history = {run.id: runs.events(connection, run.id) for run in found}
        budgets, stopped = runs.budgets(connection), runs.is_stopped(connection)
    values: dict[str, Any] = {"runs": found, "history": history, "budgets": budgets, "stopped": stopped}
    return page(request, "bench_runs.html", who=who, **values)


@router.post(f"{RUNS}/{{run}}")
def decide(
    request: Request,
    desk: DeskState,
    who: Checked,
    run: str,
    act: Annotated[str, Form()] = "",
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """`act` is `approve`, which reserves the GPU-hours, or `reject`."""
    try:
        with _store(desk, write=True) as connection:
            found = runs.find(connection, run)
            if act == "approve":
                runs.approve(connection, found, who.engineer.email)
            elif act == "reject":
                runs.reject(connection, found, who.engineer.email, reason.strip() or "no reason given")
    except BenchError as error:
        return not_done(request, error, RUNS, typed=reason)
    return done(RUNS, "run approved" if act == "approve" else "run rejected")


@router.get("/benchmarks/ask")
def form(request: Request, desk: DeskState, who: Who, ticket: str = "", wish: str = "") -> Response:
    """Filled from the filters of the page, from the ticket, or from a wish."""
    asked = {name: request.query_params.getlist(name) for name in FIELDS if name in request.query_params}
    words = request.query_params.get("words", "")
    if wish:
        with _store(desk) as connection:
            words = runs.find(connection, wish).title
    elif ticket:
        with desk.database.read() as session:
            words = tickets.by_number(session, ticket).subject
    return _form(request, desk, who, Asked(spec=_first_spec(asked), words=words[:MAX_WORDS], ticket=ticket, wish=wish))


@router.post("/benchmarks/ask")
def ask(
    request: Request,
    desk: DeskState,
    who: Checked,
    asked: Annotated[Asked, Form()],
) -> Response:
    if asked.act == "wish":
        return _wish(request, desk, who, asked)
    try:
        found = plans(asked.spec, bench_sites(desk.settings.bench_dir))
        if asked.act == "propose":
            told = _propose(desk, who, found, asked)
            return _form(request, desk, who, asked, before=told) if told else done(RUNS, "run proposed")
    except BenchError as error:
        return _form(request, desk, who, asked, problem=str(error))
    scripts = [(plan.title, plan.gpu_hours, job_script(plan, "RUN")) for plan in found]
    return _form(request, desk, who, asked, scripts=scripts)


def _propose(desk: Desk, who: SignedIn, found: list[Plan], asked: Asked) -> list[str]:
    """What was measured already, so that nothing was proposed for it; empty when all are proposed."""
    with _store(desk, write=True) as connection:
        wish = runs.find(connection, asked.wish) if asked.wish else None
        origin = wish.origin if wish else asked.ticket or "desk"
        made = propose_all(connection, found, by=who.engineer.email, project=PROJECT, origin=origin, again=asked.again)
        if wish and all(item.run for item in made):
            answer_wish(connection, wish, who.engineer.email)
    proposed = [item.run.id for item in made if item.run]
    if asked.ticket and proposed:
        with desk.database.write() as session:
            _note(session, asked.ticket, who, f"run {', '.join(proposed)} proposed, waits for approval")
    return [text for item in made for text in item.before]


def _wish(request: Request, desk: Desk, who: SignedIn, asked: Asked) -> Response:
    if not asked.words:
        return _form(request, desk, who, asked, problem=marked("Say in words what should be measured."))
    with _store(desk, write=True) as connection:
        made = runs.request(connection, words=asked.words, by=who.engineer.email, origin=asked.ticket or "desk")
    if made is not None and asked.ticket:
        with desk.database.write() as session:
            _note(session, asked.ticket, who, f"wish {made.id}, waits for a specification")
    return done(RUNS, "wished" if made else "wished before")


def _note(session: Session, ticket: str, who: SignedIn, what: str) -> None:
    tickets.note_event(session, tickets.by_number(session, ticket), who.engineer.name, "measurement asked for", what)


def _form(
    request: Request,
    desk: Desk,
    who: SignedIn,
    asked: Asked,
    *,
    problem: str = "",
    before: Sequence[str] = (),
    scripts: Sequence[tuple[str, float, str]] = (),
) -> Response:
    try:
        sites = sorted(bench_sites(desk.settings.bench_dir))
    except BenchError as error:
        sites, problem = [], problem or str(error)
    shown: dict[str, Any] = {"sites": sites, "frameworks": sorted(allowed()["frameworks"]), "asked": asked}
    shown |= {"problem": problem, "before": before, "scripts": scripts}
    return page(request, "bench_ask.html", who=who, status_code=422 if problem else 200, **shown)


def _first_spec(asked: Mapping[str, list[str]]) -> str:
    """YAML to begin with: what the filters say, and the fields that a specification must have."""
    known: dict[str, Any] = dict.fromkeys(("system", "framework", "model", "dataset"), "")
    known |= {name: DEFAULTS[name] for name in ("tp", "nodes", "concurrency", "walltime_min")}
    for name, values in asked.items():
        typed = [int(value) if FIELDS[name] is int and value.isdecimal() else value for value in values]
        known[name] = typed[0] if len(typed) == 1 else typed
    return yaml.safe_dump(known, sort_keys=False, allow_unicode=True)


@contextmanager
def _store(desk: Desk, *, write: bool = False) -> Iterator[Connection]:
    store = open_store(desk.settings.bench_dir)
    try:
        with store.write() if write else store.read() as connection:
            yield connection
    finally:
        store.close()
