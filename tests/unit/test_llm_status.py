"""What `minerva status` says of language models."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agent.cli.status import language_model
from agent.llm.records import EndpointRecord, EndpointState, write_record
from agent.settings import Settings


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.headers.get("Authorization") == "Bearer k3y" else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(("key", "said"), [("k3y", "answers"), ("wrong", "answers 401")])
def test_each_server_is_asked_with_its_key(url: str, key: str, said: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, llm_urls=f"{url},http://127.0.0.1:9/v1", llm_model="tiny", llm_api_key=key)  # type: ignore[arg-type]
    told = language_model(settings)
    assert told.startswith(f"tiny at {url} {said};")
    assert told.endswith("tiny at http://127.0.0.1:9/v1 does not answer (ConnectError)")


def test_without_one_it_is_said_and_no_fault(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert language_model(settings) == "none"
    record = EndpointRecord(name="a", url="http://not-yet.invalid/v1", model="tiny", state=EndpointState.QUEUED)
    write_record(settings.endpoints_dir, record)
    assert language_model(settings) == "tiny is queued"
