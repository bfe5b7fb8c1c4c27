"""The charts of the analytics: Vega-Lite specifications, drawn here, so that a page needs no JavaScript for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from agent.analytics import Group, Report
from agent.translations import gettext as _

VEGA_LITE = "6.4"
COLOURS = ("#3f4fc4", "#2a9d5c", "#d98a00")
MAX_GROUPS = 12
MAX_LABELS = 8
MAX_POINTS = 26
"""Weeks that have a point each on a line; of more there is only the line."""
_WIDTH = 720
_GREY = {"labelColor": "#6b7280", "titleColor": "#6b7280", "domainColor": "#9ca3af", "tickColor": "#9ca3af"}
_CONFIG = {
    "aria": False,  # the page says in words what a picture shows
    "axis": {**_GREY, "gridColor": "#9ca3af40"},
    "view": {"stroke": None},
    "legend": {"labelColor": "#6b7280", "orient": "top"},
    "title": {"color": "#6b7280", "fontWeight": "normal", "fontSize": 11},
    "font": "sans-serif",
}

Spec = dict[str, Any]


def volume(report: Report) -> Spec:
    counts = {
        _("tickets opened"): [week.opened for week in report.weeks],
        _("first answers"): [week.answered for week in report.weeks],
        _("tickets resolved"): [week.resolved for week in report.weeks],
    }
    return _lines(report, _("tickets"), counts, whole=True)


def times(report: Report) -> Spec:
    """One above the other: an answer takes hours, a resolution days."""
    return {
        "vconcat": [
            _lines(report, unit, {name: [hours / per if hours is not None else None for hours in medians]}, height=130)
            for name, unit, per, medians in (
                (_("first answer, median"), _("hours"), 1, [week.first_answer_median_h for week in report.weeks]),
                (_("resolution, median"), _("days"), 24, [week.resolution_median_h for week in report.weeks]),
            )
        ],
        "resolve": {"scale": {"color": "independent"}},
    }


def drafts(report: Report) -> Spec:
    shares = {
        _("drafts sent as they stood"): [week.approval_rate for week in report.weeks],
        _("words changed in an edit"): [week.edit_share for week in report.weeks],
    }
    return _lines(report, _("share"), shares, share=True)


def levels(report: Report) -> Spec:
    return _bars(report.by_level)


def types(report: Report) -> Spec:
    return _bars(report.by_type)


def systems(report: Report) -> Spec:
    return _bars(report.by_system)


CHARTS: Mapping[str, Callable[[Report], Spec]] = {
    made.__name__: made for made in (volume, times, drafts, levels, types, systems)
}


def picture(spec: Spec) -> str:
    """As SVG."""
    return _drawn(json.dumps({"background": "transparent", "config": _CONFIG, **spec}))


@lru_cache(maxsize=64)
def _drawn(spec: str) -> str:
    import vl_convert  # noqa: PLC0415  # only when something is drawn

    return str(vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE))


def _lines(
    report: Report,
    title: str,
    values: Mapping[str, Sequence[float | None]],
    *,
    whole: bool = False,
    share: bool = False,
    height: int = 220,
) -> Spec:
    """A line for each name over the weeks; a week without a value is a gap."""
    rows = [
        {"week": week.monday.isoformat(), "what": what, "value": value}
        for what, several in values.items()
        for week, value in zip(report.weeks, several, strict=True)
    ]
    measured: Spec = {"field": "value", "type": "quantitative", "title": title}
    measured |= {"axis": {"tickMinStep": 1}} if whole else {}
    measured |= {"axis": {"format": "%"}, "scale": {"domain": [0, 1]}} if share else {}
    weeks: Spec = {"field": "week", "type": "ordinal", "title": _("week of")}
    told = [week.monday.isoformat() for week in report.weeks][:: len(report.weeks) // MAX_LABELS + 1]
    names = list(values)
    return {
        "width": _WIDTH,
        "height": height,
        "data": {"values": rows},
        "mark": {"type": "line", "point": len(report.weeks) <= MAX_POINTS},
        "encoding": {
            "x": {**weeks, "axis": {"values": told, "labelAngle": 0}},
            "y": measured,
            "color": {
                "field": "what",
                "type": "nominal",
                "title": None,
                "scale": {"domain": names, "range": list(COLOURS[: len(names)])},
            },
        },
    }


def _bars(groups: Sequence[Group]) -> Spec:
    """The measures side by side, a row for each group, the largest first."""
    shown = groups[:MAX_GROUPS]
    names = [group.name for group in shown]
    measures: list[tuple[str, bool, list[float | None]]] = [
        (_("tickets opened"), False, [group.opened for group in shown]),
        (_("first answer, hours"), False, [group.first_answer.median_h for group in shown]),
        (_("resolution, days"), False, [_days(group.resolution.median_h) for group in shown]),
        (_("sent as they stood"), True, [group.decisions.approval_rate for group in shown]),
        (_("words changed"), True, [group.decisions.edit_share for group in shown]),
    ]
    return {
        "hconcat": [
            {
                "title": title,
                "width": _WIDTH // len(measures) - 20,
                "height": {"step": 22},
                "data": {"values": [{"name": n, "value": v} for n, v in zip(names, values, strict=True)]},
                "mark": {"type": "bar", "color": COLOURS[0]},
                "encoding": {
                    "y": {"field": "name", "type": "nominal", "sort": names, "title": None,
                          "axis": {} if number == 0 else None},
                    "x": {"field": "value", "type": "quantitative", "title": None,
                          "axis": {"tickCount": 3, **({"format": "%"} if is_share else {})},
                          "scale": {"domain": [0, 1]} if is_share else {}},
                },
            }
            for number, (title, is_share, values) in enumerate(measures)
        ],
        "spacing": 20,
    }  # fmt: skip


def _days(hours: float | None) -> float | None:
    return None if hours is None else hours / 24
