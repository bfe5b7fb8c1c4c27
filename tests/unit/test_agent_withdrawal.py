from __future__ import annotations

from dataclasses import replace

import pytest
from test_agent_store import PLAIN, make_draft, outbounds, receive, ticket_of

from agent import approval, withdrawal
from agent.errors import ApprovalError, NotFoundError
from agent.settings import Settings
from agent.store import drafts, outbox, people, tickets, views
from agent.store.database import Database
from agent.store.tables import Draft, DraftState, Engineer, Message, TicketStatus, now
from agent.store.views import View, Wanted


@pytest.fixture
def grace(database: Database) -> Engineer:
    with database.write() as session:
        return people.add_engineer(session, name="Grace", email="grace@minerva.example")


def approved(
    database: Database, settings: Settings, filed: Message, by: Engineer, body: str | None = None
) -> tuple[Draft, int]:
    draft = make_draft(database, filed)
    with database.write() as session:
        mail = approval.approve(session, settings, draft.id or 0, engineer=by, binding=draft.binding, body=body)
        return draft, mail.id or 0


def test_an_answer_waits_before_it_leaves(database: Database, settings: Settings, grace: Engineer) -> None:
    _, mail = approved(database, settings, receive(database, settings, PLAIN), grace)
    with database.write() as session:
        assert mail not in [due.id for due in outbox.due(session, now())]
        assert not outbox.claim(session, mail), "not before its time, whoever asks"
        later = outbounds(database)[-1].next_attempt_at
        assert mail in [due.id for due in outbox.due(session, later)]


def test_what_is_taken_back_can_be_approved_again(database: Database, settings: Settings, grace: Engineer) -> None:
    filed = receive(database, settings, PLAIN)
    draft, mail = approved(database, settings, filed, grace, body="Ask for 4 zebras.\n")
    with database.write() as session:
        gone = withdrawal.withdraw(session, mail, engineer=grace)
    assert gone.body == "Ask for 4 zebras.\n"
    with database.read() as session:
        ticket = tickets.by_number(session, ticket_of(database, filed).number)
        assert (ticket.status, ticket.first_answered_at) == (TicketStatus.DRAFTED, None)
        assert tickets.by_id(session, Draft, draft.id or 0).state == DraftState.WAITING
        assert [message.direction for message in tickets.messages_of(session, ticket)] == ["in"]
        assert tickets.events_of(session, ticket)[-1].what == "took the approval back"
        assert not views.find(session, Wanted(view=View.ALL, text="zebras"), me=0)
    assert [sent.kind for sent in outbounds(database)] == ["acknowledgement"]
    with database.write() as session:
        again = approval.approve(session, settings, draft.id or 0, engineer=grace, binding=draft.binding)
    assert b"Wait a little" in again.content


def test_the_first_answer_stays_when_the_second_is_taken_back(
    database: Database, settings: Settings, grace: Engineer
) -> None:
    filed = receive(database, settings, replace(PLAIN, message_id="a@x"))
    approved(database, settings, filed, grace)
    first = ticket_of(database, filed).first_answered_at
    _, mail = approved(database, settings, receive(database, settings, replace(PLAIN, in_reply_to="a@x")), grace)
    with database.write() as session:
        withdrawal.withdraw(session, mail, engineer=grace)
    kept = ticket_of(database, filed).first_answered_at
    assert first is not None
    assert kept is not None
    assert abs((kept - first).total_seconds()) < 1


def test_a_message_that_came_meanwhile_keeps_the_draft_out(
    database: Database, settings: Settings, grace: Engineer
) -> None:
    filed = receive(database, settings, replace(PLAIN, message_id="a@x"))
    draft, mail = approved(database, settings, filed, grace)
    receive(database, settings, replace(PLAIN, in_reply_to="a@x"))
    with database.write() as session:
        withdrawal.withdraw(session, mail, engineer=grace)
        assert drafts.latest(session, ticket_of(database, filed)) is not None
        assert tickets.by_id(session, Draft, draft.id or 0).state == DraftState.SUPERSEDED
    assert ticket_of(database, filed).status == TicketStatus.NEW


@pytest.mark.parametrize("undo_s", [0, 10])
def test_what_is_on_its_way_is_not_taken_back(
    database: Database, settings: Settings, grace: Engineer, undo_s: float
) -> None:
    hurried = settings.model_copy(update={"undo_s": 0})
    _, mail = approved(database, hurried, receive(database, hurried, PLAIN), grace)
    with database.write() as session:
        assert outbox.claim(session, mail)
        if undo_s:
            outbox.retry_later(session, mail, 1, error="451", wait_s=undo_s)
    with pytest.raises(ApprovalError, match="Too late"), database.write() as session:
        withdrawal.withdraw(session, mail, engineer=grace)


def test_only_answers_are_taken_back(database: Database, settings: Settings, grace: Engineer) -> None:
    receive(database, settings, PLAIN)
    acknowledgement = outbounds(database)[0].id or 0
    for key in (acknowledgement, 4711):
        with pytest.raises(NotFoundError), database.write() as session:
            withdrawal.withdraw(session, key, engineer=grace)
