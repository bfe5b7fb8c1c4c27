"""Any file of results: find out what wrote it, and read it with the importer for that."""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench_runner.errors import SourceError
from bench_runner.importers import (
    aiperf,
    guidellm,
    hf_trainer,
    milabench,
    minerva_csv,
    mllog,
    reframe,
    sglang,
    vllm_json,
    vllm_text,
)
from bench_runner.importers.jsonscan import Buffer
from bench_runner.importers.source import Source, hashed, shown
from bench_runner.result import Record

HEAD = 262_144
"""Bytes by which a format is told."""
LARGEST_TEXT = 256 * 1024 * 1024
"""Bytes of a JSON report that is read as a whole."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    name: str
    looks: re.Pattern[bytes]
    """Found in the first bytes of such a file; the first format that matches is taken."""
    is_table: bool = False
    """Line ends inside quoted cells count."""
    from_lines: Callable[[Iterable[str], Source], Iterator[Record]] | None = None
    from_buffer: Callable[[Buffer, Source], Iterator[Record]] | None = None
    from_text: Callable[[str, Source], Iterator[Record]] | None = None


FORMATS = (
    Format(
        name="minerva-csv",
        looks=re.compile(rb"\A(?:\xef\xbb\xbf)?[^\n]{0,2000}\bSupercomputer,[^\n]{0,2000}\bFramework\b"),
        is_table=True,
        from_lines=minerva_csv.read,
    ),
    Format(name="reframe", looks=re.compile(rb'\A\s*\{.{0,400}"session_info"', re.DOTALL), from_text=reframe.read),
    Format(
        name="milabench-data",
        looks=re.compile(rb'\A\s*\{"event": ?"(?:config|meta|start|data|line|phase|end|error)"'),
        from_lines=milabench.read_data,
    ),
    Format(
        name="guidellm",
        looks=re.compile(rb'\A\s*\{.*"(?:benchmarks"\s*:\s*\[|guidellm_version")', re.DOTALL),
        from_buffer=guidellm.read,
    ),
    Format(
        name="aiperf",
        looks=re.compile(
            rb'\A\s*\{.*"(?:aiperf_version"|(?:request_latency|request_throughput)"\s*:\s*\{\s*"unit")', re.DOTALL
        ),
        from_text=aiperf.read,
    ),
    Format(
        name="trainer-state",
        looks=re.compile(rb'\A\s*\{.*"log_history"\s*:', re.DOTALL),
        from_text=hf_trainer.read_state,
    ),
    Format(
        name="sglang-jsonl",
        looks=re.compile(rb'\A\s*\{.*"(?:total_output_tokens_retokenized|mean_e2e_latency_ms)"\s*:', re.DOTALL),
        from_buffer=sglang.read,
    ),
    Format(
        name="vllm-serving-json",
        looks=re.compile(rb'\A[\s\[]*\{.*"(?:request_throughput|output_throughput|completed)"\s*:', re.DOTALL),
        from_buffer=vllm_json.read,
    ),
    Format(name="mlperf-log", looks=re.compile(rb":::MLLOG \{\""), from_lines=mllog.read),
    Format(name="mlperf-summary", looks=re.compile(rb"MLPerf Results Summary"), from_lines=mllog.read_summary),
    Format(
        name="vllm-text",
        looks=re.compile(rb"Serving Benchmark Result|Starting initial single prompt test run"),
        from_lines=vllm_text.read,
    ),
    Format(
        name="milabench-report",
        looks=re.compile(rb"(?m)^[ \t]{0,40}bench\b[^\n]{0,200}\bperf\b[^\n]{0,200}\bscore\b"),
        from_lines=milabench.read_report,
    ),
    Format(
        name="hf-trainer",
        looks=re.compile(rb"\{'(?:loss|train_runtime)': |\*{5} (?:Running training|train metrics) \*{5}"),
        from_lines=hf_trainer.read_lines,
    ),
)


def detect(head: bytes) -> Format | None:
    """The format of a file by its first bytes; None when it holds no results that we know."""
    return next((form for form in FORMATS if form.looks.search(head)), None)


def recognise(path: Path) -> Format | None:
    """By the beginning of the file, and for logs by any line of it. The name of the file says nothing."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
            found = detect(head)
            if found is not None or len(head) < HEAD or b"\0" in head:
                return found
            return _in_rest(file.read)
    except OSError as error:
        raise SourceError(shown(path), f"cannot be read: {error.strerror or error}") from error


_IN_LOGS = tuple(form for form in FORMATS if not form.looks.pattern.startswith(rb"\A"))


def _in_rest(read: Callable[[int], bytes]) -> Format | None:
    """A log may run for long before the first figures, and a record may name its figures after its arrays."""
    tail = b""
    while chunk := read(1_048_576):
        piece = tail + chunk
        for form in _IN_LOGS:
            if form.looks.search(piece):
                return form
        if b'"output_throughput"' in piece or b'"request_throughput"' in piece:
            return next(form for form in FORMATS if form.name == "vllm-serving-json")
        tail = piece[-200:]
    return None


def read_file(path: Path, form: Format) -> Iterator[Record]:
    """Results and problems of a file, in the order of the file."""
    source = hashed(path, form.name)
    try:
        if form.from_buffer is not None:
            yield from map(_writable, _from_buffer(path, form.from_buffer, source))
        elif form.from_lines is not None:
            with path.open(encoding="utf-8", errors="replace", newline="" if form.is_table else None) as file:
                found = form.from_lines(file, source)
                yield from found if form.is_table else map(_writable, found)
        elif form.from_text is not None:
            yield from map(_writable, _from_text(path, form.from_text, source))
    except OSError as error:
        raise SourceError(shown(path), f"cannot be read: {error.strerror or error}") from error


def _writable(record: Record) -> Record:
    """JSON may name half of a surrogate pair, which no file and no database takes."""
    try:
        msgspec.json.encode(record)
    except UnicodeEncodeError:
        return msgspec.convert(_mended(msgspec.to_builtins(record)), type(record))
    return record


def _mended(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {_mended(name): _mended(item) for name, item in value.items()}
    return [_mended(item) for item in value] if isinstance(value, list | tuple) else value


def _from_buffer(path: Path, read: Callable[[Buffer, Source], Iterator[Record]], source: Source) -> Iterator[Record]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
        yield from read(buffer, source)


def _from_text(path: Path, read: Callable[[str, Source], Iterator[Record]], source: Source) -> Iterator[Record]:
    if path.stat().st_size > LARGEST_TEXT:
        yield source.problem(1, f"is larger than {LARGEST_TEXT >> 20} MiB, too large for a report of this kind")
        return
    yield from read(path.read_text(encoding="utf-8", errors="replace"), source)
