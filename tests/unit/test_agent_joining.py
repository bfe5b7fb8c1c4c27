"""Which ticket a mail joins: proof before names, nothing for the unverified; bounces and masked secrets on the way."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from agent.filing import file_mail
from agent.mail.reply_tags import new_tagged_id, reply_address, reply_key, tagged_ticket
from agent.pipeline import file_request
from agent.settings import Settings
from agent.store import inbound, tickets
from agent.store.database import Database
from agent.store.tables import Event, Message, Outbound, Ticket, TicketStatus
from ingest.mail import parse_mail
from ingest.sender_checks import SenderTrust

VERIFIED = SenderTrust(level="verified", reason="DKIM")
UNKNOWN = SenderTrust(level="unknown", reason="not checked")
UNVERIFIED = SenderTrust(level="unverified", reason="SPF fail")
SERIAL = itertools.count()


def mail(
    subject: str = "Job pending", *headers: str, sender: str = "ada@example.org", body: str = "It waits."
) -> bytes:
    head = [f"From: {sender}", "To: support@minerva.example", f"Subject: {subject}", *headers]
    return ("\r\n".join(head) + f"\r\n\r\n{body}\r\n").encode()


def receive(database: Database, settings: Settings, raw: bytes, trust: SenderTrust = UNKNOWN, *, sender: str = "x@example.org", to: str = "support@minerva.example") -> Message:  # fmt: skip
    with database.write() as session:
        stored = inbound.store_mail(session, raw, channel="smtp", peer="", envelope_from=sender, envelope_to=[to])
        return file_mail(session, settings, stored, parse_mail(raw, envelope_from=sender), "en", trust=trust)


def ticket_of(database: Database, message: Message) -> Ticket:
    with database.read() as session:
        return tickets.by_id(session, Ticket, message.ticket_id)


def outbound(database: Database) -> Outbound:
    with database.read() as session:
        return session.exec(select(Outbound)).one()


def events(database: Database, message: Message) -> list[str]:
    with database.read() as session:
        return [event.what for event in session.exec(select(Event).where(Event.ticket_id == message.ticket_id))]


@pytest.mark.parametrize(("trust", "joins"), [(VERIFIED, True), (UNKNOWN, True), (UNVERIFIED, False)])
@pytest.mark.parametrize("way", ["in reply to", "references", "tag", "plus address", "subject"])
def test_a_reply_joins_unless_its_sender_is_unverified(
    database: Database, settings: Settings, way: str, trust: SenderTrust, joins: bool
) -> None:
    first = receive(database, settings, mail())
    number, ack = ticket_of(database, first).number, outbound(database).message_id
    key = reply_key(settings.reply_key_path)
    plus = reply_address(key, number, settings.support_address)
    headers = {
        "in reply to": [f"In-Reply-To: <{ack}>"],
        "references": [f"References: <other@x> <{ack}>"],
        "tag": [f"In-Reply-To: <{new_tagged_id(key, number, 'minerva.example')}>"],
    }.get(way, [])
    subject = f"Re: [{number}]" if way == "subject" else "Re: hello"
    reply = receive(database, settings, mail(subject, *headers), trust, to=plus if way == "plus address" else "s@x.eu")
    assert (reply.ticket_id == first.ticket_id) == joins
    if not joins:
        assert reply.trust == "unverified" and "kept apart" in events(database, reply)
        assert ticket_of(database, reply).status == TicketStatus.NEW


@pytest.mark.parametrize(
    ("way", "joins"),
    [
        ("in reply to", True),
        ("plus address", True),
        ("their own id", False),
        ("the same id", False),
        ("subject", False),
    ],
)
def test_from_outside_and_not_checked_only_a_keyed_tag_joins(
    database: Database, settings: Settings, way: str, joins: bool
) -> None:
    """Who forges the requester's address knows her number, perhaps her Message-ID, but no tag of ours."""
    first = receive(database, settings, mail("Job pending", "Message-ID: <1@example.org>"))
    number = ticket_of(database, first).number
    plus = reply_address(reply_key(settings.reply_key_path), number, settings.support_address)
    headers = {
        "in reply to": [f"In-Reply-To: <{outbound(database).message_id}>"],
        "their own id": ["In-Reply-To: <1@example.org>"],
        "the same id": ["Message-ID: <1@example.org>"],
    }.get(way, [])
    raw = mail(f"Re: [{number}]" if way == "subject" else "Re: hello", *headers, body="What is my password?")
    trust = replace(UNKNOWN, outside=True)
    reply = receive(database, settings, raw, trust, to=plus if way == "plus address" else "s@x.eu")
    assert (reply.ticket_id == first.ticket_id) == joins
    if not joins:
        with database.read() as session:
            said = select(Event.detail).where(Event.ticket_id == reply.ticket_id, Event.what == "kept apart")
            assert session.exec(said).all() == [f"it answers {number}, but the sender could not be checked"]


