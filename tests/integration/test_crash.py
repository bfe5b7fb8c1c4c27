"""The service killed with SIGKILL at several points, and started again."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
from helpdesk_process import Helpdesk, mail
from sqlmodel import select

from agent.store.database import Database
from agent.store.tables import Draft, DraftState, MailState, Message, Outbound, OutboundState, StoredMail, Ticket

PAUSES_S = (0.0, 0.15, 0.6, 2.0, 9.0)
"""Between the last mail and the kill: while filing, while acknowledging, while models load, while drafting."""
MAILS_EACH = 4
TIMEOUT_S = 150


@pytest.fixture
def helpdesk(tmp_path: Path, small_index: Path, store_url: str | None):
    shutil.copytree(small_index, tmp_path / "var" / "index", symlinks=True)
    desk = Helpdesk(tmp_path, **({"database_url": store_url} if store_url else {}))
    yield desk
    desk.kill()


def unfinished(database: Database) -> str:
    """What is still to be done; empty when nothing is."""
    with database.read() as session:
        waiting = [m.id for m in session.exec(select(StoredMail).where(StoredMail.state != MailState.HANDLED))]
        undrafted = set(session.exec(select(Ticket.id))) - set(session.exec(select(Draft.ticket_id)))
        unsent = [o.id for o in session.exec(select(Outbound).where(Outbound.state != OutboundState.SENT))]
    return f"waiting {waiting}, undrafted {undrafted}, unsent {unsent}" if waiting or undrafted or unsent else ""


@pytest.mark.slow
@pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)
def test_every_accepted_mail_ends_as_one_ticket_one_draft_and_one_acknowledgement(helpdesk: Helpdesk) -> None:
    accepted = 0
    for pause_s in PAUSES_S:
        helpdesk.start()
        for _ in range(MAILS_EACH):
            helpdesk.send(mail(accepted))
            accepted += 1
        time.sleep(pause_s)
        helpdesk.kill()
    helpdesk.start()
    database = Database(helpdesk.database)
    until = time.monotonic() + TIMEOUT_S
    while (left := unfinished(database)) and time.monotonic() < until:
        time.sleep(0.5)
    assert left == ""
    with database.read() as session:
        tickets = session.exec(select(Ticket)).all()
        drafts = session.exec(select(Draft)).all()
        outbounds = session.exec(select(Outbound)).all()
        messages = session.exec(select(Message)).all()
    assert sorted(ticket.subject for ticket in tickets) == sorted(f"Request {n}" for n in range(accepted))
    assert len(messages) == accepted
    assert Counter(draft.ticket_id for draft in drafts) == Counter(ticket.id for ticket in tickets)
    database.close()
    assert {draft.state for draft in drafts} == {DraftState.WAITING}
    assert Counter(mail.ticket_id for mail in outbounds) == Counter(ticket.id for ticket in tickets)
    assert len(list((helpdesk.data / "outbox").glob("*.eml"))) == accepted
    assert list((helpdesk.data / "outbox").glob("*.partial")) == []
