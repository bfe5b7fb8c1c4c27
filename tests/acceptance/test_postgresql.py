"""The service on PostgreSQL, on one host and on two."""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpdesk_process import Helpdesk, mail
from sqlalchemy import text
from sqlmodel import select
from test_conversation import QUESTION, field, number_of, outbox_mail, plain_text, wait_for

from agent.store import audit
from agent.store.database import Database
from agent.store.tables import Draft, Outbound, OutboundState, StoredMail, Ticket
from knowledge_base.encoder import SentenceEncoder
from knowledge_base.index import build_index

ARTICLES = Path(__file__).parents[2] / "knowledge_base" / "articles" / "jobs"
TIMEOUT_S = 120

pytestmark = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)


@pytest.fixture
def hosts(tmp_path: Path, store_url: str) -> Iterator[list[Helpdesk]]:
    """Two services with a folder each and one database; not started yet."""
    build_index(ARTICLES, tmp_path / "index", SentenceEncoder())
    desks = []
    for name in ("one", "two"):
        shutil.copytree(tmp_path / "index", tmp_path / name / "var" / "index", symlinks=True)
        desks.append(Helpdesk(tmp_path / name, database_url=store_url))
    yield desks


def test_from_request_to_answer(hosts: list[Helpdesk]) -> None:
    helpdesk = hosts[0]
    helpdesk.start()
    with ExitStack() as stack:
        stack.callback(helpdesk.stop)
        browser = helpdesk.browser()
        stack.callback(browser.close)
        request = mail(1, QUESTION, Subject="Pendingjob")
        helpdesk.send(request)
        number = number_of(browser, "Pendingjob")
        page = wait_for(browser, f"/tickets/{number}", "Approve and send")
        action = re.search(r'action="(/tickets/[^"]+/approve)"', page)[1]  # type: ignore[index]
        edited = "Dear Ada,\n\nyour project uses all its GPUs. Wait, or ask for fewer. [1]\n\nGrace"
        form = {"csrf_token": field(page, "csrf_token"), "binding": field(page, "binding"), "body": edited}
        assert browser.post(action, data=form).status_code == 200
        answer = outbox_mail(helpdesk, "answer", number)
        assert answer["In-Reply-To"] == request["Message-ID"]
        assert "your project uses all its GPUs" in plain_text(answer)
        assert browser.get("/healthz").json()["status"] == "ok"
        assert browser.get("/outbox/99999999999999999999.eml").status_code == 422
        assert browser.get("/mails/3000000000.eml").status_code in {404, 422}
        for path in ("/", "/?view=all&q=pending", "/analytics", "/gaps", "/audit", "/partners", "/outbox", "/people"):
            assert browser.get(path).status_code == 200, path
        told = helpdesk.run("status", "--json")
        assert "1 tickets in postgresql://" in told.stdout
    assert not (helpdesk.data / "minerva.sqlite").exists()
    assert not (helpdesk.data / "workflows.sqlite").exists()
    database = Database(helpdesk.database)
    with database.read() as session:
        assert audit.verify(session).is_sound
        assert session.execute(text("SELECT count(*) FROM dbos.workflow_status")).scalar_one() > 0
    database.close()
    assert "Traceback" not in helpdesk.log.read_text()


def unfinished(database: Database) -> str:
    with database.read() as session:
        unfiled = session.exec(select(StoredMail.id).where(StoredMail.state != "handled")).all()
        undrafted = set(session.exec(select(Ticket.id))) - set(session.exec(select(Draft.ticket_id)))
        unsent = session.exec(select(Outbound.id).where(Outbound.state != OutboundState.SENT)).all()
    return f"unfiled {unfiled}, undrafted {undrafted}, unsent {unsent}" if unfiled or undrafted or unsent else ""


def test_two_hosts_share_the_work_and_one_goes_on_when_the_other_dies(hosts: list[Helpdesk]) -> None:
    one, two = hosts
    database = Database(one.database)
    with ExitStack() as stack:
        stack.callback(database.close)
        for host in hosts:
            host.start()
        stack.callback(two.stop)
        for number in range(12):
            hosts[number % 2].send(mail(number))
        until = time.monotonic() + TIMEOUT_S
        while (left := unfinished(database)) and time.monotonic() < until:
            time.sleep(0.5)
        assert left == ""
        one.kill()
        two.send(mail(12))
        time.sleep(1)
        while (left := unfinished(database)) and time.monotonic() < until:
            time.sleep(0.5)
        assert left == ""
    database = Database(one.database)
    with database.read() as session:
        subjects = session.exec(select(Ticket.subject)).all()
        drafts = Counter(session.exec(select(Draft.ticket_id)))
        sent = Counter(session.exec(select(Outbound.ticket_id)))
    database.close()
    assert sorted(subjects) == sorted(f"Request {number}" for number in range(13))
    assert set(drafts.values()) == set(sent.values()) == {1}
    files = [path for host in hosts for path in (host.data / "outbox").glob("*.eml")]
    assert len(files) == 13
    assert "Traceback" not in two.log.read_text()
