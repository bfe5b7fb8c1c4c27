"""Who may do what, over HTTP: roles, the second factor, sessions, and what the audit log keeps of it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pyotp
import pytest
from desk_fixture import RunningDesk, running_desk

from agent import second_approval
from agent.store import audit, people, tickets
from agent.store.tables import Role

PASSWORD = "correct horse battery"  # of the test


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


@contextmanager
def browser(desk: RunningDesk, name: str = "", role: Role = Role.ENGINEER) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=desk.url, follow_redirects=True, headers={"Origin": desk.url}) as client:
        if name:
            client.get(desk.sign_in_link(name))
            with desk.database.write() as session:
                people.set_role(session, people.by_email(session, f"{name.casefold()}@minerva.example"), role)
        yield client


def token(client: httpx.Client) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/account").text)
    assert found
    return found[1]


def post(client: httpx.Client, path: str, **values: str) -> httpx.Response:
    return client.post(path, data={"csrf_token": token(client), **values})


def entries(desk: RunningDesk) -> list[tuple[str, str, str]]:
    with desk.database.read() as session:
        assert audit.verify(session).is_sound
        return [(entry.actor.partition("@")[0], entry.action, entry.subject) for entry in audit.newest(session)]


def test_a_viewer_reads_and_cannot_answer(desk: RunningDesk) -> None:
    number = desk.ask("My job on LUMI stays pending with AssocGrpGRES.", Subject="Pending")
    draft = desk.draft_of(number)
    with browser(desk, "Vera", Role.VIEWER) as client:
        assert client.get(f"/tickets/{number}").status_code == 200
        refused = post(client, f"/tickets/{number}/drafts/{draft.id}/approve", binding=draft.binding)
    assert refused.status_code == 403
    assert "Your role, viewer, does not allow this" in refused.text
    assert desk.ticket(number).status == "drafted"
    kept = entries(desk)
    assert ("vera", "view", f"/tickets/{number}") in kept
    assert ("vera", "approve, refused", f"/tickets/{number}/drafts/{draft.id}/approve") in kept


def test_a_partner_finds_and_touches_only_her_own(desk: RunningDesk) -> None:
    mine = desk.ask("Quota of the zebra project?", Subject="Mine")
    other = desk.ask("Quota of the zebra project?", Subject="Theirs")
    with browser(desk, "Paula", Role.PARTNER) as client, browser(desk, "Grace") as grace:
        with desk.database.read() as session:
            paula = people.by_email(session, "paula@minerva.example")
        post(grace, "/acts", act=f"assign:{paula.id}", number=mine)
        assert client.get(f"/tickets/{mine}").status_code == 200
        assert client.get(f"/tickets/{other}").status_code == 404
        found = client.get("/?view=all&q=zebra").text
        assert mine in found
        assert other not in found
        assert post(client, "/acts", act="resolve", number=other).status_code == 404
        assert post(client, f"/tickets/{mine}/with", act="merge", other=other).status_code == 409
        assert client.get("/outbox").status_code == 403
    assert desk.ticket(other).status == "drafted"


def test_a_partner_cannot_ask_a_colleague_even_with_a_form_made_by_hand(desk: RunningDesk) -> None:
    number = desk.ask("Quota of the heron project?", Subject="Handed over")
    with browser(desk, "Petra", Role.PARTNER) as client, browser(desk, "Grace") as grace:
        with desk.database.read() as session:
            petra = people.by_email(session, "petra@minerva.example")
            colleague = people.by_email(session, "grace@minerva.example").id
        post(grace, "/acts", act=f"assign:{petra.id}", number=number)
        address = f"/tickets/{number}/colleague"
        page = client.get(f"/tickets/{number}")
        assert page.status_code == 200
        assert address not in page.text
        refused = post(client, address, colleague=str(colleague), words="Would you?")
        assert refused.status_code == 403
        assert "Your role, partner, does not allow this" in refused.text
        assert post(client, f"{address}/", colleague=str(colleague)).status_code in {403, 404}
        assert address in grace.get(f"/tickets/{number}").text, "nobody was asked"
    with desk.database.read() as session:
        assert second_approval.asked_of(session, tickets.by_number(session, number)) is None
    assert ("petra", "colleague, refused", address) in entries(desk)


def test_a_partner_reads_macros_and_changes_none(desk: RunningDesk) -> None:
    with browser(desk, "Pia", Role.PARTNER) as client:
        assert "<textarea" not in client.get("/macros").text
        assert post(client, "/macros", name="Quota", text="Dear {name},").status_code == 403


def test_an_admin_adds_people_and_gives_roles(desk: RunningDesk) -> None:
    with browser(desk, "Ada", Role.ADMIN) as client, browser(desk) as new:
        page = post(client, "/people", email="lea@minerva.example", name="Lea", role="lead").text
        found = re.search(r"/sign-in/[\w-]+", page)
        assert found
        assert "Tickets" in new.get(found[0]).text
        log = new.get("/audit").text
        assert 'title="people">changed a person<' in log
        assert new.get("/people").status_code == 403
        with desk.database.read() as session:
            lea = people.by_email(session, "lea@minerva.example")
        assert "Saved." in post(client, f"/people/{lea.id}", act="role", role="viewer").text
        assert new.get("/audit").status_code == 403
        assert ("ada", "people", f"/people/{lea.id}") in entries(desk), "by a word, not by the key"
        post(client, f"/people/{lea.id}", act="disable")
        assert "Sign in" in new.get("/").text, "at once"
        assert post(client, "/people", email="lea@minerva.example").status_code == 409
        assert post(client, "/people", email="nothing").status_code == 409
        with desk.database.read() as session:
            own = people.by_email(session, "ada@minerva.example")
        assert post(client, f"/people/{own.id}", act="disable").status_code == 409


def test_a_second_factor_is_asked_for_with_password_and_link(desk: RunningDesk) -> None:
    with browser(desk, "Theo") as client:
        post(client, "/account", password=PASSWORD)
        shown = re.search(r'name="secret" value="([A-Z2-7]{32})"', post(client, "/account/second-factor").text)
        assert shown
        codes = pyotp.TOTP(shown[1])
        wrong = post(client, "/account/second-factor", secret=shown[1], code="000000")
        assert wrong.status_code == 422
        step = int(time.time()) // 30
        post(client, "/account/second-factor", secret=shown[1], code=codes.at((step - 1) * 30))
    with browser(desk) as client:
        values = {"email": "theo@minerva.example", "password": PASSWORD}
        assert client.post("/sign-in", data=values).status_code == 403
        assert client.post("/sign-in", data={**values, "code": codes.at((step - 1) * 30)}).status_code == 403, "used"
        assert "Tickets" in client.post("/sign-in", data={**values, "code": codes.at(step * 30)}).text
    with browser(desk) as client:
        link = desk.sign_in_link("Theo")
        assert "authenticator" in client.get(link).text
        assert client.post(link, data={"code": "123"}).status_code == 403
        assert "Tickets" in client.post(link, data={"code": codes.at((step + 1) * 30)}).text
    kept = [entry[:2] for entry in entries(desk)]
    assert kept.count(("theo", "sign in")) == 3
    assert kept.count(("theo", "sign in, refused")) == 3


def test_guessing_is_slowed_down(desk: RunningDesk) -> None:
    with browser(desk) as client:
        tries = [client.post("/sign-in", data={"email": "x@y.org", "password": str(n)}).status_code for n in range(12)]
    assert tries == [403] * 10 + [429] * 2


def test_sessions_are_listed_and_ended_from_elsewhere(desk: RunningDesk) -> None:
    with browser(desk, "Nora") as here, browser(desk) as elsewhere:
        elsewhere.headers["User-Agent"] = "Library PC"
        elsewhere.get(desk.sign_in_link("Nora"))
        listed = here.get("/account").text
        assert "Library PC, 127.0.0.1" in listed
        keys = re.findall(r'name="key" value="(\w+)"', listed)
        assert len(keys) == 1, "not its own"
        post(here, "/account/sessions/end", key=keys[0])
        assert "Sign in" in elsewhere.get("/").text
        assert "Library PC" not in here.get("/account").text
