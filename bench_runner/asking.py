"""What a question in words asks of benchmarks. Pure; a text that asks for no figure gives None."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from bench_runner.names import model_name, plain, systems_in
from bench_runner.spec import Kind
from knowledge_base.catalogue import read_yaml

FRAMEWORKS = (
    "vllm",
    "sglang",
    "deepspeed-mii",
    "deepspeed",
    "tgi",
    "tensorrt-llm",
    "lmdeploy",
    "accelerate",
    "pytorch",
)
DATASETS = ("sharegpt", "sonnet", "alpaca", "random")

_FIGURE = re.compile(
    r"\b(?:throughput|tokens? (?:per|a|/) ?s(?:econd)?|tok/s|tokens/s|requests? per second|latenc(?:y|ies)|ttft|tpot|"
    r"time to (?:the )?first token|how fast|faster|fastest|benchmark\w*|scal(?:es?|ing) efficiency|"
    r"kwh|gpu[- ]hours? (?:per|for a) million|energy per (?:million )?tokens?|cost per (?:million )?tokens?)\b",
    re.IGNORECASE,
)
_LATENCY = re.compile(r"\b(?:latenc(?:y|ies)|ttft|time to (?:the )?first token)\b", re.IGNORECASE)
_TRAINING = re.compile(r"\b(?:train\w*|fine-?tun\w*|pre-?train\w*)\b", re.IGNORECASE)
_ASKS = re.compile(
    r"\?|\b(?:what|which|how (?:fast|many|much|does|do|is)|compare|comparison|do you have|is there|are there|"
    r"(?:like|want|need) to know|tell me|show|fastest)\b|"
    r"^\W*(?:the )?(?:throughput|latency|benchmarks?|ttft|time to first token)\b",
    re.IGNORECASE,
)
_OWN_TROUBLE = re.compile(
    r"\bmy (?:\w+ )?(?:job|training|run|code|script|model|server|program)\b|\bwhy\b|"
    r"\bhow (?:do|can|could|should|to)\b.*\b(?:improve|increase|speed up|optimi[sz]e|tune|debug|fix|scale)\b",
    re.IGNORECASE,
)
_MODEL = re.compile(
    r"\b[A-Z][\w.]*(?:[- ][A-Z0-9][\w.]*){0,3}?[- ]?(?:\d{1,2}x)?\d{1,3}(?:\.\d+)?[bB](?:-[\w.-]*\w)?\b"
)
_SENTENCE = re.compile(r"[^.!?\n]*(?:\.(?=\S)[^.!?\n]*)*[.!?\n]?")
_GPUS = re.compile(r"\b(\d{1,4}|one|a single) (?:x )?(?:[AHV]\d{3}s?|GH200s?|MI\d{3}\w?|GPUs?|GCDs?)\b", re.IGNORECASE)
_NODES = re.compile(r"\b(\d{1,4}|one|a single) nodes?\b", re.IGNORECASE)
_LOAD = re.compile(
    r"\b(?:c ?= ?(\d{1,5})|concurrency (?:of )?(\d{1,5})|"
    r"(\d{1,5}) (?:concurrent|parallel|simultaneous) (?:requests|users))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    kind: Kind
    metric: str
    systems: tuple[str, ...]
    """Ids of systems.yaml."""
    frameworks: tuple[str, ...]
    models: tuple[str, ...]
    """As the store or the catalogue names them, else as asked."""
    dataset: str | None
    gpus: int | None
    nodes: int | None
    concurrency: int | None


def asked_in(text: str, measured_models: Iterable[str]) -> Asked | None:
    """None unless a sentence asks for a figure and two of system, framework and model are named.

    Who tells of the own job's speed asks for help with it, not for a benchmark.
    """
    asking = " ".join(part for part in _SENTENCE.findall(text) if _asks_for_a_figure(part))
    if not asking:
        return None
    words = plain_words(text)
    trained = _TRAINING.search(asking) is not None
    found = Asked(
        kind="training" if trained else "inference",
        metric="train_tokens_per_second"
        if trained
        else "ttft_mean"
        if _LATENCY.search(asking)
        else "output_throughput",
        systems=tuple(systems_in(text)),
        frameworks=_frameworks(words),
        models=_models(text, words, measured_models),
        dataset=next((name for name in DATASETS if f" {name} " in words), None),
        gpus=_number(_GPUS, text),
        nodes=_number(_NODES, text),
        concurrency=_number(_LOAD, text),
    )
    named = sum(bool(part) for part in (found.systems, found.frameworks, found.models))
    return found if named >= 2 else None


def _metric(asking: str, trained: bool) -> str:
    if trained:
        return "train_tokens_per_second"
    return "ttft_mean" if _LATENCY.search(asking) else "output_throughput"


def _asks_for_a_figure(sentence: str) -> bool:
    return bool(_FIGURE.search(sentence) and _ASKS.search(sentence)) and _OWN_TROUBLE.search(sentence) is None


def plain_words(text: str) -> str:
    """Lower-case words between single blanks, a blank at both ends."""
    return f" {re.sub(r'[^a-z0-9.+]+', ' ', text.lower())} ".replace(". ", " ")


def _frameworks(words: str) -> tuple[str, ...]:
    found = [name for name in FRAMEWORKS if f" {plain_words(name).strip()} " in words]
    return tuple(name for name in found if not (name == "deepspeed" and "deepspeed-mii" in found))


def _models(text: str, words: str, measured: Iterable[str]) -> tuple[str, ...]:
    """Measured ones by name or by name without the variant; then catalogued ones; then what looks like one."""
    together = {model_name(name): name for name in (*catalogued_models(), *measured)}
    found: dict[str, None] = {}
    for name in sorted(together.values(), key=len, reverse=True):
        base = _base_words(name)
        if f" {base} " in words and not any(base in _base_words(longer) for longer in found):
            found.setdefault(_family(name))
    if found:
        return tuple(found)
    return tuple(dict.fromkeys(match[0] for match in _MODEL.finditer(text) if not systems_in(match[0])))[:3]


_VARIANT = re.compile(r"(?: (?:instruct|it|chat|base|hf|v\d[\d.]*|\d{4}))+$")


def _base_words(name: str) -> str:
    """`Llama-3.1-8B-Instruct` -> `llama 3.1 8b`."""
    return _VARIANT.sub("", plain_words(name.rpartition("/")[2]).strip())


def _family(name: str) -> str:
    words = _base_words(name)
    short = name.rpartition("/")[2]
    for end in range(1, len(short) + 1):
        if plain(short[:end]) == plain(words):
            return short[:end]
    return short


@cache
def catalogued_models() -> tuple[str, ...]:
    return tuple(row["name"] for row in read_yaml("facts/models.yaml")["language_models"])


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    if match is None:
        return None
    word = next(group for group in match.groups() if group)
    return int(word) if word.isdigit() else 1
