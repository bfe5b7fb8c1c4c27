from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_agent_store import PLAIN, receive

from agent import approval, partners, selection
from agent.errors import HandlingError, NotFoundError
from agent.settings import Settings
from agent.store import drafts, people, tickets, views
from agent.store.database import Database
from agent.store.partner_tables import Engagement
from agent.store.tables import Engineer, Partner, Role, Ticket
from agent.store.views import View, Wanted

TODAY = date(2027, 1, 15)
GOOD = dict.fromkeys(selection.CRITERIA, 4)
REASONS = "Your code is open and your data are ready; five groups use it."


@pytest.fixture
def engineers(database: Database) -> tuple[Engineer, Engineer]:
    with database.write() as session:
        grace = people.add_engineer(session, name="Grace", email="grace@minerva.example")
        return grace, people.add_engineer(session, name="Edsger", email="ewd@minerva.example")


@pytest.fixture
def ticket(database: Database, settings: Settings) -> Ticket:
    """Asks for a workshop about scaling PyTorch on LUMI."""
    filed = receive(database, settings, replace(PLAIN, subject="Workshop"))
    with database.write() as session:
        found = tickets.by_id(session, Ticket, filed.ticket_id)
        found.level, found.type, found.language = "L2", "T3", "en"
        found.topics = [
            {"kind": "system", "id": "lumi-g", "name": "LUMI"}, {"kind": "framework", "id": "pytorch", "name": "PyTorch"},
        ]  # fmt: skip
        return found


def evaluate(database: Database, ticket: Ticket, by: Engineer, **other: int) -> None:
    with database.write() as session:
        selection.evaluate(session, tickets.by_number(session, ticket.number), {**GOOD, **other}, "", by=by)


def decide(database: Database, ticket: Ticket, by: Engineer, *, accepted: bool = True, reasons: str = REASONS) -> None:
    with database.write() as session:
        selection.decide(session, tickets.by_number(session, ticket.number), accepted=accepted, reasons=reasons, by=by)


def partner(database: Database, name: str, expertise: str = "", systems: str = "", days: int = 10) -> Partner:
    with database.write() as session:
        return partners.add(
            session, name=name, contact=f"{name}@x.org", expertise=expertise, systems=systems, days_per_month=days
        )


def test_two_people_evaluate_before_one_decides(
    database: Database, ticket: Ticket, engineers: tuple[Engineer, Engineer]
) -> None:
    grace, edsger = engineers
    evaluate(database, ticket, grace, impact=1)
    evaluate(database, ticket, grace, impact=2)
    with pytest.raises(HandlingError, match="Two people"):
        decide(database, ticket, grace)
    evaluate(database, ticket, edsger, impact=5)
    with database.read() as session:
        found = selection.standing(session, ticket)
    assert ([name for _, name in found.evaluations], found.mean) == (["Grace", "Edsger"], 3.9)
    assert (found.apart, found.suggestion, found.may_decide) == (["impact"], "accept", True)


@pytest.mark.parametrize(("accepted", "told"), [(True, "has been selected"), (False, "cannot offer it this time")])
def test_the_requester_is_told_why_after_an_approval(
    database: Database,
    settings: Settings,
    ticket: Ticket,
    engineers: tuple[Engineer, Engineer],
    accepted: bool,
    told: str,
) -> None:
    for engineer in engineers:
        evaluate(database, ticket, engineer)
    decide(database, ticket, engineers[0], accepted=accepted)
    with database.read() as session:
        draft = drafts.latest(session, tickets.by_number(session, ticket.number))
    assert draft is not None
    assert told in draft.body
    assert REASONS in draft.body
    assert draft.recipients == ["ada@example.org"]
    with database.write() as session:
        sent = approval.approve(session, settings, draft.id or 0, engineer=engineers[1], binding=draft.binding)
    assert told.encode() in sent.content
    for act in (lambda: decide(database, ticket, engineers[1]), lambda: evaluate(database, ticket, engineers[0])):
        with pytest.raises(HandlingError, match="decided already"):
            act()


@pytest.mark.parametrize(
    ("scores", "problem"),
    [({"need": 0}, "from 1 to 5"), ({"need": 6}, "from 1 to 5"), ({"beauty": 3}, "from 1 to 5")],
)
def test_scores_are_complete_and_possible(
    database: Database, ticket: Ticket, engineers: tuple[Engineer, Engineer], scores: dict[str, int], problem: str
) -> None:
    with pytest.raises(HandlingError, match=problem):
        evaluate(database, ticket, engineers[0], **scores)
    with pytest.raises(HandlingError, match=problem), database.write() as session:
        selection.evaluate(session, ticket, {"need": 3}, "", by=engineers[0])


def test_only_workshops_and_embedded_support_are_selected(
    database: Database, ticket: Ticket, engineers: tuple[Engineer, Engineer]
) -> None:
    with database.write() as session:
        tickets.by_number(session, ticket.number).type = "T1"
    with pytest.raises(HandlingError, match="Correct the type"):
        evaluate(database, ticket, engineers[0])


def test_a_decision_needs_reasons(database: Database, ticket: Ticket, engineers: tuple[Engineer, Engineer]) -> None:
    for engineer in engineers:
        evaluate(database, ticket, engineer)
    with pytest.raises(HandlingError, match="reasons"):
        decide(database, ticket, engineers[0], reasons="no")


