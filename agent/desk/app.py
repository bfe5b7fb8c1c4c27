"""The desk as a FastAPI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response, status
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import NoMatchFound

from agent.api.app import api_app
from agent.desk import (
    account,
    acts,
    articles,
    figures,
    groups,
    health,
    inbox,
    live_draft,
    macros,
    mails,
    measuring,
    meetings,
    oidc,
    partners,
    passkeys,
    people,
    reading,
    request_form,
    requesters,
    reuse,
    selection,
    sign_in,
    ticket,
    watching,
)  # fmt: skip
from agent.desk.auditing import record
from agent.desk.pages import HERE, compile_templates, page
from agent.desk.session import HEADERS, FormTooOldError, SignInNeededError, way_back
from agent.desk.state import Desk, HasIntake, HasState
from agent.errors import NotAllowedError, NotFoundError
from agent.llm.live import Live
from agent.settings import Settings
from agent.single_sign_on import provider_of
from agent.store.database import Database
from agent.translations import marked
from agent.workflows import Workflows
from bench_runner.dashboard.web import Board
from bench_runner.dashboard.web import router as benchmarks
from bench_runner.store.database import open_store

PAGES = (
    passkeys, sign_in, account, people, inbox, ticket, groups, mails, live_draft, acts, reading, reuse, articles,
    health, figures, macros, oidc, request_form, requesters, meetings, partners, selection, watching, measuring,
)  # fmt: skip


def desk_app(
    database: Database,
    settings: Settings,
    workflows: Workflows,
    *,
    models: HasState,
    intake: HasIntake,
    url: str,
    live: Live | None = None,
    language_model: Callable[[], str] = lambda: "none",
) -> FastAPI:
    app = FastAPI(title="MINERVA helpdesk", docs_url=None, redoc_url=None, openapi_url=None)
    desk = Desk(
        database=database,
        settings=settings,
        workflows=workflows,
        models=models,
        intake=intake,
        live=live or Live(),
        language_model=language_model,
        url=url,
        sign_on=provider_of(settings),
    )
    app.state.desk = desk
    app.mount("/api/v1", api_app(desk))
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    for module in PAGES:
        app.include_router(module.router)
    app.state.board = Board(cache(lambda: open_store(settings.bench_dir)))
    board = benchmarks(app.state.board, base="/benchmarks", home="/", ask="/benchmarks/ask", reader=measuring.reader)
    app.include_router(board)
    app.middleware("http")(_with_headers)
    for error, answer in ANSWERS.items():
        app.add_exception_handler(error, answer)
    return app


def warm(app: FastAPI) -> None:
    """Makes what takes long before anybody asks: routes, the code of pages, and what is reckoned from the store."""
    desk: Desk = app.state.desk
    with suppress(NoMatchFound):
        app.url_path_for("none of them")  # FastAPI builds what was included when it is first looked through
    compile_templates()
    desk.figures.gaps(desk.database)
    for weeks in figures.USUAL_WEEKS:
        desk.figures.report(desk.database, weeks)


async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    await run_in_threadpool(record, request, response.status_code)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if not request.url.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-store")
    return response


async def _ask_to_sign_in(request: Request, _error: Exception) -> Response:
    """A form keeps its text: the page that asks shows it, to be copied or taken up again after signing in."""
    if request.headers.get("hx-request") == "true":
        return Response(status_code=status.HTTP_401_UNAUTHORIZED)
    back = way_back(request)
    if request.method == "GET":
        return RedirectResponse(f"/sign-in?next={quote(back)}", status.HTTP_303_SEE_OTHER)
    problem = marked("Your session has ended, so nothing was done. Sign in and try again.")
    values: dict[str, Any] = {"next": back, "problem": problem, "typed": await _typed(request)}
    return page(request, "sign_in.html", status_code=status.HTTP_401_UNAUTHORIZED, **values)


async def _too_old(request: Request, _error: Exception) -> Response:
    problem = marked("This form is from an earlier session, so nothing was done. Open the page again and repeat it.")
    values: dict[str, Any] = {"title": marked("Form out of date"), "problem": problem, "back": way_back(request)}
    return page(request, "problem.html", status_code=403, typed=await _typed(request), **values)


async def _typed(request: Request) -> str:
    """What somebody wrote in the form, from the fields that hold free text."""
    form = await request.form()
    texts = [form.get(name, "") for name in ("body", "reason", "instruction")]
    return "\n".join(text for text in texts if isinstance(text, str) and text.strip())


def _not_found(request: Request, error: Exception) -> Response:
    return _problem(request, 404, marked("Not found"), error)


def _not_allowed(request: Request, error: Exception) -> Response:
    return _problem(request, 403, marked("Not for you"), error)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    if error.status_code == status.HTTP_404_NOT_FOUND:
        return _problem(request, 404, marked("Not found"), marked("There is no such page."))
    return _problem(request, error.status_code, marked("Not possible"), str(error.detail))


def _bad_request(request: Request, _error: Exception) -> Response:
    problem = marked("The address or the form holds a value that cannot be used.")
    return _problem(request, 422, marked("Not possible"), problem)


def _broken(request: Request, _error: Exception) -> Response:
    """The traceback goes to the log, never to the page."""
    problem = marked("Something went wrong on our side. Nothing was lost; please try again. The log says more.")
    response = _problem(request, 500, marked("Trouble"), problem)
    response.headers.update(HEADERS)  # this answer does not pass the middleware
    return response


def _problem(request: Request, status_code: int, title: str, problem: Exception | str) -> Response:
    """As a page, or for a part of a page as the part."""
    template = "problem_part.html" if request.headers.get("hx-request") == "true" else "problem.html"
    values: dict[str, Any] = {"title": title, "problem": problem, "back": "/", "typed": ""}
    return page(request, template, status_code=status_code, **values)


ANSWERS: dict[type[Exception], Callable[[Request, Any], Response | Awaitable[Response]]] = {
    SignInNeededError: _ask_to_sign_in,
    FormTooOldError: _too_old,
    NotFoundError: _not_found,
    NotAllowedError: _not_allowed,
    StarletteHTTPException: _refused,
    RequestValidationError: _bad_request,
    OverflowError: _bad_request,  # keys that no row can have, in SQL
    DataError: _bad_request,
    Exception: _broken,
}
