"""The page over HTTP, as part of the desk or by itself. It holds what may be published and asks nobody to sign in."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse

from bench_runner.dashboard import page
from bench_runner.dashboard.data import Table, table
from bench_runner.dashboard.words import Tell, file
from bench_runner.memory import no_cycles_sought
from bench_runner.store.database import Store
from bench_runner.store.results import load

PATIENCE_S = 0.2
"""How long a reader waits for the results of an import before being shown those before it."""
FRESH = {"Cache-Control": "no-cache"}


class Board:
    """The table of the page, made again when results were added."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._version = ""
        self._table: Table | None = None

    def version(self) -> str:
        """Changes with every import: rows are never deleted, and judged anew only when others arrive."""
        with self._store().read() as connection:
            return str(connection.exec_driver_sql("SELECT coalesce(max(id), 0) FROM result").scalar())

    def table(self) -> Table:
        """The newest; while that is made, which takes seconds for a hundred thousand results, the one before."""
        ready = self._table
        if ready is None:
            return self._newest()
        if self.version() != self._version:
            making = threading.Thread(target=self._newest, name="benchmarks", daemon=True)
            making.start()
            making.join(PATIENCE_S)
        return self._table or ready

    def _newest(self) -> Table:
        """One thread makes it, the others wait."""
        with self._lock, no_cycles_sought(), self._store().read() as connection:
            version = self.version()  # before the rows: what comes meanwhile makes it old at once
            if self._table is None or version != self._version:
                self._table, self._version = table(load(connection)), version
            return self._table

    def warm(self) -> None:
        """Makes what takes long before anybody asks, if there are results, without holding up the start."""
        if self.version() == "0":
            return
        threading.Thread(target=lambda: (page.vega(), self.table()), name="benchmarks", daemon=True).start()


Reader = Callable[[Request], tuple[str, Tell]]
"""The language that a request asks for, and what tells the page's texts in it."""


def english(_: Request) -> tuple[str, Tell]:
    return "en", str


def router(board: Board, *, base: str, home: str = "", ask: str = "", reader: Reader = english) -> APIRouter:
    """Routes below `base`, which may be empty."""
    routes = APIRouter()

    @routes.get(base or "/", response_class=HTMLResponse)
    def show(request: Request) -> Response:
        language, tell = reader(request)
        html = page.served(base=base, version=board.version(), home=home, ask=ask, language=language, tell=tell)
        return HTMLResponse(html, headers=FRESH)

    @routes.get(f"{base}/columns.json")
    def columns() -> Response:
        return Response(board.table().columns, media_type="application/json", headers=FRESH)

    @routes.get(f"{base}/details.json")
    def details() -> Response:
        return Response(board.table().details, media_type="application/json", headers=FRESH)

    for name, content, kind in (
        ("vega.js", page.vega, "text/javascript"),
        ("board.js", lambda: file("board.js"), "text/javascript"),
        ("board.css", lambda: file("board.css"), "text/css"),
    ):
        routes.add_api_route(f"{base}/{name}", _static(content, kind))
    return routes


def _static(content: Callable[[], str], kind: str) -> Callable[[], Response]:
    def send() -> Response:
        return Response(content(), media_type=kind, headers=FRESH)

    return send


HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def app(store: Callable[[], Store]) -> FastAPI:
    """The page alone, for `minerva bench serve`."""
    alone = FastAPI(title="MINERVA benchmarks", docs_url=None, redoc_url=None, openapi_url=None)
    board = Board(store)
    alone.include_router(router(board, base=""))

    @alone.middleware("http")
    async def _with_headers(request: Request, call_next):  # type: ignore[no-untyped-def]  # as FastAPI documents it
        response = await call_next(request)
        response.headers.update(HEADERS)
        return response

    board.warm()
    return alone
