"""Senders checked through a real name server, and behind a real Postfix that writes down where a mail came from."""

from __future__ import annotations

import base64
import smtplib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import dkim
import pytest
from dns_fixture import NameServer
from helpdesk_process import free_port
from postfix_fixture import Postfix
from system_packages import need
from test_ways_in_postfix import postfix, until
from test_ways_in_smtp import SUPPORT, running, stored

from agent.mail.dns import Resolver, within
from agent.mail.senders import sender_check
from agent.settings import Settings
from agent.store.database import Database
from agent.store.inbound import raw_of
from agent.store.tables import StoredMail
from ingest.sender_checks import LookupTroubleError, RecordType, SenderTrust

ALLOWED, STRANGER = "93.184.216.34", "93.184.220.1"
ZONE = {
    ("uni.example.org", "TXT"): ['"other"', '"v=spf1 ip4:93.184.216.0/24 " "include:spf.example.org mx -all"'],
    ("spf.example.org", "TXT"): ['"v=spf1 a:out.example.org ~all"'],
    ("out.example.org", "A"): ["93.184.217.9"],
    ("mail.example.org", "TXT"): ['"v=spf1 ip4:93.184.216.0/24 -all"'],
    ("uni.example.org", "MX"): ["10 mx.example.org."],
    ("mx.example.org", "AAAA"): ["2606:2800:220:1::1"],
    ("_dmarc.example.org", "TXT"): ['"v=DMARC1; p=reject"'],
    ("long.example.org", "TXT"): [" ".join(f'"{"x" * 250}"' for _ in range(8))],
    ("1.220.184.93.in-addr.arpa", "PTR"): ["stranger.example."],
    ("broken.example.org", "TXT"): ["SERVFAIL"],
    ("slow.example.org", "TXT"): ["SILENCE"],
}
MAIL = (
    b"From: Ada <ada@uni.example.org>\r\nTo: support@minerva.example\r\nSubject: job\r\n"
    b"Message-ID: <1@uni.example.org>\r\n\r\nIt fails.\r\n"
)


@pytest.fixture(scope="module")
def private_key() -> bytes:
    return openssl("genrsa", "-traditional", "2048")


@pytest.fixture(scope="module")
def names(private_key: bytes) -> Iterator[NameServer]:
    public = base64.b64encode(openssl("rsa", "-pubout", "-outform", "DER", stdin=private_key)).decode()
    record = f'"v=DKIM1; k=rsa; " "p={public[:200]}" "{public[200:]}"'
    server = NameServer({**ZONE, ("s1._domainkey.example.org", "TXT"): [record]})
    yield server
    server.close()


@pytest.fixture
def resolver(names: NameServer) -> Resolver:
    return Resolver(names.resolver())


def openssl(*arguments: str, stdin: bytes | None = None) -> bytes:
    program = need("openssl", package="openssl")
    return subprocess.run([program, *arguments], input=stdin, capture_output=True, check=True).stdout


def signed(key: bytes) -> bytes:
    return bytes(dkim.sign(MAIL, b"s1", b"example.org", key, include_headers=[b"from", b"to", b"subject"])) + MAIL


def test_each_type_is_read_as_the_checks_want_it(resolver: Resolver) -> None:
    spf = "v=spf1 ip4:93.184.216.0/24 include:spf.example.org mx -all"
    assert set(resolver.lookup("uni.example.org", "TXT")) == {"other", spf}
    assert resolver.lookup("out.example.org", "A") == ["93.184.217.9"]
    assert resolver.lookup("mx.example.org", "AAAA") == ["2606:2800:220:1::1"]
    assert resolver.lookup("uni.example.org", "MX") == ["10 mx.example.org"]
    assert resolver.lookup("1.220.184.93.in-addr.arpa", "PTR") == ["stranger.example"]


def test_an_answer_too_large_for_udp_is_asked_for_again_by_tcp(resolver: Resolver, names: NameServer) -> None:
    assert resolver.lookup("long.example.org", "TXT") == ["x" * 2000]
    assert names.questions.count(("long.example.org", "TXT")) == 2


def test_no_such_name_and_no_such_record_are_no_values(resolver: Resolver) -> None:
    assert resolver.lookup("nobody.example.org", "TXT") == []
    assert resolver.lookup("out.example.org", "MX") == []
    assert resolver.lookup("a..b", "TXT") == []
    assert resolver.lookup("x" * 300 + ".example.org", "A") == []


def test_answers_are_kept_as_long_as_they_say(resolver: Resolver, names: NameServer) -> None:
    before = len(names.questions)
    for _ in range(3):
        resolver.lookup("spf.example.org", "TXT")
    assert len(names.questions) - before <= 1


