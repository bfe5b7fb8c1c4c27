"""What was, or is to be, measured."""

from __future__ import annotations

import hashlib
import math
from typing import Literal

from msgspec import Struct

from bench_runner.jsontext import encoded

Kind = Literal["inference", "training", "other"]
Setting = tuple[str, str | int | float | bool | None]


class BenchmarkSpec(Struct, frozen=True, kw_only=True, gc=False):
    """One configuration. None means that the source does not say; nothing here is taken from a path."""

    kind: Kind
    system: str | None = None
    partition: str | None = None
    framework: str | None = None
    model: str | None = None
    dataset: str | None = None
    task: str | None = None
    """What the MINERVA tables call data set or model type, such as `Text Generation`."""
    precision: str | None = None
    tp: int | None = None
    """GPUs that share each layer (tensor parallel)."""
    pp: int | None = None
    """Pipeline stages."""
    dp: int | None = None
    """Replicas of the model (data parallel)."""
    gpus: int | None = None
    """GPUs of the whole run as the source states them."""
    gpus_per_node: int | None = None
    nodes: int | None = None
    concurrency: int | None = None
    """Requests in flight that the client allows."""
    num_prompts: int | None = None
    max_model_len: int | None = None
    """Tokens."""
    server_flags: tuple[str, ...] = ()
    """Server arguments in the order given; a flag and its value are two items."""
    settings: tuple[Setting, ...] = ()
    """Everything else that configures the run, sorted by name."""

    @property
    def engaged_gpus(self) -> int | None:
        """GPUs that the parallelism uses: TP x PP x DP; None when TP is not stated."""
        return engaged_gpus(self.tp, self.pp, self.dp)

    @property
    def allocated_gpus(self) -> int | None:
        """GPUs that the nodes hold; for one node, what the source calls the total."""
        return allocated_gpus(self.gpus, self.nodes, self.gpus_per_node)

    def setting(self, name: str) -> str | int | float | bool | None:
        return next((value for key, value in self.settings if key == name), None)


def engaged_gpus(tp: int | None, pp: int | None, dp: int | None) -> int | None:
    return None if tp is None else tp * (pp or 1) * (dp or 1)


def allocated_gpus(gpus: int | None, nodes: int | None, gpus_per_node: int | None) -> int | None:
    if nodes is None or gpus_per_node is None:
        return gpus
    if nodes == 1 and gpus is not None:
        return min(gpus, gpus_per_node)
    return nodes * gpus_per_node


def canonical(spec: BenchmarkSpec) -> str:
    """The spec as JSON with sorted keys and without what is not stated: equal specs give equal text."""
    kept: dict[str, object] = {}
    for name in _FIELDS:
        value = getattr(spec, name)
        if value is not None and value != ():
            kept[name] = value
    if spec.settings:
        plain = ([name, _plain(value)] for name, value in spec.settings)
        kept["settings"] = sorted(plain, key=lambda item: str(item[0]))
    return encoded(kept, sort=True).decode()


_FIELDS = tuple(sorted(BenchmarkSpec.__struct_fields__))


def _plain(value: str | int | float | bool | None) -> str | int | float | bool | None:
    """1000.0 and 1000 are one setting; infinity has no JSON."""
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return str(value)
    return int(value) if value.is_integer() else value


def spec_hash(spec: BenchmarkSpec) -> str:
    """SHA-256 of the canonical form, lower-case hex."""
    return hashlib.sha256(canonical(spec).encode()).hexdigest()


def split_flags(text: str) -> tuple[str, ...]:
    """Server arguments as one string -> items; `--a=b` and `--a b` give the same two items.

    >>> split_flags("--max-model-len=32000 --enforce-eager")
    ('--max-model-len', '32000', '--enforce-eager')
    """
    items: list[str] = []
    for word in text.split():
        name, equals, value = word.partition("=")
        items.extend((name, value) if equals and name.startswith("--") else (word,))
    return tuple(items)
