"""The SMTP and LMTP listener as sending servers and hostile clients meet it."""

from __future__ import annotations

import resource
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from dovecot_fixture import self_signed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select
from structlog.testing import capture_logs
from system_packages import need

from agent.errors import PortTakenError, SettingsError
from agent.mail.listener import bind, listen, tls_context
from agent.settings import Settings
from agent.store import inbound
from agent.store.acceptance import Acceptance
from agent.store.database import Database
from agent.store.tables import StoredMail

SUPPORT = "support@minerva.example"
MAX_BYTES = 200_000
RAW = b"From: Ada <ada@example.org>\r\nSubject: hello\r\nMessage-ID: <1@example.org>\r\n\r\nMy job pends.\r\n"


@dataclass(frozen=True)
class Ports:
    smtp_port: int
    lmtp_port: int


@contextmanager
def running(database: Database, data_dir: Path, **more: object) -> Iterator[Ports]:
    """The listeners in this process."""
    values: dict[str, object] = {
        "data_dir": data_dir, "support_address": SUPPORT, "smtp_port": 0, "lmtp_port": 0, "smtp_max_bytes": MAX_BYTES,
        "extra_recipients": "help@minerva.example",
    }  # fmt: skip
    settings = Settings(**{**values, **more})
    acceptance = Acceptance(database)
    with ExitStack() as stack:
        stack.callback(acceptance.stop)
        ports = []
        for port, lmtp in ((settings.smtp_port, False), (settings.lmtp_port, True)):
            bound = stack.enter_context(bind("127.0.0.1", port, setting=f"MINERVA_{'LMTP' if lmtp else 'SMTP'}_PORT"))
            stack.callback(listen(settings, acceptance.accept, bound, lmtp=lmtp).stop)
            ports.append(bound.getsockname()[1])
        yield Ports(*ports)


@pytest.fixture
def intake(database: Database, tmp_path: Path) -> Iterator[Ports]:
    with running(database, tmp_path) as started:
        yield started


@contextmanager
def full_disk(database: Database, room: int = 4096) -> Iterator[None]:
    """No file of this process can grow further than by `room` bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert isinstance(database.place, Path)
    wal = database.place.with_name(f"{database.place.name}-wal")
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + room, hard))
    try:
        with capture_logs():  # where they are written to cannot grow either
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Line:
    """A bare connection: sends bytes, reads answers."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def say(self, data: bytes) -> None:
        self._socket.sendall(data)

    def codes(self, count: int) -> list[int]:
        """Of the next `count` answers; fewer when the connection ends."""
        found: list[int] = []
        while len(found) < count and (line := self._file.readline()):
            if line[3:4] != b"-":
                found.append(int(line[:3]))
        return found

    def encrypt(self, context: ssl.SSLContext) -> None:
        self._file.close()
        self._socket = context.wrap_socket(self._socket, server_hostname="localhost")
        self._file = self._socket.makefile("rb")

    def says_no_more(self) -> bool:
        return self._file.readline() == b""


def stored(database: Database) -> list[StoredMail]:
    with database.read() as session:
        return list(session.exec(select(StoredMail).order_by(StoredMail.id)))


def raws(database: Database) -> list[bytes]:
    with database.read() as session:
        return [inbound.raw_of(session, mail.id) for mail in stored(database)]


def send(port: int, raw: bytes = RAW, recipients: tuple[str, ...] = (SUPPORT,)) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.sendmail("ada@example.org", list(recipients), raw)


