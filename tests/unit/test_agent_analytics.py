from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_agent_store import PLAIN, make_draft, receive

from agent import analytics, approval, gaps, handling
from agent.settings import Settings
from agent.store import people, placings, tickets
from agent.store.database import Database
from agent.store.tables import Draft, Engineer, Message, Ticket, now
from triage.result import Fingerprint


@pytest.fixture
def grace(database: Database) -> Engineer:
    with database.write() as session:
        return people.add_engineer(session, name="Grace", email="grace@minerva.example")


def asked(
    database: Database, settings: Settings, name: str, *, ago: timedelta = timedelta(), **fields: object
) -> Message:
    filed = receive(database, settings, replace(PLAIN, message_id=f"{name}@x", subject=name))
    with database.write() as session:
        ticket = tickets.by_id(session, Ticket, filed.ticket_id)
        ticket.created_at = now() - ago
        for field, value in fields.items():
            setattr(ticket, field, value)
    return filed


def answered(database: Database, settings: Settings, filed: Message, by: Engineer, body: str | None = None) -> None:
    draft = make_draft(database, filed, "Ask for four GPUs and wait a little.\n")
    with database.write() as session:
        approval.approve(session, settings, draft.id or 0, engineer=by, binding=draft.binding, body=body)


def test_a_desk_without_tickets_has_a_report_too(database: Database) -> None:
    with database.read() as session:
        found = analytics.report(session, weeks=4)
    assert [week.opened for week in found.weeks] == [0] * 4
    assert (found.first_answer.median_h, found.decisions.approval_rate, found.by_level) == (None, None, [])


def test_times_and_groups_are_counted(database: Database, settings: Settings, grace: Engineer) -> None:
    topics = [{"kind": "system", "id": "lumi-g", "name": "LUMI"}, {"kind": "model", "id": "m", "name": "M"}]
    first = asked(database, settings, "a", ago=timedelta(hours=4), level="L1", type="T1", topics=topics)
    second = asked(database, settings, "b", ago=timedelta(hours=2), level="L1", type="T2")
    asked(database, settings, "c", level="L3", type="T2")
    asked(database, settings, "old", ago=timedelta(weeks=30), level="L1")
    asked(database, settings, "machine", status="set aside")
    answered(database, settings, first, grace)
    answered(database, settings, second, grace)
    with database.write() as session:
        handling.resolve(session, tickets.by_id(session, Ticket, first.ticket_id), by=grace, batch="1")
    with database.read() as session:
        found = analytics.report(session, weeks=12)
    assert (sum(week.opened for week in found.weeks), sum(week.answered for week in found.weeks)) == (3, 2)
    assert sum(week.resolved for week in found.weeks) == 1
    assert found.first_answer.count == 2
    assert found.first_answer.median_h == pytest.approx(3, abs=0.1)
    assert found.resolution.median_h == pytest.approx(4, abs=0.1)
    assert [(group.name, group.opened) for group in found.by_level] == [("L1", 2), ("L3", 1)]
    assert [(group.name, group.opened) for group in found.by_type] == [("T2", 2), ("T1", 1)]
    assert [(group.name, group.opened) for group in found.by_system] == [("LUMI", 1)]


def test_what_becomes_of_drafts(database: Database, settings: Settings, grace: Engineer) -> None:
    for name, body in (("a", None), ("b", "Ask for two GPUs and wait a little.\n")):
        answered(database, settings, asked(database, settings, name), grace, body)
    draft = make_draft(database, asked(database, settings, "c"))
    with database.write() as session:
        approval.reject(session, draft.id or 0, engineer=grace, reason="wrong system")
    with database.read() as session:
        report = analytics.report(session, weeks=1)
    found = report.decisions
    assert [group.decisions for group in report.by_type] == [found]
    assert (found.approved, found.edited, found.rejected) == (1, 1, 1)
    assert found.approval_rate == pytest.approx(1 / 3)
    assert found.edit_share == pytest.approx(1 / 8)


def test_the_weeks_have_their_times_and_shares(database: Database, settings: Settings, grace: Engineer) -> None:
    early = asked(database, settings, "a", ago=timedelta(weeks=1))
    late = asked(database, settings, "b", ago=timedelta(weeks=1))
    answered(database, settings, early, grace)
    answered(database, settings, late, grace, "Ask for two GPUs and wait a little.\n")
    with database.read() as session:
        before, this = analytics.report(session, weeks=2).weeks
    assert (before.opened, before.answered, this.opened, this.answered) == (2, 0, 0, 2)
    assert before.first_answer_median_h == pytest.approx(168, abs=0.1)
    assert (before.approval_rate, this.approval_rate) == (None, pytest.approx(1 / 2))
    assert this.edit_share == pytest.approx(1 / 8)
    assert (this.first_answer_median_h, before.resolution_median_h) == (None, None)


@given(st.text(max_size=200), st.text(max_size=200))
def test_the_share_of_an_edit_is_a_share(before: str, after: str) -> None:
    assert analytics.edit_share(before, before) == 0
    assert 0 <= analytics.edit_share(before, after) <= 1


def test_alike_questions_without_evidence_are_one_gap(database: Database, settings: Settings) -> None:
    def without_evidence(name: str, *vector: float, outcome: str = "escalate") -> None:
        filed = asked(database, settings, name)
        draft = make_draft(database, filed)
        found = Fingerprint(
            vector=np.array(vector, dtype=np.float32), encoder="light", parts=frozenset(), systems=frozenset()
        )
        with database.write() as session:
            tickets.by_id(session, Draft, draft.id or 0).outcome = outcome
            placings.link(session, tickets.by_id(session, Ticket, filed.ticket_id), found)

    without_evidence("quantum annealer", 1, 0)
    without_evidence("FPGA cards", 0, 1)
    without_evidence("annealing on the QPU", 0.9, 0.1)
    without_evidence("answered well", 1, 0, outcome="answer")
    with database.read() as session:
        found = gaps.gaps(session)
    assert [[ticket.subject for ticket in gap.tickets] for gap in found] == [
        ["annealing on the QPU", "quantum annealer"], ["FPGA cards"],
    ]  # fmt: skip


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), max_size=20))
def test_each_question_is_in_one_cluster(points: list[tuple[float, float]]) -> None:
    found = gaps.clusters([np.array(point, dtype=np.float32) for point in points])
    assert sorted(n for members in found for n in members) == list(range(len(points)))
