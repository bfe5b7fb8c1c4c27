"""The listener in a process of its own, with the service's process as its parent."""

from __future__ import annotations

import shutil
import signal
import smtplib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpdesk_process import Helpdesk
from sqlmodel import select
from test_ways_in_smtp import RAW, SUPPORT, full_disk, raws, send, stored

from agent.mail.arrivals import LONGEST_WAIT_S, POURING_PER_S, Arrivals
from agent.mail.intake import Intake, start_intake
from agent.settings import Settings
from agent.store.acceptance import Acceptance
from agent.store.database import Database
from agent.store.inbound import Incoming
from agent.store.tables import RawMail


def until(condition: Callable[[], object], timeout_s: float = 30) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def arrivals() -> Arrivals:
    return Arrivals()


@pytest.fixture
def intake(database: Database, settings: Settings, arrivals: Arrivals) -> Iterator[Intake]:
    started = start_intake(database, settings.model_copy(update={"smtp_port": 0}), arrivals)
    started.listener.wait_until_ready()
    yield started
    started.stop()


def test_a_mail_comes_in_and_is_told(intake: Intake, database: Database, arrivals: Arrivals) -> None:
    arrivals.news.clear()
    send(intake.smtp_port)
    assert raws(database) == [RAW]
    assert arrivals.news.wait(10)


def test_a_listener_that_dies_is_started_again(intake: Intake, database: Database) -> None:
    process = intake.listener._process
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert intake.listener.state == "stopped"
    with smtplib.SMTP("127.0.0.1", intake.smtp_port, timeout=120) as client:  # waits until the next one takes it
        client.sendmail("ada@example.org", [SUPPORT], RAW)
    until(lambda: intake.listener.state == "ok")
    assert raws(database) == [RAW]


def test_it_ends_with_the_service(intake: Intake) -> None:
    process = intake.listener._process
    process.stdin.close()  # what the system does when the service is killed
    assert process.wait(20) == 0


def test_mails_at_the_same_time_are_each_stored_once(database: Database) -> None:
    commits = []
    acceptance = Acceptance(database, stored=lambda: commits.append(1))
    raw = [RAW.replace(b"<1@", b"<%d@" % number) for number in range(40)]
    with database.write_fast():  # the lock is taken: the others pile up behind the first
        waits = [acceptance.accept(mail(r)) for r in (*raw, raw[0])]
        time.sleep(0.2)
        assert not any(wait.done() for wait in waits)
    for wait in waits:
        wait.result(60)
    acceptance.stop()
    assert sorted(raws(database)) == sorted(raw)
    assert sorted(row.deliveries for row in stored(database)) == [1] * 39 + [2]
    assert len(commits) < 5


def mail(raw: bytes) -> Incoming:
    return Incoming(raw=raw, channel="smtp", peer="", envelope_from="ada@example.org", envelope_to=[SUPPORT])


def test_of_mails_stored_together_the_sound_ones_are_kept_when_one_cannot_be(database: Database) -> None:
    acceptance = Acceptance(database)
    good, bad = mail(RAW), mail(RAW.replace(b"<1@", b"<2@") + b"z" * 400_000)
    with database.write_fast():  # hold the lock, so that both wait together behind a first one
        first = acceptance.accept(mail(RAW.replace(b"<1@", b"<3@")))
        until(lambda: acceptance._queue.qsize() == 0)
        together = [acceptance.accept(good), acceptance.accept(bad)]
    with full_disk(database, room=100_000):
        first.result(60)
        together[0].result(60)
        with pytest.raises(Exception, match=r"disk|full"):
            together[1].result(60)
    acceptance.stop()
    with database.read() as session:
        assert len(session.exec(select(RawMail.stored_mail_id)).all()) == 2


def test_work_waits_while_mail_pours_in_but_not_for_long() -> None:
    arrivals = Arrivals()
    begun = time.monotonic()
    arrivals.note()
    arrivals.wait_until_quiet()
    assert time.monotonic() - begun < 0.5
    for _ in range(POURING_PER_S):
        arrivals.note()
    arrivals.wait_until_quiet()
    assert 0.5 < time.monotonic() - begun < LONGEST_WAIT_S


def test_a_client_hears_451_when_the_mail_cannot_be_stored(database: Database, settings: Settings) -> None:
    """The database is another process's to break: its file goes read-only under the listener."""
    intake = start_intake(database, settings.model_copy(update={"smtp_port": 0}), Arrivals())
    intake.listener.wait_until_ready()
    try:
        with database.write() as session:
            session.connection().exec_driver_sql("ALTER TABLE raw_mail RENAME TO away")
        with pytest.raises(smtplib.SMTPDataError) as refused:
            send(intake.smtp_port)
        assert refused.value.smtp_code == 451
        with database.write() as session:
            session.connection().exec_driver_sql("ALTER TABLE away RENAME TO raw_mail")
        send(intake.smtp_port)
        assert [row.deliveries for row in stored(database)] == [1]
    finally:
        intake.stop()


def test_interrupted_in_mid_start_the_service_ends(small_index: Path, tmp_path: Path) -> None:
    """Mail is taken before the desk is up: what has begun by then ends with it, the listener's process too."""
    helpdesk = Helpdesk(tmp_path)
    shutil.copytree(small_index, helpdesk.data / "index", symlinks=True)
    helpdesk.start()
    assert helpdesk.stop() == 130  # as shells name SIGINT
    with pytest.raises(ConnectionRefusedError):
        smtplib.SMTP("127.0.0.1", helpdesk.smtp_port, timeout=5)
