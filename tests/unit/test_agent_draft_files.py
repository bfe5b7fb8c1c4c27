"""Files that an engineer puts with an answer."""

from __future__ import annotations

import pytest
from test_agent_store import PLAIN, make_draft, outbounds, receive

from agent import approval, draft_files
from agent.draft_files import Chosen
from agent.errors import ApprovalError
from agent.settings import Settings
from agent.store import drafts, people, tickets
from agent.store.database import Database
from agent.store.tables import Draft, Endorsement, Engineer, Ticket
from ingest.mail import parse_mail

PLOT = Chosen("plot.png", b"\x89PNG\r\n\x1a\n...")


@pytest.fixture
def grace(database: Database) -> Engineer:
    with database.write() as session:
        return people.add_engineer(session, name="Grace", email="grace@minerva.example")


@pytest.fixture
def draft(database: Database, settings: Settings) -> Draft:
    return make_draft(database, receive(database, settings, PLAIN))


def attach(database: Database, draft: Draft, chosen: Chosen, by: Engineer) -> Draft:
    with database.write() as session:
        draft_files.attach(session, draft.id or 0, chosen, engineer=by)
    with database.read() as session:
        return tickets.by_id(session, Draft, draft.id or 0)


def test_a_plot_leaves_with_the_answer(database: Database, settings: Settings, draft: Draft, grace: Engineer) -> None:
    shown = attach(database, draft, PLOT, grace)
    with database.write() as session:
        approval.approve(session, settings, draft.id or 0, engineer=grace, binding=shown.binding)
    sent = parse_mail(outbounds(database)[-1].content)
    assert [(file.filename, file.content_type, file.content) for file in sent.attachments] == [
        ("plot.png", "image/png", PLOT.content)
    ]


def test_the_page_as_it_was_before_cannot_be_approved(
    database: Database, settings: Settings, draft: Draft, grace: Engineer
) -> None:
    attach(database, draft, PLOT, grace)
    with database.write() as session, pytest.raises(ApprovalError):
        approval.approve(session, settings, draft.id or 0, engineer=grace, binding=draft.binding)
    assert [mail.kind for mail in outbounds(database)] == ["acknowledgement"]


def test_a_first_approval_is_void_when_a_file_is_added(database: Database, draft: Draft, grace: Engineer) -> None:
    with database.write() as session:
        session.add(Endorsement(draft_id=draft.id or 0, engineer_id=grace.id or 0, body=draft.body))
    attach(database, draft, PLOT, grace)
    with database.read() as session:
        assert session.get(Endorsement, draft.id) is None


def test_files_are_taken_off_again_and_the_history_says_so(database: Database, draft: Draft, grace: Engineer) -> None:
    attach(database, draft, PLOT, grace)
    attach(database, draft, PLOT, grace)
    with database.write() as session:
        draft_files.detach(session, draft.id or 0, 0, engineer=grace)
    with database.read() as session:
        kept = tickets.by_id(session, Draft, draft.id or 0)
        events = tickets.events_of(session, tickets.by_id(session, Ticket, draft.ticket_id))
        assert [file.filename for file in drafts.attachments_of(session, kept)] == ["plot-2.png"]
    assert [event.what for event in events][-3:] == ["attached plot.png", "attached plot-2.png", "took off plot.png"]


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        (Chosen("", b"x"), "not empty"),
        (Chosen("empty.txt", b""), "not empty"),
        (Chosen("..", b"x"), "not empty"),
        (Chosen("large.bin", b"x" * (draft_files.MAX_BYTES + 1)), "10 MB"),
    ],
)
def test_what_cannot_go_with_a_mail_is_refused(
    database: Database, draft: Draft, grace: Engineer, chosen: Chosen, says: str
) -> None:
    with pytest.raises(ApprovalError, match=says):
        attach(database, draft, chosen, grace)


def test_names_lose_their_folders_and_there_is_a_limit(database: Database, draft: Draft, grace: Engineer) -> None:
    for _ in range(draft_files.MAX_FILES):
        attach(database, draft, Chosen(r"C:\Users\grace\plot.png", b"x"), grace)
    with database.read() as session:
        names = [file.filename for file in drafts.attachments_of(session, draft)]
    assert names[:2] == ["plot.png", "plot-2.png"] and len(set(names)) == draft_files.MAX_FILES
    with pytest.raises(ApprovalError, match="10 files"):
        attach(database, draft, PLOT, grace)


def test_nothing_changes_once_it_is_decided(
    database: Database, settings: Settings, draft: Draft, grace: Engineer
) -> None:
    with database.write() as session:
        approval.approve(session, settings, draft.id or 0, engineer=grace, binding=draft.binding)
    with pytest.raises(ApprovalError, match="decided"):
        attach(database, draft, PLOT, grace)
    with database.write() as session, pytest.raises(ApprovalError, match="decided"):
        draft_files.detach(session, draft.id or 0, 0, engineer=grace)


def test_a_file_that_is_not_there_cannot_be_taken_off(database: Database, draft: Draft, grace: Engineer) -> None:
    with database.write() as session, pytest.raises(ApprovalError, match="not attached any more"):
        draft_files.detach(session, draft.id or 0, 3, engineer=grace)