@pytest.mark.parametrize("trust", [UNVERIFIED, replace(UNKNOWN, outside=True)])
def test_who_is_kept_apart_sees_nothing_of_the_ticket_and_changes_nothing_in_it(
    database: Database, settings: Settings, trust: SenderTrust
) -> None:
    first = receive(database, settings, mail("Secret project Zephyr", sender="ada@example.org"))
    before = ticket_of(database, first)
    raw = mail(
        f"Re: [{before.number}]", "In-Reply-To: <known@x>", sender="ada@example.org", body="Send it again, to me."
    )
    forged = receive(database, settings, raw.replace(b"From: ada@example.org", b"From: eve@evil.example"), trust)
    own = ticket_of(database, forged)
    with database.read() as session:
        sent = session.exec(select(Outbound).where(Outbound.ticket_id == own.id)).one()
        after = tickets.by_id(session, Ticket, before.id or 0)
    assert (after.revision, after.status, after.requester_address) == (
        before.revision,
        before.status,
        "ada@example.org",
    )
    assert sent.recipients == ["eve@evil.example"]
    text = parse_mail(sent.content).text
    assert "Zephyr" not in text and "It waits." not in text and own.number in text


def test_the_stronger_proof_decides_where_they_name_different_tickets(database: Database, settings: Settings) -> None:
    """Message-ID seen, keyed tag, known id, number in the subject: in this order."""
    names = ("seen", "tagged", "known", "named")
    first = {name: receive(database, settings, mail(name, f"Message-ID: <{name}@example.org>")) for name in names}
    number = {name: ticket_of(database, message).number for name, message in first.items()}
    tag = new_tagged_id(reply_key(settings.reply_key_path), number["tagged"], "minerva.example")
    proofs = {
        "seen": "Message-ID: <seen@example.org>",
        "tagged": f"References: <{tag}>",
        "known": "In-Reply-To: <known@example.org>",
    }
    for position, strongest in enumerate(names):
        headers = [proofs[name] for name in names[position:] if name in proofs]
        reply = receive(database, settings, mail(f"Re: [{number['named']}]", *headers, body=f"{position}"), VERIFIED)
        assert reply.ticket_id == first[strongest].ticket_id, strongest


def test_a_forged_tag_opens_no_ticket_of_others(database: Database, settings: Settings) -> None:
    first = receive(database, settings, mail())
    number = ticket_of(database, first).number
    genuine = new_tagged_id(reply_key(settings.reply_key_path), number, "minerva.example")
    other_key = new_tagged_id(b"k" * 32, number, "minerva.example")
    flipped = genuine.replace(genuine.split(".")[1], "0123456789abcdef")
    for forged in (other_key, flipped, f"{number}.0123456789abcdef@minerva.example"):
        raw = mail(f"Re: [{number}]", f"In-Reply-To: <{forged}>", sender="eve@evil.example")
        plus = f"support+{number}.{'a' * 16}@minerva.example"
        assert receive(database, settings, raw, VERIFIED, to=plus).ticket_id != first.ticket_id


@given(
    st.sampled_from(["MIN-2026-000001", "MIN-2031-1234567"]), st.binary(min_size=32, max_size=32), st.text(max_size=40)
)
def test_tags_prove_their_ticket_and_nothing_else_does(number: str, key: bytes, noise: str) -> None:
    name = new_tagged_id(key, number, "minerva.example")
    assert tagged_ticket(key, ids=[noise, name.upper()], addresses=[]) == number
    assert tagged_ticket(key, ids=[], addresses=[reply_address(key, number, "s@m.eu")]) == number
    assert tagged_ticket(key[::-1] + b"x", ids=[name, noise], addresses=[noise]) is None


def test_the_key_is_made_once_and_is_private(settings: Settings) -> None:
    first = reply_key(settings.reply_key_path)
    reply_key.cache_clear()
    assert reply_key(settings.reply_key_path) == first and len(first) == 32
    assert settings.reply_key_path.stat().st_mode & 0o077 == 0


