"""All tickets of a SQLite file, copied into a new PostgreSQL: table by table, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Integer,
    LargeBinary,
    RowMapping,
    Table,
    Text,
    bindparam,
    cast,
    func,
    insert,
    select,
    text,
    type_coerce,
    update,
)  # fmt: skip
from sqlmodel import Session, SQLModel

from agent.errors import DatabaseError
from agent.store import bridge_tables, chat_tables, fulltext, fulltext_tsvector, partner_tables, tables
from agent.store.database import Database, name_of

AT_ONCE, LARGE_AT_ONCE = 500, 10
"""Rows, and rows that hold whole mails or files."""
ALL_TABLES = (tables, bridge_tables, chat_tables, partner_tables)
"""Imported, so that the metadata knows them all."""


def copy(source: Database, target: Database) -> dict[str, int]:
    """How many rows each table had; all or nothing.

    Raises:
        DatabaseError: the target is not a new one.
    """
    with source.read() as reading, target.write() as writing:
        counts = {table.name: _copy(reading, writing, table, target) for table in SQLModel.metadata.sorted_tables}
        counts[fulltext.TABLE] = _copy_words(reading, writing)
        return counts


def _copy(reading: Session, writing: Session, table: Table, target: Database) -> int:
    if writing.execute(select(func.count()).select_from(table)).scalar_one():
        raise DatabaseError(f"{name_of(target.place)} holds a {table.name} already: copy into a new database")
    count = 0
    values = {column.name: _bound(column) for column in table.columns}
    for rows in _batches(reading, table):
        first = [{**row, **dict.fromkeys(_own_keys(table))} for row in rows]
        writing.execute(insert(table).values(values), first)
        count += len(rows)
    for name in _own_keys(table):  # once the rows are there that these point to
        _point(reading, writing, table, name)
    if "id" in table.columns and isinstance(table.columns["id"].type, Integer):  # the next row takes the next number
        newest = f"(SELECT max(id) AS id FROM {table.name}) AS newest WHERE id IS NOT NULL"  # noqa: S608  # ours
        writing.execute(text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), id) FROM {newest}"))  # noqa: S608
    return count


def _batches(reading: Session, table: Table) -> Iterator[Sequence[RowMapping]]:
    large = any(isinstance(column.type, LargeBinary) for column in table.columns)
    # JSON as its text: a null in it and no value at all are two things.
    wanted = [type_coerce(c, Text).label(c.name) if isinstance(c.type, JSON) else c for c in table.columns]
    found = reading.execute(select(*wanted).order_by(*table.primary_key.columns))
    yield from found.mappings().partitions(LARGE_AT_ONCE if large else AT_ONCE)


def _bound(column: Column[Any]) -> Any:
    if isinstance(column.type, JSON):
        return cast(bindparam(column.name, type_=Text), column.type)
    return bindparam(column.name, type_=column.type)


def _own_keys(table: Table) -> list[str]:
    """Columns that point to rows of the same table."""
    return [key.parent.name for key in table.foreign_keys if key.column.table is table]


def _point(reading: Session, writing: Session, table: Table, name: str) -> None:
    key, column = table.columns["id"], table.columns[name]
    for row_id, pointed in reading.execute(select(key, column).where(column.is_not(None))):
        writing.execute(update(table).where(key == row_id).values({name: pointed}))


def _copy_words(reading: Session, writing: Session) -> int:
    count = 0
    for words, ticket_id in reading.execute(text(f"SELECT words, ticket_id FROM {fulltext.TABLE} ORDER BY rowid")):  # noqa: S608
        fulltext_tsvector.add(writing, ticket_id, [words])
        count += 1
    return count
