"""The bridge to Zammad against a strict stand-in of its published interface."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bridged_helpdesk import Helpdesk
from sqlmodel import select
from zammad_stand_in import GRETA, GROUP, SYSTEM, TOKEN, US, RunningZammad, ZammadStandIn

from agent import handling
from agent.bridges.desks import set_desk
from agent.bridges.values import Opening
from agent.bridges.zammad import Zammad, zammad_page
from agent.errors import BridgeError
from agent.settings import Settings
from agent.store import inbound, tickets
from agent.store.bridge_tables import HandOverMessage
from agent.store.database import Database
from agent.store.tables import Ticket, TicketStatus
from ingest.mail import parse_mail


@pytest.fixture
def zammad() -> Iterator[ZammadStandIn]:
    with RunningZammad() as stand_in:
        yield stand_in
    assert stand_in.complaints == []


@pytest.fixture
def world(database: Database, settings: Settings, zammad: ZammadStandIn) -> Helpdesk:
    return Helpdesk(database, settings, kind="zammad", url=zammad.url, queue=GROUP, token=TOKEN)


def handed_over(world: Helpdesk, *files: tuple[str, bytes]) -> tuple[Ticket, int]:
    ticket = world.request("My job waits.\npassword = hunter2secret", *files)
    world.hand_over(ticket, world.partner, "Please look.")
    world.round()
    return ticket, int(world.there(ticket))


def bodies(zammad: ZammadStandIn, key: int) -> list[str]:
    return [article["body"] for article in zammad.articles.values() if article["ticket_id"] == key]


def test_a_ticket_is_created_once_for_our_own_account(world: Helpdesk, zammad: ZammadStandIn) -> None:
    ticket, key = handed_over(world, ("jöb.sh", b"#!/bin/bash\nsrun hostname\n"), ("core.bin", b"\x00\xff"))
    world.round()
    (made,) = zammad.tickets.values()
    assert made["title"].startswith(f"[{ticket.number}] Job pending")
    assert made["customer_id"] == US
    (article,) = zammad.articles.values()
    assert "Please look." in article["body"] and "hunter2secret" not in article["body"]
    assert article["content_type"] == "text/plain"
    files = {file["filename"]: zammad.files[file["id"]] for file in article["attachments"]}
    assert files == {"jöb.sh": b"#!/bin/bash\nsrun hostname\n", "core.bin": b"\x00\xff"}
    assert world.row(ticket).remote_number == made["number"]
    assert zammad_page(zammad.url, str(key)) == f"{zammad.url}/#ticket/zoom/{key}"


def test_what_agents_write_comes_back_once_and_what_the_system_writes_does_not(
    world: Helpdesk, zammad: ZammadStandIn
) -> None:
    ticket, key = handed_over(world)
    file = {"filename": "fix.sh", "data": "c3J1bg==", "mime-type": "text/plain"}
    zammad.write(key, "<p>Use <b>--mem=64G</b>.</p><script>x</script>", content_type="text/html", attachments=[file])
    zammad.write(key, "The node is broken.", internal=True)
    zammad.write(key, "Your ticket has been received.", by=SYSTEM, sender="System")
    for _ in range(3):
        world.round()
    (reply,) = world.messages(ticket, "partner")
    assert "--mem=64G" in reply.text and "<b>" not in reply.text
    assert (reply.sender_name, reply.sender_address) == ("Greta Partner", "greta@partner.example")
    with world.database.read() as session:
        kept = parse_mail(inbound.raw_of(session, reply.stored_mail_id or 0))
    assert [(item.filename, item.content) for item in kept.attachments] == [("fix.sh", b"srun")]
    assert [note.text.strip() for note in world.messages(ticket, "note")] == ["The node is broken."]
    assert len(world.drafts) == 1


def test_the_requesters_later_words_are_public_there_and_open_it_again(world: Helpdesk, zammad: ZammadStandIn) -> None:
    ticket, key = handed_over(world)
    zammad.change(key, state_id=8)  # `solved`, which somebody there made to be an end
    world.round()
    assert world.row(ticket).remote_status == "solved" and world.row(ticket).remote_closed
    world.mail(f"Re: [{ticket.number}]", "It still waits.")
    world.round()
    newest = list(zammad.articles.values())[-1]
    assert "It still waits." in newest["body"] and newest["internal"] is False
    assert newest["subject"].startswith(f"[{ticket.number}/")
    assert zammad.tickets[key]["state_id"] == 2
    count = len(zammad.articles)
    world.round()
    assert len(zammad.articles) == count


def test_the_status_is_kept_in_step(world: Helpdesk, zammad: ZammadStandIn) -> None:
    ticket, key = handed_over(world)
    world.set_status(ticket, TicketStatus.ANSWERED)
    zammad.change(key, state_id=4)
    world.round()
    assert world.ticket(ticket).status == TicketStatus.RESOLVED
    zammad.change(key, state_id=2)
    world.round()
    assert world.ticket(ticket).status == TicketStatus.NEW
    with world.database.write() as session:
        handling.resolve(session, tickets.by_number(session, ticket.number), by=world.eva, batch="b")
    world.round()
    assert zammad.tickets[key]["state_id"] == 4


def test_the_owner_there_is_shown(world: Helpdesk, zammad: ZammadStandIn) -> None:
    ticket, key = handed_over(world)
    assert world.row(ticket).remote_owner == ""
    zammad.change(key, owner_id=GRETA)
    world.round()
    assert world.row(ticket).remote_owner == "Greta Partner"


def test_a_crash_makes_no_second_ticket_and_no_second_article(world: Helpdesk, zammad: ZammadStandIn) -> None:
    client = Zammad(zammad.url, GROUP, TOKEN)
    ticket = world.request()
    made = client.create(Opening(tag=f"[{ticket.number}]", subject=f"[{ticket.number}] Job", text="x", files=()))
    client.close()
    world.hand_over(ticket, world.partner)
    world.round()
    assert world.there(ticket) == made.id and len(zammad.tickets) == 1
    world.mail(f"Re: [{ticket.number}]", "One more thing.")
    world.round()
    with world.database.write() as session:  # as if we had stopped before the post was noted
        rows = session.exec(select(HandOverMessage)).all()
        session.delete(next(row for row in rows if row.remote_id is not None))
    world.round()
    assert sum("One more thing." in body for body in bodies(zammad, int(made.id))) == 1


def test_trouble_is_said_and_made_good(world: Helpdesk, zammad: ZammadStandIn) -> None:
    ticket = world.request()
    world.hand_over(ticket, world.partner)
    zammad.answers = [503]
    world.round()
    assert "in trouble (503)" in (world.desk().last_error or "") and world.row(ticket).remote_id is None
    world.round()
    assert world.there(ticket) and world.desk().last_error is None
    del zammad.tickets[int(world.there(ticket))]
    world.mail(f"Re: [{ticket.number}]", "Anybody there?")
    world.round()
    assert "Couldn't find Ticket" in (world.row(ticket).last_error or "")
    assert world.desk().last_error is None


def test_a_wrong_token_and_a_group_without_rights_are_named(world: Helpdesk, zammad: ZammadStandIn) -> None:
    with world.database.write() as session:
        set_desk(session, world.partner, kind="zammad", address=zammad.url, queue=GROUP, token="wrong")
    world.round()
    assert "does not take our token" in (world.desk().last_error or "")
    for rights in ([], ["read", "overview"]):
        zammad.rights = rights
        client = Zammad(zammad.url, GROUP, TOKEN)
        with pytest.raises(BridgeError, match=f"may not create tickets in the group {GROUP}"):
            client.check()
        client.close()


def test_what_is_not_understood_stops_nothing_else(world: Helpdesk, zammad: ZammadStandIn) -> None:
    ticket, key = handed_over(world)
    other, second = handed_over(world)
    zammad.write(key, "Broken.")["created_at"] = "yesterday"
    zammad.write(second, "Fine.")
    world.round()
    assert "not understood" in (world.row(ticket).last_error or "")
    assert [message.text.strip() for message in world.messages(other, "partner")] == ["Fine."]
    zammad.tickets[second].pop("state_id")
    world.round()
    assert "not understood" in (world.desk().last_error or "")


def test_a_page_that_is_no_zammad_is_said(database: Database, settings: Settings) -> None:
    with RunningZammad() as other:
        other.answers = [302, 404]
        client = Zammad(other.url, GROUP, TOKEN)
        with pytest.raises(BridgeError, match="sends us elsewhere"):
            client.check()
        with pytest.raises(BridgeError, match="refuses it"):
            client.check()
        client.close()
