"""Work whose workflow ended in an error is started again: here because the database refused every ticket for a while."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import text
from sqlmodel import select
from test_bad_mail import PORTS

from agent.mail.arrivals import Arrivals
from agent.mail.sender import sender_for
from agent.settings import Settings
from agent.store import inbound
from agent.store.database import Database
from agent.store.tables import Draft, MailState, Message, Outbound, StoredMail, Ticket
from agent.workflows import AGAIN_AFTER_S, SWEEP_S, Workflows

RAW = b"From: ada@example.org\r\nSubject: Job pending\r\nMessage-ID: <1@example.org>\r\n\r\nIt waits.\r\n"
FAILED_S = 30
"""Within it every try of the workflow has failed, the last resort too."""


@contextmanager
def working(database: Database, settings: Settings) -> Iterator[None]:
    workflows = Workflows(database, settings, PORTS, sender_for(settings), Arrivals())
    workflows.start()
    try:
        yield
    finally:
        workflows.stop()


def until(condition: Callable[[], bool], timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def failed_workflows(settings: Settings) -> int:
    query = "SELECT count(*) FROM workflow_status WHERE name = 'file_mail' AND status = 'ERROR'"
    with closing(sqlite3.connect(f"file:{settings.workflow_database}?mode=ro", uri=True)) as connection:
        return int(connection.execute(query).fetchone()[0])


@pytest.mark.slow
def test_a_mail_whose_filing_ended_in_an_error_is_filed_once_after_a_restart(
    database: Database, settings: Settings
) -> None:
    with database.write() as session:
        session.execute(
            text("CREATE TRIGGER broken BEFORE INSERT ON ticket BEGIN SELECT RAISE(ABORT, 'no more tickets'); END")
        )
        inbound.store_mail(
            session, RAW, channel="smtp", peer="127.0.0.1", envelope_from="ada@example.org", envelope_to=["s@x.eu"]
        )
    with working(database, settings):
        until(lambda: failed_workflows(settings) == 1, FAILED_S)
    with database.write() as session:
        assert session.exec(select(StoredMail.state)).all() == [MailState.RECEIVED]
        session.execute(text("DROP TRIGGER broken"))

    def is_done() -> bool:
        with database.read() as session:
            return session.exec(select(Draft)).first() is not None

    with working(database, settings):
        until(is_done, AGAIN_AFTER_S + 4 * SWEEP_S)
    with database.read() as session:
        for table in (Ticket, Message, Draft, Outbound):
            assert len(session.exec(select(table)).all()) == 1, table
        assert session.exec(select(StoredMail.state)).all() == [MailState.HANDLED]
