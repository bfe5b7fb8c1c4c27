"""Stands where `python` with vLLM stands in a job: these tests are about Slurm, not about serving.

`-m vllm.entrypoints…` answers /health; `-c … vllm.benchmarks.serve …` writes a result as vLLM does; all else is Python.
What it does in particular is in the file `behaviour` in the run's folder or beside it: sleep, fail, oom or nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


def serve() -> None:
    HTTPServer(("127.0.0.1", int(option("--port"))), Healthy).serve_forever()


def benchmark() -> None:
    files = (Path.cwd() / "behaviour", Path.cwd().parent / "behaviour")
    behaviour = next((file.read_text() for file in files if file.exists()), "")
    if behaviour.startswith("sleep"):
        time.sleep(float(behaviour.split()[1]))
    if behaviour == "oom":
        print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")
        sys.exit(1)
    prompts, load = int(option("--num-prompts")), int(option("--max-concurrency"))
    record = {
        "date": "20261128-120000", "endpoint_type": "vllm", "backend": "vllm", "model_id": option("--model"),
        "num_prompts": prompts, "request_rate": "inf", "max_concurrency": load, "duration": 10.0, "completed": prompts,
        "failed": 0, "total_input_tokens": prompts * 100, "total_output_tokens": prompts * 200,
        "request_throughput": prompts / 10, "output_throughput": prompts * 20.0, "total_token_throughput": prompts * 30.0,
        "mean_ttft_ms": 50.0, "mean_tpot_ms": (9.5e3 * load / prompts - 50) / 199, "generated_texts": ["secret answer"],
    }  # fmt: skip
    Path(option("--result-filename")).write_text(json.dumps(record))


if __name__ == "__main__":
    words = " ".join(sys.argv[1:4])
    if "vllm.entrypoints" in words:
        serve()
    elif "vllm.benchmarks.serve" in words:
        benchmark()
    else:
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
