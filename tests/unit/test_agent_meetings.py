from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar
from test_agent_store import PLAIN, receive

from agent import approval, meetings
from agent.errors import HandlingError
from agent.settings import Settings
from agent.store import people, tickets
from agent.store.database import Database
from agent.store.partner_tables import Meeting
from agent.store.tables import Draft, Engineer, Ticket, now
from ingest.message import Address

YEAR = now().year + 1
WINTER, SUMMER = datetime(YEAR, 1, 15, 10), datetime(YEAR, 7, 15, 10)  # noqa: DTZ001  # as a browser sends them


@pytest.fixture
def grace(database: Database) -> Engineer:
    with database.write() as session:
        return people.add_engineer(session, name="Grace", email="grace@minerva.example")


@pytest.fixture
def ticket(database: Database, settings: Settings) -> Ticket:
    sender = Address(name='Ada "B", Byron', address="ada@example.org")
    filed = receive(database, settings, replace(PLAIN, subject="Plan, please; über GPUs", sender=sender))
    with database.read() as session:
        return tickets.by_id(session, Ticket, filed.ticket_id)


def propose(
    database: Database,
    settings: Settings,
    ticket: Ticket,
    by: Engineer,
    *slots: datetime,
    minutes: int = 30,
    place: str = "Room 1",
) -> Draft:
    with database.write() as session:
        found = tickets.by_number(session, ticket.number)
        return meetings.propose(session, settings, found, slots=slots, minutes=minutes, place=place, by=by)


def sent_event(database: Database, settings: Settings, draft: Draft, by: Engineer) -> Calendar:
    with database.write() as session:
        sent = approval.approve(session, settings, draft.id or 0, engineer=by, binding=draft.binding)
    mail = email.message_from_bytes(sent.content, policy=email.policy.default)
    part = next(part for part in mail.walk() if part.get_content_type() == "text/calendar")
    found = Calendar.from_ical(part.get_payload(decode=True))
    assert part.get_param("method") == found["method"]
    return found


def test_times_are_proposed_in_the_zone_of_the_centre_and_in_utc(
    database: Database, settings: Settings, ticket: Ticket, grace: Engineer
) -> None:
    draft = propose(database, settings, ticket, grace, SUMMER, WINTER, WINTER)
    assert f"1. {WINTER:%A}, 15 January {YEAR}, 10:00-10:30 CET (09:00-09:30 UTC)\n" in draft.body
    assert f"2. {SUMMER:%A}, 15 July {YEAR}, 10:00-10:30 CEST (08:00-08:30 UTC)\n" in draft.body
    assert "3. " not in draft.body


def test_the_invitation_is_set_changed_and_called_off(
    database: Database, settings: Settings, ticket: Ticket, grace: Engineer
) -> None:
    propose(database, settings, ticket, grace, WINTER, SUMMER, minutes=45)
    seen = []
    for position in (0, 1):
        with database.write() as session:
            draft = meetings.confirm(session, settings, tickets.by_number(session, ticket.number), position, by=grace)
        seen.append(sent_event(database, settings, draft, grace))
    with database.write() as session:
        draft = meetings.call_off(session, settings, tickets.by_number(session, ticket.number), by=grace)
    seen.append(sent_event(database, settings, draft, grace))
    events = [calendar.walk("VEVENT")[0] for calendar in seen]
    assert [str(calendar["method"]) for calendar in seen] == ["REQUEST", "REQUEST", "CANCEL"]
    assert [int(event["sequence"]) for event in events] == [0, 1, 2]
    assert len({str(event["uid"]) for event in events}) == 1
    assert events[0]["dtstart"].dt == datetime(YEAR, 1, 15, 9, tzinfo=UTC)
    assert events[1]["dtend"].dt - events[1]["dtstart"].dt == timedelta(minutes=45)
    assert str(events[0]["summary"]) == f"Plan, please; über GPUs [{ticket.number}]"
    assert str(events[0]["attendee"]) == "mailto:ada@example.org"
    with database.read() as session:
        kept = session.get(Meeting, ticket.id)
        assert kept is not None
        assert kept.chosen is None


@pytest.mark.parametrize(
    ("slots", "changes", "problem"),
    [
        ([], {}, "one to 5 times"),
        ([WINTER + timedelta(hours=n) for n in range(6)], {}, "one to 5 times"),
        ([WINTER], {"minutes": 31}, "minutes"),
        ([WINTER], {"place": " "}, "where"),
        ([datetime(2020, 1, 1, 10)], {}, "over already"),  # noqa: DTZ001
        ([datetime(2027, 3, 28, 2, 30)], {}, "clocks are put forward"),  # noqa: DTZ001
    ],
)
def test_what_cannot_be_proposed_is_said(
    database: Database, settings: Settings, ticket: Ticket, grace: Engineer,
    slots: list[datetime], changes: dict[str, int | str], problem: str,
) -> None:  # fmt: skip
    with pytest.raises(HandlingError, match=problem):
        propose(database, settings, ticket, grace, *slots, **changes)  # type: ignore[arg-type]


def test_only_what_was_proposed_is_set_and_only_what_is_set_called_off(
    database: Database, settings: Settings, ticket: Ticket, grace: Engineer
) -> None:
    with database.write() as session:
        for act in (
            lambda: meetings.confirm(session, settings, ticket, 0, by=grace),
            lambda: meetings.call_off(session, settings, ticket, by=grace),
        ):
            with pytest.raises(HandlingError, match="proposed yet"):
                act()
    propose(database, settings, ticket, grace, WINTER)
    with database.write() as session:
        found = tickets.by_number(session, ticket.number)
        with pytest.raises(HandlingError, match="not proposed"):
            meetings.confirm(session, settings, found, 1, by=grace)
        with pytest.raises(HandlingError, match="No time is set"):
            meetings.call_off(session, settings, found, by=grace)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(meetings.MINUTES),
    st.sampled_from(["Europe/Brussels", "UTC", "Asia/Kolkata", "America/St_Johns"]),
)
def test_every_time_can_be_told(begin: datetime, minutes: int, zone: str) -> None:
    told = meetings.told(begin, minutes, ZoneInfo(zone))
    assert str(begin.astimezone(ZoneInfo(zone)).year) in told
    assert ("UTC)" in told) == (begin.astimezone(ZoneInfo(zone)).utcoffset() != timedelta(0))
