"""Speed of the prompts that we send, on a GPU: a randomly initialised 8B-shaped model through transformers.

    python tests/measure_gpu.py              # needs torch with CUDA or ROCm, transformers, and about 60 GB of GPU memory
    python tests/measure_gpu.py --tiny       # a small shape on any machine: shows that the script runs, no figures

Prints time to first token and tokens a second at concurrency 1, 8 and 32, for 6,144 tokens of prompt and 400 written, with
the instructions' keys and values computed anew or reused. Transformers is no server: vLLM batches better; this is the
lower end of what the hardware gives. Needs nothing of the product; runs in an environment of its own.
"""

from __future__ import annotations

import argparse
import copy
import time
from typing import Any

import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

CONCURRENCY = (1, 8, 32)
ROUNDS = 3
SHAPES: dict[str, dict[str, int]] = {
    "8B": {
        "vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8,
    },
    "tiny": {
        "vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1,
    },
}  # fmt: skip
LENGTHS = {"8B": (768, 6144, 400), "tiny": (16, 64, 4)}
"""Tokens of the instructions, of the whole prompt, and written."""


def model_of(shape: str, device: str) -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(**SHAPES[shape], max_position_embeddings=8192, tie_word_embeddings=False)
    with torch.device(device):
        model = LlamaForCausalLM(config).to(torch.bfloat16 if device == "cuda" else torch.float32)
    return model.eval()


def now(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


@torch.inference_mode()
def one_round(
    model: Any, device: str, lengths: tuple[int, int, int], count: int, *, reuse: bool
) -> tuple[float, float]:
    """(seconds to the first token, tokens a second after it) of `count` prompts at once."""
    instructions, prompt, written = lengths
    vocabulary = model.config.vocab_size
    shared = torch.randint(vocabulary, (1, instructions), device=device)
    own = torch.randint(vocabulary, (count, prompt - instructions), device=device)
    cache = DynamicCache(config=model.config)
    fed = torch.cat([shared.expand(count, -1), own], dim=1)
    if reuse:
        model(shared, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache = copy.deepcopy(cache)
        cache.batch_repeat_interleave(count)
        fed = own
    begun = now(device)
    token = model(fed, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1].argmax(-1, keepdim=True)
    first = now(device)
    for _ in range(written - 1):
        token = model(token, past_key_values=cache, use_cache=True).logits[:, -1].argmax(-1, keepdim=True)
    return first - begun, count * (written - 1) / (now(device) - first)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tiny", action="store_true")
    shape = "tiny" if parser.parse_args().tiny else "8B"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if shape == "8B" and device == "cpu":
        parser.error("no GPU here: --tiny shows that the script runs")
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{shape}-shaped Llama, {name}, torch {torch.__version__}, tokens {LENGTHS[shape]}")
    model = model_of(shape, device)
    for count in CONCURRENCY:
        for reuse in (False, True):
            rounds = [one_round(model, device, LENGTHS[shape], count, reuse=reuse) for _ in range(ROUNDS + 1)][1:]
            first, speed = (sorted(values)[ROUNDS // 2] for values in zip(*rounds, strict=True))
            how = "instructions reused" if reuse else "nothing reused"
            print(f"concurrency {count:2}, {how:19}: first token {first * 1e3:8.1f} ms, {speed:9.1f} tokens/s")


if __name__ == "__main__":
    main()
