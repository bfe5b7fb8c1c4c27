"""A folder ready for a pull request to the public repository of results; it is never pushed from here."""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from bench_runner.comparison.noise import Floor
from bench_runner.comparison.repeats import configurations
from bench_runner.errors import PlotError, StoreError
from bench_runner.importers import minerva_export
from bench_runner.metrics import DEFINITIONS, LATENCIES
from bench_runner.plotting import PICTURES, picture, write_picture
from bench_runner.result import BenchmarkResult
from bench_runner.spec import canonical
from bench_runner.store.results import Stored

TRAINING_COLUMNS = (
    "Supercomputer",
    "Partition",
    "Model",
    "Dataset",
    "Framework",
    "Number of Nodes",
    "Total Used GPUs",
    "Precision",
    "Max Model Length",
    "Additional Arguments",
)
_TRAINING_FIELDS = (
    "system",
    "partition",
    "model",
    "dataset",
    "framework",
    "nodes",
    "gpus",
    "precision",
    "max_model_len",
)
_PRIVATE_PATH = re.compile(r"(?:/[\w.@+-]+){2,}")


def publish(stored: Sequence[Stored], known: Mapping[str, Floor], folder: Path) -> list[str]:
    """Write data, verdicts, pictures and a data card; returns the files. Raises StoreError."""
    rows = _once(stored)
    try:
        for name in ("data", "plots"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        _write_tables(rows, folder / "data")
        drawn = _draw(rows, known, folder / "plots")
        (folder / "README.md").write_text(_card(rows, drawn), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error.strerror or error}") from error
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _once(rows: Sequence[Stored]) -> list[Stored]:
    """A measurement that stands in two tables counts once, as the fuller one has it."""
    kept: dict[Hashable, Stored] = {}
    for row in rows:
        key = (row.result.spec, row.result.state, row.result.metrics, row.result.not_measured)
        if key not in kept or len(row.result.original) > len(kept[key].result.original):
            kept[key] = row
    return list(kept.values())


def _write_tables(rows: Sequence[Stored], folder: Path) -> None:
    inference = [row for row in rows if row.result.spec.kind == "inference"]
    training = [row for row in rows if row.result.spec.kind == "training"]
    with (folder / "inference.csv").open("w", newline="", encoding="utf-8") as out:
        minerva_export.write((_without_paths(row) for row in inference), out)
    with (folder / "training.csv").open("w", newline="", encoding="utf-8") as out:
        _write_training(training, csv.writer(out))
    with (folder / "checks.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(("Run", "Kind", "State", "Verdict", "Measured", "Reasons"))
        for row in rows:
            reasons = "; ".join(f"{finding.rule}: {finding.reason}" for finding in row.findings)
            writer.writerow(
                (
                    row.id,
                    row.result.spec.kind,
                    row.result.state,
                    row.verdict,
                    row.measured_on or "",
                    without_paths(reasons),
                )
            )
    lines = (json.dumps(public_record(row), ensure_ascii=False) + "\n" for row in rows)
    with (folder / "results.jsonl").open("w", encoding="utf-8") as out:
        out.writelines(lines)


def _write_training(rows: Sequence[Stored], writer: object) -> None:
    """Every metric that a row has gets a column with its unit, so nothing is lost."""
    names = sorted({metric.name for row in rows for metric in row.result.metrics})
    units = {metric.name: metric.unit for row in rows for metric in row.result.metrics}
    write = writer.writerow  # type: ignore[attr-defined]  # csv has no public name for it
    write((*TRAINING_COLUMNS, *(f"{name} ({units[name]})" for name in names)))
    for row in rows:
        spec, values = row.result.spec, row.result.values
        flags = without_paths(shlex.join([*spec.server_flags, *(f"{name}={value}" for name, value in spec.settings)]))
        stated = ["" if (value := getattr(spec, name)) is None else str(value) for name in _TRAINING_FIELDS]
        write((*stated, flags, *(repr(values[name]) if name in values else "" for name in names)))


def without_paths(text: str) -> str:
    """Paths on clusters hold user and project names."""
    return _PRIVATE_PATH.sub(lambda match: f"<path>/{match[0].rpartition('/')[2]}", text)


def _without_paths(row: Stored) -> BenchmarkResult:
    flags = tuple(without_paths(flag) for flag in row.result.spec.server_flags)
    return replace(row.result, spec=replace(row.result.spec, server_flags=flags))


def public_record(row: Stored) -> dict[str, object]:
    """What may be shown to anybody: no job ids, node names, client arguments or paths."""
    result, provenance = row.result, row.result.provenance
    return {
        "run": row.id,
        "spec": json.loads(without_paths(canonical(result.spec))),
        "state": result.state,
        "metrics": [{"name": m.name, "value": m.value, "unit": m.unit, "how": m.how} for m in result.metrics],
        "not_measured": list(result.not_measured),
        "verdict": row.verdict,
        "reasons": [f"{finding.rule}: {without_paths(finding.reason)}" for finding in row.findings],
        "measured_on": row.measured_on,
        "source": Path(provenance.source).name,
        "line": provenance.line,
        "format": provenance.format,
        "tool": provenance.tool,
        "tool_version": provenance.tool_version,
        "versions": dict(provenance.versions),
    }


def _draw(rows: Sequence[Stored], known: Mapping[str, Floor], folder: Path) -> list[str]:
    """Pictures by system and model, where there is something to show."""
    drawn = []
    series = sorted({(row.result.spec.system or "", row.result.spec.model or "") for row in rows})
    for system, model in series:
        of = [row for row in rows if (row.result.spec.system or "", row.result.spec.model or "") == (system, model)]
        found = configurations(of, known, near=True)
        for name in PICTURES:
            try:
                spec = picture(name, found)
            except PlotError:
                continue
            file = f"{_file_name(system)}-{_file_name(model)}-{name}.svg"
            write_picture(spec, folder / file)
            drawn.append(file)
    return drawn


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-") or "unnamed"


def _card(rows: Sequence[Stored], drawn: Sequence[str]) -> str:
    verdicts = Counter(row.verdict for row in rows)
    dates = sorted({row.measured_on for row in rows if row.measured_on})
    undated = sum(row.measured_on is None for row in rows)
    sources = Counter(Path(row.result.provenance.source).name for row in rows)
    names = sorted({metric.name for row in rows for metric in row.result.metrics})
    lines = [
        "# Benchmark results",
        "",
        f"{len(rows)} runs: " + ", ".join(f"{verdicts[v]} {v}" for v in ("verified", "suspect", "invalid")) + ".",
        f"Measured {dates[0]} to {dates[-1]}." if dates else "No run states a date.",
        f"{undated} runs state no date." if undated else "",
        "",
        "| file | holds |",
        "|---|---|",
        f"| `data/inference.csv` | {len(minerva_export.COLUMNS)} columns; such rows with every cell as printed |",
        "| `data/training.csv` | training runs, a column for each metric with its unit |",
        "| `data/results.jsonl` | every run with specification, metrics, verdict and reasons |",
        "| `data/checks.csv` | verdict and reasons by run |",
        f"| `plots/` | {len(drawn)} pictures |",
        "",
        "`verified`: figures were recomputed from others of the row and agree. `suspect`: a check failed, or nothing",
        "could be recomputed. `invalid`: failed or impossible, never in a picture. Scores of the inference table mix",
        "units; they are carried along, not computed. Paths, job ids and node names are left out.",
        "",
        "## Metrics",
        "",
        *(f"- `{name}`: {_definition(name)}" for name in names),
        "",
        "## Sources",
        "",
        *(f"- {name}: {count} runs" for name, count in sources.most_common()),
        "",
    ]
    return "\n".join(lines)


def _definition(name: str) -> str:
    if name in DEFINITIONS:
        unit, meaning = DEFINITIONS[name]
        return f"{meaning} ({unit})"
    stem, _, statistic = name.partition("_")
    return f"{statistic} of {LATENCIES[stem]} (ms)" if stem in LATENCIES else "as the source names it"
