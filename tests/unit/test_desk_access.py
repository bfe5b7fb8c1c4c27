"""Roles, the second factor and the audit log."""

from __future__ import annotations

import time
from collections.abc import Callable

import pyotp
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session
from test_agent_store import PLAIN, receive, ticket_of

from agent import second_factor
from agent.desk import access
from agent.errors import HelpdeskError, NotAllowedError, NotFoundError
from agent.settings import Settings
from agent.store import audit, people
from agent.store.database import Database
from agent.store.tables import AuditEntry, Engineer, Role

Add = Callable[[str], Engineer]


@pytest.fixture
def add(database: Database) -> Add:
    def added(role: str) -> Engineer:
        with database.write() as session:
            return people.add_engineer(session, name=role, email=f"{role}@minerva.example", role=Role(role))

    return added


def allowed(database: Database, engineer: Engineer, method: str, path: str, **parameters: str) -> bool:
    try:
        with database.read() as session:
            access.check(session, engineer, method, path, parameters)
    except (NotAllowedError, NotFoundError):
        return False
    return True


ASKED = [
    ("GET", "/"), ("GET", "/outbox"), ("GET", "/articles"), ("POST", "/acts"), ("POST", "/account"),
    ("POST", "/sign-out"), ("GET", "/audit"), ("GET", "/people"), ("POST", "/people/1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("viewer", "yes yes yes no yes yes no no no"),
        ("engineer", "yes yes yes yes yes yes no no no"),
        ("lead", "yes yes yes yes yes yes yes no no"),
        ("partner", "yes no yes yes yes yes no no no"),
        ("admin", "yes yes yes yes yes yes yes yes yes"),
    ],
)
def test_a_role_may_what_the_table_says(database: Database, add: Add, role: str, may: str) -> None:
    engineer = add(role)
    assert [allowed(database, engineer, *asked) for asked in ASKED] == [word == "yes" for word in may.split()]


@pytest.mark.parametrize("path", ["/tickets/MIN-2026-000001/colleague", "/macros", "/macros/1/remove"])
@pytest.mark.parametrize(("role", "may"), [("engineer", True), ("lead", True), ("partner", False), ("viewer", False)])
def test_what_is_for_people_of_the_centre_is_refused_to_partners(
    database: Database, add: Add, role: str, path: str, *, may: bool
) -> None:
    engineer = add(role)
    assert allowed(database, engineer, "POST", path) is may
    assert allowed(database, engineer, "POST", "/tickets/MIN-2026-000001/macros") is (role != "viewer")


def test_a_partner_sees_only_what_is_assigned_to_her(database: Database, settings: Settings, add: Add) -> None:
    filed = receive(database, settings, PLAIN)
    partner, engineer = add("partner"), add("engineer")
    number, mail = ticket_of(database, filed).number, str(filed.stored_mail_id)
    asked = [("GET", f"/tickets/{number}", {"number": number}), ("GET", f"/mails/{mail}", {"stored_mail_id": mail}),
             ("GET", "/outbox/1.eml", {"outbound_id": "1"})]  # fmt: skip
    assert [allowed(database, engineer, *one[:2], **one[2]) for one in asked] == [True] * 3
    assert [allowed(database, partner, *one[:2], **one[2]) for one in asked] == [False] * 3
    with database.write() as session:
        ticket = session.merge(ticket_of(database, filed))
        ticket.assignee_id = partner.id
    assert [allowed(database, partner, *one[:2], **one[2]) for one in asked] == [True, True, False]


def test_the_last_admin_stays_one(database: Database, add: Add) -> None:
    admin = add("admin")
    with pytest.raises(HelpdeskError, match="only admin"), database.write() as session:
        people.set_role(session, session.merge(admin), Role.VIEWER)
    add("lead")
    with database.write() as session:
        other = people.by_email(session, "lead@minerva.example")
        people.set_role(session, other, Role.ADMIN)
        people.set_role(session, people.by_email(session, admin.email), Role.VIEWER)
    with database.read() as session:
        assert people.by_email(session, admin.email).role == Role.VIEWER


def test_a_code_works_once_and_only_around_its_time() -> None:
    engineer = Engineer(name="Grace", email="grace@minerva.example", totp_secret=second_factor.new_secret())
    assert engineer.totp_secret
    codes = pyotp.TOTP(engineer.totp_secret)
    code = codes.at(int(time.time()))
    assert second_factor.passes(engineer, f" {code[:3]} {code[3:]} ")
    assert not second_factor.passes(engineer, code), "used up"
    for wrong in ("", "abcdef", "١٢٣٤٥٦", codes.at(int(time.time()) - 120)):
        assert not second_factor.passes(engineer, wrong)
    engineer.totp_secret = None
    assert second_factor.passes(engineer, "")


def test_the_picture_carries_the_address() -> None:
    assert second_factor.picture("A" * 32, "grace@minerva.example").startswith("data:image/svg+xml")
    assert second_factor.address("A" * 32, "g@x.org").startswith("otpauth://totp/MINERVA%20helpdesk:g%40x.org?secret=A")


def filled(database: Database, count: int = 5) -> list[AuditEntry]:
    with database.write() as session:
        return [audit.append(session, actor="g@x.org", action="view", subject=f"/tickets/{n}") for n in range(count)]


def test_a_sound_log_is_said_to_be_sound(database: Database) -> None:
    with database.read() as session:
        assert audit.verify(session) == audit.Verdict(entries=0, head=audit.BEGINNING, broken=None, knows_head=True)
    entries = filled(database)
    with database.read() as session:
        verdict = audit.verify(session, entries[2].digest)
    assert (verdict.entries, verdict.head, verdict.is_sound) == (5, entries[-1].digest, True)


@pytest.mark.parametrize("statement", ["UPDATE audit_entry SET actor = 'x'", "DELETE FROM audit_entry"])
def test_the_database_refuses_to_change_it(database: Database, statement: str) -> None:
    filled(database)
    with pytest.raises(IntegrityError, match="append-only"), database.write() as session:
        session.execute(text(statement))


def drop_triggers(session: Session) -> None:
    where = " ON audit_entry" if session.get_bind().dialect.name == "postgresql" else ""
    for trigger in ("update", "delete"):
        session.execute(text(f"DROP TRIGGER audit_entry_no_{trigger}{where}"))


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE audit_entry SET actor = 'x' WHERE id = 3", 3),
        ("UPDATE audit_entry SET at = '2026-01-01 12:00:00.000000' WHERE id = 1", 1),
        ("DELETE FROM audit_entry WHERE id = 2", 3),
    ],
)
def test_who_gets_around_that_is_found_out(database: Database, statement: str, broken: int) -> None:
    filled(database)
    with database.write() as session:
        drop_triggers(session)
        session.execute(text(statement))
    with database.read() as session:
        assert audit.verify(session).broken == broken


def test_an_end_that_was_cut_off_shows_by_the_head(database: Database) -> None:
    head = filled(database)[-1].digest
    with database.write() as session:
        drop_triggers(session)
        session.execute(text("DELETE FROM audit_entry WHERE id > 3"))
    with database.read() as session:
        assert audit.verify(session).is_sound
        assert not audit.verify(session, head).is_sound


@settings_of_hypothesis(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(detail=st.text(max_size=600))
@example(detail="a\0b")
def test_any_text_is_kept(database: Database, detail: str) -> None:
    with database.write() as session:
        audit.append(session, actor="a", action="b", subject="c", detail=detail)
    with database.read() as session:
        assert audit.verify(session).is_sound
