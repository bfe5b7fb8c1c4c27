"""The desks of partners on our desk: set up, handed over to, and what a ticket says of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from desk_fixture import RunningDesk, running_desk
from helpdesk_process import REPOSITORY, free_port
from test_desk_roles import browser, post

from agent import partners
from agent.bridges.runner import Bridges
from agent.bridges.sync import Bridge
from agent.bridges.taking import take_message
from agent.bridges.values import Person, RemoteMessage
from agent.store import bridges, tickets
from agent.store.tables import Role, now


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


def tick(desk: RunningDesk) -> None:
    bridge = Bridge(database=desk.database, settings=desk.settings)
    Bridges(
        bridge,
        draft=lambda message, attempt: desk.workflows.draft(message, attempt=attempt, asked=True),
        wake=desk.workflows.wake,
    ).tick()


def test_a_desk_is_set_up_its_token_is_never_shown_and_trouble_is(desk: RunningDesk) -> None:
    number = desk.ask("My job on LUMI stays pending with AssocGrpGRES.", Subject="Pending")
    address = f"http://127.0.0.1:{free_port()}"
    with browser(desk, "Lea", Role.LEAD) as client:
        page = post(client, "/partners", name="Partner RT", contact="hpc@partner.example").text
        assert "Partner RT" in page
        with desk.database.read() as session:
            key = next(one.id for one in partners.all_partners(session) if one.name == "Partner RT")
        refused = post(
            client, f"/partners/{key}/desk", kind="rt", address="http://rt.example.org", queue="HPC", secret="t"
        )
        assert refused.status_code == 409 and "https://" in refused.text
        page = post(client, f"/partners/{key}/desk", kind="rt", address=address, queue="HPC", secret="1-2-abcdef").text
        assert address in page and "not tried yet" in page and "1-2-abcdef" not in page
        shown = post(client, f"/tickets/{number}/partner", partner=str(key), words="Please look at it.").text
        assert "Handed to" in shown and "not there yet" in shown
        tick(desk)
        shown = client.get(f"/tickets/{number}").text
        assert "Not in step with Partner RT: 127.0.0.1 does not answer" in shown
        assert "does not answer" in client.get("/partners").text
        assert post(client, f"/tickets/{number}/partner/try").status_code == 200
        done = subprocess.run(
            [sys.executable, "-m", "agent", "status", "--json"], cwd=REPOSITORY, capture_output=True, text=True, check=False,
            env={"MINERVA_DATA_DIR": str(desk.settings.data_dir), "PATH": "/usr/bin:/bin"}, timeout=120,
        )  # fmt: skip
        part = json.loads(done.stdout)["parts"]["desks of partners"]
        assert not part["ok"] and "Partner RT: 127.0.0.1 does not answer" in part["detail"]
        assert "Taken back" in post(client, f"/tickets/{number}/partner", partner="0").text


def test_only_leads_set_up_desks(desk: RunningDesk) -> None:
    with browser(desk, "Grace") as client:
        assert post(client, "/partners/1/desk", kind="mail", address="a@example.org").status_code == 403


def test_what_a_partner_writes_is_shown_as_text_and_may_stand_in_the_answer(desk: RunningDesk) -> None:
    number = desk.ask("What does AssocGrpGRES mean?", Subject="Limits")
    with browser(desk, "Lena", Role.LEAD) as client:
        post(client, "/partners", name="Partner M", contact="m@partner.example")
        with desk.database.read() as session:
            key = next(one.id for one in partners.all_partners(session) if one.name == "Partner M")
        post(client, f"/partners/{key}/desk", kind="mail", address="m@partner.example")
        post(client, f"/tickets/{number}/partner", partner=str(key))
        tick(desk)
        assert "by mail" in client.get(f"/tickets/{number}").text
        text = "Ask for fewer GPUs.\n<script>alert(1)</script>"
        remote = RemoteMessage(id="7", is_note=False, author="g", text=text, is_html=False, at=now())
        with desk.database.write() as session:
            hand_over = bridges.of_pair(session, tickets.by_number(session, number), key or 0)
            assert hand_over is not None
            taken = take_message(
                session, desk.settings, hand_over, remote, Person(name="Greta", address="greta@partner.example")
            )
        assert taken is not None and desk.ticket(number).status == "new"
        tick(desk)
        desk.draft_of(number)
        desk.wait_for_event(number, "partner replied")
        shown = client.get(f"/tickets/{number}").text
        assert "Ask for fewer GPUs." in shown and "<script>alert(1)" not in shown
        assert client.get(f"/mails/{taken.stored_mail_id}.eml").status_code == 200
        filled = client.get(f"/tickets/{number}?words={taken.id}")
        assert filled.status_code == 200 and "Ask for fewer GPUs." in filled.text
        first = desk.ticket(number)
        with desk.database.read() as session:
            own = tickets.messages_of(session, first)[0]
        assert client.get(f"/tickets/{number}?words={own.id}").status_code == 404
