"""A strict stand-in for Zammad, written from its published REST interface and the controllers behind it:

https://docs.zammad.org/en/latest/api/ticket/index.html, …/ticket/articles.html, …/ticket/states.html, …/user.html,
https://github.com/zammad/zammad/blob/develop/app/controllers/concerns/creates_ticket_articles.rb

What a real Zammad would refuse is refused in its words; what it would silently drop is kept in `complaints`, which
tests hold against an empty list. Only the calls that the bridge makes are there: every other one is a 404 and a complaint.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "LoGo3Rz-zammad-token"
US, GRETA, SYSTEM = 7, 4, 1
GROUP = "HPC"
STATES = {
    1: ("new", 1),
    2: ("open", 2),
    3: ("pending reminder", 3),
    4: ("closed", 5),
    5: ("merged", 6),
    8: ("solved", 5),
}
"""Name and type; `solved` was added by an administrator there."""
USERS = {
    SYSTEM: ("-", "", "-", ""),
    GRETA: ("Greta", "Partner", "greta", "greta@partner.example"),
    US: ("MINERVA", "helpdesk", "minerva", "minerva@partner.example"),
}
TICKET_FIELDS = {"title", "group", "customer_id", "article", "state", "state_id", "priority", "owner_id", "note"}
ARTICLE_FIELDS = {
    "ticket_id", "to", "cc", "subject", "body", "content_type", "type", "internal", "time_unit", "attachments", "sender",
    "origin_by_id",
}  # fmt: skip
START = datetime(2026, 11, 29, 11, 0, tzinfo=UTC)


class RefusedError(Exception):
    def __init__(self, code: int, error: str) -> None:
        super().__init__(error)
        self.code, self.error = code, error


@dataclass
class ZammadStandIn:
    url: str = ""
    tickets: dict[int, dict[str, Any]] = field(default_factory=dict)
    articles: dict[int, dict[str, Any]] = field(default_factory=dict)
    files: dict[int, bytes] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    rights: list[str] = field(default_factory=lambda: ["full"])
    answers: list[int] = field(default_factory=list)
    """Codes to answer with, before all goes on as usual."""
    _serial: int = 20

    def next_id(self) -> int:
        self._serial += 1
        return self._serial

    def at(self) -> str:
        """A moment later each time, as Zammad writes them."""
        return f"{START + timedelta(milliseconds=self.next_id()):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"

    # What people do there.

    def write(self, ticket_id: int, body: str, *, by: int = GRETA, **more: Any) -> dict[str, Any]:
        given = {"ticket_id": ticket_id, "body": body, "content_type": "text/plain", "internal": False, **more}
        return self.add_article(self.tickets[ticket_id], given, by)

    def change(self, ticket_id: int, **values: Any) -> None:
        self.tickets[ticket_id].update(values, updated_at=self.at())

    # What the interface does.

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        for wanted, pattern, handle in _ROUTES:
            found = re.fullmatch(pattern, path)
            if found and wanted == method:
                return handle(self, query, body, *map(int, found.groups()))
        self.complaints.append(f"no such call: {method} {path}")
        raise RefusedError(404, "No route matches")

    def me(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        user = _user(US)
        if query.get("expand") == "true":
            user["groups"] = {GROUP: self.rights} if self.rights else {}
        return 200, user

    def user(self, query: dict[str, str], body: Any, key: int) -> tuple[int, Any]:
        if key not in USERS:
            raise RefusedError(404, f"Couldn't find User with 'id'={key}")
        return 200, _user(key)

    def states(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        rows = [
            {"id": key, "name": name, "state_type_id": kind, "active": True} for key, (name, kind) in STATES.items()
        ]
        return 200, rows

    def search(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if query.get("expand") != "true":
            self.complaints.append("the search is read as a list, which needs expand=true")
        words = query["query"]
        if set(words) & set('"[]*:'):
            self.complaints.append(f"without Elasticsearch this is looked for letter by letter: {words}")
        found = [row for row in self.tickets.values() if words in row["title"]]
        return 200, found[: int(query.get("limit", 50))]

    def show(self, query: dict[str, str], body: Any, key: int) -> tuple[int, Any]:
        return 200, self.ticket(key)

    def create(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        self.check_fields(body, TICKET_FIELDS)
        if not body.get("title"):
            raise RefusedError(422, "Missing required value for field 'title'!")
        if body.get("group") != GROUP:
            raise RefusedError(422, f"No lookup value found for 'group': \"{body.get('group')}\"")
        if body.get("customer_id") not in USERS:
            raise RefusedError(422, "Missing required value for field 'customer_id'!")
        key, at = self.next_id(), self.at()
        ticket = {
            "id": key, "number": f"220{key}", "title": body["title"][:250], "group_id": 2, "state_id": 1, "priority_id": 2,
            "owner_id": SYSTEM, "customer_id": body["customer_id"], "created_by_id": US, "updated_by_id": US,
            "created_at": at, "updated_at": at, "article_count": 0,
        }  # fmt: skip
        if body.get("article"):
            self.add_article(ticket, body["article"], US)
        self.tickets[key] = ticket
        return 201, ticket

    def update(self, query: dict[str, str], body: Any, key: int) -> tuple[int, Any]:
        self.check_fields(body, TICKET_FIELDS)
        ticket = self.ticket(key)
        if "state" in body:
            known = {name: state for state, (name, _) in STATES.items()}
            if body["state"] not in known:
                raise RefusedError(422, f"No lookup value found for 'state': \"{body['state']}\"")
            self.change(key, state_id=known[body["state"]])
        return 200, ticket

    def add(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if "ticket_id" not in body:
            raise RefusedError(404, "Couldn't find Ticket without an ID")
        article = self.add_article(self.ticket(body["ticket_id"]), body, US)
        return 201, article

    def by_ticket(self, query: dict[str, str], body: Any, key: int) -> tuple[int, Any]:
        self.ticket(key)
        return 200, [article for article in self.articles.values() if article["ticket_id"] == key]

    def file(self, query: dict[str, str], body: Any, ticket: int, article: int, key: int) -> tuple[int, Any]:
        kept = self.articles.get(article)
        if kept is None or kept["ticket_id"] != ticket:
            raise RefusedError(403, "The article does not belong to the specified ticket.")
        if key not in {file["id"] for file in kept["attachments"]}:
            raise RefusedError(403, "The file does not belong to the specified article.")
        return 200, self.files[key]

    def ticket(self, key: int) -> dict[str, Any]:
        if key not in self.tickets:
            raise RefusedError(404, f"Couldn't find Ticket with 'id'={key}")
        return self.tickets[key]

    def add_article(self, ticket: dict[str, Any], given: dict[str, Any], by: int) -> dict[str, Any]:
        self.check_fields(given, ARTICLE_FIELDS)
        if not given.get("body"):
            raise RefusedError(422, 'Need at least article: { body: "some text" }')
        if given.get("content_type", "text/plain") not in {"text/plain", "text/html"}:
            self.complaints.append(f"content type {given['content_type']}")
        files = [self.keep(index, file) for index, file in enumerate(given.get("attachments", []))]
        key, at = self.next_id(), self.at()
        article = {
            "id": key, "ticket_id": ticket["id"], "from": " ".join(USERS[by][:2]), "subject": given.get("subject"),
            "body": given["body"], "content_type": given.get("content_type", "text/plain"), "type": given.get("type", "note"),
            "internal": given.get("internal", False), "sender": given.get("sender", "Agent"), "attachments": files,
            "created_by_id": by, "created_by": USERS[by][2], "created_at": at, "updated_at": at,
        }  # fmt: skip
        self.articles[key] = article
        ticket["article_count"] += 1
        ticket["updated_at"] = at
        return article

    def keep(self, index: int, file: dict[str, Any]) -> dict[str, Any]:
        for name in ("mime-type", "filename", "data"):
            if not file.get(name):
                raise RefusedError(422, f"Attachment needs '{name}' param for attachment with index '{index}'")
        try:
            content = base64.b64decode(re.sub(r"[\r\n]", "", file["data"]), validate=True)
        except binascii.Error as error:
            raise RefusedError(422, f"Invalid base64 for attachment with index '{index}'") from error
        key = self.next_id()
        self.files[key] = content
        about = {"Mime-Type": file["mime-type"]}
        return {"id": key, "filename": file["filename"], "size": str(len(content)), "preferences": about}

    def check_fields(self, given: dict[str, Any], known: set[str]) -> None:
        self.complaints += [f"unknown field {name}" for name in set(given) - known]


def _user(key: int) -> dict[str, Any]:
    first, last, login, email = USERS[key]
    return {"id": key, "firstname": first, "lastname": last, "login": login, "email": email, "active": key != SYSTEM}


_ROUTES: list[tuple[str, str, Any]] = [
    ("GET", r"/api/v1/users/me", ZammadStandIn.me),
    ("GET", r"/api/v1/users/(\d+)", ZammadStandIn.user),
    ("GET", r"/api/v1/ticket_states", ZammadStandIn.states),
    ("GET", r"/api/v1/tickets/search", ZammadStandIn.search),
    ("GET", r"/api/v1/tickets/(\d+)", ZammadStandIn.show),
    ("POST", r"/api/v1/tickets", ZammadStandIn.create),
    ("PUT", r"/api/v1/tickets/(\d+)", ZammadStandIn.update),
    ("POST", r"/api/v1/ticket_articles", ZammadStandIn.add),
    ("GET", r"/api/v1/ticket_articles/by_ticket/(\d+)", ZammadStandIn.by_ticket),
    ("GET", r"/api/v1/ticket_attachment/(\d+)/(\d+)/(\d+)", ZammadStandIn.file),
]


class RunningZammad:
    """Start it with `with`; the stand-in is what the server answers from."""

    def __init__(self) -> None:
        self.stand_in = ZammadStandIn()
        stand_in = self.stand_in

        class Handler(BaseHTTPRequestHandler):
            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                code, told = _reply(stand_in, self, body)
                content = told if isinstance(told, bytes) else json.dumps(told).encode()
                self.send_response(code)
                self.send_header("content-length", str(len(content)))
                kind = "application/octet-stream" if isinstance(told, bytes) else "application/json; charset=utf-8"
                self.send_header("content-type", kind)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = _handle  # noqa: N815  # the server finds them by these names

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> ZammadStandIn:
        self._thread.start()
        self.stand_in.url = f"http://127.0.0.1:{self._server.server_port}"
        return self.stand_in

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _reply(stand_in: ZammadStandIn, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
    parts = urlsplit(request.path)
    stand_in.calls.append(f"{request.command} {parts.path}")
    if stand_in.answers:
        return stand_in.answers.pop(0), {"error": "as the test wants it"}
    if request.headers.get("authorization") != f"Token token={TOKEN}":
        return 401, {"error": "Invalid token!"}
    if body and not (request.headers.get("content-type") or "").startswith("application/json"):
        stand_in.complaints.append(f"content type {request.headers.get('content-type')}")
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    try:
        return stand_in.answer(request.command, parts.path, query, json.loads(body) if body else None)
    except RefusedError as error:
        return error.code, {"error": error.error}
