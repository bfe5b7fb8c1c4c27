"""Results in and out of the store, and their verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

from msgspec import Struct
from msgspec.json import Decoder
from msgspec.structs import replace
from sqlalchemy import BindParameter, Connection, Row, bindparam, text

from bench_runner.cells import Cells, Header
from bench_runner.dates import measured_on
from bench_runner.jsontext import finite, packed
from bench_runner.plausibility.findings import Finding, Verdict
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
    "imported_at",
    "verdict",
    "findings",
    "confirmed_by",
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
    if connection.exec_driver_sql("SELECT 1 FROM result LIMIT 1").first() is None:
        return found
    for start in range(0, len(identities), _AT_ONCE):
        piece = tuple(identities[start : start + _AT_ONCE])
        marks = ",".join("?" * len(piece))
        found.update(
            connection.exec_driver_sql(f"SELECT result_id FROM result WHERE result_id IN ({marks})", piece).scalars()  # noqa: S608
        )
    return found


class _Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What has no column of its own."""

    provenance: Provenance
    original: Mapping[str, Any] | None = None
    """None for a row of a table."""
    header: str = ""
    cells: Sequence[str] = ()
    server_flags: tuple[str, ...] = ()
    settings: tuple[tuple[str, Any], ...] = ()
    not_measured: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


Facts = tuple[object, ...]
"""Of one result, in the order of the first columns."""
Verdicts = tuple[Verdict, str, str]
"""Of one result, in the order of the last columns."""


def facts(identity: str, result: BenchmarkResult, stamped: str) -> Facts:
    """What is known of a result without any other."""
    spec, provenance, original = result.spec, result.provenance, result.original
    table = original if isinstance(original, Cells) else None
    record = _Record(
        provenance=replace(provenance, sha256=""),
        original=finite(original) if table is None else None,  # type: ignore[arg-type]
        header="" if table is None else table.header.id,
        cells=() if table is None else table.cells,
        server_flags=spec.server_flags,
        settings=finite(spec.settings) if spec.settings else (),  # type: ignore[arg-type]
        not_measured=result.not_measured,
        notes=result.notes,
    )
    return (
        identity,
        provenance.sha256,
        *_of_spec(spec),
        result.state,
        result.reason,
        measured_on(provenance.date),
        packed(result.metrics),
        packed(record),
        stamped,
    )


_of_spec = attrgetter(*SPEC_COLUMNS)


def verdicts(verdict: Verdict, findings: Sequence[Finding], confirmed_by: Sequence[str]) -> Verdicts:
    return (verdict, packed(findings), _rules(tuple(confirmed_by)))


_rules = lru_cache(maxsize=256)(packed)


def add_headers(connection: Connection, headers: Iterable[Header]) -> None:
    rows = [(header.id, packed(header.columns)) for header in headers]
    if rows:
        connection.exec_driver_sql("INSERT OR IGNORE INTO header (id, columns) VALUES (?, ?)", rows)


def _headers(connection: Connection) -> dict[str, Header]:
    rows = connection.exec_driver_sql("SELECT id, columns FROM header").all()
    return {str(name): Header(_NAMES.decode(columns)) for name, columns in rows}


def add(connection: Connection, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert results that are not there yet: facts and verdicts. Their originals must be there before."""
    if rows:
        connection.exec_driver_sql(_INSERT, list(rows))


def rejudge(connection: Connection, judged: Iterable[tuple[int, Verdicts]]) -> None:
    """New verdicts for rows that are there already."""
    changed = [(*new, row) for row, new in judged]
    if changed:
        sql = "UPDATE result SET verdict = ?, findings = ?, confirmed_by = ? WHERE id = ?"
        connection.exec_driver_sql(sql, changed)


Series = tuple[str | None, str | None]
"""System and model: no check holds rows of two series against each other, but for one of whole files."""


def series(result: BenchmarkResult) -> Series:
    return (result.spec.system, result.spec.model)


def of_series(connection: Connection, touched: Iterable[Series]) -> Iterator[Stored]:
    """Stored rows that rows to come are held against."""
    wanted = list(touched)
    if not wanted:
        return iter(())
    connection.exec_driver_sql("CREATE TEMP TABLE IF NOT EXISTS touched (system TEXT, model TEXT)")
    connection.exec_driver_sql("DELETE FROM touched")
    connection.exec_driver_sql("INSERT INTO touched VALUES (?, ?)", wanted)
    where = "EXISTS (SELECT 1 FROM touched t WHERE t.system IS result.system AND t.model IS result.model)"
    return _selected(connection, where)


def load(connection: Connection, where: str = "1", parameters: Mapping[str, Any] | None = None) -> list[Stored]:
    """Results in the order of their import. `where` is SQL of ours over the columns of `result`, no user's text."""
    return list(_selected(connection, where, parameters))


def _selected(connection: Connection, where: str, parameters: Mapping[str, Any] | None = None) -> Iterator[Stored]:
    given = dict(parameters or {})
    binds: list[BindParameter[Any]] = [
        bindparam(name, expanding=isinstance(value, list)) for name, value in given.items()
    ]
    select = f"SELECT id, {', '.join(_RESULT_COLUMNS)} FROM result WHERE {where} ORDER BY id"  # noqa: S608
    headers = _headers(connection)
    return (_stored(row, headers) for row in connection.execute(text(select).bindparams(*binds), given))


_RECORDS = Decoder(_Record)
_METRICS = Decoder(tuple[Metric, ...])
_FINDINGS = Decoder(tuple[Finding, ...])
_NAMES = Decoder(tuple[str, ...])


def _stored(row: Row[Any], headers: Mapping[str, Header]) -> Stored:
    values: tuple[Any, ...] = tuple(row)
    number, identity, original = values[:3]
    of_spec, rest = values[3 : 3 + len(SPEC_COLUMNS)], values[3 + len(SPEC_COLUMNS) :]
    state, reason, measured, metrics, written, imported, verdict, findings, confirmed = rest
    record = _RECORDS.decode(written)
    result = BenchmarkResult(
        spec=BenchmarkSpec(
            server_flags=record.server_flags,
            settings=record.settings,
            **dict(zip(SPEC_COLUMNS, of_spec, strict=True)),
        ),
        state=state,
        metrics=_METRICS.decode(metrics),
        provenance=replace(record.provenance, sha256=original),
        original=Cells(headers[record.header], record.cells) if record.original is None else record.original,
        not_measured=record.not_measured,
        reason=reason,
        notes=record.notes,
    )
    return Stored(
        id=identity,
        row=number,
        result=result,
        verdict=verdict,
        findings=_FINDINGS.decode(findings),
        confirmed_by=_NAMES.decode(confirmed),
        measured_on=measured,
        imported_at=imported,
    )


def count(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT count(*) FROM result").scalar() or 0)
