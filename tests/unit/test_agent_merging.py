from __future__ import annotations

from dataclasses import replace

import pytest
from test_agent_store import PLAIN, make_draft, outbounds, receive, ticket_of

from agent import approval, merging
from agent.errors import HandlingError, NotFoundError
from agent.settings import Settings
from agent.store import drafts, people, placings, tickets, views
from agent.store.database import Database
from agent.store.tables import Draft, DraftState, Engineer, Message, Ticket, TicketStatus
from agent.store.views import View, Wanted
from ingest.message import Address

KONRAD = Address(name="Konrad", address="konrad@example.org")


@pytest.fixture
def grace(database: Database) -> Engineer:
    with database.write() as session:
        return people.add_engineer(session, name="Grace", email="grace@minerva.example")


def merge(database: Database, one: Message, into: Message, by: Engineer) -> None:
    with database.write() as session:
        merging.merge(session, ticket_of(database, one), ticket_of(database, into), by=by)


def texts(database: Database, ticket: Ticket) -> list[str]:
    with database.read() as session:
        return [message.text for message in tickets.messages_of(session, ticket)]


@pytest.fixture
def pair(database: Database, settings: Settings) -> tuple[Message, Message]:
    """Of two tickets, the second about zebras."""
    first = receive(database, settings, replace(PLAIN, message_id="a@x", text="It waits."))
    second = receive(
        database, settings, replace(PLAIN, message_id="b@x", sender=KONRAD, text="zebras", visible_text="zebras")
    )
    return first, second


def test_a_merged_ticket_lives_on_in_the_other(
    database: Database, settings: Settings, grace: Engineer, pair: tuple[Message, Message]
) -> None:
    first, second = pair
    kept, gone = ticket_of(database, first), ticket_of(database, second)
    draft = make_draft(database, first)
    merge(database, second, first, grace)
    assert texts(database, kept) == ["It waits.", "zebras"]
    with database.read() as session:
        now_gone, now_kept = (tickets.by_number(session, t.number) for t in (gone, kept))
        assert (now_gone.status, now_gone.merged_into_id) == (TicketStatus.CLOSED, kept.id)
        assert (now_kept.status, now_kept.revision) == (TicketStatus.NEW, kept.revision + 1)
        assert tickets.by_id(session, Draft, draft.id or 0).state == DraftState.SUPERSEDED
        assert "konrad@example.org" in tickets.events_of(session, now_kept)[-1].detail
        found = views.find(session, Wanted(view=View.ALL, text="zebras"), me=0)
        assert [ticket.number for ticket in found] == [kept.number]
        assert drafts.undrafted(session) == [second.id], "another draft is due"
    assert {mail.ticket_id for mail in outbounds(database)} == {kept.id}


@pytest.mark.parametrize("how", ["by id", "by number"])
def test_replies_to_a_merged_ticket_go_where_its_messages_are(
    database: Database, settings: Settings, grace: Engineer, pair: tuple[Message, Message], how: str
) -> None:
    first, second = pair
    gone = ticket_of(database, second)
    acknowledged = outbounds(database)[-1].message_id
    merge(database, second, first, grace)
    named = {"by id": {"in_reply_to": acknowledged}, "by number": {"subject": f"Re: [{gone.number}] Job"}}
    reply = receive(database, settings, replace(PLAIN, sender=KONRAD, **named[how]))
    assert reply.ticket_id == first.ticket_id


def test_what_is_merged_is_not_merged_again(
    database: Database, settings: Settings, grace: Engineer, pair: tuple[Message, Message]
) -> None:
    first, second = pair
    third = receive(database, settings, replace(PLAIN, message_id="c@x"))
    with pytest.raises(HandlingError, match="into itself"):
        merge(database, first, first, grace)
    old, into = ticket_of(database, second), ticket_of(database, first)
    merge(database, second, first, grace)
    for one, other in ((old, ticket_of(database, third)), (ticket_of(database, third), old)):
        with pytest.raises(HandlingError, match="merged into another"), database.write() as session:
            merging.merge(
                session, tickets.by_number(session, one.number), tickets.by_number(session, other.number), by=grace
            )
    merge(database, first, third, grace)
    with database.read() as session:
        moved = tickets.followed(session, tickets.by_number(session, old.number))
    assert moved is not None
    assert moved.id == third.ticket_id, "one step, however often it was merged on"
    assert into.id != third.ticket_id


