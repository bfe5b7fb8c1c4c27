"""Mail out of a mailbox, against a real Dovecot."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from dovecot_fixture import PASSWORD, Dovecot
from helpdesk_process import Helpdesk, free_port
from imapclient import IMAPClient
from sqlmodel import select
from structlog.testing import capture_logs

from agent.mail import imap
from agent.mail.imap_watch import FolderWatch, check, take_new, watch_mailbox
from agent.mail.oauth import AccessTokens
from agent.settings import Settings
from agent.store import inbound, mailboxes
from agent.store.database import Database
from agent.store.tables import MailFolder, StoredMail

TIMEOUT_S = 20
numbers = itertools.count(1)


def a_mail(subject: str, message_id: str | None = "") -> bytes:
    """With a Message-ID of its own unless one is given, and without one for None."""
    identifier = f"<{next(numbers)}.{time.time_ns()}@example.org>" if message_id == "" else message_id
    head = f"Message-ID: {identifier}\r\n" if identifier else ""
    text = f"Return-Path: <ada@example.org>\r\nDelivered-To: support@minerva.example\r\n{head}"
    return f"{text}From: Ada <ada@example.org>\r\nSubject: {subject}\r\n\r\nMy job pends: {subject}\r\n".encode()


def stored(database: Database) -> list[StoredMail]:
    with database.read() as session:
        return list(session.exec(select(StoredMail).order_by(StoredMail.id)))


def subjects(database: Database) -> list[str]:
    with database.read() as session:
        raws = [inbound.raw_of(session, mail.id) for mail in stored(database)]
    return [raw.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for raw in raws]


def until(condition: Callable[[], object], timeout_s: float = TIMEOUT_S) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def user() -> str:
    """A mailbox that no other test has."""
    return f"support{time.time_ns()}"


@pytest.fixture
def imap_settings(dovecot: Dovecot, tmp_path: Path, user: str) -> Settings:
    return settings_for(dovecot, tmp_path, user)


def settings_for(server: Dovecot, folder: Path, user: str, **more: object) -> Settings:
    values: dict[str, object] = {
        "data_dir": folder / "var", "imap_host": "127.0.0.1", "imap_port": server.port, "imap_security": "none",
        "imap_user": user, "imap_password": PASSWORD,
    }  # fmt: skip
    return Settings(**{**values, **more})


@contextmanager
def signed_in(settings: Settings) -> Iterator[IMAPClient]:
    with imap.connect(settings, AccessTokens(settings)) as client:
        yield client


@contextmanager
def watching(database: Database, settings: Settings) -> Iterator[FolderWatch]:
    [watch] = watch_mailbox(database, settings, lambda: None)
    try:
        yield watch
    finally:
        watch.stop()


class TestTaking:
    def test_mails_are_stored_whole_with_their_envelope(self, dovecot, user, imap_settings, database) -> None:
        raw = a_mail("one").replace(b"My job", b"NUL \x01 and \xff bytes, " + b"x" * 5000)
        dovecot.deliver(user, raw, a_mail("two"))
        with signed_in(imap_settings) as client:
            assert take_new(client, database, imap_settings, "INBOX") == 2
            assert take_new(client, database, imap_settings, "INBOX") == 0
        first = stored(database)[0]
        with database.read() as session:
            assert inbound.raw_of(session, first.id) == raw
        assert (first.channel, first.envelope_from) == ("imap", "ada@example.org")
        assert first.envelope_to == ["support@minerva.example"]

    def test_nothing_changes_at_the_server(self, dovecot, user, imap_settings, database) -> None:
        dovecot.deliver(user, a_mail("unread"))
        with signed_in(imap_settings) as client:
            take_new(client, database, imap_settings, "INBOX")
        with dovecot.client(user) as person:
            person.select_folder("INBOX")
            assert person.search("UNSEEN") == [1]

    def test_what_people_do_in_the_mailbox_does_not_matter(self, dovecot, user, imap_settings, database) -> None:
        dovecot.deliver(user, a_mail("read by somebody"), a_mail("moved in time"), a_mail("third"))
        with dovecot.client(user) as person:
            person.create_folder("Done")
            person.select_folder("INBOX")
            person.add_flags([1], [b"\\Seen", b"\\Flagged"])
            with signed_in(imap_settings) as client:
                take_new(client, database, imap_settings, "INBOX")
                person.move([2], "Done")
                person.delete_messages([1])
                person.expunge()
                assert take_new(client, database, imap_settings, "INBOX") == 0
                person.select_folder("Done")
                person.move([1], "INBOX")
                assert take_new(client, database, imap_settings, "INBOX") == 1
                assert check(client, database, imap_settings, "INBOX") == 0
        assert subjects(database) == ["read by somebody", "moved in time", "third"]

    def test_a_mail_that_goes_while_we_look_is_passed_over(self, dovecot, user, imap_settings, database) -> None:
        dovecot.deliver(user, a_mail("goes"), a_mail("stays"))
        with signed_in(imap_settings) as client, dovecot.client(user) as person:
            imap.open_folder(client, "INBOX")
            assert imap.uids_after(client, 0, mails=2) == [1, 2]
            person.select_folder("INBOX")
            person.delete_messages([1])
            person.expunge()
            assert imap.fetch_raw(client, 99) is None
            take_new(client, database, imap_settings, "INBOX")
        assert subjects(database) == ["stays"]

    def test_folder_names_in_any_script(self, dovecot, user, imap_settings, database) -> None:
        name = "Anfragen/Größe & 依頼"
        with dovecot.client(user) as person:
            person.create_folder("Anfragen.Größe & 依頼")
            person.append("Anfragen.Größe & 依頼", a_mail("hidden away"))
        settings = imap_settings.model_copy(update={"imap_folders": name.replace("/", ".")})
        with watching(database, settings):
            until(lambda: subjects(database) == ["hidden away"])

    def test_old_mails_are_left_alone_at_the_first_connection(self, dovecot, user, imap_settings, database) -> None:
        with dovecot.client(user) as person:
            person.append("INBOX", a_mail("years old"), msg_time=datetime.now().astimezone() - timedelta(days=400))
            person.append("INBOX", a_mail("of yesterday"), msg_time=datetime.now().astimezone() - timedelta(days=1))
        with signed_in(imap_settings) as client:
            take_new(client, database, imap_settings, "INBOX")
            assert check(client, database, imap_settings, "INBOX") == 0
        assert subjects(database) == ["of yesterday"]

    def test_a_mailbox_with_only_old_mails_starts_at_its_end(self, dovecot, user, imap_settings, database) -> None:
        with dovecot.client(user) as person:
            person.append("INBOX", a_mail("years old"), msg_time=datetime.now().astimezone() - timedelta(days=400))
            with signed_in(imap_settings) as client:
                assert take_new(client, database, imap_settings, "INBOX") == 0
                person.append("INBOX", a_mail("new"))
                assert take_new(client, database, imap_settings, "INBOX") == 1


class TestCounting:
    def test_a_big_folder_is_listed_in_pieces(self, dovecot, user, imap_settings, database) -> None:
        dovecot.deliver(user, *(a_mail(f"mail {number}") for number in range(7)))
        with signed_in(imap_settings) as client:
            opened = imap.open_folder(client, "INBOX")
            for at_once in (1, 2, 3, 6, 7, 8):
                assert imap.uids_after(client, 2, opened.mails, at_once) == [3, 4, 5, 6, 7]
            assert imap.uids_after(client, 7, opened.mails) == []

    def test_a_new_count_of_the_server_doubles_nothing(self, dovecot, user, imap_settings, database) -> None:
        dovecot.deliver(user, a_mail("one"), a_mail("no id", None), a_mail("three"))
        with signed_in(imap_settings) as client:
            take_new(client, database, imap_settings, "INBOX")
        with database.read() as session:
            before = session.exec(select(MailFolder)).one().uid_validity
        dovecot.count_anew(user)
        dovecot.deliver(user, a_mail("four"))
        with capture_logs() as logs, signed_in(imap_settings) as client:
            take_new(client, database, imap_settings, "INBOX")
            assert check(client, database, imap_settings, "INBOX") == 0
        with database.read() as session:
            assert session.exec(select(MailFolder)).one().uid_validity != before
        assert sorted(subjects(database)) == ["four", "no id", "one", "three"]
        assert [line["event"] for line in logs].count("imap_counts_anew") == 1

    def test_a_missed_mail_raises_an_alarm_and_is_fetched(self, dovecot, user, imap_settings, database) -> None:
        dovecot.deliver(user, a_mail("one"), a_mail("two"), a_mail("three"))
        with signed_in(imap_settings) as client:
            take_new(client, database, imap_settings, "INBOX")
            dovecot.deliver(user, a_mail("four"))
            with database.write() as session:  # as if the position had moved without the mail
                mailboxes.pass_over(session, session.exec(select(MailFolder)).one().id, 4)
            with capture_logs() as logs:
                take_new(client, database, imap_settings, "INBOX")
                assert len(stored(database)) == 3
                assert check(client, database, imap_settings, "INBOX") == 0
        alarms = [line for line in logs if line["event"] == "imap_mails_missed"]
        assert [(alarm["server"], alarm["missed"], alarm["log_level"]) for alarm in alarms] == [(4, 1, "error")]
        assert subjects(database) == ["one", "two", "three", "four"]

    def test_the_same_mail_by_smtp_and_from_the_mailbox_is_stored_once(
        self,
        dovecot,
        user,
        imap_settings,
        database,
    ) -> None:
        raw = a_mail("twice")
        with database.write() as session:
            received = b"Received: from relay.example.org\r\n" + raw
            inbound.store_mail(
                session, received, channel="smtp", peer="", envelope_from="a@example.org", envelope_to=[]
            )
        dovecot.deliver(user, raw)
        with signed_in(imap_settings) as client:
            take_new(client, database, imap_settings, "INBOX")
        assert [(mail.channel, mail.deliveries) for mail in stored(database)] == [("smtp", 2)]


class TestWatching:
    def test_a_new_mail_is_reported_by_the_server(self, dovecot, user, imap_settings, database) -> None:
        settings = imap_settings.model_copy(update={"imap_poll_s": 1000.0})
        with watching(database, settings) as watch:
            until(lambda: watch.state == "ok")
            for number in range(2):
                dovecot.deliver(user, a_mail(f"mail {number}"))
                until(lambda number=number: len(stored(database)) == number + 1)
        assert watch.state == "stopped"

    def test_a_server_without_idle_is_asked_again_and_again(self, tmp_path, user, database, dovecot) -> None:
        server = Dovecot(idle=False)
        try:
            server.start()
            settings = settings_for(server, tmp_path, user, imap_poll_s=0.2)
            with watching(database, settings) as watch:
                until(lambda: watch.state == "ok")
                server.deliver(user, a_mail("polled"))
                until(lambda: subjects(database) == ["polled"])
        finally:
            server.remove()

    def test_the_watch_outlives_the_server(self, tmp_path, user, database, dovecot) -> None:
        server = Dovecot()
        try:
            server.start()
            with watching(database, settings_for(server, tmp_path, user)) as watch:
                until(lambda: watch.state == "ok")
                server.stop()
                until(lambda: watch.state.startswith("trouble"))
                server.start()
                server.deliver(user, a_mail("after the break"))
                until(lambda: subjects(database) == ["after the break"])
                until(lambda: watch.state == "ok")
        finally:
            server.remove()

    @pytest.mark.parametrize("change", ["nobody there", "wrong password", "no such folder"])
    def test_what_does_not_work_is_said_and_tried_again(self, imap_settings, database, change) -> None:
        update = {
            "nobody there": {"imap_port": free_port()},
            "wrong password": {"imap_password": Settings(imap_password="wrong").imap_password},
            "no such folder": {"imap_folders": "Nowhere"},
        }[change]
        with capture_logs() as logs, watching(database, imap_settings.model_copy(update=update)) as watch:
            until(lambda: watch.state.startswith("trouble"))
            until(lambda: [line["event"] for line in logs].count("imap_trouble") >= 1)
        waits = [line["again_in_s"] for line in logs if line["event"] == "imap_trouble"]
        assert waits == [2.0**n for n in range(len(waits))]

    def test_over_tls_only_with_a_certificate_that_is_trusted(
        self,
        dovecot,
        user,
        imap_settings,
        database,
        monkeypatch,
    ) -> None:
        secure = imap_settings.model_copy(update={"imap_security": "tls", "imap_port": dovecot.tls_port})
        upgraded = imap_settings.model_copy(update={"imap_security": "starttls"})
        for settings in (secure, upgraded):
            with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"), signed_in(settings):
                pass
        monkeypatch.setenv("SSL_CERT_FILE", str(dovecot.certificate))
        dovecot.deliver(user, a_mail("secret"))
        for settings in (secure, upgraded):
            with signed_in(settings) as client:
                take_new(client, database, settings, "INBOX")
        assert subjects(database) == ["secret"]


class TestService:
    def test_a_kill_while_fetching_neither_loses_nor_doubles(
        self, dovecot: Dovecot, user: str, tmp_path: Path, small_index: Path
    ) -> None:
        shutil.copytree(small_index, tmp_path / "var" / "index", symlinks=True)
        helpdesk = Helpdesk(
            tmp_path, imap_host="127.0.0.1", imap_port=str(dovecot.port), imap_security="none", imap_user=user,
            imap_password=PASSWORD,
        )  # fmt: skip
        dovecot.deliver(user, *(a_mail(f"mail {number}", None if number % 3 else "") for number in range(30)))
        helpdesk.start()
        database = Database(helpdesk.database)
        until(lambda: len(stored(database)) >= 3)
        helpdesk.kill()
        taken = len(stored(database))
        helpdesk.start()
        try:
            until(lambda: len(stored(database)) >= 30)
            dovecot.deliver(user, a_mail("mail 30"))
            until(lambda: len(stored(database)) > 30)
        finally:
            helpdesk.kill()
        assert 3 <= taken <= 30
        assert sorted(subjects(database)) == sorted(f"mail {number}" for number in range(31))
        assert {mail.deliveries for mail in stored(database)} == {1}
        database.close()
