from __future__ import annotations

import pytest
from test_agent_store import PLAIN, make_draft, outbounds, receive, ticket_of

from agent import approval, second_approval, withdrawal
from agent.errors import ApprovalError, HandlingError
from agent.settings import Settings
from agent.store import people, tickets, views
from agent.store.database import Database
from agent.store.tables import Draft, Engineer, Outbound, Role, Ticket, TicketStatus


@pytest.fixture
def engineers(database: Database) -> tuple[Engineer, Engineer]:
    with database.write() as session:
        grace = people.add_engineer(session, name="Grace", email="grace@minerva.example")
        return grace, people.add_engineer(session, name="Edsger", email="ewd@minerva.example")


@pytest.fixture
def draft(database: Database, settings: Settings) -> Draft:
    """Of a ticket about responsible AI."""
    made = make_draft(database, receive(database, settings, PLAIN))
    with database.write() as session:
        tickets.by_id(session, Ticket, made.ticket_id).level = "L5"
    return made


def decide(
    database: Database, settings: Settings, draft: Draft, by: Engineer, body: str | None = None
) -> Outbound | None:
    with database.write() as session:
        return approval.decide(session, settings, draft.id or 0, engineer=by, binding=draft.binding, body=body)


def answers(database: Database) -> int:
    return sum(mail.kind == "answer" for mail in outbounds(database))


def test_two_people_approve_what_is_about_responsible_ai(
    database: Database, settings: Settings, draft: Draft, engineers: tuple[Engineer, Engineer]
) -> None:
    grace, edsger = engineers
    assert decide(database, settings, draft, grace) is None
    assert answers(database) == 0
    with database.read() as session:
        ticket = tickets.by_id(session, Ticket, draft.ticket_id)
        assert ticket.status == TicketStatus.DRAFTED
        assert tickets.events_of(session, ticket)[-1].what == "approved, a second person is asked"
    with pytest.raises(ApprovalError, match="second person"):
        decide(database, settings, draft, grace)
    assert decide(database, settings, draft, edsger) is not None
    assert answers(database) == 1


def test_the_second_approves_the_same_text_or_is_the_first_of_another(
    database: Database, settings: Settings, draft: Draft, engineers: tuple[Engineer, Engineer]
) -> None:
    grace, edsger = engineers
    assert decide(database, settings, draft, grace) is None
    assert decide(database, settings, draft, edsger, body="Wait longer.\n") is None, "another text"
    with database.read() as session:
        kept = second_approval.endorsement_of(session, draft)
    assert kept is not None
    assert (kept[0].body, kept[1]) == ("Wait longer.\n", "Edsger")
    assert decide(database, settings, draft, grace) is None, "hers was void"
    assert decide(database, settings, draft, grace, body="Wait longer.\n") is None
    sent = decide(database, settings, draft, edsger, body="Wait longer.\r\n")
    assert sent is not None
    assert b"Wait longer." in sent.content


def test_there_is_no_way_around_it(
    database: Database, settings: Settings, draft: Draft, engineers: tuple[Engineer, Engineer]
) -> None:
    with pytest.raises(ApprovalError, match="two people"), database.write() as session:
        approval.approve(session, settings, draft.id or 0, engineer=engineers[0], binding=draft.binding)


def test_a_new_message_voids_the_first_approval(
    database: Database, settings: Settings, draft: Draft, engineers: tuple[Engineer, Engineer]
) -> None:
    decide(database, settings, draft, engineers[0])
    with database.write() as session:
        tickets.by_id(session, Ticket, draft.ticket_id).revision += 1
    with pytest.raises(ApprovalError, match="new message"):
        decide(database, settings, draft, engineers[1])


@pytest.mark.parametrize(
    ("policy", "level", "type_", "needed"),
    [("L5", "L5", "T1", True), ("L5", "L1", "T1", False), ("L5, T4", "L2", "T4", True), ("", "L5", "T4", False),
     ("L5", None, None, False)],
)  # fmt: skip
def test_the_settings_say_for_what(
    database: Database, policy: str, level: str | None, type_: str | None, needed: bool
) -> None:
    ticket = Ticket(id=1, number="n", subject="s", requester_name="", requester_address="a@x", level=level, type=type_)
    with database.read() as session:
        assert second_approval.is_needed(session, Settings(second_approval=policy), ticket) == needed


