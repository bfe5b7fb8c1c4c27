"""What a log says about speed: GPU idle, loader-bound, one GPU of several, memory left, no mixed precision.

Thresholds are planning values; every finding is a hint or a warning, never an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median

from triage.doctor.diagnosis import Finding, Severity, Source
from triage.doctor.gpusamples import Samples
from triage.doctor.steptimes import StepTimes

IDLE_PERCENT = 50
BUSY_PERCENT = 70
FREE_MEMORY_SHARE = 0.5
LOADER_SHARE = 0.3
LOW_MFU_PERCENT = 15
MIN_SAMPLES = 3
MAX_LINES = 20_000
MAX_LINE_BYTES = 600

_SOURCE = (
    Source(title="Machine Learning Engineering Open Book, performance", url="https://github.com/stas00/ml-engineering"),
)
_PROFILED = re.compile(rb"^\s{0,80}(\S.{0,80}?)\s{2,60}(\d{1,3}\.\d{1,2})%\s{1,20}\S{1,12}\s{1,20}(\d{1,3}\.\d{1,2})%")
_TOTAL = re.compile(rb"Self (CPU|CUDA|XPU) time total: ([0-9.]{1,9})(us|ms|s)\b")
_MFU = re.compile(rb"(?i)\bmfu[ :=]{1,3}([0-9.]{1,6}) ?%")
_MEMORY_PERCENT = re.compile(rb"(?i)\bmemory: {1,3}[0-9.]{1,8}GiB\(([0-9.]{1,6})%\)")
_UNITS = {b"us": 1e-6, b"ms": 1e-3, b"s": 1.0}
_MARKS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    (
        "perf-kv-preempted",
        re.compile(rb"is preempted by PreemptionMode\.\w{1,20} mode because there is not enough KV cache space"),
    ),
    (
        "perf-no-mixed-precision",
        re.compile(
            rb"(?i)(?:mixed[_ ]precision|precision)['\"]?\s{0,2}[:=]\s{0,2}['\"]?(?:no|fp32|32(?:-true)?)\b|"
            rb"bf16=False.{0,200}fp16=False|Using 32bit"
        ),
    ),
    ("perf-loader-workers", re.compile(rb"(?i)does not have many workers which may be a bottleneck|num_workers=0\b")),
    (
        "perf-small-batch",
        re.compile(
            rb"(?i)(?:per[_ ]device[_ ]train[_ ]batch[_ ]size|micro[_ ]batch[_ ]size(?:_per_gpu)?)['\"]?"
            rb"\s{0,2}[:=]\s{0,2}1\b|Instantaneous batch size per device = 1\b"
        ),
    ),
    (
        "perf-cpu-only",
        re.compile(
            rb"(?i)GPU available but not used|GPU available: True[^\n]{0,40}used: False|\busing device:? ?['\"]?cpu\b"
        ),
    ),
)
_COPIES = (b"aten::copy_", b"cudaMemcpyAsync", b"hipMemcpyWithStream", b"Memcpy HtoD")
_SYNCHRONISES = (b"aten::item", b"aten::_local_scalar_dense", b"aten::nonzero", b"cudaStreamSynchronize")
_ANY = re.compile(
    rb"MiB|NVIDIA|Tesla|%|data|load|Loader|preempted|recision|bf16|num_workers|workers which|atch|32bit|time|s/it|"
    rb"GPU|device|^#|^\s{0,8}\d{1,2}\s"
)
_ADVICE: Mapping[str, tuple[str, str]] = {
    "perf-gpu-idle": (
        "the GPUs wait",
        "profile one step (torch.profiler); more loader workers, larger batch, fewer synchronisations",
    ),
    "perf-gpus-unused": (
        "GPUs that are held and billed do nothing",
        "one process per GPU (torchrun or srun), or ask for fewer GPUs",
    ),
    "perf-memory-left": (
        "a larger batch would fit",
        "raise the batch per GPU until memory is nearly full, then adjust the learning rate",
    ),
    "perf-loader-bound": (
        "the step waits for data",
        "num_workers = cores per GPU - 1, persistent_workers, data in few large files",
    ),
    "perf-slowed-down": (
        "something that was fast before is shared, full or throttled now",
        "compare node, file system and GPU clocks before and after that line; a leak, a full cache, another job on the "
        "file system or a hot GPU are the usual reasons",
    ),
    "perf-low-mfu": (
        "the matrix units are idle most of the time",
        "larger micro batch, fused attention, torch.compile, less recomputation and offload; profile one step",
    ),
    "perf-copies": ("time goes into copies", "pin_memory=True and non_blocking=True; build tensors on the GPU"),
    "perf-synchronises": (
        "the host waits for the GPU in every step",
        "no .item(), print or if on a GPU tensor in the loop; log every n-th step",
    ),
    "perf-launch-bound": (
        "many small kernels: the host cannot start them fast enough",
        "torch.compile or CUDA graphs, fused optimiser, larger batch",
    ),
    "perf-kv-preempted": (
        "the server recomputes requests",
        "lower --max-num-seqs, raise --gpu-memory-utilization, or more tensor parallelism",
    ),
    "perf-no-mixed-precision": (
        "matrix units run at a fraction of their speed",
        "bf16 where the GPU has it (not V100), else fp16 with a scaler",
    ),
    "perf-loader-workers": ("too few loader workers", "num_workers up to the cores per GPU (--cpus-per-task)"),
    "perf-small-batch": (
        "batch 1 per GPU seldom fills a GPU",
        "raise it as memory allows, or gradient checkpointing to make room",
    ),
    "perf-cpu-only": (
        "the program computes on the CPU although the job holds GPUs",
        "choose the GPU in the program (accelerator='gpu', .to('cuda')); is torch.cuda.is_available() true in the job?",
    ),
}
_WARNINGS = frozenset(
    {"perf-gpu-idle", "perf-gpus-unused", "perf-loader-bound", "perf-kv-preempted", "perf-slowed-down", "perf-cpu-only"}
)
Row = tuple[str, int, str]
"""Id, line, what."""


@dataclass(slots=True)
class Speed:
    """Collected in one pass over the first part of a log; at most a few thousand numbers are kept."""

    samples: Samples = field(default_factory=Samples)
    steps: StepTimes = field(default_factory=StepTimes)
    marks: dict[str, tuple[int, str]] = field(default_factory=dict)
    mfu: list[tuple[int, float]] = field(default_factory=list)
    memory: list[tuple[int, float]] = field(default_factory=list)
    host_seconds: float = 0.0


def read_speed(head: bytes) -> Speed:
    """`head`: the first part of a log; samples and steps repeat, so a part is enough."""
    speed = Speed()
    for number, line in enumerate(head.split(b"\n", MAX_LINES)[:MAX_LINES], start=1):
        if len(line) < MAX_LINE_BYTES and _ANY.search(line):
            speed.samples.read(line, number)
            speed.steps.read(line, number)
            _profile(line, number, speed)
            _marks(line, number, speed)
    return speed


def _marks(line: bytes, number: int, speed: Speed) -> None:
    for name, pattern in _MARKS:
        match = pattern.search(line)
        if match:
            speed.marks.setdefault(name, (number, match.group().decode("utf-8", "replace")))
    for pattern, kept in ((_MFU, speed.mfu), (_MEMORY_PERCENT, speed.memory)):
        match = pattern.search(line)
        if match and re.fullmatch(rb"\d+(?:\.\d+)?", match.group(1)):
            kept.append((number, float(match.group(1))))


def _profile(line: bytes, number: int, speed: Speed) -> None:
    """A row of the table of torch.profiler, or one of its totals."""
    total = _TOTAL.search(line)
    if total and re.fullmatch(rb"\d+(?:\.\d+)?", total.group(2)):
        seconds = float(total.group(2)) * _UNITS[total.group(3)]
        if total.group(1) == b"CPU":
            speed.host_seconds = seconds
        elif speed.host_seconds and seconds < IDLE_PERCENT / 100 * speed.host_seconds:
            busy = 100 * seconds / speed.host_seconds
            speed.marks.setdefault("perf-gpu-idle", (number, f"the GPU computes in {busy:.0f} % of the profiled time"))
    row = _PROFILED.match(line)
    if row is None:
        return
    name, share = row.group(1), max(float(row.group(2)), float(row.group(3)))
    kind = _kind(name)
    if kind and share >= 100 * LOADER_SHARE:
        said = f"{name.decode('utf-8', 'replace')} takes {share:g} % of the profile"
        speed.marks.setdefault(kind, (number, said))


def _kind(name: bytes) -> str:
    if name.startswith(b"enumerate(DataLoader)"):
        return "perf-loader-bound"
    if name.startswith(_COPIES):
        return "perf-copies"
    if name.startswith(_SYNCHRONISES):
        return "perf-synchronises"
    return "perf-launch-bound" if name in (b"cudaLaunchKernel", b"hipLaunchKernel") else ""


def speed_findings(head: bytes, where: str) -> tuple[Finding, ...]:
    speed = read_speed(head)
    rows = {name: (name, line, what) for name, line, what in (*_samples(speed.samples), *_steps(speed))}
    rows |= {name: (name, *mark) for name, mark in speed.marks.items() if name not in rows}
    return tuple(_finding(row, where, head) for row in sorted(rows.values(), key=lambda row: row[1]))


def _samples(samples: Samples) -> Iterator[Row]:
    medians = {gpu: median(values) for gpu, values in samples.used.items()}
    if samples.count < MIN_SAMPLES:
        return
    silent = sorted(gpu for gpu, value in medians.items() if value == 0 and max(samples.used[gpu]) < 5)
    busy = [value for gpu, value in medians.items() if gpu not in silent]
    if silent and busy:
        yield (
            "perf-gpus-unused",
            samples.first_line,
            f"GPU {', '.join(map(str, silent))} of {len(medians)} unused in all samples",
        )
    if busy and median(busy) < IDLE_PERCENT:
        said = f"GPU use is {median(busy):.0f} % (median of {samples.count} samples)"
        yield "perf-gpu-idle", samples.first_line, said
    filled = [max(values) for gpu, values in samples.memory.items() if gpu not in silent]
    if filled and busy and max(filled) < FREE_MEMORY_SHARE and median(busy) < BUSY_PERCENT:
        yield "perf-memory-left", samples.first_line, f"at most {100 * max(filled):.0f} % of GPU memory is used"


def _steps(speed: Speed) -> Iterator[Row]:
    waiting = speed.steps.waiting()
    if waiting >= LOADER_SHARE:
        yield "perf-loader-bound", speed.steps.first_share, f"{100 * waiting:.0f} % of a step is waiting for data"
    slowed = speed.steps.slowed()
    if slowed:
        yield "perf-slowed-down", slowed[0], f"the steps take {slowed[1]:.1f} times as long as at the beginning"
    if len(speed.mfu) >= MIN_SAMPLES and (low := median(value for _, value in speed.mfu)) < LOW_MFU_PERCENT:
        yield "perf-low-mfu", speed.mfu[0][0], f"MFU is {low:g} %"
    filled = max((value for _, value in speed.memory), default=100.0)
    if len(speed.memory) >= MIN_SAMPLES and filled < 100 * FREE_MEMORY_SHARE:
        yield "perf-memory-left", speed.memory[0][0], f"at most {filled:.0f} % of GPU memory is used"


def _finding(row: Row, where: str, head: bytes) -> Finding:
    name, line, what = row
    why, fix = _ADVICE[name]
    severity: Severity = "warning" if name in _WARNINGS else "hint"
    lines = head.split(b"\n", line)
    return Finding(
        id=name,
        severity=severity,
        line=line,
        column=1,
        what=what,
        why=why,
        fix=fix,
        evidence=lines[line - 1].decode("utf-8", "replace")[:300] if len(lines) >= line else "",
        source=_SOURCE,
        autofix="ask",
        where=where,
    )