def test_trouble_of_one_domain_does_not_stop_the_checks_of_others(resolver: Resolver) -> None:
    with pytest.raises(LookupTroubleError):
        resolver.lookup("broken.example.org", "TXT")
    assert resolver.lookup("out.example.org", "A") == ["93.184.217.9"]


def test_after_silence_others_fail_at_once_for_a_while(resolver: Resolver, names: NameServer) -> None:
    with pytest.raises(LookupTroubleError):
        resolver.lookup("slow.example.org", "TXT")
    before = len(names.questions)
    with pytest.raises(LookupTroubleError):
        resolver.lookup("out.example.org", "A")
    assert len(names.questions) == before


def test_slow_name_servers_do_not_hold_up_a_mail(resolver: Resolver) -> None:
    asked = []

    def slow(name: str, kind: RecordType) -> list[str]:
        asked.append(name)
        time.sleep(0.3)
        return resolver.lookup(name, kind)

    lookup = within(slow, 0.2)
    assert lookup("out.example.org", "A") == ["93.184.217.9"]
    with pytest.raises(LookupTroubleError):
        lookup("out.example.org", "A")
    assert len(asked) == 1


def judged(resolver: Resolver, tmp_path: Path, raw: bytes, **envelope: str) -> SenderTrust:
    settings = Settings(data_dir=tmp_path, support_address=SUPPORT)
    row = {"channel": "smtp", "peer": "127.0.0.1", "helo": "", "envelope_from": "ada@uni.example.org", **envelope}
    mail = StoredMail(identity="", sha256="", size=len(raw), envelope_to=[SUPPORT], **row)
    return sender_check(settings, resolver.lookup)(raw, mail, "ada@uni.example.org")


def test_a_signature_and_spf_are_checked_over_the_wire(resolver: Resolver, tmp_path: Path, private_key: bytes) -> None:
    sealed = signed(private_key)
    assert judged(resolver, tmp_path, sealed).level == "verified"
    assert judged(resolver, tmp_path, sealed.replace(b"fails", b"works"), peer=STRANGER).level == "unverified"
    assert judged(resolver, tmp_path, MAIL, peer=ALLOWED).level == "verified"
    assert judged(resolver, tmp_path, MAIL, peer="2606:2800:220:1::1").level == "verified"
    forged = judged(resolver, tmp_path, MAIL, peer=STRANGER)
    assert forged.level == "unverified" and "SPF fail" in forged.reason and "DMARC policy reject" in forged.reason


def test_the_null_sender_is_checked_by_what_the_client_calls_itself(resolver: Resolver, tmp_path: Path) -> None:
    told = {"peer": ALLOWED, "envelope_from": "", "helo": "mail.example.org"}
    assert judged(resolver, tmp_path, MAIL, **told).level == "verified"
    assert judged(resolver, tmp_path, MAIL, **{**told, "peer": STRANGER}).level == "unverified"


def through(server: Postfix, client: str, helo: str, raw: bytes, sender: str = "ada@uni.example.org") -> None:
    """As if `client` had connected to Postfix (its XCLIENT extension, for tests and proxies)."""
    with smtplib.SMTP("127.0.0.1", server.port, timeout=20) as line:
        line.ehlo()
        assert line.docmd("XCLIENT", f"ADDR={client} NAME=[UNAVAILABLE]")[0] == 220
        line.ehlo(helo)
        line.sendmail(sender, [SUPPORT], raw)


def test_behind_postfix_it_is_the_client_of_postfix_that_is_checked(
    database: Database, tmp_path: Path, resolver: Resolver
) -> None:
    """Neither what the client calls itself nor `Received` fields that it brings along pass for a machine of ours."""
    forged_path = (
        b"Received: from [10.0.0.9] (ours [10.0.0.9]) by relay.example.org; Mon, 23 Nov 2026 09:30:00 +0100\r\n"
    )
    port = free_port()
    with running(database, tmp_path, smtp_port=port), postfix(port, clients_named=True) as server:
        through(server, ALLOWED, "mail.uni.example.org", MAIL)
        through(server, STRANGER, "[10.0.0.9]", forged_path + MAIL.replace(b"<1@", b"<2@"))
        through(server, "10.1.2.3", "desktop", MAIL.replace(b"<1@", b"<3@"))
        until(lambda: len(stored(database)) == 3, lambda: server.log)
    check = sender_check(Settings(data_dir=tmp_path, support_address=SUPPORT), resolver.lookup)
    with database.read() as session:
        raws = {row.id: raw_of(session, row.id or 0) for row in stored(database)}
    found = {raw.split(b"Message-ID: <")[1][:1]: check(raw, row, "ada@uni.example.org") for row in stored(database) for raw in [raws[row.id]]}  # fmt: skip
    assert [(found[key].level, found[key].outside) for key in (b"1", b"2", b"3")] == [
        ("verified", True), ("unverified", True), ("unknown", False),
    ]  # fmt: skip
