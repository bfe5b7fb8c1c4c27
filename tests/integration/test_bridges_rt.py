"""Hand-overs to a real Request Tracker 5, both ways."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from bridged_helpdesk import Helpdesk
from rt_fixture import PASSWORD, QUEUE, US, RequestTrackerServer
from sqlmodel import select

from agent import handling
from agent.bridges.desks import set_desk
from agent.bridges.request_tracker import RequestTracker
from agent.bridges.taking import has_two_owners
from agent.bridges.values import Opening
from agent.errors import BridgeError
from agent.mail.outbound import OutboundMessage
from agent.settings import Settings
from agent.store import inbound, outbox, people, tickets
from agent.store.bridge_tables import HandOverMessage
from agent.store.database import Database
from agent.store.tables import (
    Message,
    OutboundKind,
    OutboundState,
    TicketStatus,
    now,
)
from ingest.mail import parse_mail


@pytest.fixture(scope="module")
def rt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RequestTrackerServer]:
    server = RequestTrackerServer(tmp_path_factory.mktemp("rt"))
    server.start()
    yield server
    server.close()


class World(Helpdesk):
    """Whose partner works with the RT."""

    def __init__(self, database: Database, settings: Settings, rt: RequestTrackerServer) -> None:
        super().__init__(database, settings, kind="rt", url=rt.url, queue=QUEUE, token=rt.token)
        self.rt = rt


@pytest.fixture
def world(database: Database, settings: Settings, rt: RequestTrackerServer) -> World:
    return World(database, settings, rt)


def test_a_ticket_is_handed_over_once_with_its_history_and_files(world: World) -> None:
    script = b"#!/bin/bash\n#SBATCH --gres=gpu\nexport API_KEY=sk-proj-abcdefghijklmnopqrstuvwxyz0123456789\n"
    ticket = world.request(
        "My job waits.\npassword = hunter2secret", ("jöb ü.sh", script), ("core.bin", b"\x00\x01\xff")
    )
    with world.database.write() as session:
        handling.note(session, tickets.by_number(session, ticket.number), "they are slow", by=world.eva)
    world.hand_over(ticket, world.partner, "Please look at the scheduler.")
    world.round()
    world.round()
    remote = world.there(ticket)
    subject = world.rt.ticket(remote)["Subject"]
    assert subject.startswith(f"[{ticket.number}] Job pending")
    parts = world.rt.parts(remote)
    (text,) = [content for name, content in parts if not name]
    assert "Eva of the MINERVA helpdesk" in text and "Please look at the scheduler." in text
    assert "Ada <ada@example.org>" in text and "My job waits." in text
    assert "hunter2secret" not in text and "they are slow" not in text
    files = dict(part for part in parts if part[0])
    assert set(files) == {"jöb ü.sh", "core.bin"}
    assert "sk-proj-abcdef" not in files["jöb ü.sh"] and "#SBATCH --gres=gpu" in files["jöb ü.sh"]
    assert world.rt.ticket(remote)["Requestor"] == []
    assert [key for key in world.rt.tickets() if ticket.number in world.rt.ticket(key)["Subject"]] == [remote]
    assert world.row(ticket).last_error is None and world.row(ticket).last_synced_at is not None
    assert world.desk().last_ok_at is not None


def test_notes_go_along_only_when_the_hand_over_says_so(world: World) -> None:
    ticket = world.request()
    with world.database.write() as session:
        handling.note(session, tickets.by_number(session, ticket.number), "they are slow", by=world.eva)
    world.hand_over(ticket, world.partner, with_notes=True)
    world.round()
    with world.database.write() as session:
        handling.note(session, tickets.by_number(session, ticket.number), "a later note", by=world.eva)
    world.round()
    texts = world.rt.texts(world.there(ticket))
    assert "they are slow" in texts[0] and "a later note" in texts[1]


def test_replies_and_notes_come_back_once_with_files_and_masked(world: World) -> None:
    ticket = world.request()
    world.hand_over(ticket, world.partner)
    world.round()
    remote, before = world.there(ticket), world.ticket(ticket).revision
    file = {"FileName": "fix.sh", "FileType": "text/plain", "FileContent": base64.b64encode(b"srun hostname").decode()}
    world.rt.write(
        remote, "Use --mem=64G ü.\npassword = hunter2secret\n@eva <script>alert(1)</script>", Attachments=[file]
    )
    world.rt.write(remote, "Only for us: the node is broken.", way="comment")
    for _ in range(3):
        world.round()
    (reply,) = world.messages(ticket, "partner")
    assert "Use --mem=64G ü." in reply.text and "hunter2secret" not in reply.text and reply.masked
    assert (reply.sender_name, reply.sender_address) == ("Greta Partner", "greta@partner.example")
    assert [item["filename"] for item in reply.attachments] == ["fix.sh"]
    assert reply.stored_mail_id is not None
    with world.database.read() as session:
        kept = parse_mail(inbound.raw_of(session, reply.stored_mail_id))
    assert kept.attachments[0].content == b"srun hostname"
    (note,) = world.messages(ticket, "note")
    assert note.text.strip() == "Only for us: the node is broken."
    assert world.ticket(ticket).revision == before + 1
    assert world.ticket(ticket).status == TicketStatus.NEW
    assert len(world.drafts) == 1
    assert len(world.rt.texts(remote)) == 4  # opening, reply, its file, comment: nothing of it was sent back


def test_what_the_requester_and_we_write_later_goes_there(world: World) -> None:
    ticket = world.request()
    world.hand_over(ticket, world.partner)
    world.round()
    remote = world.there(ticket)
    world.mail(f"Re: [{ticket.number}]", "It still waits.", ("out.log", b"slurmstepd: error"))
    sent = OutboundMessage(
        message_id=f"{ticket.number}@minerva.example", sender_name="MINERVA support", sender_address="s@minerva.example",
        recipients=("ada@example.org",), subject="Re", body="Wait a little.", date=now(), in_reply_to=None,
        references=(), auto_submitted="no",
    )  # fmt: skip
    with world.database.write() as session:
        kept = tickets.by_number(session, ticket.number)
        outbound = outbox.queue(session, kept, sent, kind=OutboundKind.ANSWER, key=f"answer:{ticket.number}")
        answer = Message(
            ticket_id=tickets.key_of(kept), direction="out", sender_name="MINERVA support", subject="Re",
            sender_address="s@minerva.example", message_id=sent.message_id, text="Wait a little.",
            visible_text="Wait a little.",
        )  # fmt: skip
        session.add(answer)
    world.round()
    assert any("It still waits." in text for text in world.rt.texts(remote))
    assert not any("Wait a little." in text for text in world.rt.texts(remote))  # it can still be taken back
    with world.database.write() as session:
        outbox.finish(session, outbound.id or 0, 0, OutboundState.SENT)
    world.round()
    count = len(world.rt.texts(remote))
    world.round()
    assert len(world.rt.texts(remote)) == count == 4
    assert "Wait a little." in world.rt.texts(remote)[-1]


def test_resolved_there_is_resolved_here_once_the_requester_has_an_answer(world: World) -> None:
    ticket = world.request()
    world.hand_over(ticket, world.partner)
    world.round()
    remote = world.there(ticket)
    world.rt.write(remote, "Fixed.", Status="resolved")
    world.round()
    assert world.row(ticket).remote_status == "resolved"
    assert world.ticket(ticket).status == TicketStatus.NEW  # the reply is still to be passed on
    world.set_status(ticket, TicketStatus.ANSWERED)
    world.round()
    assert world.ticket(ticket).status == TicketStatus.RESOLVED
    assert world.rt.ticket(remote)["Status"] == "resolved"

    world.mail(f"Re: [{ticket.number}]", "It fails again.")
    world.round()
    assert world.rt.ticket(remote)["Status"] == "open"
    world.round()
    assert world.row(ticket).remote_status == "open"
    assert world.ticket(ticket).status == TicketStatus.NEW


def test_resolved_here_is_resolved_there_and_opened_there_is_open_here(world: World) -> None:
    ticket = world.request()
    world.hand_over(ticket, world.partner)
    world.round()
    remote = world.there(ticket)
    with world.database.write() as session:
        handling.resolve(session, tickets.by_number(session, ticket.number), by=world.eva, batch="b")
    world.round()
    assert world.rt.ticket(remote)["Status"] == "resolved"
    world.round()
    world.rt.call("PUT", f"ticket/{remote}", json={"Status": "open"})
    world.round()
    assert world.ticket(ticket).status == TicketStatus.NEW
    assert "open again at the partner's desk" in world.events(ticket)
    world.round()
    assert world.rt.ticket(remote)["Status"] == "open"


def test_the_owner_there_has_it_here_and_two_owners_are_only_shown(world: World) -> None:
    with world.database.write() as session:
        greta = people.add_engineer(session, name="Greta Partner", email="greta@partner.example", role="partner")
        petra = people.add_engineer(session, name="Petra", email="petra@partner.example", role="partner")
        greta.partner_id = petra.partner_id = world.partner.id
    first, second = world.request(), world.request()
    with world.database.write() as session:
        tickets.by_number(session, second.number).assignee_id = petra.id
    for ticket in (first, second):
        world.hand_over(ticket, world.partner)
    world.round()
    for ticket in (first, second):
        world.rt.call("PUT", f"ticket/{world.there(ticket)}", json={"Owner": "greta"})
    world.round()
    assert world.ticket(first).assignee_id == greta.id
    assert world.ticket(second).assignee_id == petra.id
    assert "two owners" in world.events(second) and "two owners" not in world.events(first)
    assert has_two_owners(world.row(second), petra) and not has_two_owners(world.row(first), greta)
    assert world.rt.ticket(world.there(second))["Owner"]["id"] == "greta"


def test_a_desk_that_is_down_loses_nothing(world: World, rt: RequestTrackerServer) -> None:
    ticket, later = world.request(), world.request()
    world.hand_over(ticket, world.partner)
    world.round()
    rt.stop()
    world.mail(f"Re: [{ticket.number}]", "One more thing.")
    world.hand_over(later, world.partner)
    world.round()
    assert "does not answer" in (world.desk().last_error or "") and world.desk().failures == 1
    assert world.desk().next_round_at > now()
    rt.start()
    world.round()
    assert world.desk().last_error is None and world.desk().failures == 0
    assert any("One more thing." in text for text in world.rt.texts(world.there(ticket)))
    assert world.there(later) != world.there(ticket)


def test_a_crash_after_the_ticket_was_created_or_posted_to_makes_no_second_one(world: World) -> None:
    ticket = world.request()
    client = RequestTracker(world.rt.url, QUEUE, world.rt.token)
    made = client.create(Opening(tag=f"[{ticket.number}]", subject=f"[{ticket.number}] Job", text="x", files=()))
    world.hand_over(ticket, world.partner)
    world.round()
    assert world.there(ticket) == made.id

    world.mail(f"Re: [{ticket.number}]", "One more thing.")
    world.round()
    with world.database.write() as session:  # as if we had stopped before the post was noted
        row = world.row(ticket)
        posted = session.exec(
            select(HandOverMessage).where(HandOverMessage.hand_over_id == row.id, HandOverMessage.remote_id != None)  # noqa: E711
        ).one()
        session.delete(posted)
    world.round()
    assert sum("One more thing." in text for text in world.rt.texts(made.id)) == 1
    client.close()


def test_a_wrong_token_is_said_clearly(world: World) -> None:
    ticket = world.request()
    with world.database.write() as session:
        set_desk(session, world.partner, kind="rt", address=world.rt.url, queue=QUEUE, token="1-99-wrong")
    world.hand_over(ticket, world.partner)
    world.round()
    assert "does not take our token" in (world.desk().last_error or "")
    assert world.row(ticket).remote_id is None
    with world.database.write() as session:
        set_desk(session, world.partner, kind="rt", address=world.rt.url, queue=QUEUE, token=f"{US}:{PASSWORD}")
    world.round()
    assert world.there(ticket)


@pytest.mark.parametrize(("queue", "token", "problem"), [
    ("No such", None, "there is no queue No such"),
    (QUEUE, "olaf:olaf-password", "there is no queue"),
])  # fmt: skip
def test_a_queue_that_cannot_be_used_is_named(
    rt: RequestTrackerServer, queue: str, token: str | None, problem: str
) -> None:
    client = RequestTracker(rt.url, queue, token or rt.token)
    with pytest.raises(BridgeError, match=problem):
        client.check()
    client.close()


def test_taken_back_is_said_there_and_handed_over_again_goes_on_there(world: World) -> None:
    ticket = world.request()
    world.hand_over(ticket, world.partner)
    world.round()
    remote = world.there(ticket)
    world.hand_over(ticket, None)
    world.round()
    world.mail(f"Re: [{ticket.number}]", "Not for them.")
    world.round()
    assert any("taken this request back" in text for text in world.rt.texts(remote))
    assert not any("Not for them." in text for text in world.rt.texts(remote))
    world.hand_over(ticket, world.partner, "Please after all.")
    world.round()
    assert world.there(ticket) == remote
    assert sum("Please after all." in text for text in world.rt.texts(remote)) == 1
    assert any("Not for them." in text for text in world.rt.texts(remote))
