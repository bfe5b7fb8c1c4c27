"""What is reckoned from the whole store, while the store goes on."""

from __future__ import annotations

import random
import time

from agent.desk.reckoned import Figures
from agent.store import people, tickets
from agent.store.database import Database
from agent.store.tables import Approval, Decision, Draft, Message, Ticket


def open_one(database: Database) -> None:
    with database.write() as session:
        ticket = tickets.open_ticket(
            session, subject="Hello", requester_name="Ada", requester_address="ada@example.org"
        )
        tickets.note_event(session, ticket, "requester", "opened")


def opened(database: Database, figures: Figures) -> tuple[int, bool]:
    found = figures.report(database, 1)
    return sum(week.opened for week in found.value.weeks), found.is_latest


def test_a_small_desk_sees_this_moment(database: Database) -> None:
    figures = Figures()
    assert opened(database, figures) == (0, True)
    open_one(database)
    _until(database, figures, 1)
    before = figures.report(database, 1)
    assert figures.report(database, 1) is before


def test_what_takes_long_is_shown_as_it_was_and_made_meanwhile(database: Database) -> None:
    figures = Figures()
    open_one(database)
    _edit_long_letters(database)
    assert opened(database, figures) == (1, True)
    open_one(database)
    assert opened(database, figures) == (1, False)
    _until(database, figures, 2)


def _until(database: Database, figures: Figures, count: int) -> None:
    until = time.monotonic() + 60
    while opened(database, figures) != (count, True):
        assert time.monotonic() < until
        time.sleep(0.05)


def _edit_long_letters(database: Database) -> None:
    """Comparing each with its draft takes a second or so."""
    chance = random.Random(1)
    before, after = (" ".join(chance.choices("abcdefgh", k=3000)) for _ in range(2))
    with database.write() as session:
        grace = people.add_engineer(session, name="Grace", email="grace@minerva.example")
        ticket = session.get_one(Ticket, 1)
        message = Message(
            ticket_id=1, direction="in", sender_name="Ada", sender_address="ada@example.org", subject="Hello",
            text="Hello", visible_text="Hello",
        )  # fmt: skip
        session.add(message)
        session.flush()
        draft = Draft(
            ticket_id=1, message_id=message.id or 0, revision=1, outcome="answer", recipients=[], subject="Hello",
            body=before, claims=[], unanswered=[], questions=[], evidence=[], findings=[], answerable=0.5,
            model="embedded", binding="",
        )  # fmt: skip
        session.add(draft)
        session.flush()
        session.add(
            Approval(
                draft_id=draft.id or 0,
                engineer_id=people.key_of(grace),
                decision=Decision.EDITED,
                body=after,
                binding="",
            )
        )
        tickets.note_event(session, ticket, "Grace", "approved after editing")
