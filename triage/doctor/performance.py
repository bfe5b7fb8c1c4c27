"""What a log says about speed: GPU idle, loader-bound, one GPU of several, memory left, no mixed precision.

Thresholds are planning values; every finding is a hint or a warning, never an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from triage.doctor.diagnosis import Finding, Severity, Source

IDLE_PERCENT = 50
BUSY_PERCENT = 70
FREE_MEMORY_SHARE = 0.5
LOADER_SHARE = 0.3
MIN_SAMPLES = 3

_SOURCE = (
    Source(title="Machine Learning Engineering Open Book, performance", url="https://github.com/stas00/ml-engineering"),
)
_SMI_TABLE = re.compile(rb"(\d{1,6})MiB ?/ ?(\d{1,6})MiB ?\|\s{1,8}(\d{1,3})%")
_SMI_INDEX = re.compile(rb"^\|\s{1,4}(\d{1,2})\s{2,4}[A-Z]")
_SMI_CSV = re.compile(rb"^(?:[\d/:\-. ]{10,30}, ?)?(\d{1,2}), ?[^,\n]{0,60}?,? ?(\d{1,3}) ?%")
_ROCM_ROW = re.compile(rb"^(\d{1,2})\s.{10,160}?\s(\d{1,3})%\s{1,8}(\d{1,3})%\s*$")
_DATA_TIME = re.compile(
    rb"(?:data(?:_time| time|loader|_loading)?|load(?:er|"
    rb"ing)?(?: time)?)[ :=]{1,3}([0-9.]{1,9}) ?s?\b.{0,80}?(?:step|iter|batch|total|time)(?:_time|"
    rb" time)?[ :=]{1,3}([0-9.]{1,9})"
)
_PROFILER = re.compile(rb"enumerate\(DataLoader\)\S{0,60}\s{1,40}([0-9.]{1,6})%")
_PROFILER_COPY = re.compile(rb"(?:aten::copy_|cudaMemcpyAsync|hipMemcpyWithStream|Memcpy HtoD)\s{1,80}([0-9.]{1,6})%")
_PREEMPTED = re.compile(rb"is preempted by PreemptionMode\.\w+ mode because there is not enough KV cache space")
_FP32 = re.compile(
    rb"(?i)(?:mixed[_ ]precision|precision)['\"]?\s{0,2}[:=]\s{0,2}['\"]?(?:no|fp32|32(?:-true)?)\b|"
    rb"bf16=False.{0,200}fp16=False|Using 32bit"
)
_SLOW_LOADER = re.compile(rb"(?i)does not have many workers which may be a bottleneck|num_workers=0\b")
_SMALL_BATCH = re.compile(
    rb"(?i)(?:per[_ ]device[_ ]train[_ ]batch[_ ]size|micro[_ ]batch[_ ]size(?:_per_gpu)?)['\"]?\s{0,2}[:=]\s{0,2}1\b"
)
_ANY = re.compile(rb"MiB|NVIDIA|Tesla|%|data|load|Loader|preempted|recision|bf16|num_workers|workers which|atch|32bit")


@dataclass(slots=True)
class Speed:
    """Collected in one pass; at most a few hundred numbers are kept."""

    used: dict[int, list[int]] = field(default_factory=dict)
    memory: dict[int, list[float]] = field(default_factory=dict)
    first_sample: int = 0
    shares: list[float] = field(default_factory=list)
    first_share: int = 0
    marks: dict[str, tuple[int, str]] = field(default_factory=dict)
    index: int = 0


MAX_LINES = 20_000
_MARKS = (
    ("perf-kv-preempted", _PREEMPTED),
    ("perf-no-mixed-precision", _FP32),
    ("perf-loader-workers", _SLOW_LOADER),
    ("perf-small-batch", _SMALL_BATCH),
)


def read_speed(head: bytes) -> Speed:
    """`head`: the first part of a log; samples repeat, so a part is enough."""
    speed = Speed()
    for number, line in enumerate(head.split(b"\n", MAX_LINES)[:MAX_LINES], start=1):
        if len(line) < 600 and _ANY.search(line):
            _samples(line, number, speed)
            _others(line, number, speed)
    return speed


def _samples(line: bytes, number: int, speed: Speed) -> None:
    index = _SMI_INDEX.match(line)
    if index:
        speed.index = int(index.group(1))
    table, csv, rocm = _SMI_TABLE.search(line), _SMI_CSV.match(line), _ROCM_ROW.match(line)
    if table:
        _add(speed, speed.index, int(table.group(3)), int(table.group(1)) / max(1, int(table.group(2))), number)
    elif (csv and b"MiB" in line) or (csv and b"%" in line and line.count(b",") >= 2):
        _add(speed, int(csv.group(1)), int(csv.group(2)), None, number)
    elif rocm:
        _add(speed, int(rocm.group(1)), int(rocm.group(3)), int(rocm.group(2)) / 100, number)


def _add(speed: Speed, gpu: int, percent: int, memory: float | None, number: int) -> None:
    speed.first_sample = speed.first_sample or number
    speed.used.setdefault(gpu, []).append(percent)
    if memory is not None:
        speed.memory.setdefault(gpu, []).append(memory)


def _others(line: bytes, number: int, speed: Speed) -> None:
    times = _DATA_TIME.search(line)
    if times:
        data, step = _float(times.group(1)), _float(times.group(2))
        if 0 < data <= step:
            speed.shares.append(data / step)
            speed.first_share = speed.first_share or number
    profiled = _PROFILER.search(line)
    if profiled and _float(profiled.group(1)) >= 100 * LOADER_SHARE:
        speed.marks.setdefault(
            "perf-loader-bound", (number, f"the loader takes {profiled.group(1).decode()} % of the profile")
        )
    copied = _PROFILER_COPY.search(line)
    if copied and _float(copied.group(1)) >= 100 * LOADER_SHARE:
        speed.marks.setdefault("perf-copies", (number, f"copies take {copied.group(1).decode()} % of the profile"))
    for name, pattern in _MARKS:
        match = pattern.search(line)
        if match:
            speed.marks.setdefault(name, (number, match.group().decode("utf-8", "replace")))


def _float(text: bytes) -> float:
    return float(text) if re.fullmatch(rb"\d+(?:\.\d+)?|\.\d+", text) else 0.0


_ADVICE: dict[str, tuple[str, str]] = {
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
    "perf-copies": ("time goes into copies", "pin_memory=True and non_blocking=True; build tensors on the GPU"),
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
}


def speed_findings(head: bytes, where: str) -> tuple[Finding, ...]:
    speed = read_speed(head)
    return tuple(_finding(*row, where, head) for row in sorted(_rows(speed), key=lambda row: row[1]))


def _rows(speed: Speed) -> Iterator[tuple[str, int, str, Severity]]:
    """Id, line, what, severity."""
    medians = {gpu: median(values) for gpu, values in speed.used.items()}
    if sum(map(len, speed.used.values())) >= MIN_SAMPLES:
        silent = sorted(gpu for gpu, value in medians.items() if value == 0 and max(speed.used[gpu]) < 5)
        busy = [value for gpu, value in medians.items() if gpu not in silent]
        if silent and busy and max(busy) >= 20:
            yield (
                "perf-gpus-unused",
                speed.first_sample,
                f"GPU {', '.join(map(str, silent))} of {len(medians)} unused in all samples",
                "warning",
            )
        if busy and median(busy) < IDLE_PERCENT:
            yield (
                "perf-gpu-idle",
                speed.first_sample,
                f"GPU use is {median(busy):.0f} % (median of {sum(map(len, speed.used.values()))} samples)",
                "warning",
            )
        filled = [max(values) for gpu, values in speed.memory.items() if gpu not in silent]
        if filled and busy and max(filled) < FREE_MEMORY_SHARE and median(busy) < BUSY_PERCENT:
            yield (
                "perf-memory-left",
                speed.first_sample,
                f"at most {100 * max(filled):.0f} % of GPU memory is used",
                "hint",
            )
    if len(speed.shares) >= MIN_SAMPLES and median(speed.shares) >= LOADER_SHARE:
        yield (
            "perf-loader-bound",
            speed.first_share,
            f"{100 * median(speed.shares):.0f} % of a step is waiting for data",
            "warning",
        )
    for name, (number, what) in speed.marks.items():
        yield name, number, what, "warning" if name in ("perf-loader-bound", "perf-kv-preempted") else "hint"


def _finding(name: str, line: int, what: str, severity: Severity, where: str, head: bytes) -> Finding:  # noqa: PLR0917
    why, fix = _ADVICE[name]
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
