"""What each picture draws of which fields, as Vega-Lite without the data: mails and the page use the same ones.

Data sets are named: `rows`, and `front` where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Spec = dict[str, Any]

WIDTH, HEIGHT = 560, 340
_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_SURE = {
    "field": "verdict",
    "type": "nominal",
    "title": "checks",
    "scale": {"domain": ["verified", "suspect"], "range": ["circle", "triangle-up"]},
}
_PICKED = {"test": "picked === '' || picked === datum.series", "value": 1}
"""`picked` is the series that a reader points at, on the page; in a file it is none."""
_FADED = {"condition": _PICKED, "value": 0.12}

_TOOLTIP = [
    {"field": name, "type": kind, **more}
    for name, kind, more in (
        ("run", "nominal", {"title": "run"}),
        ("system", "nominal", {"title": "system"}),
        ("framework", "nominal", {"title": "framework"}),
        ("model", "nominal", {"title": "model"}),
        ("dataset", "nominal", {"title": "data set"}),
        ("parallelism", "nominal", {"title": "parallelism"}),
        ("gpus", "quantitative", {"title": "GPUs"}),
        ("nodes", "quantitative", {"title": "nodes"}),
        ("concurrency", "quantitative", {"title": "concurrency"}),
        ("tokens_per_s", "quantitative", {"title": "tok/s", "format": ",.5~g"}),
        ("low", "quantitative", {"title": "from", "format": ",.5~g"}),
        ("high", "quantitative", {"title": "to", "format": ",.5~g"}),
        ("repeats", "quantitative", {"title": "repeats"}),
        ("verdict", "nominal", {"title": "checks"}),
        ("why", "nominal", {"title": "why"}),
    )
]


def _axis(field: str, title: str, **more: Any) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, **more}


_GPUS = _axis("gpus", "GPUs", scale={"type": "log", "base": 2})
_RATE = _axis("tokens_per_s", "output tok/s")


def _marked(x: Spec, y: Spec, *, lines: bool = True, bars: bool = True) -> list[Spec]:
    """Points by verdict, joined by series, with their intervals."""
    coloured = {"color": {"field": "series", "type": "nominal", "title": None}, "opacity": _FADED}
    layers: list[Spec] = []
    if bars:
        ends = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, **coloured}
        layers.append({"mark": {"type": "rule"}, "encoding": ends})
    if lines:
        layers.append({"mark": {"type": "line"}, "encoding": {"x": x, "y": y, **coloured}})
    shaped = {"x": x, "y": y, **coloured, "shape": _SURE, "tooltip": _TOOLTIP}
    layers.append({"mark": {"type": "point", "size": 60, "filled": True}, "encoding": shaped})
    return layers


def _latency() -> list[Spec]:
    y = _axis("ttft_ms", "time to first token, ms", scale={"type": "log"})
    front = {
        "data": {"name": "front"},
        "mark": {"type": "line", "strokeDash": [5, 3], "color": "#777"},
        "encoding": {"x": _RATE, "y": y, "order": {"field": "tokens_per_s", "type": "quantitative"}},
    }
    return [*_marked(_RATE, y, lines=False, bars=False), front]


def _heatmap() -> list[Spec]:
    cells = {
        "x": {"field": "concurrency", "type": "ordinal", "title": "requests in flight"},
        "y": {"field": "gpus", "type": "ordinal", "title": "GPUs at work", "sort": "descending"},
    }
    colour = _axis("tokens_per_s", "output tok/s", scale={"scheme": {"name": "viridis", "extent": [0, 0.6]}})
    label = {"field": "label", "type": "nominal"}
    return [
        {"mark": "rect", "encoding": {**cells, "color": colour, "opacity": _FADED, "tooltip": _TOOLTIP}},
        {"mark": {"type": "text", "color": "white", "fontSize": 10}, "encoding": {**cells, "text": label}},
    ]


LAYOUTS: Mapping[str, tuple[str, list[Spec]]] = {
    "throughput": (
        "Throughput against concurrency",
        _marked(_axis("concurrency", "requests in flight", scale={"type": "log", "base": 2}), _RATE),
    ),
    "latency": ("Latency against throughput, with the Pareto front of sound rows", _latency()),
    "heatmap": ("Scalability: best throughput by GPUs and concurrency", _heatmap()),
    "scaling": (
        "Throughput scaling",
        _marked(_GPUS, _axis("tokens_per_s", "tok/s", scale={"type": "log", "base": 2})),
    ),
    "training-scaling": (
        "Training throughput scaling",
        _marked(_GPUS, _axis("tokens_per_s", "training tok/s", scale={"type": "log", "base": 2})),
    ),
    "efficiency": (
        "GPU efficiency",
        _marked(_GPUS, _axis("efficiency", "speed-up over GPUs, 1 is proportional"), bars=False),
    ),
    "training-time": (
        "Total training time",
        _marked(_GPUS, _axis("train_s", "total training time, s"), bars=False),
    ),
    "energy": (
        "Energy of a million tokens",
        _marked(_RATE, _axis("kwh_per_mtok", "kWh of the GPUs for a million tokens"), lines=False, bars=False),
    ),
}
"""Name -> title and layers."""


def layout(name: str) -> Spec:
    """A complete Vega-Lite specification but for the values of `rows` and `front`."""
    title, layers = LAYOUTS[name]
    subtitle = "triangles are suspect rows; bars are intervals of the median, or of one sample by the noise of repeats"
    return {
        "$schema": _SCHEMA,
        "title": {"text": title, "subtitle": subtitle, "anchor": "start"},
        "width": WIDTH,
        "height": HEIGHT,
        "config": {"background": "white", "legend": {"labelLimit": 320}},
        "params": [{"name": "picked", "value": ""}],
        "data": {"name": "rows"},
        "layer": layers,
    }
