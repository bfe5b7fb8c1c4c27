"""From a placing to a route, by the rows of a table that anybody can read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import yaml

from triage.errors import PolicyError
from triage.result import Level, Route, SupportType, Urgency

POLICY_FILE = Path(__file__).parent / "policy.yaml"
FLAGS = frozenset(
    {"empty", "automatic", "only_image", "only_link", "only_machine", "no_details", "injection", "measurement"}
)
ROUTES = frozenset(get_args(Route))
CONDITIONS: Mapping[str, frozenset[str]] = {
    "level": frozenset(get_args(Level)),
    "type": frozenset(get_args(SupportType)),
    "urgency": frozenset(get_args(Urgency)),
    "flags": FLAGS,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row; an empty set allows everything."""

    level: frozenset[str]
    type: frozenset[str]
    urgency: frozenset[str]
    flags: frozenset[str]
    """Any of them must be set."""
    confidence: float
    below: float
    """The confidence must be lower than this; 2 where the row does not say."""
    route: Route
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Placing:
    """What the table is asked about."""

    level: str
    type: str
    confidence: float
    """Of the less certain of level and type."""
    urgency: str
    flags: frozenset[str]


def load_policy(path: Path = POLICY_FILE) -> tuple[Row, ...]:
    """The rows in order.

    Raises:
        PolicyError: unreadable, an unknown word, no last row without conditions, or T2-T4 or L5 answered unseen.
    """
    try:
        table = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise PolicyError(path, str(error)) from error
    if not isinstance(table, dict) or not isinstance(table.get("rows"), list):
        raise PolicyError(path, "has no list named rows")
    rows = tuple(parse_row(path, number, entry) for number, entry in enumerate(table["rows"], 1))
    check_table(path, rows)
    return rows


def parse_row(path: Path, number: int, entry: object) -> Row:
    if not isinstance(entry, dict):
        raise PolicyError(path, f"row {number} is no mapping")
    unknown = set(entry) - {*CONDITIONS, "confidence", "below", "route", "why"}
    if unknown:
        raise PolicyError(path, f"row {number} has unknown condition {sorted(unknown)[0]!r}")
    if entry.get("route") not in ROUTES:
        raise PolicyError(path, f"row {number} has route {entry.get('route')!r}, expected one of {sorted(ROUTES)}")
    sets = {name: allowed_values(path, number, name, entry) for name in CONDITIONS}
    return Row(
        **sets,
        confidence=share(path, number, entry, "confidence", 0.0),
        below=share(path, number, entry, "below", 2.0),
        route=cast("Route", entry["route"]),
        why=str(entry.get("why", "")),
    )


def allowed_values(path: Path, number: int, name: str, entry: Mapping[str, Any]) -> frozenset[str]:
    values = entry.get(name, [])
    if not isinstance(values, list) or not set(values) <= CONDITIONS[name]:
        raise PolicyError(path, f"row {number}: {name} must be a list out of {sorted(CONDITIONS[name])}")
    return frozenset(values)


def share(path: Path, number: int, entry: Mapping[str, Any], name: str, default: float) -> float:
    value = entry.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PolicyError(path, f"row {number}: {name} must be a number from 0 to 1")
    return float(value)


def check_table(path: Path, rows: tuple[Row, ...]) -> None:
    if not rows or not matches(rows[-1], Placing(level="?", type="?", confidence=0, urgency="?", flags=frozenset())):
        raise PolicyError(path, "the last row must hold for everything")
    for number, row in enumerate(rows, 1):
        safe = row.level and row.level <= {"L1", "L2", "L3", "L4"} and row.type == {"T1"}
        if row.route == "answer" and not safe:
            raise PolicyError(path, f"row {number} answers without approval beyond T1 of L1 to L4")


def matches(row: Row, placing: Placing) -> bool:
    return (
        (not row.level or placing.level in row.level)
        and (not row.type or placing.type in row.type)
        and (not row.urgency or placing.urgency in row.urgency)
        and (not row.flags or bool(row.flags & placing.flags))
        and row.confidence <= placing.confidence < row.below
    )


def route_of(rows: tuple[Row, ...], placing: Placing) -> tuple[Route, str]:
    """The route and the deciding row's reason."""
    row = next(row for row in rows if matches(row, placing))
    return row.route, row.why
