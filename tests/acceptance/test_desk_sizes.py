"""No page of the desk is larger than 150 KB, whatever people write: long tickets, long messages, many of everything."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from desk_fixture import RunningDesk, running_desk
from sqlalchemy import insert

from agent.store import audit, people, tickets
from agent.store.tables import Event, Message, Outbound, Role, TicketStatus, now

LARGEST = 150_000
SUBJECT = "Überlange Betreffzeile mit Umlauten & <Zeichen> " * 6
ARABIC = "السلام عليكم، لا تعمل وظيفتي على النظام 🚀 " * 20


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


@pytest.fixture(scope="module")
def client(desk: RunningDesk) -> Iterator[httpx.Client]:
    link = desk.sign_in_link()
    with desk.database.write() as session:
        people.set_role(session, people.by_email(session, "grace@minerva.example"), Role.ADMIN)
    with httpx.Client(base_url=desk.url, follow_redirects=True, timeout=60) as browser:
        browser.get(link)
        yield browser


@pytest.fixture(scope="module")
def long_ticket(desk: RunningDesk) -> str:
    """10,000 messages, the newest with what makes pages large, and as many entries in its history."""
    with desk.database.write() as session:
        ticket = tickets.open_ticket(
            session, subject=SUBJECT, requester_name="Ada Byron", requester_address="ada@example.org"
        )
        ticket.status = TicketStatus.ANSWERED
        key, number = tickets.key_of(ticket), ticket.number
        files = [{"filename": f"{'f' * 60}-{n}.log", "content_type": "text/plain", "size": 5} for n in range(200)]
        message = {
            "ticket_id": key, "direction": "in", "sender_name": "Ada Byron", "sender_address": "ada@example.org",
            "subject": "Again", "text": "Still pending.", "visible_text": "Still pending.",
        }  # fmt: skip
        large = {
            **message, "subject": SUBJECT, "text": f"<&>\n{ARABIC}" * 20, "visible_text": ARABIC, "attachments": files,
            "recipients": [f"user{n}@example.org" for n in range(3000)], "defects": ["a part could not be read"] * 500,
        }  # fmt: skip
        session.execute(insert(Message), [message] * 9_970)
        session.execute(insert(Message), [large] * 30)
        event = {"ticket_id": key, "actor": "requester", "what": "replied", "detail": SUBJECT}
        session.execute(insert(Event), [event] * 10_000)
    return number


@pytest.fixture(scope="module")
def many(desk: RunningDesk) -> None:
    """As many tickets, mails and entries of the log as a page can list, and more."""
    with desk.database.write() as session:
        for _ in range(120):
            ticket = tickets.open_ticket(
                session, subject=SUBJECT, requester_name=ARABIC[:200], requester_address="ada@example.org"
            )
            ticket.warn_at = ticket.due_at = now() - timedelta(hours=1)
            key = tickets.key_of(ticket)
            session.add(
                Message(
                    ticket_id=key, direction="in", sender_name="Ada", sender_address="ada@example.org",
                    subject=SUBJECT, text=ARABIC, visible_text=ARABIC,
                )
            )  # fmt: skip
            session.add(
                Outbound(
                    ticket_id=key, kind="answer", key=str(key), recipients=[f"user{n}@example.org" for n in range(100)],
                    recipient="ada@example.org", message_id=f"{key}@minerva.example",
                    content=b"", state="failed", last_error=SUBJECT,
                )
            )  # fmt: skip
            audit.append(session, actor="ada@example.org", action="view", subject=SUBJECT * 3, detail=SUBJECT * 3)


@pytest.mark.usefixtures("many")
def test_no_page_is_larger(desk: RunningDesk, client: httpx.Client, long_ticket: str) -> None:
    asked = desk.ask(f"{ARABIC * 100}\nMy job on LUMI stays pending.\n{'<x>' * 1_500_000}", Subject=SUBJECT)
    draft = desk.draft_of(asked)
    addresses = [
        "/", "/?view=all", "/?view=breaching", "/?view=all&from=50", "/?q=Betreffzeile", "/outbox", "/articles", "/account",
        "/people", "/audit", "/analytics", "/gaps", "/partners", "/macros", "/benchmarks/runs", "/benchmarks/ask",
        f"/tickets/{long_ticket}", f"/tickets/{long_ticket}/selection", f"/tickets/{asked}",
        f"/tickets/{asked}/drafts/{draft.id}/evidence/1",
    ]  # fmt: skip
    sizes = {address: len(_page(client, address)) for address in addresses}
    assert {address: size for address, size in sizes.items() if size > LARGEST} == {}


def test_a_long_ticket_is_read_back_to_its_beginning(desk: RunningDesk, client: httpx.Client, long_ticket: str) -> None:
    with desk.database.read() as session:
        first = tickets.newest_messages(session, tickets.by_number(session, long_ticket), 10_000)[0].id
    page = _page(client, f"/tickets/{long_ticket}").decode()
    assert "9988 earlier messages" in page
    assert "History, 10000 entries" in page
    earlier = _page(client, f"/tickets/{long_ticket}/before/{first + 13}").decode()
    assert "1 earlier message<" in earlier
    assert "To the newest messages" in earlier
    last = _page(client, f"/tickets/{long_ticket}/before/{first + 1}").decode()
    assert "earlier message" not in last
    assert last.count('class="panel message in"') == 1
    assert "Give it a ticket of its own" not in last
    assert len(client.get(f"/tickets/{long_ticket}/history.csv").text.splitlines()) == 10_001


def test_a_cut_message_can_be_had_whole(desk: RunningDesk, client: httpx.Client) -> None:
    text = "Beginning\n" + "log line <of> a job\n" * 250_000 + "The end"
    number = desk.send(text, Subject="Five megabytes")
    page = _page(client, f"/tickets/{number}").decode()
    assert "Only the beginning is shown." in page
    with desk.database.read() as session:
        message = tickets.newest_messages(session, tickets.by_number(session, number), 1)[0]
    whole = client.get(f"/tickets/{number}/messages/{message.id}.txt")
    assert whole.content.decode() == message.text
    assert whole.content.endswith(b"The end")
    assert client.get(f"/tickets/MIN-1999-000001/messages/{message.id}.txt").status_code == 404


def _page(client: httpx.Client, address: str) -> bytes:
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.text[:500])
    return answer.content
