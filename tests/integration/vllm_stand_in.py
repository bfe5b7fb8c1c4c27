"""Stands where `vllm` stands in a job: `serve MODEL --port N …`, with health, metrics and streamed chat completions.

These tests are about Slurm, not about serving. What it does in particular is in the file `behaviour` beside the job
folders, `slow S` (until it is ready) or nothing.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WORDS = 8
under_way: set[int] = set()


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._plain(
                f'# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{{model_name="m"}} {len(under_way)}.0\n'
                'vllm:num_requests_waiting{model_name="m"} 0.0\n'
            )
        else:
            self._plain("")

    def do_POST(self) -> None:
        """Takes about a second, so that questions are under way when servers change."""
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != f"Bearer {os.environ['VLLM_API_KEY']}":
            self.send_error(401)
            return
        under_way.add(threading.get_ident())
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            for at in range(WORDS):
                self._say(f"w{at} ", "stop" if at == WORDS - 1 else None)
                time.sleep(0.12)
            self.wfile.write(b"data: [DONE]\n\n")
        finally:
            under_way.discard(threading.get_ident())

    def _say(self, text: str, finish: str | None) -> None:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()

    def _plain(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    arguments = sys.argv[1:]
    print("arguments:", *arguments, flush=True)
    behaviour = Path.cwd().parent / "behaviour"
    said = behaviour.read_text().split() if behaviour.exists() else []
    if said[:1] == ["slow"]:
        time.sleep(float(said[1]))
    if "--headless" in arguments:  # another node than the first: works for it and serves nobody
        time.sleep(3600)
    ThreadingHTTPServer(("127.0.0.1", int(arguments[arguments.index("--port") + 1])), Server).serve_forever()
