"""What the store promises on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from postgres_fixture import drop_database, new_database
from sqlalchemy import make_url
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from agent.errors import DatabaseError
from agent.settings import Settings
from agent.store import chat, fulltext, inbound, tickets
from agent.store.chat_tables import ChatEvent
from agent.store.database import Database, name_of, open_database
from agent.store.fulltext_tsvector import MAX_WORD_CHARS, tokens, vector_of
from agent.store.tables import Event, Message, StoredMail, Ticket

LETTER = """Guten Tag, mein Job auf LUMI-G wartet: srun --gpus-per-node=8 hält an mit AssocGrpGRES.
Ελληνικά ΟΔΟΣ, наука, café, naïve, 日本語 text; snake_case_name; node0123, 1.5e10, user@cluster.example.org."""


def opened(database: Database, text: str = LETTER, name: str = "Ada") -> str:
    """The number of a new ticket with one message."""
    with database.write() as session:
        ticket = tickets.open_ticket(session, subject="Hello", requester_name=name, requester_address="ada@example.org")
        message = Message(
            ticket_id=tickets.key_of(ticket), direction="in", sender_name=name, sender_address="ada@example.org",
            subject="Hello", text=text, visible_text=text,
        )  # fmt: skip
        session.add(message)
        session.flush()
        fulltext.add_message(session, ticket, message)
        return ticket.number


def found(database: Database, text: str) -> list[str]:
    with database.read() as session:
        query = select(Ticket.number).where(fulltext.matching(session, text).condition).order_by(col(Ticket.id))
        return list(session.exec(query))


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("assocgrp", True),
        ("grpgres", False),
        ("halt guten", True),
        ("HÄLT", True),
        ("cafe naive", True),
        ("ελληνικά", True),
        ("НАУ", True),
        ("日本語", True),
        ("本語", False),
        ("--gpus-per-node", True),
        ("per-gpus", False),
        ("user@cluster.example", True),
        ("cluster@user", False),
        ("snake_case", True),
        ("case_snake", False),
        ("node0", True),
        ("0123", False),
        ("1.5e1", True),
        ("ada@example.org", True),
        ("'; DROP TABLE ticket; --", False),
        ("guten & !tag", True),
        ("tag:* | nothing", False),
        ("\\'guten", True),
        ("a\0b", False),
        ("--- !", True),
        ("", True),
    ],
)
def test_both_find_the_same(database: Database, text: str, is_found: bool) -> None:
    number = opened(database)
    assert found(database, text) == ([number] if is_found else [])


def test_a_ticket_is_found_by_its_number_and_by_words_of_different_messages(database: Database) -> None:
    first, second = opened(database, "lustre"), opened(database, "gpfs")
    assert found(database, first) == [first]
    assert found(database, second[:-1]) == [first, second]
    with database.write() as session:
        fulltext.add_attached(session, tickets.by_number(session, first), ["quota of the file", ""])
    assert found(database, "quota lustre") == [first]


def test_a_message_is_no_longer_found_once_it_is_removed(database: Database) -> None:
    one, other = opened(database, "lustre\nO'Brien \\ waits"), opened(database, "lustre")
    with database.write() as session:
        ticket = tickets.by_number(session, one)
        fulltext.move_message(
            session, ticket, tickets.by_number(session, other), tickets.messages_of(session, ticket)[0]
        )
    assert found(database, "brien") == [other]
    assert found(database, one) == []


def test_huge_texts_are_taken(database: Database) -> None:
    numbers = [opened(database, text) for text in ("x" * 300_000, "𝔘𝔫𝔦 " * 60_000, "각" * 200_000, "a b " * 60_000)]
    several = " ".join(f"w{number}" for number in range(40_000))
    numbers.append(opened(database, several))
    assert found(database, "x" * 250) == numbers[:1]
    assert found(database, "w39") == numbers[-1:]


def test_words_are_cut_as_in_fts5() -> None:
    assert tokens("Émile's --gpus=8, ΟΔΟΣ_x") == ["emile", "s", "gpus", "8", "οδοσ", "x"]
    assert vector_of("to be or not to be") == "'to':1,5 'be':2,6 'or':3 'not':4"
    assert tokens("x" * 500) == ["x" * MAX_WORD_CHARS]


def test_writers_come_one_after_the_other(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: opened(database, "text"), range(40)))
    assert len(set(numbers)) == 40
    with database.read() as session:
        assert sorted(numbers) == list(session.exec(select(Ticket.number).order_by(col(Ticket.id))))


def test_who_reads_on_from_the_last_key_misses_nothing(database: Database) -> None:
    """As webhooks and the desk do: a smaller key never appears later."""
    opened(database)
    over = threading.Event()
    seen: list[int] = []

    def follow() -> None:
        while True:
            ends = over.is_set()
            with database.read() as session:
                newer = select(Event.id).where(col(Event.id) > (seen[-1] if seen else 0)).order_by(col(Event.id))
                seen.extend(key for key in session.exec(newer) if key)
            if ends:
                return

    def write(number: int) -> None:
        with database.write() as session:
            ticket = session.exec(select(Ticket)).first()
            assert ticket is not None
            for _ in range(number % 3 + 1):
                tickets.note_event(session, ticket, "minerva", "noted")

    with ThreadPoolExecutor(9) as pool:
        following = pool.submit(follow)
        list(pool.map(write, range(60)))
        over.set()
        following.result()
    with database.read() as session:
        assert seen == list(session.exec(select(Event.id).order_by(col(Event.id))))


def test_a_reader_sees_one_state_to_its_end(database: Database) -> None:
    opened(database)
    with database.read() as session:
        before = len(session.exec(select(Ticket)).all())
        opened(database)
        assert len(session.exec(select(Ticket)).all()) == before
    assert len(found(database, "")) == before + 1


def test_what_raises_leaves_nothing(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as session:
        tickets.open_ticket(session, subject="s", requester_name="n", requester_address="a")
        session.add(Event(ticket_id=999, actor="a", what="b"))
    assert found(database, "") == []


def test_redeliveries_are_counted_on_the_row_that_is_there(database: Database) -> None:
    mail = inbound.Incoming(
        raw=b"Message-ID: <1@x>\r\n\r\n\0\xff", channel="smtp", peer="p", envelope_from="a", envelope_to=["b"]
    )
    for _ in range(2):
        with database.write_fast() as connection:
            key = inbound.keep(connection, mail.prepared()).id
        chat.keep_event(database, channel="slack", key="k", kind="message", body=b"{}")
    with database.read() as session:
        assert session.exec(select(StoredMail.deliveries)).all() == [2]
        assert session.exec(select(ChatEvent.deliveries)).all() == [2]
        assert inbound.raw_of(session, key) == mail.raw


def test_values_come_back_as_they_were(database: Database) -> None:
    at = datetime(2026, 3, 29, 3, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    value = {"é": ["\ud800", "\0", 2**60, 0.1, None, True], "nested": {"a": []}}
    number = opened(database, name="Ada\0Byron")
    with database.write() as session:
        ticket = tickets.by_number(session, number)
        ticket.snoozed_until = at
        session.add(Event(ticket_id=tickets.key_of(ticket), at=at, actor="a", what="b", before=value))
    with database.read() as session:
        ticket = tickets.by_number(session, number)
        event = tickets.events_of(session, ticket)[0]
        assert (event.at, event.before, ticket.snoozed_until) == (at, value, at)
        assert event.at.tzinfo is UTC
        assert ticket.requester_name in {"Ada\0Byron", "Ada\ufffdByron"}
        assert session.exec(select(Ticket).where(col(Ticket.snoozed_until) <= at)).one().number == number


def test_a_turn_is_one_hosts_at_a_time(database: Database, store_url: str | None) -> None:
    other = open_database(make_url(store_url)) if store_url else None
    with database.turn("webhooks") as ours:
        assert ours
        if other is not None:
            with other.turn("webhooks") as theirs, other.turn("bridges") as another:
                assert (theirs, another) == (False, True)
        opened(database)
    with database.turn("webhooks") as ours:
        assert ours
    if other is not None:
        other.close()


def test_two_that_start_at_once_on_a_new_postgresql_migrate_it_once(postgres_url: str) -> None:
    url = new_database(postgres_url)
    with ThreadPoolExecutor(4) as pool:
        databases = list(pool.map(open_database, [make_url(url)] * 4))
    numbers = {opened(database) for database in databases}
    assert len(numbers) == 4
    for database in databases:
        database.close()
    drop_database(url)


def test_a_server_that_ends_our_connections_is_asked_again(database: Database, store_url: str | None) -> None:
    if store_url is None:
        pytest.skip("SQLite has no server")
    number = opened(database)
    server = open_database(make_url(store_url))
    with server.write_fast() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    server.close()
    assert found(database, "") == [number]


def test_a_server_that_is_not_there_is_named_without_the_password(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=f"postgresql://minerva:hunter2@/tickets?host={tmp_path}")  # type: ignore[arg-type]
    with pytest.raises(DatabaseError, match="MINERVA_DATABASE_URL") as raised:
        open_database(settings.database)
    assert "hunter2" not in str(raised.value)
    assert name_of(settings.database) == "postgresql:///tickets"
