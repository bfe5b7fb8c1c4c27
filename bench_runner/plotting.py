"""Pictures as Vega-Lite specifications: the same one is an interactive page and, through vl-convert, PNG or SVG.

Nothing is fetched: the data stand in the specification, and pages carry the scripts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench_runner.comparison.queries import cost, scaling, throughput
from bench_runner.comparison.repeats import Configuration
from bench_runner.comparison.selection import parallelism, working_gpus
from bench_runner.errors import PlotError
from bench_runner.layouts import LAYOUTS, Spec, layout

Point = dict[str, Any]
Maker = Callable[[Sequence[Configuration], list[Point]], list[Point]]

PNG_SCALE = 2.0
VEGA_LITE = "6.4"


def points(found: Sequence[Configuration]) -> list[Point]:
    """One flat row a configuration, with what every picture needs; None where it was not measured."""
    return [_point(item) for item in found]


def _point(item: Configuration) -> Point:
    spec, rate, paid = item.spec, throughput(item), cost(item)
    name = "output_throughput" if "output_throughput" in item.figures else "train_tokens_per_second"
    figure = item.figures.get(name)
    gpus = working_gpus(spec)
    return {
        "run": item.ids[0],
        "kind": spec.kind,
        "repeats": len(item.rows),
        "verdict": item.verdict,
        "why": "; ".join(item.reasons[:3]),
        "system": spec.system,
        "framework": spec.framework,
        "model": spec.model,
        "dataset": spec.dataset,
        "precision": spec.precision,
        "parallelism": parallelism(spec),
        "gpus": gpus,
        "nodes": spec.nodes,
        "concurrency": spec.concurrency,
        "series": " ".join(
            part for part in (spec.system, spec.framework, parallelism(spec), " ".join(spec.server_flags)[:40]) if part
        ),
        "tokens_per_s": rate,
        "low": figure.low if figure else None,
        "high": figure.high if figure else None,
        "tokens_per_s_gpu": rate / gpus if rate and gpus else None,
        "ttft_ms": item.value("ttft_mean"),
        "tpot_ms": item.value("tpot_mean"),
        "e2el_ms": item.value("e2el_mean"),
        "train_s": item.value("train_runtime"),
        "kwh_per_mtok": paid.kwh if paid else None,
        "gpu_hours_per_mtok": paid.gpu_hours if paid else None,
    }


def pareto_front(rows: Sequence[Point]) -> list[Point]:
    """Sound points that no other beats in throughput and time to the first token at once, by throughput."""
    sound = [row for row in rows if row["verdict"] == "verified"]
    front: list[Point] = []
    for row in sorted(sound, key=lambda row: (-row["tokens_per_s"], row["ttft_ms"])):
        if not front or row["ttft_ms"] < front[-1]["ttft_ms"]:
            front.append(row)
    return front[::-1]


def heat_cells(rows: Sequence[Point]) -> list[Point]:
    """The fastest row of each (GPUs, concurrency), labelled."""
    best: dict[tuple[Any, ...], Point] = {}
    for row in rows:
        key = (row["gpus"], row["concurrency"])
        if key not in best or row["tokens_per_s"] > best[key]["tokens_per_s"]:
            best[key] = row
    return [
        row | {"label": f"{row['tokens_per_s']:,.0f}" + ("" if row["verdict"] == "verified" else " △")}
        for row in best.values()
    ]


def _scaled(found: Sequence[Configuration], kind: str) -> list[Point]:
    rows = []
    for series in scaling([item for item in found if item.spec.kind == kind]):
        spec = series[0].configuration.spec
        named = (spec.system, spec.framework, spec.model, f"c={spec.concurrency}" if spec.concurrency else None)
        name = " ".join(part for part in named if part)
        rows += [_point(item.configuration) | {"series": name, "efficiency": item.efficiency} for item in series]
    return rows


def _all_scaled(found: Sequence[Configuration], _: list[Point]) -> list[Point]:
    return [*_scaled(found, "inference"), *_scaled(found, "training")]


def _with(*needed: str) -> Maker:
    return lambda _, rows: [row for row in rows if all(row[name] is not None for name in needed)]


_ROWS: Mapping[str, Maker] = {
    "throughput": _with("concurrency", "tokens_per_s"),
    "latency": _with("tokens_per_s", "ttft_ms"),
    "heatmap": lambda _, rows: heat_cells(_with("gpus", "concurrency", "tokens_per_s")(_, rows)),
    "scaling": lambda found, _: _scaled(found, "inference"),
    "training-scaling": lambda found, _: _scaled(found, "training"),
    "efficiency": _all_scaled,
    "training-time": _with("gpus", "train_s"),
    "energy": _with("tokens_per_s", "kwh_per_mtok"),
}
PICTURES: Mapping[str, str] = {name: title for name, (title, _) in LAYOUTS.items()}
"""Name -> title."""


def picture(name: str, found: Sequence[Configuration]) -> Spec:
    """A complete Vega-Lite specification. Raises PlotError when no row has what the picture shows."""
    rows = _ROWS[name](found, points(found))
    if not rows:
        raise PlotError(f"no row has what the picture {name!r} shows; choose other rows or another picture")
    front = pareto_front(rows) if name == "latency" else []
    return layout(name) | {"datasets": {"rows": rows, "front": front}}


def write_picture(spec: Spec, path: Path) -> None:
    """By the ending of the file: png, svg, html (works offline) or json. Raises PlotError."""
    content = rendered(spec, path.suffix.lower().lstrip("."))
    try:
        path.write_bytes(content)
    except OSError as error:
        raise PlotError(f"{path} cannot be written: {error.strerror}") from error


def rendered(spec: Spec, form: str) -> bytes:
    """Raises PlotError for a form that there is not."""
    import vl_convert  # noqa: PLC0415  # only when something is drawn

    if form == "json":
        return json.dumps(spec, ensure_ascii=False).encode()
    if form == "png":
        return bytes(vl_convert.vegalite_to_png(spec, scale=PNG_SCALE, vl_version=VEGA_LITE))
    if form == "svg":
        return str(vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)).encode()
    if form == "html":
        return str(vl_convert.vegalite_to_html(spec, bundle=True, vl_version=VEGA_LITE)).encode()
    raise PlotError(
        f"a picture cannot be written as {form or 'a file without ending'!r}: use .png, .svg, .html or .json"
    )
