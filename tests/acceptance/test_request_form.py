"""The form on the web, over HTTP: what is refused, what is kept, and what a typed address may not do."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from desk_fixture import RunningDesk, running_desk, wait_for
from sqlmodel import select

from agent.desk.puzzles import Puzzles
from agent.store import tickets
from agent.store.inbound import FORM
from agent.store.tables import Message, Requester, StoredMail, Ticket, now

GOOD = {
    "name": 'Jo "the" Müller',
    "address": "jo@uni.example",
    "institution": "University of Somewhere",
    "affiliation": "research",
    "community": "",
    "topic": "machine learning",
    "subject": "Job pending",
    "text": "My job on LUMI stays pending with AssocGrpGRES.",
    "consent": "yes",
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


@pytest.fixture
def client(desk: RunningDesk) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=desk.url, headers={"Origin": desk.url}) as opened:
        yield opened


def solve(puzzle: dict[str, Any]) -> str:
    number = next(
        n
        for n in range(int(puzzle["maxNumber"]) + 1)
        if hashlib.sha256(f"{puzzle['salt']}{n}".encode()).hexdigest() == puzzle["challenge"]
    )
    return base64.b64encode(json.dumps({**puzzle, "number": number}).encode()).decode()


def proof(client: httpx.Client) -> str:
    return solve(client.get("/request/puzzle").json())


def stored(desk: RunningDesk) -> int:
    with desk.database.read() as session:
        return len(session.exec(select(StoredMail).where(StoredMail.channel == FORM)).all())


def ticket_about(desk: RunningDesk, subject: str) -> Ticket:
    def filed() -> Ticket | None:
        with desk.database.read() as session:
            return session.exec(select(Ticket).where(Ticket.subject == subject)).first()

    return wait_for(filed)


def test_a_request_becomes_a_ticket_with_its_files_and_a_draft(desk: RunningDesk, client: httpx.Client) -> None:
    files = [("files", ("../../job.sh", b"#!/bin/bash\n#SBATCH --gres=gpu\n")), ("files", ("", b""))]
    answer = client.post("/request", data={**GOOD, "proof": proof(client)}, files=files)
    assert (answer.status_code, answer.headers["location"]) == (303, "/request/kept")
    ticket = ticket_about(desk, "Job pending")
    assert desk.draft_of(ticket.number)
    with desk.database.read() as session:
        message = session.exec(select(Message).where(Message.ticket_id == ticket.id)).first()
        assert message is not None
        assert (message.sender_name, message.sender_address) == ("Jo 'the' Müller", "jo@uni.example")
        assert message.trust == "unverified"
        assert "AI topic: machine learning" in message.text
        assert "Community" not in message.text
        assert [item["filename"] for item in message.attachments] == ["job.sh"]
        card = session.get(Requester, "jo@uni.example")
        assert card is not None
        assert (card.institution, card.affiliation) == ("University of Somewhere", "research")
        assert card.consent_at is not None
        assert card.newsletter_at is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"consent": ""}, "without your consent"),
        ({"name": "  "}, "Tell us your name"),
        ({"name": "x" * 101}, "Tell us your name"),
        ({"address": "jo at uni"}, "Give an e-mail address"),
        ({"address": "jo@uni.example\r\nBcc: all@uni.example"}, "Give an e-mail address"),
        ({"subject": "a\r\nBcc: all@uni.example"}, "Say in one line"),
        ({"affiliation": "kingdom"}, "Choose what your institution is"),
        ({"text": " \n "}, "Describe what you need"),
        ({"text": "a\x00b"}, "Describe what you need"),
        ({"community": "x" * 201}, "This is too long"),
    ],
)
def test_a_field_that_cannot_be_used_is_named_and_the_rest_stays(
    desk: RunningDesk, client: httpx.Client, change: dict[str, str], said: str
) -> None:
    before = stored(desk)
    answer = client.post("/request", data={**GOOD, "institution": "<b>Kept & shown</b>", **change}, files=NO_FILE)
    assert answer.status_code == 422
    assert said in answer.text
    assert "&lt;b&gt;Kept &amp; shown&lt;/b&gt;" in answer.text
    assert stored(desk) == before


NO_FILE = [("files", ("", b""))]


def test_each_sum_is_taken_once_and_only_when_it_is_right(desk: RunningDesk, client: httpx.Client) -> None:
    good = proof(client)
    assert client.post("/request", data={**GOOD, "subject": "Once", "proof": good}, files=NO_FILE).status_code == 303
    before = stored(desk)
    wrong = base64.b64encode(json.dumps({**client.get("/request/puzzle").json(), "number": -1}).encode()).decode()
    for used in (good, wrong, "", "no base64!", base64.b64encode(b"[1]").decode(), base64.b64encode(b"7").decode()):
        answer = client.post("/request", data={**GOOD, "proof": used}, files=NO_FILE)
        assert answer.status_code == 403
        assert GOOD["text"] in answer.text
    assert stored(desk) == before


def test_a_sum_grows_old_and_belongs_to_its_desk() -> None:
    puzzles = Puzzles()
    assert not puzzles.take(solve(puzzles.new(expires=now() - timedelta(seconds=2))))
    solution = solve(puzzles.new())
    assert not Puzzles().take(solution)
    assert puzzles.take(solution)


def test_too_much_is_refused_before_it_is_read(desk: RunningDesk, client: httpx.Client) -> None:
    before = stored(desk)
    files = [("files", ("a.log", b"x" * 20_000_001))]
    assert client.post("/request", data=GOOD, files=files).status_code == 413
    many = [("files", (f"{n}.log", b"x")) for n in range(6)]
    assert client.post("/request", data={**GOOD, "proof": proof(client)}, files=many).status_code == 400
    assert client.post("/request", content=iter([b"a", b"b"])).status_code == 413
    assert client.post("/request", data=GOOD, headers={"Origin": "https://elsewhere.example"}).status_code == 403
    assert stored(desk) == before


def test_a_typed_address_joins_no_ticket_and_changes_no_card(desk: RunningDesk, client: httpx.Client) -> None:
    number = desk.ask("Where is my job?", sender="Ada Byron <ada@example.org>", Subject="Mine")
    with desk.database.write() as session:
        session.add(Requester(address="ada@example.org", institution="Analytical Society", affiliation="other"))
    data = {**GOOD, "address": "Ada@example.org", "subject": f"Re: [{number}] Mine", "proof": proof(client)}
    assert client.post("/request", data=data, files=NO_FILE).status_code == 303
    assert ticket_about(desk, f"Re: [{number}] Mine").number != number
    with desk.database.read() as session:
        assert len(tickets.messages_of(session, tickets.by_number(session, number))) == 1
        card = session.get(Requester, "ada@example.org")
        assert card is not None
        assert (card.institution, card.affiliation) == ("Analytical Society", "other")
