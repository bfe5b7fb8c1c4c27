from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from sqlmodel import Session
from test_agent_store import PLAIN, make_draft, receive

from agent import approval, handling
from agent.desk.acts import until
from agent.errors import HandlingError
from agent.settings import Settings
from agent.store import drafts, people, tickets, views
from agent.store.database import Database
from agent.store.tables import Engineer, Ticket, now
from agent.store.views import View, Wanted


@pytest.fixture
def grace(database: Database) -> Engineer:
    with database.write() as session:
        return people.add_engineer(session, name="Grace Hopper", email="grace@minerva.example")


@pytest.fixture
def edsger(database: Database) -> Engineer:
    with database.write() as session:
        return people.add_engineer(session, name="Edsger Dijkstra", email="ewd@minerva.example")


@pytest.fixture
def ticket(database: Database, settings: Settings) -> Ticket:
    filed = receive(database, settings, replace(PLAIN, subject="Queue", message_id="q@x"))
    return as_stored(database, filed.ticket_id)


def as_stored(database: Database, key: int | None) -> Ticket:
    with database.read() as session:
        return tickets.by_id(session, Ticket, key or 0)


def numbers(session: Session, wanted: Wanted, me: Engineer) -> list[str]:
    return [ticket.number for ticket in views.find(session, wanted, me=people.key_of(me))]


def test_a_ticket_moves_between_views_and_back(database: Database, ticket: Ticket, grace: Engineer) -> None:
    def seen_in(view: View) -> bool:
        with database.read() as session:
            return bool(numbers(session, Wanted(view=view), grace))

    assert seen_in(View.UNASSIGNED)
    with database.write() as session:
        handling.assign(session, ticket, grace, by=grace, batch="1")
    assert seen_in(View.MINE)
    assert not seen_in(View.UNASSIGNED)
    with database.write() as session:
        handling.snooze(session, ticket, now() + timedelta(hours=1), by=grace, batch="2")
    assert seen_in(View.SNOOZED)
    assert not seen_in(View.OPEN)
    with database.write() as session:
        handling.resolve(session, ticket, by=grace, batch="3")
    assert seen_in(View.DONE)
    assert not seen_in(View.SNOOZED)
    with database.write() as session:
        handling.undo(session, "3", by=grace)
    assert seen_in(View.SNOOZED)
    with database.write() as session:
        handling.undo(session, "2", by=grace)
        handling.undo(session, "1", by=grace)
    assert seen_in(View.UNASSIGNED)
    with database.read() as session:
        counted = views.counts(session, me=people.key_of(grace))
    assert (counted[View.OPEN], counted[View.UNASSIGNED], counted[View.MINE], counted[View.SNOOZED]) == (1, 1, 0, 0)


def test_an_undo_leaves_alone_what_somebody_changed_since(
    database: Database, ticket: Ticket, grace: Engineer, edsger: Engineer
) -> None:
    with database.write() as session:
        handling.assign(session, ticket, grace, by=grace, batch="mine")
        handling.assign(session, ticket, edsger, by=edsger, batch="his")
    with database.write() as session:
        undone, kept = handling.undo(session, "mine", by=grace)
    assert (undone, kept) == ([], [ticket.number])
    assert as_stored(database, ticket.id).assignee_id == edsger.id
    with database.write() as session:
        assert handling.undo(session, "his", by=edsger) == ([ticket.number], [])
    with database.write() as session, pytest.raises(HandlingError, match="nothing left"):
        handling.undo(session, "his", by=edsger)


def test_a_reply_opens_a_resolved_ticket_and_wakes_a_snoozed_one(
    database: Database, settings: Settings, ticket: Ticket, grace: Engineer
) -> None:
    with database.write() as session:
        handling.snooze(session, ticket, now() + timedelta(days=2), by=grace, batch="1")
        handling.resolve(session, ticket, by=grace, batch="2")
    receive(database, settings, replace(PLAIN, message_id="again@x", in_reply_to="q@x"))
    again = as_stored(database, ticket.id)
    assert (again.status, again.snoozed_until) == ("new", None)


def test_nothing_is_drafted_for_a_resolved_ticket(database: Database, ticket: Ticket, grace: Engineer) -> None:
    with database.write() as session:
        assert drafts.is_awaited(session, ticket)
        handling.resolve(session, ticket, by=grace, batch="1")
        assert not drafts.is_awaited(session, ticket)
        with pytest.raises(HandlingError, match="has ended already"):
            handling.resolve(session, ticket, by=grace, batch="2")


