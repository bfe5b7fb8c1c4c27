"""Behind a real Postfix, which keeps a mail until we have it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dovecot_fixture import self_signed
from helpdesk_process import Helpdesk, free_port, mail
from postfix_fixture import Postfix
from test_ways_in_smtp import RAW, SUPPORT, full_disk, raws, running, stored

from agent.store.database import Database

TIMEOUT_S = 40
SENDER = "ada@example.org"


def until(condition: Callable[[], object], why: Callable[[], str]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, why()
        time.sleep(0.1)


@contextmanager
def postfix(to_port: int, **options: Any) -> Iterator[Postfix]:
    server = Postfix(to_port, **options)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def test_mails_sent_while_we_are_away_come_once_when_we_are_back(tmp_path: Path, small_index: Path) -> None:
    shutil.copytree(small_index, tmp_path / "var" / "index", symlinks=True)
    helpdesk = Helpdesk(tmp_path)
    with postfix(helpdesk.smtp_port) as server:
        helpdesk.start()
        helpdesk.kill()
        for number in range(3):
            server.send(SENDER, SUPPORT, mail(number).as_bytes())
        until(lambda: "Connection refused" in server.log, lambda: server.log)
        assert server.waiting() == 3
        helpdesk.start()
        try:
            server.flush()
            until(lambda: server.waiting() == 0, lambda: server.log)
        finally:
            helpdesk.kill()
    database = Database(helpdesk.database)
    assert [row.deliveries for row in stored(database)] == [1, 1, 1]
    assert sorted(raw.split(b"Subject: ")[1].split(b"\r\n")[0] for raw in raws(database)) == [
        b"Request 0", b"Request 1", b"Request 2",
    ]  # fmt: skip
    database.close()


def test_a_mail_that_could_not_be_stored_is_brought_again(database: Database, tmp_path: Path) -> None:
    port = free_port()
    with running(database, tmp_path, smtp_port=port), postfix(port) as server:
        with full_disk(database):
            server.send(SENDER, SUPPORT, RAW + b"z" * 900 + b"\r\n" * 20_000)
            until(lambda: "status=deferred" in server.log, lambda: server.log)
            assert "451 4.3.0" in server.log
            assert stored(database) == []
        server.flush()
        until(lambda: server.waiting() == 0, lambda: server.log)
    assert [row.deliveries for row in stored(database)] == [1]


@pytest.mark.parametrize("tls", ["none", "encrypt"])
def test_postfix_relays_by_smtp(database: Database, tmp_path: Path, tls: str) -> None:
    port = free_port()
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    self_signed(certificate, key)
    with (
        running(database, tmp_path, smtp_port=port, smtp_tls_cert=certificate, smtp_tls_key=key),
        postfix(port, tls=tls) as server,
    ):
        server.send(SENDER, SUPPORT, RAW)
        server.send("", SUPPORT, RAW.replace(b"<1@", b"<2@"))
        until(lambda: len(stored(database)) == 2, lambda: server.log)
        until(lambda: server.waiting() == 0, lambda: server.log)
        assert ("TLS connection established" in server.log) == (tls == "encrypt")
    assert sorted(row.envelope_from for row in stored(database)) == ["", SENDER]
    assert {row.helo for row in stored(database)} == {"relay.example.org"}


def test_postfix_delivers_by_lmtp(database: Database, tmp_path: Path) -> None:
    port = free_port()
    with running(database, tmp_path, lmtp_port=port), postfix(port, transport="lmtp") as server:
        server.send(SENDER, SUPPORT, RAW)
        until(lambda: "status=sent (250 2.0.0 Accepted)" in server.log, lambda: server.log)
        until(lambda: server.waiting() == 0, lambda: server.log)
        server.send(SENDER, "nobody@minerva.example", RAW)
        until(lambda: "dsn=5.1.1, status=bounced" in server.log, lambda: server.log)
    assert [row.envelope_to for row in stored(database)] == [[SUPPORT]]
