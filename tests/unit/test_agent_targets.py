from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert
from test_agent_handling import as_stored
from test_agent_store import PLAIN, make_draft, receive

from agent import approval, targets
from agent.errors import SettingsError
from agent.settings import Settings, load_settings
from agent.store import people, tickets, views
from agent.store.database import Database
from agent.store.tables import Ticket, now
from agent.targets import FIRST_ANSWER, WorkingTime, due, working_time

BRUSSELS = ZoneInfo("Europe/Brussels")
PLAIN_HOURS = WorkingTime(zone=BRUSSELS, opens=time(9), closes=time(17))
FRANCE = working_time(Settings(time_zone="Europe/Paris", holiday_country="FR"))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BRUSSELS)


@pytest.mark.parametrize(
    ("kind", "opened", "end"),
    [
        (FIRST_ANSWER, "2026-11-24 10:30", "2026-11-25 10:30"),
        (FIRST_ANSWER, "2026-11-27 16:00", "2026-11-30 16:00"),  # Friday to Monday
        (FIRST_ANSWER, "2026-11-28 12:00", "2026-12-01 09:00"),  # Saturday counts from Monday morning
        (FIRST_ANSWER, "2026-11-24 22:00", "2026-11-26 09:00"),
        (FIRST_ANSWER, "2026-11-24 05:00", "2026-11-25 09:00"),
        (FIRST_ANSWER, "2026-10-23 10:00", "2026-10-26 10:00"),  # over the end of summer time
        ("T1", "2026-11-26 10:00", "2026-12-01 10:00"),
        ("T2", "2026-11-24 10:00", "2026-12-08 10:00"),
        ("T3", "2026-12-31 10:00", "2027-03-01 09:00"),  # 28 February is a Sunday
        ("T4", "2026-11-24 10:00", "2027-05-24 10:00"),
        ("", "2026-11-24 10:00", "2026-11-27 10:00"),
    ],
)
def test_the_ends_of_the_targets(kind: str, opened: str, end: str) -> None:
    assert due(kind, at(opened), PLAIN_HOURS) == at(end)


def test_public_holidays_do_not_count() -> None:
    eve = datetime(2026, 7, 13, 10, tzinfo=ZoneInfo("Europe/Paris"))
    assert due(FIRST_ANSWER, eve, FRANCE) == eve + timedelta(days=2)


@given(
    st.integers(0, 6 * 365 * 24 * 60).map(
        lambda minutes: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    st.sampled_from([FIRST_ANSWER, "T1", "T2", "T3", "T4"]),
)
def test_a_target_is_later_and_ends_in_working_time(opened: datetime, kind: str) -> None:
    end = due(kind, opened, FRANCE)
    assert end > opened
    assert FRANCE.next_working_moment(end) == end


def test_a_ticket_breaches_until_it_is_answered_and_is_noted_once(database: Database, settings: Settings) -> None:
    filed = receive(database, settings, PLAIN)
    draft = make_draft(database, filed)
    with database.write() as session:
        grace = people.add_engineer(session, name="Grace", email="grace@minerva.example")
        ticket = tickets.by_id(session, Ticket, filed.ticket_id)
        ticket.created_at = now() - timedelta(days=10)
        session.add(ticket)
    with database.write() as session:
        assert targets.keep(session, PLAIN_HOURS) == [ticket.number]
        assert targets.keep(session, PLAIN_HOURS) == []
        assert [t.number for t in views.find(session, views.Wanted(view=views.View.BREACHING), me=0)] == [ticket.number]
        assert tickets.events_of(session, ticket)[-1].what == "due soon"
    with database.write() as session:
        approval.approve(session, settings, draft.id or 0, engineer=grace, binding=draft.binding)
    with database.write() as session:
        assert targets.keep(session, PLAIN_HOURS) == []
        assert views.find(session, views.Wanted(view=views.View.BREACHING), me=0) == []
    answered = as_stored(database, ticket.id)
    assert answered.first_answered_at is not None
    assert answered.due_for != FIRST_ANSWER


def test_an_old_store_gets_its_targets_in_rounds(database: Database) -> None:
    count = targets.MAX_AT_ONCE + 3
    ago = now() - timedelta(days=10)
    with database.write() as session:
        session.execute(
            insert(Ticket),
            [
                {
                    "number": f"MIN-2020-{n:06d}",
                    "subject": "",
                    "requester_name": "",
                    "requester_address": "",
                    "created_at": ago,
                    "updated_at": ago,
                }
                for n in range(count)
            ],
        )
    with database.write() as session:
        assert [len(targets.keep(session, PLAIN_HOURS)) for _ in range(3)] == [targets.MAX_AT_ONCE, 3, 0]


def test_what_cannot_be_a_working_time_is_refused_in_words() -> None:
    wrong = {"time_zone": "Mars/Base", "working_hours": "17:00-09:00", "holiday_country": "ZZ"}
    with pytest.raises(SettingsError) as refused:
        load_settings(**wrong)
    for name in wrong:
        assert name.upper() in str(refused.value).upper()
