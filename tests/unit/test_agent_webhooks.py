"""Webhooks against a real receiver on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from standardwebhooks import Webhook as Signer
from test_agent_store import PLAIN, receive, ticket_of

from agent import webhooks
from agent.errors import HelpdeskError, NotFoundError
from agent.settings import Settings
from agent.store.database import Database
from agent.store.tables import Webhook, now


@dataclass
class Receiver:
    url: str = ""
    answers: list[int] = field(default_factory=list)
    """Codes to answer with, then 204."""
    got: list[tuple[dict[str, str], str]] = field(default_factory=list)

    def events(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            code = kept.answers.pop(0) if kept.answers else 204
            if code < 300:
                kept.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield kept
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=5) as opened:
        yield opened


def hook(database: Database, url: str, *events: str) -> Webhook:
    with database.write() as session:
        return webhooks.add(session, url, events)


def kept(database: Database) -> Webhook:
    with database.read() as session:
        return webhooks.all_webhooks(session)[0]


def make_due(database: Database) -> None:
    with database.write() as session:
        webhooks.all_webhooks(session)[0].next_attempt_at = now() - timedelta(seconds=1)


def test_what_happens_is_told_once_signed_and_without_texts(
    database: Database, settings: Settings, receiver: Receiver, client: httpx.Client
) -> None:
    receive(database, settings, PLAIN)
    secret = hook(database, receiver.url, "opened").secret
    filed = receive(database, settings, PLAIN)
    for _ in range(2):
        webhooks.tell(database, client)
    assert receiver.events() == ["opened"], "not what was before it"
    headers, body = receiver.got[0]
    told = Signer(secret).verify(body, headers)
    assert told["data"] == {"ticket": ticket_of(database, filed).number, "actor": "requester"}
    assert "ada@example.org" not in body
    with pytest.raises(Exception, match="signature"):
        Signer("whsec_" + "A" * 32).verify(body, headers)


def test_only_the_wanted_events_are_told(
    database: Database, settings: Settings, receiver: Receiver, client: httpx.Client
) -> None:
    hook(database, receiver.url, "replied")
    receive(database, settings, PLAIN)
    webhooks.tell(database, client)
    assert receiver.events() == []


def test_what_is_not_taken_comes_again_in_order(
    database: Database, settings: Settings, receiver: Receiver, client: httpx.Client
) -> None:
    hook(database, receiver.url, "opened")
    receiver.answers = [500]
    for _ in range(3):
        receive(database, settings, PLAIN)
    webhooks.tell(database, client)
    assert (receiver.events(), kept(database).failures, kept(database).last_error) == ([], 1, "answered 500")
    webhooks.tell(database, client)
    assert receiver.events() == [], "not before its time"
    make_due(database)
    webhooks.tell(database, client)
    tickets = [json.loads(body)["data"]["ticket"] for _, body in receiver.got]
    assert (receiver.events(), tickets == sorted(tickets)) == (["opened"] * 3, True)
    assert (kept(database).failures, kept(database).last_error) == (0, None)


def test_a_receiver_that_is_gone_holds_up_nobody(
    database: Database, settings: Settings, receiver: Receiver, client: httpx.Client
) -> None:
    hook(database, "http://127.0.0.1:9/closed")
    hook(database, receiver.url, "opened")
    receive(database, settings, PLAIN)
    webhooks.tell(database, client)
    assert receiver.events() == ["opened"]
    assert "ConnectError" in (kept(database).last_error or "")


@pytest.mark.parametrize("url", ["http://example.org/hook", "https://", "ftp://x.org", "file:///etc/passwd", ""])
def test_only_https_or_this_machine_is_told(database: Database, url: str) -> None:
    with pytest.raises(HelpdeskError, match="https"):
        hook(database, url)


def test_an_address_is_told_once_and_no_longer_than_wanted(
    database: Database, settings: Settings, receiver: Receiver, client: httpx.Client
) -> None:
    hook(database, receiver.url)
    with pytest.raises(HelpdeskError, match="already"):
        hook(database, receiver.url)
    with database.write() as session:
        webhooks.remove(session, receiver.url)
        with pytest.raises(NotFoundError):
            webhooks.remove(session, receiver.url)
    receive(database, settings, PLAIN)
    webhooks.tell(database, client)
    assert receiver.events() == []


def test_the_thread_tells_by_itself(database: Database, settings: Settings, receiver: Receiver) -> None:
    hook(database, receiver.url, "opened")
    teller = webhooks.Teller(database)
    teller.start()
    receive(database, settings, PLAIN)
    done = threading.Event()
    for _ in range(100):
        if receiver.got:
            break
        done.wait(0.1)
    teller.stop()
    assert receiver.events() == ["opened"]
