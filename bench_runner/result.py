"""What came out of a run, and where that is known from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from msgspec import Struct, field

from bench_runner.cells import Cells
from bench_runner.jsontext import encoded, finite
from bench_runner.spec import BenchmarkSpec

State = Literal["finished", "failed", "partial"]
How = Literal["measured", "declared", "derived"]
THROUGHPUTS = ("output_throughput", "train_tokens_per_second", "train_samples_per_second")


class Metric(Struct, frozen=True, array_like=True, gc=False):
    name: str
    """One of `bench_runner.metrics.DEFINITIONS`, or the source's own name for what we have no word for."""
    value: float
    """Always finite: what was not measured has no metric."""
    unit: str
    how: How = "measured"


class Provenance(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    source: str
    """File name as given; says where to look, never what was measured."""
    line: int
    """First line of the record, from 1."""
    format: str
    """Importer that read it, such as `vllm-serving-json`."""
    sha256: str = ""
    """Of the whole file, lower-case hex; only the record inside the store leaves it to the row around it."""
    tool: str | None = None
    tool_version: str | None = None
    commit: str | None = None
    date: str | None = None
    """As the source prints it: most tools give no time zone."""
    flags: tuple[str, ...] = ()
    """Flags of the client as resolved, `name=value`."""
    modules: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    """Node names."""
    job_id: str | None = None
    environment: str | None = None
    """Container image, virtual environment or module collection that it ran in."""
    driver: str | None = None
    """Of the accelerator, as it reports itself."""
    versions: tuple[tuple[str, str], ...] = ()
    """Versions of what it ran on, such as `("torch", "2.6.0")`."""


class BenchmarkResult(Struct, frozen=True, kw_only=True, dict=True):
    spec: BenchmarkSpec
    state: State
    metrics: tuple[Metric, ...]
    provenance: Provenance
    original: Mapping[str, object] = field(default_factory=dict[str, object])
    """The record as read, every field, without generated texts and per-request arrays."""
    not_measured: tuple[str, ...] = ()
    """Metrics that the source printed as zero where zero means that nobody measured."""
    reason: str | None = None
    """Why the run failed or is partial; None when it finished or the source does not say."""
    notes: tuple[str, ...] = ()

    @property
    def values(self) -> Mapping[str, float]:
        """Metric by name; made once, without the lock that `cached_property` takes in Python 3.11."""
        kept: dict[str, dict[str, float]] = self.__dict__
        if "values" not in kept:
            kept["values"] = {metric.name: metric.value for metric in self.metrics}
        return kept["values"]

    def value(self, name: str) -> float | None:
        return self.values.get(name)

    @property
    def throughput(self) -> float | None:
        """The figure that scaling is judged by; None for a run that did not finish."""
        if self.state != "finished":
            return None
        return next((value for name in THROUGHPUTS if (value := self.values.get(name)) is not None), None)


class Problem(Struct, frozen=True, kw_only=True):
    """A record that does not parse; the records around it do."""

    source: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.what}"


Record = BenchmarkResult | Problem


def result_id(result: BenchmarkResult) -> str:
    """Same record at the same line, in whatever file: same id, so importing twice adds nothing.

    Appending to a file keeps the ids of what was there.
    """
    where, original = (result.provenance.format, result.provenance.line), result.original
    if isinstance(original, Cells):
        form, line = where
        printed = f"[[{_quoted(form)},{line}],{original.header.printed(original.cells)}]".encode()
    else:
        printed = encoded([where, finite(original)], sort=True)
    return hashlib.sha256(printed).hexdigest()[:24]


@lru_cache(maxsize=64)
def _quoted(form: str) -> str:
    return encoded(form).decode()
