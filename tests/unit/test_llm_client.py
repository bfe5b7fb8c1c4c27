"""The client against servers that misbehave: real HTTP on loopback, each server as bad as the test needs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agent.errors import LanguageModelError
from agent.llm.chat import Chat, tell_nobody
from agent.llm.client import Client, Limits
from agent.llm.endpoints import Endpoint, Endpoints
from agent.llm.health import FAILURES, FIRST_PAUSE_S, Breakers
from agent.llm.records import EndpointRecord, EndpointState, write_record

Behave = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.body, self.headers.get("Authorization")))  # type: ignore[attr-defined]
        self.server.behave(self)  # type: ignore[attr-defined]

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def say(self, text: str | None, finish: str | None = None) -> None:
        choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
        self.event({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})

    def event(self, value: object) -> None:
        self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())
        self.wfile.flush()

    def end(self) -> None:
        usage = {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}
        self.event(
            {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage}
        )
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_args: object) -> None:
        pass


def good(handler: Handler) -> None:
    handler.begin()
    handler.say('{"a":')
    handler.say("1}", "stop")
    handler.end()


def dies(handler: Handler) -> None:
    handler.begin()
    handler.say('{"a":')


def refuses(handler: Handler) -> None:
    handler.send_error(503)


def too_long(handler: Handler) -> None:
    handler.send_error(400)


def garbage(handler: Handler) -> None:
    handler.begin()
    handler.wfile.write(b"data: {not json}\n\n\x00\xff\xfe")


def other_form(handler: Handler) -> None:
    handler.begin()
    handler.event({"choices": [{"surprise": True}]})
    handler.event([1, 2, 3])


def drips(handler: Handler) -> None:
    handler.begin()
    for _ in range(200):
        handler.say("x")
        time.sleep(0.05)


@contextmanager
def server(behave: Behave) -> Iterator[ThreadingHTTPServer]:
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    running.handle_error = lambda *_args: None  # type: ignore[method-assign]
    running.behave, running.asked = behave, []  # type: ignore[attr-defined]
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.shutdown()
        running.server_close()


def url_of(running: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{running.server_address[1]}/v1"


def client(*running: ThreadingHTTPServer, folder: Path = Path("/nonexistent"), **limits: object) -> Client:
    fixed = tuple(
        Endpoint(name=f"e{number}", url=url_of(one), model="m", key="k3y") for number, one in enumerate(running)
    )
    given = {"concurrency": 2, "timeout_s": 90.0, "tokens_per_day": 1000, **limits}
    return Client(Endpoints(fixed=fixed, folder=folder, models={}), Limits(**given))  # type: ignore[arg-type]


CHAT = Chat(
    purpose="draft", prompt="draft-1", messages=(("system", "s"), ("user", "u")), schema={"type": "object"}, salt="pepper"
)  # fmt: skip


def test_a_question_and_its_reply() -> None:
    told: list[str] = []
    with server(good) as running:
        reply = client(running).ask(CHAT, told.append)
        body, authorization = running.asked[0]  # type: ignore[attr-defined]
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == ('{"a":1}', 11, 2)
    assert reply.first_token_s is not None
    assert told == ['{"a":', '{"a":1}']
    assert authorization == "Bearer k3y"
    assert (body["temperature"], body["cache_salt"]) == (0, "pepper")
    assert body["seed"]
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert body["stream"]


@pytest.mark.parametrize("bad", [dies, refuses, garbage, other_form, too_long])
def test_another_server_answers_when_one_does_not(bad: Behave) -> None:
    with server(bad) as first, server(good) as second:
        reply = client(first, second).ask(CHAT, tell_nobody)
    assert reply.endpoint == "e1"


@pytest.mark.parametrize("bad", [dies, refuses, garbage, other_form, too_long])
def test_when_none_answers_it_is_said_in_words(bad: Behave) -> None:
    with server(bad) as running, pytest.raises(LanguageModelError, match="e0"):
        client(running, timeout_s=60.0).ask(CHAT, tell_nobody)


def test_a_question_that_is_too_long_is_not_repeated() -> None:
    with server(too_long) as running:
        with pytest.raises(LanguageModelError, match="400"):
            client(running).ask(CHAT, tell_nobody)
        assert len(running.asked) == 1  # type: ignore[attr-defined]


def test_a_slow_server_has_its_time_and_no_more() -> None:
    begun = time.monotonic()
    with server(drips) as running, pytest.raises(LanguageModelError, match="slow"):
        client(running, timeout_s=0.6).ask(CHAT, tell_nobody)
    assert time.monotonic() - begun < 60


def test_a_server_that_is_not_there() -> None:
    with server(good) as running:
        gone = client(running)
    with pytest.raises(LanguageModelError, match="cannot be reached"):
        gone.ask(CHAT, tell_nobody)
    assert "cannot be reached" in gone.state()


def test_the_tokens_of_the_day_end() -> None:
    with server(good) as running:
        asking = client(running, tokens_per_day=13)
        asking.ask(CHAT, tell_nobody)
        with pytest.raises(LanguageModelError, match="used up"):
            asking.ask(CHAT, tell_nobody)


def test_no_more_questions_at_once_than_allowed() -> None:
    gate, most, now = threading.Event(), [0], [0]
    lock = threading.Lock()

    def counted(handler: Handler) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        gate.wait(0.3)
        with lock:
            now[0] -= 1
        good(handler)

    with server(counted) as running:
        asking = client(running, concurrency=2)
        threads = [threading.Thread(target=asking.ask, args=(CHAT, tell_nobody)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(running.asked) == 6  # type: ignore[attr-defined]
    assert most[0] == 2


def test_a_server_in_trouble_is_left_alone_for_longer_and_longer() -> None:
    clock = [0.0]
    breakers = Breakers(lambda: clock[0])
    for _ in range(FAILURES):
        assert breakers.admits("a")
        breakers.failed("a", "down")
    assert not breakers.admits("a")
    assert breakers.problem_of("a") == "down"
    assert breakers.admits("b")
    clock[0] += FIRST_PAUSE_S + 0.1
    assert breakers.admits("a")
    assert not breakers.admits("a"), "one question at a time is let through to see"
    breakers.failed("a", "still down")
    clock[0] += FIRST_PAUSE_S + 0.1
    assert not breakers.admits("a")
    clock[0] += FIRST_PAUSE_S
    assert breakers.admits("a")
    breakers.succeeded("a")
    assert breakers.problem_of("a") == ""


def record(name: str, url: str, state: EndpointState = EndpointState.READY, **more: object) -> EndpointRecord:
    return EndpointRecord(name=name, url=url, model="m", state=state, **more)  # type: ignore[arg-type]


def test_records_come_and_go_while_we_run(tmp_path: Path) -> None:
    asking = client(folder=tmp_path)
    assert asking.state() == "none"
    with server(good) as running:
        url, now = url_of(running), datetime.now(UTC)
        write_record(tmp_path, record("queued", url, EndpointState.QUEUED, starts_at=now.replace(hour=9, minute=5)))
        assert asking.state() == "m is queued, starts about 09:05 UTC"
        with pytest.raises(LanguageModelError, match="no model server is ready"):
            asking.ask(CHAT, tell_nobody)
        for state in (EndpointState.DRAINING, EndpointState.FAILED, EndpointState.STARTING):
            write_record(tmp_path, record(f"a-{state}", url, state))
        write_record(tmp_path, record("expired", url, expires_at=now + timedelta(seconds=5)))
        assert not asking.is_configured()
        (tmp_path / "late.key").write_text("secret\n")
        write_record(tmp_path, record("soon", url, expires_at=now + timedelta(minutes=2)))
        write_record(tmp_path, record("late", url, expires_at=now + timedelta(hours=2), key_file="late.key"))
        write_record(tmp_path, record("keyless", url, key_file="missing.key"))
        assert asking.ask(CHAT, tell_nobody).endpoint == "late"
        assert running.asked[-1][1] == "Bearer secret"  # type: ignore[attr-defined]


def test_a_purpose_may_want_a_model_of_its_own(tmp_path: Path) -> None:
    write_record(tmp_path, EndpointRecord(name="a", url="http://h/v1", model="small", state=EndpointState.READY))
    write_record(tmp_path, EndpointRecord(name="b", url="http://h/v1", model="large", state=EndpointState.READY))
    endpoints = Endpoints(fixed=(), folder=tmp_path, models={"draft": "large", "query": "small"})
    assert [item.name for item in endpoints.for_purpose("draft")] == ["b"]
    assert [item.name for item in endpoints.for_purpose("query")] == ["a"]
    assert len(endpoints.for_purpose("triage")) == 2
