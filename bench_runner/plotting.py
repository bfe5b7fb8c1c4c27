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

Point = dict[str, Any]
Spec = dict[str, Any]

WIDTH, HEIGHT = 560, 340
PNG_SCALE = 2.0
_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_SURE = {
    "field": "verdict",
    "type": "nominal",
    "title": "checks",
    "scale": {"domain": ["verified", "suspect"], "range": ["circle", "triangle-up"]},
}


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
        "repeats": len(item.rows),
        "verdict": item.verdict,
        "why": "; ".join(item.reasons[:3]),
        "system": spec.system,
        "framework": spec.framework,
        "model": spec.model,
        "dataset": spec.dataset,
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


_TOOLTIP = [
    {"field": name, "type": kind}
    for name, kind in (
        ("run", "nominal"),
        ("system", "nominal"),
        ("framework", "nominal"),
        ("model", "nominal"),
        ("dataset", "nominal"),
        ("parallelism", "nominal"),
        ("gpus", "quantitative"),
        ("nodes", "quantitative"),
        ("concurrency", "quantitative"),
        ("tokens_per_s", "quantitative"),
        ("repeats", "quantitative"),
        ("verdict", "nominal"),
        ("why", "nominal"),
    )
]


def _axis(field: str, title: str, **more: Any) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, **more}


def _marked(x: Spec, y: Spec, *, lines: bool = True, bars: bool = True, color: str = "series") -> Spec:
    """Points by verdict, joined by series, with their intervals."""
    coloured = {"color": {"field": color, "type": "nominal", "title": None}}
    layers: list[Spec] = []
    if bars:
        ends = {"x": x, "y": _axis("low", y["title"]), "y2": {"field": "high"}, **coloured}
        layers.append({"mark": {"type": "rule", "opacity": 0.5}, "encoding": ends})
    if lines:
        layers.append({"mark": {"type": "line", "opacity": 0.7}, "encoding": {"x": x, "y": y, **coloured}})
    shaped = {"x": x, "y": y, **coloured, "shape": _SURE, "tooltip": _TOOLTIP}
    layers.append({"mark": {"type": "point", "size": 60, "filled": True}, "encoding": shaped})
    return {"layer": layers}


def _throughput(_: Sequence[Configuration], rows: list[Point]) -> Spec:
    x = _axis("concurrency", "requests in flight", scale={"type": "log", "base": 2})
    return _data(rows, ("concurrency", "tokens_per_s")) | _marked(x, _axis("tokens_per_s", "output tok/s"))


def _latency(_: Sequence[Configuration], rows: list[Point]) -> Spec:
    x = _axis("tokens_per_s", "output tok/s")
    y = _axis("ttft_ms", "time to first token, ms", scale={"type": "log"})
    kept = _data(rows, ("tokens_per_s", "ttft_ms"))
    spec = _marked(x, y, lines=False, bars=False)
    front = {
        "data": {"values": pareto_front(kept["data"]["values"])},
        "mark": {"type": "line", "strokeDash": [5, 3], "color": "#444"},
        "encoding": {"x": x, "y": y, "order": {"field": "tokens_per_s", "type": "quantitative"}},
    }
    spec["layer"].append(front)
    return kept | spec


def pareto_front(rows: Sequence[Point]) -> list[Point]:
    """Sound points that no other beats in throughput and time to the first token at once, by throughput."""
    sound = [row for row in rows if row["verdict"] == "verified"]
    front: list[Point] = []
    for row in sorted(sound, key=lambda row: (-row["tokens_per_s"], row["ttft_ms"])):
        if not front or row["ttft_ms"] < front[-1]["ttft_ms"]:
            front.append(row)
    return front[::-1]


def _heatmap(_: Sequence[Configuration], rows: list[Point]) -> Spec:
    best: dict[tuple[Any, ...], Point] = {}
    for row in _data(rows, ("gpus", "concurrency", "tokens_per_s"))["data"]["values"]:
        key = (row["gpus"], row["concurrency"])
        if key not in best or row["tokens_per_s"] > best[key]["tokens_per_s"]:
            best[key] = row
    cells = {
        "x": {"field": "concurrency", "type": "ordinal", "title": "requests in flight"},
        "y": {"field": "gpus", "type": "ordinal", "title": "GPUs at work", "sort": "descending"},
    }
    colour = _axis("tokens_per_s", "output tok/s", scale={"scheme": "viridis"})
    label = {"field": "label", "type": "nominal"}
    for row in best.values():
        row["label"] = f"{row['tokens_per_s']:,.0f}" + ("" if row["verdict"] == "verified" else " △")
    return {
        "data": {"values": list(best.values())},
        "layer": [
            {"mark": "rect", "encoding": {**cells, "color": colour, "tooltip": _TOOLTIP}},
            {
                "mark": {"type": "text", "color": "white", "fontSize": 10},
                "encoding": {**cells, "text": label},
            },
        ],
    }