def test_the_first_answer_of_others_leaves_at_once(
    database: Database, settings: Settings, engineers: tuple[Engineer, Engineer]
) -> None:
    filed = receive(database, settings, PLAIN)
    made = make_draft(database, filed)
    assert decide(database, settings, made, engineers[0]) is not None
    assert ticket_of(database, filed).status == TicketStatus.ANSWERED


@pytest.fixture
def simple(database: Database, settings: Settings) -> Draft:
    """Of a ticket that no policy names."""
    return make_draft(database, receive(database, settings, PLAIN))


def ask(database: Database, draft: Draft, colleague: Engineer | None, by: Engineer) -> None:
    with database.write() as session:
        second_approval.ask(session, tickets.by_id(session, Ticket, draft.ticket_id), colleague, by=by)


def stop_asking(database: Database, draft: Draft, by: Engineer) -> None:
    with database.write() as session:
        second_approval.stop_asking(session, tickets.by_id(session, Ticket, draft.ticket_id), by=by)


def asked_of(database: Database, engineer: Engineer) -> list[int | None]:
    with database.read() as session:
        found = views.find(session, views.Wanted(view=views.View.ASKED), me=people.key_of(engineer))
        return [ticket.id for ticket in found]


@pytest.mark.parametrize("colleague_first", [True, False])
def test_the_answer_waits_for_the_colleague_who_was_asked(
    database: Database, settings: Settings, simple: Draft, engineers: tuple[Engineer, Engineer], colleague_first: bool
) -> None:
    grace, edsger = engineers
    with database.write() as session:
        barbara = people.add_engineer(session, name="Barbara", email="barbara@minerva.example")
    ask(database, simple, edsger, grace)
    assert (asked_of(database, edsger), asked_of(database, grace)) == ([simple.ticket_id], [])
    if colleague_first:
        assert decide(database, settings, simple, edsger) is None
        assert decide(database, settings, simple, barbara) is not None
    else:
        assert decide(database, settings, simple, grace) is None
        with pytest.raises(ApprovalError, match="waits for Edsger"):
            decide(database, settings, simple, barbara)
        with pytest.raises(ApprovalError, match="two people"), database.write() as session:
            approval.approve(session, settings, simple.id or 0, engineer=barbara, binding=simple.binding)
        assert decide(database, settings, simple, edsger) is not None
    assert answers(database) == 1
    assert asked_of(database, edsger) == []


def test_who_asked_withdraws_it_and_the_answer_leaves_with_one(
    database: Database, settings: Settings, simple: Draft, engineers: tuple[Engineer, Engineer]
) -> None:
    grace, edsger = engineers
    with database.write() as session:
        barbara = people.add_engineer(session, name="Barbara", email="barbara@minerva.example")
    ask(database, simple, edsger, grace)
    with pytest.raises(HandlingError, match="already"):
        ask(database, simple, grace, barbara)
    with pytest.raises(HandlingError, match="Who asked"):
        stop_asking(database, simple, barbara)
    stop_asking(database, simple, grace)
    with pytest.raises(HandlingError, match="No colleague"):
        stop_asking(database, simple, grace)
    assert decide(database, settings, simple, grace) is not None


def test_only_those_who_can_approve_are_asked(
    database: Database, simple: Draft, engineers: tuple[Engineer, Engineer]
) -> None:
    grace, edsger = engineers
    with database.write() as session:
        people.set_role(session, people.by_email(session, edsger.email), Role.VIEWER)
        edsger = people.by_email(session, edsger.email)
    for nobody in (edsger, grace, None):
        with pytest.raises(HandlingError, match="Choose a colleague"):
            ask(database, simple, nobody, grace)


def test_an_answer_taken_back_waits_for_the_colleague_again(
    database: Database, settings: Settings, simple: Draft, engineers: tuple[Engineer, Engineer]
) -> None:
    grace, edsger = engineers
    ask(database, simple, edsger, grace)
    decide(database, settings, simple, grace)
    sent = decide(database, settings, simple, edsger)
    assert sent is not None
    with database.write() as session:
        withdrawal.withdraw(session, sent.id or 0, engineer=grace)
    assert asked_of(database, edsger) == [simple.ticket_id]
    assert decide(database, settings, simple, grace, body="Wait longer.\n") is None
