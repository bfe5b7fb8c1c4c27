"""Who sent a mail, with the DNS of these tests and mails signed here. The key pair was made for them and signs nothing."""

from __future__ import annotations

import dkim
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sender_checks import LookupTroubleError, RecordType, SenderTrust, check_sender

KEY = b"""-----BEGIN RSA PRIVATE KEY-----
MIICXgIBAAKBgQDkbhRfgIvN6jS7tz2lyen6Ugu0/gA0zHaHfFPsy0r7VE83pYI8
6l6u52GKvMPyGvXn/q/f07SOqk3qE4xjUUPw8Z6fXHlPK08QKi6IVCtvF7Mgo6BZ
3nWYfmTlSUKY0RI9N0KUIR3iV5/HTIf9Kl4CygZ5vcE6RWlgvUpMiGJ/aQIDAQAB
AoGAHt8Fn9aGjmCdmdTs3vAH0A2wiVhefMQ5LJxP10uuKYM+ZX3XuRXPkAGzPAXA
0YJ1Q1I3QJ+i4jj/6KeVrIJ6FN+dzxqKUeGbmNq3sZ8iiE4rdsXPsoGAWGUzS8P2
tq+D8jV+XUZ+f+i4qsgMZnEgPTNhmxw4ZyKKabTR9urznIECQQD5U2dwdgRPvgaU
N0zRFz/sW6afHV7iBXa/zE1nLp7Eq0d6BKO1MlFAnhnGaaBX3hsWnbSfRL8FxjIr
wI3Mnlb5AkEA6ot6vLbUeGJYOUF564hHFM2xw8/Esv9/QtbhuXvAStDe+rQap2kV
dl9A4hW8MHIjMhIhpRNvZlLZ9e4bMuRX8QJBAMulnkWzf84KbqE9khbvIJ1UNwKc
INYIlHgQzeBLqg8Fv7ogc/8afFeFS5ROzlM27XVJlzDIHCcBPhWSj7/kTTECQQCf
XG/jo1IQDbomBQAC8dBiKTSceCINAR6F2pz6O0Q3UV3/97mYgATuLeBW/S+ltxeE
4N7tW5w4aRjhSYw/cvjxAkEAtAzAa50zEMeEJxnhQ23if9tfbDrTI7CbzZJhg5LW
uYXslbFOl2X1E4v1RC1Iby0uByjtD0IUYxxd8GJ2RtRtlQ==
-----END RSA PRIVATE KEY-----
"""
PUBLIC = (
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkbhRfgIvN6jS7tz2lyen6Ugu0/gA0zHaHfFPsy0r7VE83pYI86l6u52GKvMPyGvXn/q/f07"
)
PUBLIC += "SOqk3qE4xjUUPw8Z6fXHlPK08QKi6IVCtvF7Mgo6BZ3nWYfmTlSUKY0RI9N0KUIR3iV5/HTIf9Kl4CygZ5vcE6RWlgvUpMiGJ/aQIDAQAB"
MAIL = b"From: Ada <ada@uni.example.org>\r\nTo: support@example.eu\r\nSubject: job\r\nDate: Mon, 23 Nov 2026 09:30:00 +0100\r\nMessage-ID: <1@uni.example.org>\r\n\r\nIt fails.\r\n"
RECORDS: dict[tuple[str, str], list[str]] = {
    ("s1._domainkey.example.org", "TXT"): [f"v=DKIM1; k=rsa; p={PUBLIC}"],
    ("s1._domainkey.elsewhere.example.net", "TXT"): [f"v=DKIM1; k=rsa; p={PUBLIC}"],
    ("s1._domainkey.relay.example.com", "TXT"): [f"v=DKIM1; k=rsa; p={PUBLIC}"],
    ("_dmarc.example.org", "TXT"): ["v=DMARC1; p=reject; rua=mailto:x@example.org"],
    ("uni.example.org", "TXT"): ["other", "v=spf1 ip4:93.184.216.0/24 include:spf.example.org mx -all"],
    ("spf.example.org", "TXT"): ["v=spf1 a:out.example.org ~all"],
    ("out.example.org", "A"): ["93.184.217.9"],
    ("uni.example.org", "MX"): ["10 mx.example.org"],
    ("mx.example.org", "A"): ["93.184.218.1"],
    ("elsewhere.example.net", "TXT"): ["v=spf1 ip4:93.184.219.0/24 -all"],
}  # fmt: skip
PUBLIC_CLIENT, STRANGER = "93.184.216.34", "93.184.220.1"


