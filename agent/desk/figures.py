"""Pages about the desk itself: how it does, and what the knowledge base lacks."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from agent import analytics, gaps
from agent.analytics import Group, Report
from agent.desk.pages import page
from agent.desk.session import DeskState, Who
from agent.errors import NotFoundError
from agent.gaps import Gap
from agent.store import tickets
from agent.store.database import Database
from agent.store.tables import now

router = APIRouter()

Weeks = Annotated[int, Query(ge=1, le=260)]
VEGA_LITE = "6.4"
COLOURS = {"opened": "#3f4fc4", "first answers": "#2a9d5c", "resolved": "#d98a00"}


@router.get("/analytics")
def analytics_page(request: Request, desk: DeskState, who: Who, weeks: Weeks = 12) -> Response:
    return page(request, "analytics.html", who=who, report=_report(desk.database, weeks), weeks=weeks)


@router.get("/analytics/volume.svg")
def volume(desk: DeskState, who: Who, weeks: Weeks = 12) -> Response:  # noqa: ARG001  # signed in
    rows = tuple(
        (week.monday.isoformat(), what, count)
        for week in _report(desk.database, weeks).weeks
        for what, count in zip(COLOURS, (week.opened, week.answered, week.resolved), strict=True)
    )
    return Response(_picture(rows), media_type="image/svg+xml")


@router.get("/analytics/{table}.csv")
def table(desk: DeskState, who: Who, table: str, weeks: Weeks = 12) -> Response:  # noqa: ARG001
    rows = _table(_report(desk.database, weeks), table)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else ["empty"])
    writer.writeheader()
    writer.writerows(rows)
    headers = {"Content-Disposition": f'attachment; filename="{table}.csv"'}
    return Response(text.getvalue(), media_type="text/csv", headers=headers)


@router.get("/gaps")
def gaps_page(request: Request, desk: DeskState, who: Who) -> Response:
    return page(request, "gaps.html", who=who, gaps=_gaps(desk.database))


def _report(database: Database, weeks: int) -> Report:
    return _report_after(database, _newest_event(database), now().date(), weeks)


@lru_cache(maxsize=16)
def _report_after(database: Database, event: int, day: date, weeks: int) -> Report:  # noqa: ARG001
    """Put together once until something happens to a ticket: page, picture and tables are of the same figures."""
    with database.read() as session:
        return analytics.report(session, weeks=weeks)


def _gaps(database: Database) -> list[Gap]:
    return _gaps_after(database, _newest_event(database), now().date())


@lru_cache(maxsize=4)
def _gaps_after(database: Database, event: int, day: date) -> list[Gap]:  # noqa: ARG001
    with database.read() as session:
        return gaps.gaps(session)


def _newest_event(database: Database) -> int:
    with database.read() as session:
        return tickets.newest_event(session)


def _table(found: Report, name: str) -> list[dict[str, Any]]:
    groups = {"levels": found.by_level, "types": found.by_type, "systems": found.by_system}
    if name == "weeks":
        return [asdict(week) for week in found.weeks]
    if name not in groups:
        raise NotFoundError("there is no table {name}: there are weeks, {groups}", name=name, groups=", ".join(groups))
    return list(_flat(groups[name]))


def as_cell(text: str) -> str:
    """What came in a mail must not become a formula in a spreadsheet."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def _flat(groups: Iterable[Group]) -> Iterable[dict[str, Any]]:
    for group in groups:
        yield {"name": as_cell(group.name), "opened": group.opened, **asdict(group.first_answer), **_rest(group)}


def _rest(group: Group) -> dict[str, float | None]:
    return {
        "resolution_median_h": group.resolution.median_h,
        "approval_rate": group.decisions.approval_rate,
        "edit_share": group.decisions.edit_share,
    }


@lru_cache(maxsize=32)
def _picture(rows: tuple[tuple[str, str, int], ...]) -> str:
    import vl_convert  # noqa: PLC0415  # only when something is drawn

    axis = {"labelColor": "#6b7280", "titleColor": "#6b7280", "domainColor": "#9ca3af", "tickColor": "#9ca3af"}
    spec = {
        "background": "transparent",
        "width": 720,
        "height": 220,
        "data": {"values": [{"week": week, "what": what, "tickets": count} for week, what, count in rows]},
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {
                "field": "week", "type": "ordinal", "title": "week of", "axis": {"labelAngle": 0, "labelOverlap": True},
            },
            "y": {"field": "tickets", "type": "quantitative", "title": "tickets", "axis": {"tickMinStep": 1}},
            "color": {
                "field": "what", "type": "nominal", "title": None,
                "scale": {"domain": list(COLOURS), "range": list(COLOURS.values())},
            },
        },
        "config": {"axis": {**axis, "gridColor": "#9ca3af40"}, "view": {"stroke": None},
                   "legend": {"labelColor": "#6b7280", "orient": "top"}, "font": "sans-serif"},
    }  # fmt: skip
    return str(vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE))
