from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import macros
from agent.errors import HandlingError
from agent.store.database import Database
from agent.store.tables import Macro, Ticket


def ticket(name: str = "Ada") -> Ticket:
    return Ticket(number="MIN-2026-000001", subject="s", requester_name=name, requester_address="a@x.org")


def test_a_macro_is_kept_and_changed_by_its_name(database: Database) -> None:
    with database.write() as session:
        macros.save(
            session, name=" Quota ", text="Dear {name},\r\nwrite [{number}].\r\n", acts="tag:quota\n\n assign \n"
        )
        macros.save(session, name="Access", text="", acts="snooze:week")
        macros.save(session, name="Quota", text="Hello {name}", acts="resolve")
    with database.read() as session:
        kept = [(macro.name, macro.text, macro.acts) for macro in macros.all_macros(session)]
    assert kept == [("Access", "", ["snooze:week"]), ("Quota", "Hello {name}", ["resolve"])]


@pytest.mark.parametrize(
    ("name", "text", "acts", "problem"),
    [
        ("", "x", "", "name"),
        ("x", " ", "\n", "a text, or something"),
        ("x", "", "approve", "nothing that can be done"),
        ("x", "", "tag:", "nothing that can be done"),
        ("x", "", "rm -rf /", "nothing that can be done"),
    ],
)
def test_what_makes_no_sense_is_refused(database: Database, name: str, text: str, acts: str, problem: str) -> None:
    with pytest.raises(HandlingError, match=problem), database.write() as session:
        macros.save(session, name=name, text=text, acts=acts)


def test_the_text_names_the_requester_and_the_ticket() -> None:
    macro = Macro(name="x", text="Dear {name} [{number}] {other} {")
    assert macros.text_for(macro, ticket()) == "Dear Ada [MIN-2026-000001] {other} {"


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_text_and_name_go_together(text: str, name: str) -> None:
    assert isinstance(macros.text_for(Macro(name="x", text=text), ticket(name)), str)
