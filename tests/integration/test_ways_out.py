"""What leaves, against real mail servers: reply codes, lost connections, signatures."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dkim
import pytest
from aiosmtpd.controller import Controller
from helpdesk_process import free_port
from sqlmodel import select
from system_packages import need
from test_ways_in_postfix import postfix, until

from agent.delivery import RETRY_AFTER_S, deliver
from agent.errors import SendError, SettingsError
from agent.mail.outbound import OutboundMessage
from agent.mail.sender import Outgoing, sender_for
from agent.settings import Settings
from agent.store import outbox, tickets
from agent.store.database import Database
from agent.store.tables import Outbound, OutboundKind, OutboundState, now

SENDER = "support@minerva.example"


class Relay:
    """Answers as told, keeps what it was sent."""

    def __init__(self) -> None:
        self.rcpt, self.data = "250 OK", "250 OK"
        self.contents: list[bytes] = []
        self.recipients: list[str] = []

    async def handle_RCPT(
        self, _server: object, _session: object, envelope: object, address: str, _options: object
    ) -> str:
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)  # type: ignore[attr-defined]
            self.recipients.append(address)
        return self.rcpt

    async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:
        self.contents.append(envelope.content)  # type: ignore[attr-defined]
        return self.data


@contextmanager
def relaying(**options: object) -> Iterator[tuple[Relay, int]]:
    relay = Relay()
    controller = Controller(relay, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield relay, controller.port
    finally:
        controller.stop()


@pytest.fixture
def relay() -> Iterator[tuple[Relay, int]]:
    with relaying(enable_SMTPUTF8=True) as started:
        yield started


def settings_for(port: int, **more: object) -> Settings:
    return Settings(support_address=SENDER, relay_host="127.0.0.1", relay_port=port, **more)


def queue(database: Database, recipient: str = "ada@example.org", body: str = "Hello\n") -> int:
    with database.write() as session:
        ticket = tickets.open_ticket(session, subject="x", requester_name="Ada", requester_address=recipient)
        mail = OutboundMessage(
            message_id=f"{ticket.number}.x@minerva.example", sender_name="MINERVA support", sender_address=SENDER,
            recipients=(recipient,), subject="Re: x", body=body, date=now(), in_reply_to=None, references=(),
            auto_submitted="no",
        )  # fmt: skip
        row = outbox.queue(session, ticket, mail, kind=OutboundKind.ANSWER, key=ticket.number)
        assert row.id is not None
        return row.id


def row(database: Database, key: int) -> Outbound:
    with database.read() as session:
        return tickets.by_id(session, Outbound, key)


@pytest.mark.parametrize("stage", ["rcpt", "data"])
@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("450 4.2.1 busy", OutboundState.QUEUED),
        ("451 4.3.0 trouble", OutboundState.QUEUED),
        ("452 4.5.3 later", OutboundState.QUEUED),
        ("550 5.1.1 nobody", OutboundState.FAILED),
        ("552 5.3.4 too big", OutboundState.FAILED),
        ("554 5.7.1 no", OutboundState.FAILED),
    ],
)
def test_the_code_of_the_relay_decides(database: Database, relay, stage: str, answer: str, state: str) -> None:
    server, port = relay
    setattr(server, stage, answer)
    key = queue(database)
    deliver(database, sender_for(settings_for(port)), SENDER, key)
    settled = row(database, key)
    assert settled.state == state
    assert answer in str(settled.last_error)
    if state == OutboundState.QUEUED:
        wait = settled.next_attempt_at - now()
        assert timedelta(seconds=RETRY_AFTER_S[0] - 30) < wait <= timedelta(seconds=RETRY_AFTER_S[0])


def make_due(database: Database, key: int) -> None:
    with database.write() as session:
        waiting = session.get_one(Outbound, key)
        waiting.next_attempt_at = now()
        session.add(waiting)


def test_a_mail_is_not_sent_before_it_is_due(database: Database, relay) -> None:
    server, port = relay
    server.rcpt = "450 4.2.1 busy"
    key = queue(database)
    for _ in range(3):
        deliver(database, sender_for(settings_for(port)), SENDER, key)
    assert row(database, key).attempts == 1


def test_waits_grow_until_the_mail_has_failed(database: Database, relay) -> None:
    server, port = relay
    server.rcpt = "450 4.2.1 busy"
    key = queue(database)
    waits = []
    for _ in range(len(RETRY_AFTER_S) + 1):
        deliver(database, sender_for(settings_for(port)), SENDER, key)
        waits.append(round((row(database, key).next_attempt_at - now()).total_seconds(), -1))
        make_due(database, key)
    assert waits[: len(RETRY_AFTER_S)] == [round(wait, -1) for wait in RETRY_AFTER_S]
    assert row(database, key).state == OutboundState.FAILED
    deliver(database, sender_for(settings_for(port)), SENDER, key)
    assert row(database, key).attempts == len(RETRY_AFTER_S) + 1


def test_a_relay_that_is_away_is_tried_again(database: Database) -> None:
    key = queue(database)
    deliver(database, sender_for(settings_for(free_port())), SENDER, key)
    assert row(database, key).state == OutboundState.QUEUED


@contextmanager
def hanging_up(after: str) -> Iterator[int]:
    """A server that closes the connection after MAIL, after DATA, or after the content."""
    listening = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rwb") as line:
            line.write(b"220 x\r\n")
            line.flush()
            while command := line.readline():
                verb = command[:4].strip().upper().decode()
                if verb == after:
                    return
                line.write(b"354 go on\r\n" if verb == "DATA" else b"250 OK\r\n")
                line.flush()
                if verb == "DATA":
                    while line.readline() != b".\r\n":
                        pass
                    return

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    yield listening.getsockname()[1]
    thread.join(10)
    listening.close()


@pytest.mark.parametrize(
    ("after", "state"),
    [("MAIL", OutboundState.QUEUED), ("DATA", OutboundState.QUEUED), ("content", OutboundState.UNCERTAIN)],
)
def test_only_a_connection_lost_after_the_content_leaves_doubt(database: Database, after: str, state: str) -> None:
    key = queue(database)
    with hanging_up(after) as port:
        deliver(database, sender_for(settings_for(port)), SENDER, key)
    assert row(database, key).state == state
    with database.read() as session:
        assert [due.id for due in outbox.due(session, now() + timedelta(days=400))] == (
            [key] if state == OutboundState.QUEUED else []
        )


def test_what_nobody_settles_in_time_is_given_back_or_uncertain(database: Database) -> None:
    claimed, on_the_wire = queue(database), queue(database)
    with database.write() as session:
        for key in (claimed, on_the_wire):
            outbox.claim(session, key)
        outbox.begin_transmission(session, on_the_wire, 1)
        assert not outbox.is_overdue(session, now())
        late = now() + outbox.LEASE
        assert outbox.is_overdue(session, late)
        assert outbox.recover(session, before=late) == (1, 1)
    assert row(database, claimed).state == OutboundState.QUEUED
    assert row(database, on_the_wire).state == OutboundState.UNCERTAIN
    with database.write() as session:
        assert not outbox.begin_transmission(session, claimed, 1)  # a sender that wakes up late does not send it again


@pytest.mark.parametrize("refused", [False, True])
def test_a_try_that_another_one_has_overtaken_neither_sends_nor_settles(database: Database, refused: bool) -> None:
    """As when a host starts, and gives back what another one is about to send."""
    key = queue(database)
    sent = []

    def other(_outgoing: Outgoing, transmitting: Callable[[], None]) -> None:
        transmitting()
        sent.append("other")

    def slow(_outgoing: Outgoing, transmitting: Callable[[], None]) -> None:
        with database.write() as session:
            outbox.recover(session)
        deliver(database, other, SENDER, key)
        if refused:
            raise SendError("no connection", permanent=False)
        transmitting()
        sent.append("slow")

    deliver(database, slow, SENDER, key)
    assert sent == ["other"]
    assert (row(database, key).state, row(database, key).attempts) == (OutboundState.SENT, 2)


@pytest.mark.parametrize(
    ("address", "taken"),
    [("ada@müller.example", "ada@xn--mller-kva.example"), ("ådå@example.org", "ådå@example.org")],
)
def test_addresses_in_any_script_are_sent_to(database: Database, relay, address: str, taken: str) -> None:
    server, port = relay
    key = queue(database, address)
    deliver(database, sender_for(settings_for(port)), SENDER, key)
    assert (row(database, key).state, server.recipients) == (OutboundState.SENT, [taken])


def test_a_relay_without_such_letters_is_a_failure_in_words(database: Database) -> None:
    with relaying(enable_SMTPUTF8=False) as (_, port):
        key = queue(database, "ådå@example.org")
        deliver(database, sender_for(settings_for(port)), SENDER, key)
    assert row(database, key).state == OutboundState.FAILED
    assert "SMTPUTF8" in str(row(database, key).last_error)


def test_lines_that_begin_with_a_dot_arrive(database: Database, relay) -> None:
    server, port = relay
    key = queue(database, body="one\n.\n..two\n.three\n")
    deliver(database, sender_for(settings_for(port)), SENDER, key)
    assert b"one\r\n.\r\n..two\r\n.three\r\n" in server.contents[0]
    assert server.contents[0].rstrip() == row(database, key).content.rstrip()


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dkim") / "dkim.pem"
    need("openssl", package="openssl")
    subprocess.run(["openssl", "genrsa", "-out", str(path), "2048"], check=True, capture_output=True)
    return path


def dns_with(key: Path) -> Callable[..., bytes]:
    """Answers for `m2026._domainkey.minerva.example` only."""
    done = subprocess.run(["openssl", "rsa", "-in", str(key), "-pubout"], check=True, capture_output=True)
    public = b"".join(done.stdout.splitlines()[1:-1])

    def answer(name: bytes | str, timeout: float = 5) -> bytes:
        asked = name.decode() if isinstance(name, bytes) else name
        return b"v=DKIM1; k=rsa; p=" + public if asked.rstrip(".") == "m2026._domainkey.minerva.example" else b""

    return answer


def test_a_signature_survives_a_real_postfix(database: Database, key: Path, relay) -> None:
    """Ours to Postfix, Postfix to the recipient's server, which verifies."""
    server, port = relay
    outbound = queue(database, body="Grüße,\n\n.\nfrom us   \n" + "a long line " * 200 + "\n")
    with postfix(port) as between:
        settings = settings_for(between.port, dkim_key=key, dkim_selector="m2026")
        deliver(database, sender_for(settings), SENDER, outbound)
        assert row(database, outbound).state == OutboundState.SENT
        until(lambda: server.contents, lambda: between.log)
    arrived = server.contents[0]
    assert b"\r\nReceived: " in b"\r\n" + arrived
    assert dkim.verify(arrived, dnsfunc=dns_with(key))
    assert not dkim.verify(arrived.replace(b"from us", b"from you"), dnsfunc=dns_with(key))
    assert not dkim.verify(arrived.replace(b"Subject: Re: x", b"Subject: Re: y"), dnsfunc=dns_with(key))


def test_a_key_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no key")
    for path in (bad, tmp_path / "nothing there"):
        with pytest.raises(SettingsError, match="MINERVA_DKIM_KEY"):
            sender_for(settings_for(25, dkim_key=path, dkim_selector="m2026"))


def test_nothing_is_left_over(database: Database, relay) -> None:
    """Two workers at once send one mail once."""
    server, port = relay
    key = queue(database)
    send = sender_for(settings_for(port))
    workers = [threading.Thread(target=deliver, args=(database, send, SENDER, key)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(server.contents) == 1
    with database.read() as session:
        assert [mail.state for mail in session.exec(select(Outbound))] == [OutboundState.SENT]