def records(name: str, kind: RecordType) -> list[str]:
    return RECORDS.get((name.lower(), kind), [])


def no_network(name: str, kind: RecordType) -> list[str]:
    raise LookupTroubleError


def check(
    raw: bytes = MAIL,
    *,
    client: str = "127.0.0.1",
    envelope_from: str = "ada@uni.example.org",
    author: str = "ada@uni.example.org",
    trusted: tuple[str, ...] = (),
    lookup=records,
    from_mailbox: bool = False,
    helo: str = "out.example.org",
) -> SenderTrust:  # type: ignore[no-untyped-def]
    return check_sender(
        raw,
        author=author,
        client=client,
        helo=helo,
        envelope_from=envelope_from,
        trusted=trusted,
        lookup=lookup,
        from_mailbox=from_mailbox,
    )


def signed(domain: bytes, raw: bytes = MAIL) -> bytes:
    return dkim.sign(raw, b"s1", domain, KEY, include_headers=[b"from", b"to", b"subject"]) + raw


def test_a_signature_of_the_senders_organisation_verifies() -> None:
    assert check(signed(b"example.org")).level == "verified"
    assert "example.org" in check(signed(b"example.org")).reason


@pytest.mark.parametrize("client", ["127.0.0.1", STRANGER])
def test_a_signature_of_somebody_else_or_a_broken_one_does_not(client: str) -> None:
    expected = "unknown" if client == "127.0.0.1" else "unverified"
    assert check(signed(b"elsewhere.example.net"), client=client).level == expected
    assert check(signed(b"example.org").replace(b"It fails", b"Send money"), client=client).level == expected
    assert check(signed(b"nokey.example.org"), client=client).level == expected


@pytest.mark.parametrize("client", [PUBLIC_CLIENT, "93.184.217.9", "93.184.218.1"])
def test_spf_of_the_senders_domain_verifies(client: str) -> None:
    assert check(client=client).level == "verified"


def test_spf_of_another_domain_does_not() -> None:
    assert check(client="93.184.219.5", envelope_from="x@elsewhere.example.net").level == "unverified"
    trust = check(client=STRANGER)
    assert trust.level == "unverified" and "SPF fail" in trust.reason and "DMARC policy reject" in trust.reason


def test_what_comes_through_our_own_server_without_a_signature_is_unknown() -> None:
    assert check(client="127.0.0.1").level == "unknown"
    assert check(client="10.1.2.3").level == "unknown"
    assert check(client="user@imap.example.org").level == "unknown"


def relayed(client: str, raw: bytes = MAIL) -> bytes:
    return f"Received: from mail.uni.example (unknown [{client}]) by mx.example.eu; Mon, 23 Nov 2026\r\n".encode() + raw


def test_behind_our_server_it_is_the_client_of_our_server_that_spf_is_asked_about() -> None:
    allowed, forged = check(relayed(PUBLIC_CLIENT)), check(relayed(STRANGER))
    assert (allowed.level, forged.level) == ("verified", "unverified")
    assert allowed.outside and forged.outside and not check().outside
    assert check(relayed("10.1.2.3")).level == "unknown" and not check(relayed("10.1.2.3")).outside
    brought = relayed(STRANGER, relayed(PUBLIC_CLIENT))
    assert check(brought).level == "unverified"


def test_a_mailbox_at_a_provider_is_outside_and_a_signature_counts_there() -> None:
    assert check(signed(b"example.org"), client="me@imap.example.org", from_mailbox=True).level == "verified"
    unsigned = check(relayed(PUBLIC_CLIENT), client="me@imap.example.org", from_mailbox=True)
    assert (unsigned.level, unsigned.outside) == ("unknown", True)