def _scaling(found: Sequence[Configuration], _: list[Point]) -> Spec:
    rows = _scaled_rows(found)
    x = _axis("gpus", "GPUs", scale={"type": "log", "base": 2})
    return {"data": {"values": rows}} | _marked(x, _axis("tokens_per_s", "tok/s", scale={"type": "log", "base": 2}))


def _efficiency(found: Sequence[Configuration], _: list[Point]) -> Spec:
    rows = _scaled_rows(found)
    x = _axis("gpus", "GPUs", scale={"type": "log", "base": 2})
    y = _axis("efficiency", "speed-up over GPUs, 1 is proportional")
    return {"data": {"values": rows}} | _marked(x, y, bars=False)


def _scaled_rows(found: Sequence[Configuration]) -> list[Point]:
    rows = []
    for series in scaling(found):
        spec = series[0].configuration.spec
        named = (spec.system, spec.framework, spec.model, f"c={spec.concurrency}" if spec.concurrency else None)
        name = " ".join(part for part in named if part)
        rows += [_point(item.configuration) | {"series": name, "efficiency": item.efficiency} for item in series]
    return rows


def _training_time(_: Sequence[Configuration], rows: list[Point]) -> Spec:
    x = _axis("gpus", "GPUs", scale={"type": "log", "base": 2})
    return _data(rows, ("gpus", "train_s")) | _marked(x, _axis("train_s", "total training time, s"), bars=False)


def _energy(_: Sequence[Configuration], rows: list[Point]) -> Spec:
    x = _axis("tokens_per_s", "output tok/s")
    y = _axis("kwh_per_mtok", "kWh of the GPUs for a million tokens")
    return _data(rows, ("tokens_per_s", "kwh_per_mtok")) | _marked(x, y, lines=False, bars=False)


def _data(rows: list[Point], needed: tuple[str, ...]) -> Spec:
    return {"data": {"values": [row for row in rows if all(row[name] is not None for name in needed)]}}


Maker = Callable[[Sequence[Configuration], list[Point]], Spec]
PICTURES: Mapping[str, tuple[str, Maker]] = {
    "throughput": ("Throughput against concurrency", _throughput),
    "latency": ("Latency against throughput, with the Pareto front of sound rows", _latency),
    "heatmap": ("Scalability: best throughput by GPUs and concurrency", _heatmap),
    "scaling": ("Throughput scaling", _scaling),
    "efficiency": ("GPU efficiency", _efficiency),
    "training-time": ("Total training time", _training_time),
    "energy": ("Energy of a million tokens", _energy),
}


def picture(name: str, found: Sequence[Configuration]) -> Spec:
    """A complete Vega-Lite specification. Raises PlotError when no row has what the picture shows."""
    title, make = PICTURES[name]
    spec = make(found, points(found))
    if not spec["data"]["values"]:
        raise PlotError(f"no row has what the picture {name!r} shows; choose other rows or another picture")
    subtitle = "triangles are suspect rows; bars are intervals of the median, or of one sample by the noise of repeats"
    return {
        "$schema": _SCHEMA,
        "title": {"text": title, "subtitle": subtitle, "anchor": "start"},
        "width": WIDTH,
        "height": HEIGHT,
        "config": {"background": "white", "legend": {"labelLimit": 320}},
        **spec,
    }


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
        return bytes(vl_convert.vegalite_to_png(spec, scale=PNG_SCALE, vl_version=_VERSION))
    if form == "svg":
        return str(vl_convert.vegalite_to_svg(spec, vl_version=_VERSION)).encode()
    if form == "html":
        return str(vl_convert.vegalite_to_html(spec, bundle=True, vl_version=_VERSION)).encode()
    raise PlotError(
        f"a picture cannot be written as {form or 'a file without ending'!r}: use .png, .svg, .html or .json"
    )


_VERSION = "5.20"
