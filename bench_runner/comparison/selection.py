"""Which rows a question is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from bench_runner.names import plain, same_model, system_id
from bench_runner.spec import BenchmarkSpec
from bench_runner.store.results import Stored


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """None means any. Names match as people write them, models with their tuned variants."""

    system: str | None = None
    framework: str | None = None
    model: str | None = None
    dataset: str | None = None
    precision: str | None = None
    parallelism: str | None = None
    """As `parallelism` prints it, such as `TP4 PP1`."""
    gpus: int | None = None
    nodes: int | None = None
    concurrency: int | None = None
    kind: str | None = None

    def matches(self, spec: BenchmarkSpec) -> bool:
        texts = ((self.framework, spec.framework), (self.dataset, spec.dataset), (self.precision, spec.precision))
        counts = ((self.gpus, working_gpus(spec)), (self.nodes, spec.nodes), (self.concurrency, spec.concurrency))
        return (
            all(wanted is None or plain(wanted) == plain(found or "") for wanted, found in texts)
            and all(wanted is None or wanted == found for wanted, found in counts)
            and (self.kind is None or self.kind == spec.kind)
            and (self.system is None or system_id(self.system) == system_id(spec.system or ""))
            and (self.model is None or (spec.model is not None and same_model(self.model, spec.model)))
            and (self.parallelism is None or plain(self.parallelism) == plain(parallelism(spec)))
        )


def select(rows: Iterable[Stored], selection: Selection) -> list[Stored]:
    return [row for row in rows if selection.matches(row.result.spec)]


def working_gpus(spec: BenchmarkSpec) -> int | None:
    """GPUs that the parallelism uses if it is stated, else those allocated."""
    return spec.engaged_gpus or spec.allocated_gpus


def parallelism(spec: BenchmarkSpec) -> str:
    """`TP4 PP1`; empty when the source does not say."""
    return _parallelism(spec.tp, spec.pp, spec.dp)


@lru_cache(maxsize=1024)
def _parallelism(tp: int | None, pp: int | None, dp: int | None) -> str:
    parts = (("TP", tp), ("PP", pp), ("DP", dp))
    return " ".join(f"{name}{value}" for name, value in parts if value is not None)
