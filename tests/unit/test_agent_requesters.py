from __future__ import annotations

from dataclasses import replace

import pytest
from test_agent_store import PLAIN, receive, ticket_of

from agent import requesters
from agent.errors import HandlingError
from agent.settings import Settings
from agent.store import people, tickets
from agent.store.chat_tables import ChatThread
from agent.store.database import Database
from agent.store.tables import Engineer, Ticket, TicketStatus, now
from ingest.message import Address


@pytest.fixture
def grace(database: Database) -> Engineer:
    with database.write() as session:
        return people.add_engineer(session, name="Grace", email="grace@minerva.example")


def asked(
    database: Database, settings: Settings, name: str, address: str = "ada@example.org", **fields: object
) -> Ticket:
    sender = Address(name="Ada", address=address)
    filed = receive(database, settings, replace(PLAIN, message_id=f"{name}@x", subject=name, sender=sender))
    with database.write() as session:
        ticket = tickets.by_id(session, Ticket, filed.ticket_id)
        for field, value in fields.items():
            setattr(ticket, field, value)
    return ticket_of(database, filed)


def test_the_card_tells_what_the_tickets_tell(database: Database, settings: Settings) -> None:
    lumi = [{"kind": "system", "id": "lumi-g", "name": "LUMI"}, {"kind": "model", "id": "m", "name": "M"}]
    leonardo = [{"kind": "system", "id": "leonardo", "name": "Leonardo"}]
    asked(database, settings, "one", topics=lumi, status=TicketStatus.CLOSED)
    asked(database, settings, "two", topics=lumi, language="fr")
    asked(database, settings, "of another", address="konrad@example.org", topics=leonardo)
    shown = asked(database, settings, "three", topics=leonardo)
    with database.read() as session:
        card = requesters.card(session, shown)
    assert (card.tickets, card.open) == (3, 2)
    assert [ticket.subject for ticket in card.recent] == ["two", "one"]
    assert (card.systems, card.languages) == (["LUMI", "Leonardo"], ["en", "fr"])
    assert card.kept.consent_at is None


def test_what_is_kept_is_of_the_person_whatever_the_ticket(
    database: Database, settings: Settings, grace: Engineer
) -> None:
    first = asked(database, settings, "one", address="Ada@Example.org")
    with database.write() as session:
        ticket = tickets.by_number(session, first.number)
        requesters.save(
            session, ticket, institution=" CNRS ", affiliation="research", consents=True, note="calls back", by=grace
        )
    second = asked(database, settings, "two")
    with database.read() as session:
        kept = requesters.card(session, second).kept
    assert (kept.institution, kept.affiliation, kept.note) == ("CNRS", "research", "calls back")
    assert kept.consent_at is not None
    consented = kept.consent_at
    for consents, expected in ((True, consented), (False, None)):
        with database.write() as session:
            ticket = tickets.by_number(session, second.number)
            again = requesters.save(
                session, ticket, institution="CNRS", affiliation="", consents=consents, note="", by=grace
            )
            assert again.consent_at == expected


def test_an_affiliation_is_one_of_the_forms(database: Database, settings: Settings, grace: Engineer) -> None:
    ticket = asked(database, settings, "one")
    with pytest.raises(HandlingError), database.write() as session:
        requesters.save(session, ticket, institution="", affiliation="king", consents=False, note="", by=grace)


def test_what_was_said_in_a_chat_is_on_the_card(database: Database, settings: Settings) -> None:
    ticket = asked(database, settings, "one")
    with database.write() as session:
        session.add(
            ChatThread(
                channel="slack",
                place="C1",
                thread="1.2",
                direct=False,
                asker="U1",
                asker_name="Ada",
                language="en",
                ticket_id=ticket.id,
                institution="CINECA",
                consent_at=now(),
            )
        )
    with database.read() as session:
        kept = requesters.card(session, ticket).kept
    assert kept.institution == "CINECA"
    assert kept.consent_at is not None
