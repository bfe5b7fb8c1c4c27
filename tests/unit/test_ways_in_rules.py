"""The pure parts of the ways in: envelopes from headers, the rate limit, what the settings must hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SettingsError
from agent.mail.envelope import UNKNOWN, envelope_from, envelope_to, null_or_address
from agent.mail.imap import oauthbearer, xoauth2
from agent.mail.rate_limit import MAX_CLIENTS, RateLimit, networks
from agent.settings import load_settings


@pytest.mark.parametrize(
    ("head", "sender"),
    [
        (b"Return-Path: <ada@example.org>\r\nFrom: bob@example.org\r\n", "ada@example.org"),
        (b"Return-Path: <>\r\nFrom: MAILER-DAEMON@example.org\r\n", ""),
        (b"Return-Path: <ada@example.org>\r\nReturn-Path: <>\r\n", "ada@example.org"),
        (b"From: Bob <bob@example.org>\r\n", "bob@example.org"),
        (b"Subject: nobody\r\n", UNKNOWN),
        (b"Return-Path: \xff\xfe\r\n", UNKNOWN),
    ],
)
def test_the_sender_is_what_the_delivering_server_wrote(head: bytes, sender: str) -> None:
    assert envelope_from(head + b"\r\nReturn-Path: <eve@example.org>\r\n") == sender


def test_recipients_are_those_that_it_was_delivered_to() -> None:
    raw = b"Delivered-To: support@x.org\r\nX-Original-To: help@x.org\r\nEnvelope-To: support@x.org\r\nTo: a@b.c\r\n\r\n"
    assert envelope_to(raw) == ["support@x.org", "help@x.org"]


@given(st.binary(max_size=300))
def test_any_bytes_have_an_envelope(raw: bytes) -> None:
    for mail in (raw, b"Return-Path: " + raw, b"From: " + raw + b"\n\n"):
        assert isinstance(envelope_from(mail), str)
        assert isinstance(envelope_to(mail), list)


@pytest.mark.parametrize(("said", "means"), [("", ""), ("<>", ""), ("MAILER-DAEMON", ""), ("a@b.c", "a@b.c")])
def test_the_null_sender_has_several_forms(said: str, means: str) -> None:
    assert null_or_address(said) == means


def test_a_client_has_its_share_of_each_minute() -> None:
    limit = RateLimit(2)
    at_s = [limit.allows("192.0.2.1", t) for t in (0.0, 10.0, 20.0, 59.9, 60.1, 61.0, 70.1)]
    assert at_s == [True, True, False, False, True, False, True]
    assert limit.allows("192.0.2.2", 20.0)


@pytest.mark.parametrize("client", ["127.0.0.1", "10.1.2.3", "::ffff:10.1.2.3", "fe80::1%eth0", ""])
def test_our_own_networks_have_no_limit(client: str) -> None:
    limit = RateLimit(1, networks("127.0.0.0/8, 10.1.0.0/16, fe80::/10"))
    assert all(limit.allows(client, 0.0) for _ in range(5))


def test_quiet_clients_are_forgotten() -> None:
    limit = RateLimit(1)
    for number in range(MAX_CLIENTS + 1):
        limit.allows(f"2001:db8::{number:x}", number / MAX_CLIENTS)
    limit.allows("192.0.2.1", 1000.0)
    assert len(limit._seen) == 1


def test_what_is_said_to_sign_in_with_a_token() -> None:
    assert xoauth2("a@b.c", "T", "host", 993) == (b"user=a@b.c\x01auth=Bearer T\x01\x01", b"")
    assert oauthbearer("a=b,c", "T", "host", 993) == (
        b"n,a=a=3Db=2Cc,\x01host=host\x01port=993\x01auth=Bearer T\x01\x01",
        b"\x01",
    )


class TestSettings:
    @pytest.fixture(autouse=True)
    def _alone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    @pytest.mark.parametrize(
        ("given_settings", "named"),
        [
            ({"imap_host": "x"}, ["IMAP_USER", "IMAP_PASSWORD"]),
            ({"imap_host": "x", "imap_auth": "xoauth2", "imap_user": "u"}, ["OAUTH_TOKEN_URL", "OAUTH_CLIENT_ID"]),
            ({"imap_host": "x", "imap_auth": "xoauth2"}, ["IMAP_USER", "OAUTH_REFRESH_TOKEN"]),
            ({"imap_auth": "magic"}, ["IMAP_AUTH"]),
            ({"smtp_tls_cert": "c.pem"}, ["SMTP_TLS_KEY"]),
            ({"smtp_unlimited_clients": "10.0.0.0/8, nonsense"}, ["SMTP_UNLIMITED_CLIENTS"]),
        ],
    )
    def test_what_is_missing_is_named(self, given_settings: dict[str, str], named: list[str]) -> None:
        with pytest.raises(SettingsError) as caught:
            load_settings(**given_settings)
        for name in named:
            assert f"MINERVA_{name}" in str(caught.value)

    @pytest.mark.parametrize(
        "given_settings",
        [
            {},
            {"imap_host": "x", "imap_user": "u", "imap_password": "p"},
            {
                "imap_host": "x", "imap_user": "u", "imap_auth": "xoauth2", "oauth_token_url": "https://x/token",
                "oauth_client_id": "i", "oauth_refresh_token": "r",
            },
        ],
    )  # fmt: skip
    def test_what_is_whole_is_taken(self, given_settings: dict[str, str]) -> None:
        assert load_settings(**given_settings).imap_host == given_settings.get("imap_host")
