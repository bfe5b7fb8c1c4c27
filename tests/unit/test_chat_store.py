"""Rows of conversations: events once, posts as they should stand, answers on both ways."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from agent import approval, withdrawal
from agent.draft import Draft
from agent.errors import ApprovalError
from agent.filing import file_mail
from agent.settings import Settings
from agent.store import chat as store
from agent.store import drafts, inbound, people, tickets
from agent.store.chat_tables import ChatEvent, ChatMessage, ChatPost, ChatThread, EventState, PostState
from agent.store.database import Database
from agent.store.tables import Draft as DraftRow
from agent.store.tables import Engineer, Message, Outbound, now
from ingest.mail import parse_mail

REPLY = {"paragraphs": ["a"], "buttons": ("helpful",)}


def want(session: Session, content: dict[str, object] | None, key: str = "answer:1") -> ChatPost:
    return store.want_post(session, key, channel="slack", place="C1", thread="1.0", content=content)


def claimed(database: Database) -> ChatPost:
    with database.write() as session:
        (due,) = store.due_posts(session, "slack")
        row = store.claim_post(session, due)
    assert row is not None
    return row


def test_an_event_is_kept_once_and_its_redeliveries_counted(database: Database) -> None:
    for body in (b"{}", b"other"):
        store.keep_event(database, channel="slack", key="slack:Ev1", kind="event", body=body)
    with database.write() as session:
        (event,) = session.exec(select(ChatEvent)).all()
        assert (event.deliveries, event.body) == (2, b"{}")
        assert [e.id for e in store.waiting_events(session, ["slack"])] == [event.id]
        assert store.waiting_events(session, ["matrix"]) == []
        store.settle_event(session, event.id or 0, EventState.HANDLED, body=b"{}")
        assert store.waiting_events(session, ["slack"]) == []


def test_the_same_wish_again_changes_nothing(database: Database) -> None:
    with database.write() as session:
        assert [want(session, dict(REPLY)).version for _ in range(3)] == [1, 1, 1]
        assert want(session, {"paragraphs": ["b"]}).version == 2
        assert want(session, None).version == 3


def test_a_post_is_claimed_by_one_and_due_again_when_the_wish_has_changed(database: Database) -> None:
    with database.write() as session:
        post = want(session, dict(REPLY))
    row = claimed(database)
    assert not row.uncertain
    with database.write() as session:
        assert store.claim_post(session, post.id or 0) is None
        want(session, {"paragraphs": ["changed meanwhile"]})
        store.settle_post(session, post.id or 0, row.version, external_id="2.0", files=False)
    again = claimed(database)
    assert (again.version, again.external_id) == (2, "2.0")
    with database.write() as session:
        store.settle_post(session, post.id or 0, again.version, external_id="2.0", files=False)
        assert store.due_posts(session, "slack") == []
        assert store.known_ids(session, "slack", "C1") == {"2.0"}


def test_what_was_under_way_at_a_crash_is_looked_for_before_it_is_posted(database: Database) -> None:
    with database.write() as session:
        want(session, dict(REPLY))
    claimed(database)
    with database.write() as session:
        assert store.recover_posts(session) == 0  # its time is not over
        assert store.recover_posts(session, all_of_them=True) == 1
    assert claimed(database).uncertain


@pytest.mark.parametrize(
    ("wait_s", "uncertain", "state"), [(0.0, True, PostState.DUE), (None, False, PostState.FAILED)]
)
def test_a_failed_try(database: Database, wait_s: float | None, uncertain: bool, state: str) -> None:
    with database.write() as session:
        post = want(session, dict(REPLY))
    claimed(database)
    with database.write() as session:
        store.retry_post(session, post.id or 0, error="no", wait_s=wait_s, uncertain=uncertain)
        row = session.get_one(ChatPost, post.id)
        assert (row.state, row.uncertain, row.last_error) == (state, uncertain, "no")
        want(session, {"paragraphs": ["another wish"]})
        assert row.state == PostState.DUE


def test_a_post_that_waits_is_not_due(database: Database) -> None:
    with database.write() as session:
        post = want(session, dict(REPLY))
        post.next_attempt_at = now() + timedelta(minutes=1)
        session.flush()
        assert store.due_posts(session, "slack") == []


def thread(session: Session, **more: object) -> ChatThread:
    row = ChatThread(channel="slack", place="C1", thread="1.0", asker="T1/U1", **more)
    session.add(row)
    session.flush()
    return row


def test_what_is_forgotten_leaves_no_thread_unless_something_else_was_said(database: Database) -> None:
    with database.write() as session:
        row = thread(session)
        first, second = (
            ChatMessage(thread_id=row.id or 0, external_id=n, sender="x", text="y") for n in ("1.0", "2.0")
        )
        session.add_all([first, second])
        session.flush()
        store.forget_message(session, first)
        assert store.thread_of(session, "slack", "C1", "1.0") is not None
        store.forget_message(session, second)
        session.flush()
        assert store.thread_of(session, "slack", "C1", "1.0") is None


def test_only_open_accounts_of_engineers_decide(database: Database) -> None:
    with database.write() as session:
        grace = people.add_engineer(session, name="Grace", email="grace@x.org")
        store.map_account(session, "slack", "T1/U1", grace)
        assert store.engineer_of(session, "slack", "T1/U1") is not None
        assert store.engineer_of(session, "slack", "T2/U1") is None
        assert store.engineer_of(session, "matrix", "T1/U1") is None
        people.disable(session, grace)
        assert store.engineer_of(session, "slack", "T1/U1") is None


def filed(database: Database, settings: Settings, sender: str, **more: object) -> tuple[Message, Engineer]:
    """A request in a conversation that has become a ticket."""
    raw = f"From: {sender}\nTo: support@x.org\nSubject: Account\nMessage-ID: <{sender}>\n\nHow?".encode()
    with database.write() as session:
        engineer = people.add_engineer(session, name="Grace", email="grace@minerva.example")
        stored = inbound.store_mail(session, raw, channel="x", peer="", envelope_from=sender, envelope_to=[])
        message = file_mail(session, settings, stored, parse_mail(raw), "en")
        thread(session, ticket_id=message.ticket_id, **more)
    return message, engineer


@pytest.mark.parametrize(
    ("sender", "more", "expected"),
    [
        ("u1@slack.invalid", {}, ["1.0+C1@slack.invalid"]),
        ("u1@slack.invalid", {"mail": "ada@x.org"}, ["1.0+C1@slack.invalid", "ada@x.org"]),
        ("ada@x.org", {"mail": "ada@x.org"}, ["ada@x.org"]),
        ("ada@x.org", {"mail": "ada@x.org", "direct": True}, ["1.0+C1@slack.invalid", "ada@x.org"]),
    ],
)
def test_where_answers_go(
    database: Database, settings: Settings, sender: str, more: dict[str, object], expected: list[str]
) -> None:
    message, _ = filed(database, settings, sender, **more)
    with database.read() as session:
        ticket = tickets.by_number(session, f"MIN-{now().year}-000001")
        assert store.recipients_of(session, ticket, message) == expected


def drafted(database: Database, message: Message, recipients: list[str]) -> DraftRow:
    content = Draft(outcome="answer", claims=(), unanswered=(), questions=(), evidence=(), answerable=1.0, model="x")
    with database.write() as session:
        ticket = tickets.by_number(session, f"MIN-{now().year}-000001")
        return drafts.save_draft(
            session, ticket, message, content, recipients=recipients, subject="Re: Account", body="Like this.\n",
            findings=[], instruction=None,
        )  # fmt: skip


def test_one_approval_leaves_on_both_ways_and_is_taken_back_on_both(database: Database, settings: Settings) -> None:
    message, engineer = filed(database, settings, "u1@slack.invalid", mail="ada@x.org")
    draft = drafted(database, message, ["1.0+C1@slack.invalid", "ada@x.org"])
    with database.write() as session:
        first = approval.approve(session, settings, draft.id or 0, engineer=engineer, binding=draft.binding)
        ways = session.exec(select(Outbound).where(Outbound.kind == "answer").order_by(Outbound.id)).all()
        assert [way.recipients for way in ways] == [["1.0+C1@slack.invalid"], ["ada@x.org"]]
        assert b"> How?" not in ways[0].content  # what is answered stands above it in the conversation
        assert b"> How?" in ways[1].content
    with database.write() as session:
        withdrawal.withdraw(session, first.id or 0, engineer=engineer)
        assert session.exec(select(Outbound).where(Outbound.kind == "answer")).all() == []
        assert session.get_one(DraftRow, draft.id).state == "waiting"


def test_what_has_left_on_one_way_cannot_be_taken_back(database: Database, settings: Settings) -> None:
    message, engineer = filed(database, settings, "u1@slack.invalid", mail="ada@x.org")
    draft = drafted(database, message, ["1.0+C1@slack.invalid", "ada@x.org"])
    with database.write() as session:
        first = approval.approve(session, settings, draft.id or 0, engineer=engineer, binding=draft.binding)
        session.exec(select(Outbound).where(Outbound.id != first.id, Outbound.kind == "answer")).one().attempts = 1
    with pytest.raises(ApprovalError, match="Too late"), database.write() as session:
        withdrawal.withdraw(session, first.id or 0, engineer=engineer)
    with database.read() as session:
        assert len(session.exec(select(Outbound).where(Outbound.kind == "answer")).all()) == 2
