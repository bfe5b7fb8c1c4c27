"""The desk as a FastAPI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, HTTPException, Request, Response, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException

from agent.desk import articles, health, inbox, sign_in, ticket
from agent.desk.pages import HERE, page
from agent.desk.session import HEADERS, SignInNeededError, sign_in_address
from agent.desk.state import Desk
from agent.errors import NotFoundError
from agent.models import Models
from agent.settings import Settings
from agent.store.database import Database
from agent.workflows import Workflows


def desk_app(database: Database, settings: Settings, workflows: Workflows, models: Models, *, url: str) -> FastAPI:
    app = FastAPI(title="MINERVA helpdesk", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.desk = Desk(database=database, settings=settings, workflows=workflows, models=models, url=url)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    for module in (sign_in, inbox, ticket, articles, health):
        app.include_router(module.router)
    app.middleware("http")(_with_headers)
    app.add_exception_handler(SignInNeededError, _ask_to_sign_in)
    app.add_exception_handler(NotFoundError, _not_found)
    app.add_exception_handler(StarletteHTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(Exception, _broken)
    return app


async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if not request.url.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _ask_to_sign_in(request: Request, _error: Exception) -> Response:
    target = sign_in_address(request)
    if request.headers.get("hx-request") == "true":
        return Response(status_code=status.HTTP_401_UNAUTHORIZED, headers={"HX-Redirect": "/sign-in"})
    return RedirectResponse(target, status.HTTP_303_SEE_OTHER)


def _not_found(request: Request, error: Exception) -> Response:
    return page(request, "problem.html", status_code=404, title="Not found", problem=f"Sorry, {error}.")


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException | HTTPException)
    title = "Not found" if error.status_code == 404 else "Not possible"
    problem = "There is no such page." if error.status_code == 404 else str(error.detail)
    return page(request, "problem.html", status_code=error.status_code, title=title, problem=problem)


def _bad_request(request: Request, _error: Exception) -> Response:
    problem = "The address or the form holds a value that cannot be used."
    return page(request, "problem.html", status_code=422, title="Not possible", problem=problem)


def _broken(request: Request, _error: Exception) -> Response:
    """The traceback goes to the log, never to the page."""
    problem = "Something went wrong on our side. Nothing was lost; please try again. The log says more."
    return page(request, "problem.html", status_code=500, title="Trouble", problem=problem)
