"""A stand-in for a mail provider's OAuth 2 server: gives tokens, and tells Dovecot which are good."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


class TokenServer:
    def __init__(self, user: str) -> None:
        self.user = user
        self.asked: list[dict[str, str]] = []
        """The forms that were posted."""
        self.good: set[str] = set()
        self.refuse: tuple[int, dict[str, object]] | None = None
        self.more: dict[str, object] = {"expires_in": 3600}
        """What comes with each token."""
        self.url = ""

    def answer(self, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        self.asked.append(form)
        if self.refuse:
            return self.refuse
        token = f"token-{len(self.asked)}"
        self.good = {token}
        return 200, {"access_token": token, "token_type": "Bearer", **self.more}

    def introspect(self, token: str) -> dict[str, object]:
        return {"active": True, "username": self.user} if token in self.good else {"active": False}


@contextmanager
def token_server(user: str) -> Iterator[TokenServer]:
    state = TokenServer(user)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._say(*state.answer({name: values[0] for name, values in parse_qs(body).items()}))

        def do_GET(self) -> None:
            self._say(200, state.introspect(self.headers.get("Authorization", "").removeprefix("Bearer ")))

        def _say(self, status: int, body: dict[str, object]) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/token"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