def test_partners_who_know_it_and_have_time_come_first(database: Database, ticket: Ticket) -> None:
    partner(database, "Idle", days=100)
    partner(database, "Busy", "L2, PyTorch", "lumi", days=1)
    partner(database, "Right", "L2, pytorch", "LUMI-G", days=10)
    gone = partner(database, "Gone", "L2, pytorch", "lumi-g, lumi")
    with database.write() as session:
        partners.end(session, gone)
    with database.read() as session:
        found = partners.matches(session, ticket, TODAY)
    assert [(match.partner.name, match.fits, match.free) for match in found] == [
        ("Right", ["l2", "lumi-g", "pytorch"], 30), ("Busy", ["l2", "lumi", "pytorch"], 3), ("Idle", [], 300),
    ]  # fmt: skip


def test_a_plan_books_capacity_and_milestones_are_ticked(
    database: Database, ticket: Ticket, engineers: tuple[Engineer, Engineer]
) -> None:
    grace = engineers[0]
    lab = partner(database, "Lab")

    def plan(starts: str, ends: str, days: int, milestones: str = "2027-02-01 baseline measured") -> Engagement:
        with database.write() as session:
            form = selection.PlanForm(
                partner=lab.id or 0, starts=date.fromisoformat(starts), ends=date.fromisoformat(ends), days=days,
                text="Two days on site.", milestones=milestones,
            )  # fmt: skip
            return selection.plan(session, tickets.by_number(session, ticket.number), form, by=grace)

    with pytest.raises(HandlingError, match="accepted"):
        plan("2027-02-01", "2027-02-02", 2)
    for engineer in engineers:
        evaluate(database, ticket, engineer)
    decide(database, ticket, grace)
    for starts, ends, days in (
        ("2027-02-02", "2027-02-01", 1),
        ("2027-02-01", "2027-02-02", 3),
        ("2027-02-01", "2027-02-02", 0),
    ):
        with pytest.raises(HandlingError, match="working days"):
            plan(starts, ends, days)
    for line in ("soon baseline", "2027-02-01"):
        with pytest.raises(HandlingError, match="milestone"):
            plan("2027-02-01", "2027-02-02", 2, line)
    plan("2027-01-30", "2027-02-02", 4, "2027-02-01 baseline measured\n\n2027-02-02 twice as fast\n")
    with database.read() as session:
        months = partners.calendar(session, lab, TODAY)
        assert [(month.booked, month.free) for month in months[:3]] == [(2, 8), (2, 8), (0, 10)]
        assert tickets.by_number(session, ticket.number).partner_id == lab.id
    with database.write() as session:
        selection.tick(session, tickets.by_number(session, ticket.number), 0, by=grace)
        with pytest.raises(HandlingError):
            selection.tick(session, ticket, 2, by=grace)
    again = plan("2027-01-30", "2027-02-02", 4, "2027-02-03 baseline measured\n2027-02-09 report written")
    assert [(step["title"], step["done"]) for step in again.milestones] == [
        ("baseline measured", True), ("report written", False),
    ]  # fmt: skip
    with database.write() as session:
        with pytest.raises(HandlingError):
            selection.report(session, ticket, "  ", by=grace)
        selection.report(session, tickets.by_number(session, ticket.number), "Twice as fast.", by=grace)
        kept = session.get(Engagement, ticket.id)
        assert kept is not None
        assert kept.report == "Twice as fast."


def test_a_partners_people_see_what_was_handed_to_them(
    database: Database, ticket: Ticket, engineers: tuple[Engineer, Engineer]
) -> None:
    lab = partner(database, "Lab")
    with database.write() as session:
        paula = people.add_engineer(session, name="Paula", email="p@lab.org", role=Role.PARTNER)
        paula.partner_id = lab.id

    def seen() -> list[str]:
        wanted = Wanted(view=View.ALL, theirs=(paula.id or 0, paula.partner_id))
        with database.read() as session:
            return [found.number for found in views.find(session, wanted, me=paula.id or 0)]

    assert seen() == []
    with database.write() as session:
        partners.hand_over(session, tickets.by_number(session, ticket.number), lab, by=engineers[0])
    assert seen() == [ticket.number]
    with database.write() as session:
        partners.hand_over(session, tickets.by_number(session, ticket.number), None, by=engineers[0])
    assert seen() == []


def test_partners_have_a_name_of_their_own(database: Database) -> None:
    lab = partner(database, "Lab", " L2 ,, l2, Py Torch")
    assert lab.expertise == ["l2", "py torch"]
    for name in ("Lab", " "):
        with pytest.raises(HandlingError):
            partner(database, name)
    with database.read() as session, pytest.raises(NotFoundError):
        partners.by_id(session, 99)


@given(
    starts=st.dates(date(2026, 12, 1), date(2027, 6, 1)),
    span=st.integers(0, 200),
    share=st.floats(0.01, 1),
)
def test_a_month_never_books_more_than_the_engagement_has(starts: date, span: int, share: float) -> None:
    ends = date.fromordinal(starts.toordinal() + span)
    days = max(int(share * (span + 1)), 1)
    one = Engagement(ticket_id=1, partner_id=1, starts=starts, ends=ends, days=days)
    assert partners.days_within(one, date(2020, 1, 1), date(2030, 1, 1)) == pytest.approx(days)
    assert 0 <= partners.days_within(one, date(2027, 1, 1), date(2027, 2, 1)) <= days