def test_opened_again_a_ticket_stands_where_its_drafts_say(
    database: Database, settings: Settings, ticket: Ticket, grace: Engineer
) -> None:
    with database.read() as session:
        filed = tickets.messages_of(session, ticket)[0]
    draft = make_draft(database, filed)
    for _ in range(2):
        with database.write() as session:
            stored = tickets.by_id(session, Ticket, ticket.id or 0)
            expected = stored.status
            handling.resolve(session, stored, by=grace, batch="r")
            handling.reopen(session, stored, by=grace, batch="o")
            assert stored.status == expected
        if expected == "drafted":
            with database.write() as session:
                approval.approve(session, settings, draft.id or 0, engineer=grace, binding=draft.binding)
    assert as_stored(database, ticket.id).status == "answered"
    assert as_stored(database, ticket.id).assignee_id == grace.id


def test_tags_are_one_spelling_and_can_be_filtered(database: Database, ticket: Ticket, grace: Engineer) -> None:
    with database.write() as session:
        handling.tag(session, ticket, "  File System ", by=grace, batch="1")
        handling.tag(session, ticket, "file-system", by=grace, batch="2")
        assert tickets.tags_of(session, ticket) == ["file-system"]
        assert numbers(session, Wanted(tag="file-system"), grace) == [ticket.number]
        assert numbers(session, Wanted(tag="other"), grace) == []
        handling.untag(session, ticket, "file-system", by=grace, batch="3")
        assert views.tags(session) == []
        with pytest.raises(HandlingError, match="letter"):
            handling.tag(session, ticket, " // ", by=grace, batch="4")


def test_a_note_stays_here_is_found_and_calls_whom_it_names(
    database: Database, ticket: Ticket, grace: Engineer, edsger: Engineer
) -> None:
    with database.write() as session:
        handling.note(session, ticket, "@ewd is this the Lustre outage? Not grace@x.org. @Grace knows.", by=grace)
        assert numbers(session, Wanted(view=View.ALL, text="lustre"), grace) == [ticket.number]
        for engineer in (grace, edsger):
            assert numbers(session, Wanted(view=View.MENTIONS), engineer) == [ticket.number]
            assert handling.is_mentioned(session, ticket, engineer)
            handling.mark_mentions_seen(session, ticket, engineer)
            assert not handling.is_mentioned(session, ticket, engineer)
            assert numbers(session, Wanted(view=View.MENTIONS), engineer) == []
        assert tickets.latest_request(session, ticket) == tickets.messages_of(session, ticket)[0]
        with pytest.raises(HandlingError, match="empty"):
            handling.note(session, ticket, " \r\n ", by=grace)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("waits", True), ("WAI", True), ("ada@example.org", True), ("MIN-", True), ("queue waits", True),
        ("queue nothing", False), ('"waits', True), ("wait* OR x", False), ("-", True), ("'", True), ("aits", False),
    ],
)  # fmt: skip
def test_words_are_found_by_their_beginnings(
    database: Database, ticket: Ticket, grace: Engineer, text: str, found: bool
) -> None:
    with database.read() as session:
        assert bool(numbers(session, Wanted(view=View.ALL, text=text), grace)) == found


def test_words_in_different_messages_of_a_ticket_count_together(
    database: Database, settings: Settings, ticket: Ticket, grace: Engineer
) -> None:
    receive(database, settings, replace(PLAIN, message_id="2@x", in_reply_to="q@x", text="Später: Löschung"))
    with database.read() as session:
        assert numbers(session, Wanted(view=View.ALL, text="waits loschung"), grace) == [ticket.number]


@settings_of_hypothesis(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8"), max_size=60))
def test_no_search_text_is_an_error(database: Database, text: str) -> None:
    with database.read() as session:
        assert views.find(session, Wanted(view=View.ALL, text=text), me=1) == []


@pytest.mark.parametrize(
    ("choice", "end"),
    [("hour", "2026-11-28 22:00"), ("tomorrow", "2026-11-29 06:00"), ("monday", "2026-11-30 06:00"),
     ("week", "2026-12-05 06:00"), ("2027-01-31", "2027-01-31 06:00")],
)  # fmt: skip
def test_the_ends_of_a_snooze(choice: str, end: str) -> None:
    saturday = datetime(2026, 11, 28, 21, 0, tzinfo=UTC)
    assert until(choice, saturday) == datetime.fromisoformat(end).replace(tzinfo=UTC)


def test_a_snooze_needs_a_time_to_come(database: Database, ticket: Ticket, grace: Engineer) -> None:
    with pytest.raises(HandlingError, match="date such as"):
        until("soon", now())
    with database.write() as session, pytest.raises(HandlingError, match="over"):
        handling.snooze(session, ticket, now() - timedelta(days=1), by=grace, batch="1")
