"""From SQLite to PostgreSQL."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from postgres_fixture import TEMPLATE, new_database
from sqlalchemy import inspect, make_url, text
from sqlmodel import SQLModel, select
from test_store import found, opened
from typer.testing import CliRunner

from agent.cli import app
from agent.errors import DatabaseError
from agent.store import audit, inbound, people, tickets
from agent.store.copying import copy
from agent.store.database import Database, open_database
from agent.store.tables import Event, Partner, Ticket, TicketTag

INCOMING = inbound.Incoming(
    raw=b"Message-ID: <1@x>\r\n\r\n\0\xff", channel="smtp", peer="p", envelope_from="a", envelope_to=["b"]
)


def fill(database: Database) -> None:
    first, second, third = (opened(database, words) for words in ("Lustre hält\0", "quota", "nccl"))
    with database.write_fast() as connection:
        for number in range(23):
            raw = INCOMING.raw.replace(b"1@x", b"%d@x" % number)
            inbound.keep(connection, replace(INCOMING, raw=raw).prepared())
    with database.write() as session:
        partner = Partner(name="CSC", expertise=["L1"])
        session.add(partner)
        grace = people.add_engineer(session, name="Grace", email="grace@example.org")
        session.flush()
        ticket = tickets.by_number(session, first)
        ticket.merged_into_id = tickets.by_number(session, third).id  # a later row
        ticket.partner_id, ticket.assignee_id = partner.id, grace.id
        session.add(TicketTag(ticket_id=tickets.key_of(ticket), tag="quota"))
        tickets.note_event(session, ticket, "Grace", "tagged", before={"tags": []}, after={"tags": ["é\ud800"]})
        tickets.note_event(session, tickets.by_number(session, second), "Grace", "seen")
        audit.append(session, actor="grace@example.org", action="view", subject="/tickets/1", detail="é")


def rows_of(database: Database) -> dict[str, list[tuple[object, ...]]]:
    with database.read() as session:
        return {
            table.name: [tuple(row) for row in session.execute(select(table).order_by(*table.primary_key.columns))]
            for table in SQLModel.metadata.sorted_tables
        }


def test_everything_is_there_and_goes_on(tmp_path: Path, postgres_template: str) -> None:
    with (
        closing(open_database(tmp_path / "minerva.sqlite")) as source,
        closing(open_database(_new(postgres_template))) as target,
    ):
        _everything_is_there(source, target)


def _everything_is_there(source: Database, target: Database) -> None:
    fill(source)
    counts = copy(source, target)
    assert (counts["ticket"], counts["raw_mail"], counts["ticket_words"], counts["draft"]) == (3, 23, 3, 0)
    with source.read() as session:  # the shadows of FTS5 aside
        made = {name for name in inspect(session.connection()).get_table_names() if "words_" not in name}
    assert set(counts) == made - {"alembic_version"}
    before, after = rows_of(source), rows_of(target)
    assert {**before, "message": None} == {**after, "message": None}
    assert str(before["message"]).replace("\\x00", "\ufffd") == str(after["message"])
    with target.read() as session:
        assert audit.verify(session).is_sound
        empty = session.execute(text("SELECT count(*) FROM event WHERE before IS NULL")).scalar_one()
    with source.read() as session:
        assert session.execute(text("SELECT count(*) FROM event WHERE before IS NULL")).scalar_one() == empty
        numbers = list(session.exec(select(Ticket.number).order_by(Ticket.id)))  # type: ignore[arg-type]
    assert found(target, "halt") == numbers[:1]
    assert opened(target) > numbers[-1]
    with target.write() as session:
        session.add(Event(ticket_id=1, actor="a", what="b"))
    with pytest.raises(DatabaseError, match="copy into a new database"):
        copy(source, target)


def test_the_command_copies(tmp_path: Path, postgres_template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "var" / "minerva.sqlite"
    source = open_database(file)
    fill(source)
    source.close()
    without = CliRunner().invoke(app, ["store", "copy", str(file)])
    assert "MINERVA_DATABASE_URL" in str(without.exception)
    monkeypatch.setenv("MINERVA_DATABASE_URL", _new(postgres_template).render_as_string(hide_password=False))
    missing = CliRunner().invoke(app, ["store", "copy", "nothing.sqlite"])
    assert "no file" in str(missing.exception)
    done = CliRunner().invoke(app, ["store", "copy", str(file)])
    assert done.exit_code == 0, done.output
    assert "3 ticket\n" in done.output


def _new(server: str):
    return make_url(new_database(server, template=TEMPLATE))
