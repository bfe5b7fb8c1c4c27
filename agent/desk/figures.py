"""Pages about the desk itself: how it does, and what the knowledge base lacks."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from agent.analytics import Group, Report
from agent.desk import charts
from agent.desk.pages import language_of, page
from agent.desk.session import DeskState, Who
from agent.errors import NotFoundError
from agent.translations import speaking

router = APIRouter()

Weeks = Annotated[int, Query(ge=1, le=260)]
USUAL_WEEKS = (4, 12, 52)


@router.get("/analytics")
def analytics_page(request: Request, desk: DeskState, who: Who, weeks: Weeks = 12) -> Response:
    reckoned = desk.figures.report(desk.database, weeks)
    shown: dict[str, Any] = {"report": reckoned.value, "reckoned": reckoned, "weeks": weeks, "usual": USUAL_WEEKS}
    return page(request, "analytics.html", who=who, **shown)


@router.get("/analytics/{chart}.svg")
def chart(request: Request, desk: DeskState, who: Who, chart: str, weeks: Weeks = 12) -> Response:  # noqa: ARG001
    if chart not in charts.CHARTS:
        raise NotFoundError("there is no chart {name}: there are {charts}", name=chart, charts=", ".join(charts.CHARTS))
    report = desk.figures.report(desk.database, weeks).value
    with speaking(language_of(request)):
        return Response(charts.picture(charts.CHARTS[chart](report)), media_type="image/svg+xml")


@router.get("/analytics/{table}.csv")
def table(desk: DeskState, who: Who, table: str, weeks: Weeks = 12) -> Response:  # noqa: ARG001
    rows = _table(desk.figures.report(desk.database, weeks).value, table)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else ["empty"])
    writer.writeheader()
    writer.writerows(rows)
    headers = {"Content-Disposition": f'attachment; filename="{table}.csv"'}
    return Response(text.getvalue(), media_type="text/csv", headers=headers)


@router.get("/gaps")
def gaps_page(request: Request, desk: DeskState, who: Who) -> Response:
    reckoned = desk.figures.gaps(desk.database)
    return page(request, "gaps.html", who=who, gaps=reckoned.value, reckoned=reckoned)


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