def test_a_null_sender_is_checked_by_the_name_of_the_client() -> None:
    assert check(client=PUBLIC_CLIENT, envelope_from="", helo="uni.example.org").level == "verified"
    assert check(client=PUBLIC_CLIENT, envelope_from="", helo="elsewhere.example.net").level == "unverified"
    assert check(client=PUBLIC_CLIENT, envelope_from="", helo="[93.184.216.34]").level == "unverified"
    assert check(client=PUBLIC_CLIENT, envelope_from="", helo="").level == "unverified"


def test_without_names_nothing_is_known_and_nothing_is_claimed() -> None:
    assert check(signed(b"example.org"), lookup=no_network).level == "unknown"
    assert check(client=STRANGER, lookup=no_network).level == "unknown"
    assert check(client=STRANGER, lookup=None).level == "unknown"


def results(text: str) -> bytes:
    return f"Authentication-Results: {text}\r\n".encode() + MAIL


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ("mx.example.eu; dmarc=pass header.from=uni.example.org", "verified"),
        ("mx.example.eu 1; dkim=pass header.d=example.org; spf=fail", "verified"),
        ("mx.example.eu; spf=pass smtp.mailfrom=bounce@uni.example.org", "verified"),
        ("mx.example.eu; dmarc=pass header.from=other.example", "unverified"),
        ("mx.example.eu; dkim=pass header.d=other.example; dmarc=fail header.from=uni.example.org", "unverified"),
        ("mx.example.eu; none", "unverified"),
        ("mx.example.eu (dmarc=pass header.from=uni.example.org); dmarc=fail", "unverified"),
        ("evil.example; dmarc=pass header.from=uni.example.org", "unverified"),
        ("", "unverified"),
    ],
)
def test_a_trusted_server_is_believed_and_no_other(said: str, level: str) -> None:
    assert check(results(said) if said else MAIL, trusted=("mx.example.eu",)).level == level


def test_who_connects_from_outside_cannot_bring_a_result_along() -> None:
    claimed = results("mx.example.eu; dmarc=pass header.from=uni.example.org")
    assert check(claimed, client=STRANGER, trusted=("mx.example.eu",)).level == "unverified"
    assert check(claimed, client=PUBLIC_CLIENT, trusted=("mx.example.eu",)).reason.startswith("SPF")
    assert (
        check(claimed, client="me@imap.example.org", trusted=("mx.example.eu",), from_mailbox=True).level == "verified"
    )


def test_the_topmost_statement_of_the_trusted_server_counts() -> None:
    forged = results("mx.example.eu; dmarc=pass header.from=uni.example.org")
    assert (
        check(b"Authentication-Results: mx.example.eu; dmarc=fail\r\n" + forged, trusted=("mx.example.eu",)).level
        == "unverified"
    )


def test_a_trusted_forwarder_vouches_by_its_seal() -> None:
    said = b"Authentication-Results: relay.example.com; dmarc=pass header.from=uni.example.org\r\n" + MAIL
    seal = b"".join(
        dkim.arc_sign(
            said, b"s1", b"relay.example.com", KEY, b"relay.example.com", include_headers=[b"from", b"to", b"subject"]
        )
    )
    sealed = seal + said
    assert check(sealed, client=STRANGER, trusted=("relay.example.com",)).level == "verified"
    assert check(seal + MAIL, client=STRANGER, trusted=("relay.example.com",)).level == "verified"
    assert check(seal + MAIL, client=STRANGER, trusted=("mx.example.eu",)).level == "unverified"
    assert (
        check(seal + MAIL.replace(b"fails", b"works"), client=STRANGER, trusted=("relay.example.com",)).level
        == "unverified"
    )


@given(st.binary(max_size=300), st.text(max_size=30), st.text(max_size=20), st.sampled_from([STRANGER, "::1", "", "x"]))
def test_any_mail_from_anybody_is_judged(raw: bytes, author: str, sender: str, client: str) -> None:
    for given_mail in (raw, b"DKIM-Signature: " + raw.replace(b"\n", b" ") + b"\r\n" + MAIL):
        trust = check(given_mail, author=author, envelope_from=sender, client=client, trusted=("a.example",))
        assert trust.level != "verified"
