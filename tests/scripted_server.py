"""A model server on loopback that answers by script: OpenAI's interface, streamed, one reply for each purpose."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from agent.llm.chat import Chat, Purpose
from agent.llm.scripted import Script, honest

PIECE_CHARS = 16


def first_candidates(chat: Chat) -> str:
    given = json.loads(chat.messages[1][1])
    return json.dumps(
        {"level": given["candidate_levels"][0], "type": given["candidate_types"][0], "reason": "first of those"}
    )


SCRIPTS: Mapping[str, Script] = {
    "draft": honest,
    "query": lambda _chat: '{"queries": ["GPU memory limits"]}',
    "triage": first_candidates,
    "verification": lambda _chat: '{"verdict": "unsupported", "reason": "the quote speaks of something else"}',
}


@dataclass(frozen=True)
class ScriptedServer:
    url: str
    asked: Counter[str] = field(default_factory=Counter)
    """Questions by purpose."""
    spoke_at: list[float] = field(default_factory=list)
    """When the first token of each reply left, by the monotonic clock."""


@contextmanager
def scripted_server(
    scripts: Mapping[str, Script] = SCRIPTS,
    first_token_s: float = 0.0,
    before: Callable[[str], None] = lambda _said: None,
) -> Iterator[ScriptedServer]:
    """`before` each piece of a draft is told what has been said; it may wait, or raise OSError: the server then dies."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            purpose: Purpose = body["response_format"]["json_schema"]["name"]
            running.asked[purpose] += 1
            messages = tuple((message["role"], message["content"]) for message in body["messages"])
            chat = Chat(purpose=purpose, prompt="x", messages=messages, schema={})
            text = scripts[purpose](chat)
            time.sleep(first_token_s)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            running.spoke_at.append(time.monotonic())
            for at in range(0, len(text), PIECE_CHARS):
                if purpose == "draft":
                    before(text[:at])
                last = at + PIECE_CHARS >= len(text)
                self.event(
                    [
                        {
                            "index": 0,
                            "delta": {"content": text[at : at + PIECE_CHARS]},
                            "finish_reason": "stop" if last else None,
                        }
                    ]
                )
            self.event(
                [],
                usage={
                    "prompt_tokens": len(str(messages)) // 4,
                    "completion_tokens": len(text) // 4,
                    "total_tokens": 0,
                },
            )
            self.wfile.write(b"data: [DONE]\n\n")

        def event(self, choices: list[dict[str, Any]], **more: object) -> None:
            chunk = {
                "id": "1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "scripted",
                "choices": choices,
            }
            self.wfile.write(f"data: {json.dumps(chunk | more)}\n\n".encode())
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients go, and servers die
    running = ScriptedServer(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
