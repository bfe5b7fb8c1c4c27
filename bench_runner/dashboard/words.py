"""The page in another language: its texts, for translators, and what of them its script is given."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from typing import Any

from bench_runner.dashboard.data import DIMENSIONS
from bench_runner.layouts import LAYOUTS, layout
from bench_runner.plausibility.audit import TITLES

Tell = Callable[[str], str]
"""A text of the page in the language of a reader; the text itself where there is no other."""

REASONS = (
    # one row by itself
    "the source says nothing from which a figure could be recomputed",
    "the {what} is {name}, a folder's name: the path was read one part off",
    "the {what} {name} is a path",
    "the framework {name} is not known",
    "the data set {name} is a framework: the path was read one part off",
    "{name} is negative: {value}",
    "the {low} {name} {value} ms exceeds its {high} {limit} ms",
    "the average {name} {value} exceeds the peak {limit}",
    "{value} W on average exceed the {limit} W of one {name}",
    "{gpus} GPUs are stated, but {nodes} nodes of {count} GPUs hold {allocated}",
    "the total was multiplied by the nodes once more",
    "TP x PP x DP needs {engaged} GPUs, {gpus} are stated",
    "{gpus} GPUs are allocated and TP x PP x DP uses {engaged}: {count} stand idle",
    "{value} is printed, {amount} in {duration} s make {computed}: one of the three is wrong",
    "{name} is {value}, the single requests give {computed}",
    "req/s and latency need {value} requests in flight, the client allowed {limit}",
    "on average {share} of the {count} requests were in flight: no steady state was measured",
    "{count} prompts at concurrency {load}: mostly filling and draining was measured",
    "printed as 0 and so not measured: {names}",
    "the run is partial: {reason}",
    "the run failed: {reason}",
    "its {names} are printed as inf",
    "{count} of {all} prompts completed, {lost} are missing without a failure line",
    "{count} requests completed of {all} prompts",
    "{count} answers have no token",
    "{count} of {all} failed",
    "{rate} tok/s of {size} B parameters need {share} times the peak of {gpus}",
    "{rate} tok/s need {share} times the peak of {gpus}",
    "{count} generated tokens a request do not fit a context of {limit}",
    # training
    "tok/s x time are {tokens} tokens, {factor} times what the data holds if every sample were of full length",
    "tok/s counts one pass over padded samples, but {count} epochs were trained",
    "samples/s x time are {made} samples, {samples} x {epochs} epochs are {expected}",
    "the Trainer prints {value} samples/s, its summary {again}: {factor}-fold apart",
    "{first} is {one}, {name} is {value}: {factor}-fold apart",
    "{count} trainable parameters exceed those of {model}",
    "{count} trainable parameters for {model} are one of {shards} shards",
    # rows beside each other
    "{value} tok/s on {nodes} nodes, {other} on {count} with the same parallelism: the added GPUs do no work",
    "{gpus} GPUs are {factor} times as fast as {count}: more than proportional",
    "{value} on {gpus} GPUs, {other} on {count}: slower with more",
    "suspect the network between the nodes (interface, RDMA, NCCL or RCCL settings)",
    "no faster than concurrency {load}, but the first token takes {after} ms, not {before}: "
    "requests wait in the server's queue",
    "ran with --enforce-eager (no CUDA graphs), {names} beside it without: not a like comparison",
    "{count} generated tokens a request, {framework} {value} on the same prompts: another workload",
    "{count} generated tokens a request, {framework} {value}: requests/s do not compare",
    "{count} different values in {rows} rows, average = peak: declared, not measured",
    "{value} where the median of {count} repeats is {middle} ({change})",
    "{value} here is {change} against {other} in {where}",
    "{count} configurations of this series differ by {least} to {most} from the first to the second",
    "no recorded difference explains it",
    "provenance differs: {flags} only in the first",
    "provenance differs: {flags} only in the second",
    "provenance differs: {what} {one} and {other}",
    "provenance differs: setting {setting} in one of them",
    "{flags} only in the first",
    "{flags} only in the second",
    "setting {setting} in one of them",
)
"""What the checks say of a row, part by part; the page looks for the first that fits."""
VALUES = ("inference", "training", "verified", "suspect", "not stated")
_ON_PAGE, _IN_SCRIPT = re.compile(r'\b_\("([^"]+)"'), re.compile(r'\bsay\("([^"]+)"')


@cache
def file(name: str) -> str:
    """A text file of this package."""
    return resources.files("bench_runner.dashboard").joinpath(name).read_text(encoding="utf-8")


def texts() -> tuple[str, ...]:
    """All that the page says, for the catalogues of whoever shows it."""
    return tuple(dict.fromkeys((*_ON_PAGE.findall(file("page.html")), *_scripted(), *_pictured(), *REASONS)))


def words(tell: Tell) -> dict[str, Any]:
    """For the script: each text that reads otherwise, and the forms of reasons."""
    said = {text: tell(text) for text in _scripted()}
    forms = [(form, tell(form)) for form in REASONS]
    return {
        "said": {text: told for text, told in said.items() if told != text},
        "forms": forms if any(form != told for form, told in forms) else [],
    }


def pictures(tell: Tell) -> dict[str, Any]:
    """The layouts, their titles in the language of `tell`."""
    return {name: _told(layout(name), tell) for name in LAYOUTS}


def _told(part: Any, tell: Tell) -> Any:
    if isinstance(part, list):
        return [_told(one, tell) for one in part]
    if isinstance(part, dict):
        return {name: tell(value) if _is_title(name, value) else _told(value, tell) for name, value in part.items()}
    return part


def _is_title(name: str, value: object) -> bool:
    return name in {"title", "text", "subtitle"} and isinstance(value, str)


@cache
def _scripted() -> tuple[str, ...]:
    return tuple(
        dict.fromkeys((*_IN_SCRIPT.findall(file("board.js")), *DIMENSIONS.values(), *VALUES, *TITLES.values()))
    )


def _pictured() -> Iterator[str]:
    found: list[str] = []

    def keep(text: str) -> str:
        found.append(text)
        return text

    pictures(keep)
    yield from found
