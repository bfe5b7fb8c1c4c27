"""Hand-overs without a server: the desk of a partner in words, and hand-overs by mail."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import select
from test_agent_store import PLAIN, receive, ticket_of

from agent import handling, partners
from agent.attachment import Attachment
from agent.bridges.desks import set_desk
from agent.bridges.runner import Bridges
from agent.bridges.sync import Bridge
from agent.bridges.texts import MAX_FILES_BYTES, files_to_send
from agent.errors import HandlingError
from agent.settings import Settings
from agent.store import bridges, people, tickets
from agent.store.bridge_tables import ExternalDesk, HandOver
from agent.store.database import Database
from agent.store.tables import Engineer, Message, Outbound, OutboundKind, Partner, Ticket, TicketStatus, now
from ingest.mail import parse_mail
from ingest.message import Address
from ingest.sender_checks import SenderTrust


@pytest.fixture
def eva(database: Database) -> Engineer:
    with database.write() as session:
        return people.add_engineer(session, name="Eva", email="eva@minerva.example")


@pytest.fixture
def partner(database: Database) -> Partner:
    with database.write() as session:
        return partners.add(session, name="Partner X", contact="", expertise="", systems="", days_per_month=0)


def use_desk(
    database: Database, partner: Partner, kind: str, address: str, *, queue: str = "", token: str = ""
) -> None:
    with database.write() as session:
        set_desk(session, partner, kind=kind, address=address, queue=queue, token=token)


def desk_of(database: Database, partner: Partner) -> ExternalDesk | None:
    with database.read() as session:
        return session.get(ExternalDesk, partner.id)


@pytest.mark.parametrize(
    ("kind", "address", "queue", "token", "problem"),
    [
        ("rt", "http://rt.example.org", "HPC", "1-2-abc", "https://"),
        ("rt", "rt.example.org", "HPC", "1-2-abc", "https://"),
        ("rt", "https://user@rt.example.org", "HPC", "1-2-abc", "https://"),
        ("rt", "https://rt.example.org", "", "1-2-abc", "queue"),
        ("rt", "https://rt.example.org", "HPC", "", "token"),
        ("rt", "https://rt.example.org", "HPC", "1-2\nabc", "token"),
        ("mail", "nobody", "", "", "mail address"),
        ("mail", "a@example.org, b@example.org", "", "", "mail address"),
        ("otrs", "https://x.example.org", "HPC", "t", "Request Tracker, Zammad or mail"),
    ],
)
def test_a_desk_that_cannot_be_used_is_refused_in_words(
    database: Database, partner: Partner, kind: str, address: str, queue: str, token: str, problem: str
) -> None:
    with pytest.raises(HandlingError, match=problem):
        use_desk(database, partner, kind, address, queue=queue, token=token)
    assert desk_of(database, partner) is None


def test_a_token_is_kept_until_the_desk_is_another_one(database: Database, partner: Partner) -> None:
    use_desk(database, partner, "rt", "https://rt.example.org/", queue="HPC", token="1-2-abc")
    use_desk(database, partner, "rt", "https://rt.example.org", queue="Other")
    kept = desk_of(database, partner)
    assert kept is not None and (kept.token, kept.queue, kept.address) == ("1-2-abc", "Other", "https://rt.example.org")
    with pytest.raises(HandlingError, match="token"):  # it is not carried to an address that somebody else may own
        use_desk(database, partner, "rt", "https://elsewhere.example.org", queue="HPC")


def test_a_desk_is_not_changed_while_tickets_are_there(
    database: Database, settings: Settings, partner: Partner, eva: Engineer
) -> None:
    use_desk(database, partner, "mail", "hpc@partner.example")
    ticket = ticket_of(database, receive(database, settings, replace(PLAIN, message_id="a@x")))
    hand_over(database, ticket, partner, eva)
    with pytest.raises(HandlingError, match="Take them back first"):
        use_desk(database, partner, "mail", "other@partner.example")
    hand_over(database, ticket, None, eva)
    use_desk(database, partner, "mail", "other@partner.example")


def test_files_are_masked_and_large_ones_named() -> None:
    script = Attachment(
        filename="job.sh", content_type="text/plain", content=b"export PASSWORD=hunter2secret\nsrun x\n"
    )
    large = Attachment(filename="core", content_type="application/octet-stream", content=b"\0" * (MAX_FILES_BYTES + 1))
    empty = Attachment(filename="none", content_type="text/plain", content=b"")
    kept, left_out = files_to_send([script, large, empty])
    assert [file.filename for file in kept] == ["job.sh"]
    assert b"hunter2secret" not in kept[0].content and b"srun x" in kept[0].content
    assert left_out == ("core (26.2 MB)",)


def hand_over(
    database: Database, ticket: Ticket, to: Partner | None, by: Engineer, words: str = "", *, with_notes: bool = False
) -> None:
    with database.write() as session:
        kept = tickets.by_number(session, ticket.number)
        partners.hand_over(session, kept, to, by=by, words=words, with_notes=with_notes)


def tick(database: Database, settings: Settings) -> list[tuple[int, int]]:
    """The drafts that were asked for."""
    drafts: list[tuple[int, int]] = []
    bridge = Bridge(database=database, settings=settings)
    Bridges(bridge, draft=lambda message, attempt: drafts.append((message, attempt)), wake=lambda: None).tick()
    return drafts


def mailed(database: Database) -> list[Outbound]:
    with database.read() as session:
        return list(session.exec(select(Outbound).where(Outbound.kind == OutboundKind.HAND_OVER).order_by(Outbound.id)))  # type: ignore[arg-type]


def test_a_partner_without_desk_software_gets_a_mail_and_its_answer_joins(
    database: Database, settings: Settings, partner: Partner, eva: Engineer
) -> None:
    use_desk(database, partner, "mail", "hpc@partner.example")
    request = receive(database, settings, replace(PLAIN, message_id="a@x"))
    ticket = ticket_of(database, request)
    with database.write() as session:
        handling.note(session, tickets.by_number(session, ticket.number), "they are slow", by=eva)
    hand_over(database, ticket, partner, eva, "Please look at the scheduler.")
    tick(database, settings)
    tick(database, settings)
    (sent,) = mailed(database)
    text = parse_mail(sent.content).text
    assert sent.recipients == ["hpc@partner.example"]
    assert "Please look at the scheduler." in text and "It waits." in text and "they are slow" not in text
    assert f"[{ticket.number}]" in parse_mail(sent.content).subject

    # From another address of theirs, with the tag that cannot be guessed.
    reply = replace(
        PLAIN, message_id="r@partner", in_reply_to=sent.message_id, subject="Re: x", text="More memory.",
        visible_text="More memory.", sender=Address(name="Greta", address="greta@partner.example"),
    )  # fmt: skip
    filed = receive(database, settings, reply)
    after = ticket_of(database, filed)
    assert (filed.direction, after.id, after.status) == ("partner", ticket.id, TicketStatus.NEW)
    assert after.revision == ticket.revision + 1 and after.requester_address == "ada@example.org"
    assert tick(database, settings) == [(request.id, 1)]
    assert len(mailed(database)) == 1  # what they wrote does not go back to them


def test_what_the_requester_writes_later_goes_to_the_partner_by_mail(
    database: Database, settings: Settings, partner: Partner, eva: Engineer
) -> None:
    use_desk(database, partner, "mail", "hpc@partner.example")
    ticket = ticket_of(database, receive(database, settings, replace(PLAIN, message_id="a@x")))
    hand_over(database, ticket, partner, eva)
    tick(database, settings)
    later = receive(database, settings, replace(PLAIN, message_id="b@x", in_reply_to="a@x", visible_text="Still."))
    assert later.direction == "in"
    tick(database, settings)
    first, second = mailed(database)
    assert parse_mail(second.content).in_reply_to == first.message_id and "Still." in parse_mail(second.content).text
    hand_over(database, ticket, None, eva)
    receive(database, settings, replace(PLAIN, message_id="c@x", in_reply_to="a@x", visible_text="Not for them."))
    tick(database, settings)
    assert "taken this request back" in parse_mail(mailed(database)[-1].content).text
    assert len(mailed(database)) == 3


def test_taken_back_and_handed_over_again_within_a_second_are_two_mails(
    database: Database, settings: Settings, partner: Partner, eva: Engineer
) -> None:
    use_desk(database, partner, "mail", "hpc@partner.example")
    ticket = ticket_of(database, receive(database, settings, replace(PLAIN, message_id="a@x")))
    hand_over(database, ticket, partner, eva)
    tick(database, settings)
    second = now().replace(microsecond=0)
    for change, words, to in ((1, "", None), (2, "Please after all.", partner)):
        hand_over(database, ticket, to, eva, words)
        with database.write() as session:
            kept = session.exec(select(HandOver)).one()
            at = second + timedelta(microseconds=change)
            kept.at, kept.ended_at = (kept.at, at) if to is None else (at, None)
        tick(database, settings)
    texts = [parse_mail(mail.content).text for mail in mailed(database)]
    assert len(texts) == 3
    assert "taken this request back" in texts[1]
    assert "Please after all." in texts[2]


def test_an_unverified_sender_is_no_partner(
    database: Database, settings: Settings, partner: Partner, eva: Engineer
) -> None:
    from agent.filing import file_mail  # noqa: PLC0415
    from agent.store import inbound  # noqa: PLC0415

    use_desk(database, partner, "mail", "hpc@partner.example")
    ticket = ticket_of(database, receive(database, settings, replace(PLAIN, message_id="a@x")))
    hand_over(database, ticket, partner, eva)
    tick(database, settings)
    forged = replace(
        PLAIN, message_id="f@x", in_reply_to=mailed(database)[0].message_id,
        sender=Address(name="", address="hpc@partner.example"),
    )  # fmt: skip
    with database.write() as session:
        stored = inbound.store_mail(session, b"x", channel="smtp", peer="", envelope_from="x@y", envelope_to=[])
        trust = SenderTrust(level="unverified", reason="DMARC says no.", outside=True)
        filed = file_mail(session, settings, stored, forged, "en", trust=trust)
    assert (filed.direction, filed.ticket_id == ticket.id) == ("in", False)


def test_a_partner_who_works_on_our_desk_gets_nothing_sent(
    database: Database, settings: Settings, partner: Partner, eva: Engineer
) -> None:
    ticket = ticket_of(database, receive(database, settings, replace(PLAIN, message_id="a@x")))
    hand_over(database, ticket, partner, eva)
    tick(database, settings)
    assert mailed(database) == []
    with database.read() as session:
        assert bridges.of_pair(session, ticket, partner.id or 0) is None
        assert tickets.by_number(session, ticket.number).partner_id == partner.id
        assert session.exec(select(Message).where(Message.direction == "partner")).all() == []