def test_a_reply_about_something_else_gets_a_ticket_of_its_own(
    database: Database, settings: Settings, grace: Engineer
) -> None:
    first = receive(database, settings, replace(PLAIN, message_id="a@x"))
    draft = make_draft(database, first)
    with database.write() as session:
        approval.approve(session, settings, draft.id or 0, engineer=grace, binding=draft.binding)
    other = receive(
        database, settings, replace(PLAIN, message_id="b@x", in_reply_to="a@x", subject="Quota", text="Another thing.")
    )
    assert other.ticket_id == first.ticket_id
    with database.write() as session:
        apart = merging.split(session, tickets.by_id(session, Message, other.id or 0), by=grace).number
    with database.read() as session:
        new, old = tickets.by_number(session, apart), tickets.by_id(session, Ticket, first.ticket_id)
        assert (new.subject, new.status, new.requester_address) == ("Quota", TicketStatus.NEW, "ada@example.org")
        assert old.status == TicketStatus.ANSWERED
        assert [message.direction for message in tickets.messages_of(session, old)] == ["in", "out"]
    reply = receive(database, settings, replace(PLAIN, in_reply_to="b@x"))
    assert reply.ticket_id == new.id


def test_neither_the_first_message_nor_ours_is_split_off(
    database: Database, settings: Settings, grace: Engineer
) -> None:
    first = receive(database, settings, PLAIN)
    draft = make_draft(database, first)
    with database.write() as session:
        approval.approve(session, settings, draft.id or 0, engineer=grace, binding=draft.binding)
        answer = tickets.messages_of(session, tickets.by_id(session, Ticket, first.ticket_id))[-1]
    for message, why in ((first, "first message"), (answer, "from outside")):
        with pytest.raises(HandlingError, match=why), database.write() as session:
            merging.split(session, tickets.by_id(session, Message, message.id or 0), by=grace)


def test_links_make_groups_that_outlive_who_leaves(database: Database, settings: Settings, grace: Engineer) -> None:
    four = [ticket_of(database, receive(database, settings, replace(PLAIN, message_id=f"{n}@x"))) for n in range(4)]

    def group(ticket: Ticket) -> list[int]:
        with database.read() as session:
            found = placings.group_of(session, ticket)
        return [four.index(next(t for t in four if t.id == one.id)) for one in found.tickets] if found else []

    with database.write() as session:
        merging.link(session, four[0], four[1], by=grace)
        merging.link(session, four[2], four[3], by=grace)
        merging.link(session, four[0], four[2], by=grace)
        merging.link(session, four[3], four[1], by=grace)
    assert [group(ticket) for ticket in four] == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    for leaving in (3, 1):
        with database.write() as session:
            merging.unlink(session, four[leaving], by=grace)
        assert group(four[leaving]) == []
    assert [group(four[0]), group(four[2])] == [[2], [0]]
    with database.write() as session:
        merging.unlink(session, four[0], by=grace)
    with pytest.raises(HandlingError, match="linked with no ticket"), database.write() as session:
        merging.unlink(session, four[2], by=grace)
    with pytest.raises(HandlingError, match="with itself"), database.write() as session:
        merging.link(session, four[2], four[2], by=grace)


def test_numbers_are_understood_as_people_write_them(database: Database, settings: Settings) -> None:
    ticket = ticket_of(database, receive(database, settings, PLAIN))
    with database.read() as session:
        for written in (ticket.number, ticket.number.lower(), " 1 ", "000001"):
            assert tickets.by_digits(session, written).id == ticket.id
        for unknown in ("", "2", "MIN-1", "%", "9" * 40):
            with pytest.raises(NotFoundError):
                tickets.by_digits(session, unknown)