class TestSize:
    def test_the_limit_is_announced(self, intake: Ports) -> None:
        with smtplib.SMTP("127.0.0.1", intake.smtp_port, timeout=20) as client:
            client.ehlo()
            assert client.esmtp_features["size"] == str(MAX_BYTES)
            assert "pipelining" in client.esmtp_features

    @pytest.mark.parametrize("lines", [1, 4000], ids=["one endless line", "many lines"])
    def test_larger_mails_are_refused_and_the_conversation_goes_on(self, intake, database, lines: int) -> None:
        raw = RAW + (b"x" * (MAX_BYTES * 2 // lines) + b"\r\n") * lines
        with smtplib.SMTP("127.0.0.1", intake.smtp_port, timeout=20) as client:
            client.ehlo()
            assert client.mail("ada@example.org", [f"size={len(raw)}"])[0] == 552
            client.rset()
            client.mail("ada@example.org")
            client.rcpt(SUPPORT)
            code, text = client.data(raw)
            assert (code, text[:5]) == (552, b"5.3.4")
            client.sendmail("ada@example.org", [SUPPORT], RAW)
        assert raws(database) == [RAW]


class TestBytes:
    def test_any_bytes_are_kept_as_they_came(self, intake, database) -> None:
        raw = RAW + b"\x00NUL\x00 \xff\xfe\x80 bare \r and \n.\n end\r\n" + b"y" * 150_000 + b"\r\n"
        with Line(intake.smtp_port) as line:
            line.say(b"EHLO x\r\nMAIL FROM:<ada@example.org>\r\nRCPT TO:<" + SUPPORT.encode() + b">\r\nDATA\r\n")
            assert line.codes(5) == [220, 250, 250, 250, 354]
            line.say(raw + b".\r\n")
            assert line.codes(1) == [250]
        assert raws(database) == [raw]

    @given(
        st.lists(st.sampled_from([b"a", b".", b"\r", b"\n", b"\r\n", b"\x00", b"\xe9", b"..", b"MAIL"]), max_size=40)
    )
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_no_text_ends_the_mail_early(self, intake, database, parts: list[bytes]) -> None:
        text = b"".join(parts).replace(b"\r\n.\r\n", b"") + b"\r\n"
        before = len(stored(database))
        with Line(intake.smtp_port) as line:
            line.say(b"EHLO x\r\nMAIL FROM:<ada@example.org>\r\nRCPT TO:<" + SUPPORT.encode() + b">\r\nDATA\r\n")
            stuffed = (b"\r\n" + text).replace(b"\r\n.", b"\r\n..")
            line.say(b"Subject: x" + stuffed + b".\r\nQUIT\r\n")
            assert line.codes(7) == [220, 250, 250, 250, 354, 250, 221]
        assert raws(database)[before:] == [b"Subject: x\r\n" + text]

    def test_commands_may_come_ahead_of_their_answers(self, intake, database) -> None:
        with Line(intake.smtp_port) as line:
            line.say(
                b"EHLO x\r\nMAIL FROM:<ada@example.org>\r\nRCPT TO:<nobody@minerva.example>\r\nRCPT TO:<"
                + SUPPORT.encode()
                + b">\r\nDATA\r\n"
            )
            assert line.codes(6) == [220, 250, 250, 550, 250, 354]
            line.say(RAW + b".\r\nMAIL FROM:<>\r\nRCPT TO:<" + SUPPORT.encode() + b">\r\nDATA\r\n")
            assert line.codes(4) == [250, 250, 250, 354]
            line.say(b"Subject: bounce\r\n\r\n.\r\nQUIT\r\n")
            assert line.codes(2) == [250, 221]
        assert [(mail.envelope_from, mail.envelope_to) for mail in stored(database)] == [
            ("ada@example.org", [SUPPORT]),
            ("", [SUPPORT]),
        ]

    @pytest.mark.parametrize("cut", [0, 10, len(RAW) - 1, len(RAW), len(RAW) + 1])
    def test_nothing_is_stored_of_a_mail_that_breaks_off(self, intake, database, cut: int) -> None:
        with Line(intake.smtp_port) as line:
            line.say(b"EHLO x\r\nMAIL FROM:<ada@example.org>\r\nRCPT TO:<" + SUPPORT.encode() + b">\r\nDATA\r\n")
            assert line.codes(5)[-1] == 354
            line.say((RAW + b".\r\n")[:cut])
        send(intake.smtp_port, RAW.replace(b"hello", b"next"))
        assert [b"Subject: next" in raw for raw in raws(database)] == [True]


class TestTrouble:
    def test_a_full_disk_is_temporary_and_loses_nothing(self, intake, database) -> None:
        send(intake.smtp_port)
        raw = RAW.replace(b"<1@", b"<2@") + b"z" * 100_000 + b"\r\n"
        with smtplib.SMTP("127.0.0.1", intake.smtp_port, timeout=20) as client:
            with full_disk(database), capture_logs() as logs, pytest.raises(smtplib.SMTPDataError) as caught:
                client.sendmail("ada@example.org", [SUPPORT], raw)
            assert caught.value.smtp_code == 451
            assert [line["event"] for line in logs] == ["mail_not_stored"]
            client.sendmail("ada@example.org", [SUPPORT], raw)
        assert raws(database) == [RAW, raw]
        assert [mail.deliveries for mail in stored(database)] == [1, 1]

    def test_a_busy_client_is_asked_to_wait(self, database, tmp_path) -> None:
        with running(database, tmp_path, smtp_mails_per_minute=2, smtp_unlimited_clients="") as intake:
            with smtplib.SMTP("127.0.0.1", intake.smtp_port, timeout=20) as client:
                for number in range(2):
                    client.sendmail("ada@example.org", [SUPPORT], RAW.replace(b"<1@", b"<%d@" % number))
                with pytest.raises(smtplib.SMTPSenderRefused) as refused:
                    client.sendmail("ada@example.org", [SUPPORT], RAW)
                assert refused.value.smtp_code == 451
            with Line(intake.smtp_port) as second, Line(intake.smtp_port) as third:
                second.say(b"HELO x\r\n")
                assert second.codes(2) == [220, 250]
                third.say(b"EHLO x\r\n")
                assert third.codes(2) == [220, 421]
                assert third.says_no_more()
        assert len(stored(database)) == 2

    def test_our_own_servers_are_not_slowed_down(self, database, tmp_path) -> None:
        with running(database, tmp_path, smtp_mails_per_minute=1) as intake:
            for number in range(4):
                send(intake.smtp_port, RAW.replace(b"<1@", b"<%d@" % number))
        assert len(stored(database)) == 4

    def test_a_taken_port_names_its_setting(self, intake, database, tmp_path) -> None:
        with (
            pytest.raises(PortTakenError, match="MINERVA_LMTP_PORT"),
            running(database, tmp_path, lmtp_port=intake.smtp_port),
        ):
            pass


class TestTls:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> tuple[Path, Path]:
        need("openssl", package="openssl")
        self_signed(tmp_path / "certificate.pem", tmp_path / "key.pem")
        return tmp_path / "certificate.pem", tmp_path / "key.pem"

    def test_mail_comes_in_encrypted(self, database, tmp_path, certificate) -> None:
        with running(database, tmp_path, smtp_tls_cert=certificate[0], smtp_tls_key=certificate[1]) as intake:
            trusting = ssl.create_default_context(cafile=str(certificate[0]))
            with smtplib.SMTP("localhost", intake.smtp_port, timeout=20) as client:
                client.starttls(context=trusting)
                client.ehlo()
                assert not client.has_extn("starttls")
                assert not client.has_extn("auth")
                client.sendmail("ada@example.org", [SUPPORT], RAW)
        assert raws(database) == [RAW]

    def test_what_was_sent_before_the_handshake_does_not_count(self, database, tmp_path, certificate) -> None:
        with (
            running(database, tmp_path, smtp_tls_cert=certificate[0], smtp_tls_key=certificate[1]) as intake,
            Line(intake.smtp_port) as line,
        ):
            line.say(b"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<eve@example.org>\r\n")
            assert line.codes(3) == [220, 250, 220]
            line.encrypt(ssl.create_default_context(cafile=str(certificate[0])))
            line.say(b"EHLO x\r\nRCPT TO:<" + SUPPORT.encode() + b">\r\nQUIT\r\n")
            assert line.codes(9) == [250, 503, 221]

    def test_without_a_certificate_it_is_not_offered(self, intake) -> None:
        with smtplib.SMTP("127.0.0.1", intake.smtp_port, timeout=20) as client:
            client.ehlo()
            assert not client.has_extn("starttls")

    def test_files_that_do_not_fit_are_named(self, tmp_path, certificate) -> None:
        with pytest.raises(SettingsError, match="MINERVA_SMTP_TLS_KEY"):
            tls_context(certificate[0], certificate[0])
        with pytest.raises(SettingsError, match="nothing there"):
            tls_context(tmp_path / "nothing there", certificate[1])


class TestLmtp:
    """RFC 2033: after the data, one answer for each recipient that was taken."""

    def envelope(self, *recipients: str) -> bytes:
        lines = ["LHLO x", "MAIL FROM:<ada@example.org>", *(f"RCPT TO:<{address}>" for address in recipients), "DATA"]
        return "".join(f"{line}\r\n" for line in lines).encode()

    def test_each_recipient_has_an_answer_and_the_mail_is_stored_once(self, intake, database) -> None:
        with Line(intake.lmtp_port) as line:
            line.say(self.envelope(SUPPORT, "nobody@minerva.example", "help@minerva.example"))
            assert line.codes(7) == [220, 250, 250, 250, 550, 250, 354]
            line.say(RAW + b".\r\nNOOP\r\nQUIT\r\n")
            assert line.codes(9) == [250, 250, 250, 221]
        assert [mail.envelope_to for mail in stored(database)] == [[SUPPORT, "help@minerva.example"]]

    def test_trouble_is_temporary_for_each(self, intake, database) -> None:
        send(intake.smtp_port)
        with Line(intake.lmtp_port) as line:
            line.say(self.envelope(SUPPORT, "help@minerva.example"))
            line.codes(6)
            with full_disk(database):
                line.say(RAW.replace(b"<1@", b"<2@") + b"z" * 100_000 + b"\r\n.\r\n")
                assert line.codes(2) == [451, 451]
            line.say(b"NOOP\r\nQUIT\r\n")
            assert line.codes(9) == [250, 221]

    def test_too_big_for_each(self, intake, database) -> None:
        with Line(intake.lmtp_port) as line:
            line.say(self.envelope(SUPPORT, "help@minerva.example"))
            line.codes(6)
            line.say((b"z" * 1000 + b"\r\n") * 300 + b".\r\nQUIT\r\n")
            assert line.codes(9) == [552, 552, 221]
        assert stored(database) == []

    def test_the_smtp_greeting_is_not_known(self, intake) -> None:
        with Line(intake.lmtp_port) as line:
            line.say(b"EHLO x\r\nDATA\r\nQUIT\r\n")
            assert line.codes(9) == [220, 500, 503, 221]
