"""Results in and out of the store, and their verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import BindParameter, Connection, bindparam, text

from bench_runner.dates import measured_on
from bench_runner.jsontext import encoded, finite
from bench_runner.plausibility.findings import Finding, Judged, Verdict
from bench_runner.result import BenchmarkResult, Metric, Provenance
from bench_runner.spec import BenchmarkSpec
from bench_runner.store.schema import SPEC_COLUMNS

_RESULT_COLUMNS = (
    "result_id",
    "original",
    *SPEC_COLUMNS,
    "state",
    "reason",
    "measured_on",
    "metrics",
    "record",
    "verdict",
    "findings",
    "confirmed_by",
    "imported_at",
)
_INSERT = f"INSERT INTO result ({', '.join(_RESULT_COLUMNS)}) VALUES ({', '.join('?' * len(_RESULT_COLUMNS))})"  # noqa: S608
_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """A result as the store holds it."""

    id: str
    """`result_id`: what answers cite."""
    row: int
    result: BenchmarkResult
    verdict: Verdict
    findings: tuple[Finding, ...]
    confirmed_by: tuple[str, ...]
    measured_on: str | None
    """Date, YYYY-MM-DD; None when the source states none."""
    imported_at: str


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def known(connection: Connection, identities: Sequence[str]) -> set[str]:
    """Those of the `identities` that are stored."""
    found: set[str] = set()
    for start in range(0, len(identities), _AT_ONCE):
        piece = tuple(identities[start : start + _AT_ONCE])
        marks = ",".join("?" * len(piece))
        found.update(
            connection.exec_driver_sql(f"SELECT result_id FROM result WHERE result_id IN ({marks})", piece).scalars()  # noqa: S608
        )
    return found


def add(connection: Connection, judged: Iterable[tuple[str, Judged]]) -> None:
    """Insert results that are not there yet, by identity. Their originals must be there before."""
    stamped = now()
    rows = [_row(identity, item, stamped) for identity, item in judged]
    if rows:
        connection.exec_driver_sql(_INSERT, rows)


def _row(identity: str, item: Judged, stamped: str) -> tuple[object, ...]:
    result = item.result
    spec = result.spec
    return (
        identity,
        result.provenance.sha256,
        *[getattr(spec, name) for name in SPEC_COLUMNS],
        result.state,
        result.reason,
        measured_on(result.provenance.date),
        _json(list(map(tuple, result.metrics))),
        _record(result),
        item.verdict,
        _findings_json(item.findings),
        _json(item.confirmed_by),
        stamped,
    )


def _record(result: BenchmarkResult) -> str:
    """What has no column of its own."""
    provenance = result.provenance
    rest = {
        "server_flags": result.spec.server_flags,
        "settings": finite(result.spec.settings),
        "provenance": {name: value for name in _PROVENANCE if (value := getattr(provenance, name))},
        "original": finite(result.original),
        "not_measured": result.not_measured,
        "notes": result.notes,
    }
    return _json(rest)


def _json(value: object) -> str:
    return encoded(value).decode()


_PROVENANCE = tuple(name for name in Provenance.__dataclass_fields__ if name != "sha256")
_PAIRS = frozenset({"versions"})
_LISTS = frozenset({"flags", "modules", "nodes"})


def _findings_json(findings: Sequence[Finding]) -> str:
    return _json([(f.rule, f.level, f.reason, f.metrics) for f in findings])


def rejudge(connection: Connection, judged: Iterable[tuple[Stored, Judged]]) -> None:
    """New verdicts for rows that are there already, where they changed."""
    changed = [
        (item.verdict, _findings_json(item.findings), _json(item.confirmed_by), stored.row)
        for stored, item in judged
        if (stored.verdict, stored.findings) != (item.verdict, item.findings)
    ]
    if changed:
        sql = "UPDATE result SET verdict = ?, findings = ?, confirmed_by = ? WHERE id = ?"
        connection.exec_driver_sql(sql, changed)


def of_series(connection: Connection, series: Iterable[tuple[str | None, str | None]]) -> list[Stored]:
    """Rows of these (system, model), which rows to come are held against."""
    wanted = list(series)
    if not wanted:
        return []
    connection.exec_driver_sql("CREATE TEMP TABLE IF NOT EXISTS touched (system TEXT, model TEXT)")
    connection.exec_driver_sql("DELETE FROM touched")
    connection.exec_driver_sql("INSERT INTO touched VALUES (?, ?)", wanted)
    where = "EXISTS (SELECT 1 FROM touched t WHERE t.system IS result.system AND t.model IS result.model)"
    return load(connection, where)


def load(connection: Connection, where: str = "1", parameters: Mapping[str, Any] | None = None) -> list[Stored]:
    """Results in the order of their import. `where` is SQL of ours over the columns of `result`, no user's text."""
    given = dict(parameters or {})
    binds: list[BindParameter[Any]] = [
        bindparam(name, expanding=isinstance(value, list)) for name, value in given.items()
    ]
    rows = connection.execute(text(f"SELECT * FROM result WHERE {where} ORDER BY id").bindparams(*binds), given)  # noqa: S608
    return [_stored(dict(row)) for row in rows.mappings()]


def _stored(row: Mapping[str, Any]) -> Stored:
    record = orjson.loads(row["record"])
    spec = BenchmarkSpec(
        server_flags=tuple(record["server_flags"]),
        settings=tuple((name, value) for name, value in record["settings"]),
        **{name: row[name] for name in SPEC_COLUMNS},
    )
    kept = {name: _tuple(name, value) for name, value in record["provenance"].items()}
    result = BenchmarkResult(
        spec=spec,
        state=row["state"],
        metrics=tuple(Metric(*fields) for fields in orjson.loads(row["metrics"])),
        provenance=Provenance(sha256=row["original"], **kept),
        original=record["original"],
        not_measured=tuple(record["not_measured"]),
        reason=row["reason"],
        notes=tuple(record["notes"]),
    )
    return Stored(
        id=row["result_id"],
        row=row["id"],
        result=result,
        verdict=row["verdict"],
        findings=tuple(
            Finding(rule=rule, level=level, reason=reason, metrics=tuple(names))
            for rule, level, reason, names in orjson.loads(row["findings"])
        ),
        confirmed_by=tuple(orjson.loads(row["confirmed_by"])),
        measured_on=row["measured_on"],
        imported_at=row["imported_at"],
    )


def _tuple(name: str, value: Any) -> Any:
    if name in _PAIRS:
        return tuple((str(key), str(item)) for key, item in value)
    return tuple(value) if name in _LISTS else value


def count(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT count(*) FROM result").scalar() or 0)