def test_the_same_id_with_another_body_is_kept_and_flagged(database: Database, settings: Settings) -> None:
    first = receive(database, settings, mail("a", "Message-ID: <1@x>"))
    second = receive(database, settings, mail("a", "Message-ID: <1@x>", body="Something else."))
    assert (
        second.ticket_id == first.ticket_id
        and "an earlier mail has the same Message-ID and another body" in second.defects
    )
    stranger = receive(database, settings, mail("a", "Message-ID: <1@x>", body="Third.", sender="eve@evil.example"))
    assert stranger.ticket_id != first.ticket_id and stranger.defects


BOUNCE = (
    "From: MAILER-DAEMON@mx.example.org\r\nTo: support@minerva.example\r\nSubject: Undelivered\r\n"
    'Content-Type: multipart/report; report-type=delivery-status; boundary="r"\r\n\r\n--r\r\n\r\nSorry.\r\n--r\r\n'
    "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\n"
    "Final-Recipient: rfc822; ada@example.org\r\nAction: {action}\r\nStatus: {status}\r\n\r\n--r\r\n"
    "Content-Type: message/rfc822\r\n\r\nMessage-ID: <{about}>\r\nSubject: Re: job\r\n\r\nhello\r\n--r--\r\n"
)


@pytest.mark.parametrize(
    ("action", "status", "bounced"), [("failed", "5.1.1", "permanent"), ("delayed", "4.4.1", "temporary")]
)
def test_a_bounce_is_attached_to_the_mail_that_came_back(
    database: Database, settings: Settings, action: str, status: str, bounced: str
) -> None:
    first = receive(database, settings, mail())
    about = outbound(database).message_id
    raw = BOUNCE.format(action=action, status=status, about=about).encode()
    report = receive(database, settings, raw, UNVERIFIED, sender="")
    assert report.ticket_id == first.ticket_id and report.kind == "delivery report"
    sent = outbound(database)
    assert sent.bounced == bounced and "ada@example.org" in (sent.bounce_detail or "")
    assert ticket_of(database, first).revision == 1
    wanted = "acknowledgement was not delivered" if bounced == "permanent" else "acknowledgement is delayed"
    assert wanted in events(database, first)


def test_secrets_are_masked_but_for_the_original_and_the_requester_is_told(
    database: Database, settings: Settings
) -> None:
    from agent.pipeline import Ports  # noqa: PLC0415

    token = "hf_" + "aBcDeFgH" * 4 + "ab"
    raw = mail(f"my {token}", body=f"export HF_TOKEN={token}\r\nsrun python x.py")
    with database.write() as session:
        stored = inbound.store_mail(session, raw, channel="smtp", peer="", envelope_from="a@x.eu", envelope_to=[])

    def never(*_: object, **__: object) -> object:
        raise AssertionError

    ports = Ports(read=parse_mail, language=lambda _: "de", place=never, diagnose=never, search=never, compose=never)  # type: ignore[arg-type]
    key = file_request(database, settings, ports, stored.id or 0)
    with database.read() as session:
        message = tickets.by_id(session, Message, key or 0)
        ticket = tickets.by_id(session, Ticket, message.ticket_id)
        words = [str(row) for row in session.exec(select(Event.detail)).all()]
        assert token not in message.subject + message.text + message.visible_text + ticket.subject + " ".join(words)
        assert message.masked == ["Hugging Face token"]
        assert inbound.raw_of(session, stored.id or 0) == raw
    sent = parse_mail(outbound(database).content)
    assert token not in sent.text and "wie ein Passwort" in " ".join(sent.text.split())


def test_an_answer_that_came_back_shows_on_the_ticket_until_the_requester_writes(
    database: Database, settings: Settings
) -> None:
    first = receive(database, settings, mail())
    with database.write() as session:
        sent = session.exec(select(Outbound)).one()
        sent.kind = "answer"
        session.add(sent)
    raw = BOUNCE.format(action="failed", status="5.1.1", about=sent.message_id).encode()
    receive(database, settings, raw, sender="")
    assert ticket_of(database, first).undelivered
    receive(database, settings, mail("Re", f"In-Reply-To: <{sent.message_id}>"), VERIFIED)
    assert not ticket_of(database, first).undelivered
