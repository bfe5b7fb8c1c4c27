"""Passkeys in real Chromium, with its virtual authenticator in place of a finger on a sensor."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qs

import httpx
import pytest
from desk_fixture import RunningDesk, running_desk
from playwright.sync_api import Browser, CDPSession, Page, expect
from typer.testing import CliRunner

from agent.cli import app
from agent.store import audit, people
from agent.store.tables import Passkey

pytest_plugins = ["browser_fixture"]
pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery"  # of the test
GRACE = "grace@minerva.example"
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


@pytest.fixture
def page(desk: RunningDesk, browser: Browser) -> Iterator[Page]:
    """Signed in as Grace, by the name that passkeys need."""
    with desk.database.write() as session:
        if GRACE in {engineer.email for engineer in people.all_engineers(session)}:
            people.forget_second_factor(session, people.by_email(session, GRACE))
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(by_name(desk.sign_in_link()))
    yield opened
    context.close()


def by_name(address: str) -> str:
    return address.replace("127.0.0.1", "localhost")


def device(page: Page, **other: object) -> tuple[CDPSession, str]:
    """The session with the browser, and the id of a new device."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    added = session.send("WebAuthn.addVirtualAuthenticator", {"options": {**DEVICE, **other}})
    return session, added["authenticatorId"]


def add_passkey(desk: RunningDesk, page: Page, name: str = "laptop") -> None:
    page.goto(by_name(f"{desk.url}/account"))
    page.get_by_label("Name of the device").fill(name)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator(".sessions bdi", has_text=name)).to_be_visible()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def kept(desk: RunningDesk) -> list[Passkey]:
    with desk.database.read() as session:
        return people.passkeys_of(session, people.by_email(session, GRACE))


def test_a_passkey_is_made_and_signs_in_without_password_and_code(desk: RunningDesk, page: Page) -> None:
    session, name = device(page)
    add_passkey(desk, page)
    (made,) = kept(desk)
    assert (made.name, made.used_at) == ("laptop", None)
    assert "of ours" not in page.content()
    sign_out(page)
    page.goto(by_name(f"{desk.url}/sign-in?next=/account"))
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Your account")).to_be_visible()
    (used,) = kept(desk)
    assert used.used_at is not None and used.sign_count > made.sign_count
    (credential,) = session.send("WebAuthn.getCredentials", {"authenticatorId": name})["credentials"]
    assert credential["rpId"] == "localhost" and credential["isResidentCredential"]
    with desk.database.read() as reading:
        actions = [(entry.action, entry.subject) for entry in audit.newest(reading, 4)]
    assert ("sign in", "/sign-in") in actions and ("passkeys", "/account/passkeys") in actions

    page.locator(".sessions form", has_text="Remove").get_by_role("button").click()
    expect(page.locator(".sessions bdi")).to_have_count(0)
    sign_out(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("not known here")


def test_a_passkey_is_a_second_factor_for_password_and_link_until_it_is_forgotten(
    desk: RunningDesk, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    device(page)
    page.goto(by_name(f"{desk.url}/account"))
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Save").click()
    add_passkey(desk, page)
    form = {"email": GRACE, "password": PASSWORD}
    with httpx.Client(base_url=desk.url, follow_redirects=True, headers={"Origin": desk.url}) as client:
        refused = client.post("/sign-in", data=form)
        assert refused.status_code == 403 and "signs in by its passkey" in refused.text
        wrong = client.post("/sign-in", data={**form, "password": "something else"})
        assert "signs in by its passkey" not in wrong.text, "only who knows the password is told"
        link = desk.sign_in_link()
        assert "signs in by its passkey" in client.get(link).text
        assert client.post(link, data={"code": ""}).status_code == 403
    page.context.clear_cookies()
    page.goto(by_name(link))
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("link", name="Grace Hopper")).to_be_visible()

    monkeypatch.setenv("MINERVA_DATA_DIR", str(desk.settings.data_dir))
    told = CliRunner().invoke(app, ["user", "forget-second-factor", GRACE])
    assert told.exit_code == 0 and not kept(desk)
    with httpx.Client(base_url=desk.url, follow_redirects=True, headers={"Origin": desk.url}) as client:
        assert "Tickets" in client.post("/sign-in", data=form).text


def test_an_answer_works_once_and_a_device_that_saw_nobody_is_refused(desk: RunningDesk, page: Page) -> None:
    device(page)
    add_passkey(desk, page)
    sign_out(page)
    sent: list[str] = []
    page.on("request", lambda r: sent.append(r.post_data or "") if r.url.endswith("/sign-in/passkey") else None)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("link", name="Grace Hopper")).to_be_visible()
    answer = parse_qs(sent[0])["credential"][0]
    origin = by_name(desk.url)
    with httpx.Client(base_url=origin, follow_redirects=True, headers={"Origin": origin}) as client:
        again = client.post("/sign-in/passkey", data={"credential": answer})
        assert again.status_code == 403 and "was not accepted" in again.text
        forged = json.loads(answer)
        forged["response"]["signature"] = forged["response"]["signature"][::-1]
        assert client.post("/sign-in/passkey", data={"credential": json.dumps(forged)}).status_code == 403
        assert client.post("/sign-in/passkey", data={"credential": "{}"}).status_code == 403
        elsewhere = client.post(
            "/sign-in/passkey", data={"credential": answer}, headers={"Origin": "https://evil.example"}
        )
        assert elsewhere.status_code == 403
    with desk.database.read() as session:
        assert audit.newest(session, 1)[0].action == "sign in, refused"


def test_a_device_that_cannot_see_its_owner_makes_no_passkey(desk: RunningDesk, page: Page) -> None:
    device(page, hasUserVerification=False, isUserVerified=False)
    page.goto(by_name(f"{desk.url}/account"))
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("[data-passkey] [role=status]")).to_contain_text("made no passkey", timeout=70_000)
    assert not kept(desk)


def test_who_is_disabled_gets_in_by_no_passkey(desk: RunningDesk, page: Page) -> None:
    device(page)
    add_passkey(desk, page)
    with desk.database.write() as session:
        people.disable(session, people.by_email(session, GRACE))
    page.goto(by_name(f"{desk.url}/sign-in"))
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("not known here")
    with desk.database.write() as session:
        people.enable(session, people.by_email(session, GRACE))


def test_where_the_desk_has_no_name_there_are_none_and_the_page_says_why(desk: RunningDesk) -> None:
    with httpx.Client(base_url=desk.url, follow_redirects=True, headers={"Origin": desk.url}) as client:
        assert "passkey" not in client.get("/sign-in").text.replace("no passkey", "")
        with desk.database.write() as session:
            people.forget_second_factor(session, people.by_email(session, GRACE))
        client.get(desk.sign_in_link())
        account = client.get("/account").text
        assert "the desk needs a name and TLS" in account and "Add a passkey" not in account
        token = re.search(r'name="csrf_token" value="([^"]+)"', account)
        assert token
        assert client.post("/account/passkeys/options", data={"csrf_token": token[1]}).status_code == 404
        assert client.post("/account/passkeys/options").status_code == 403, "a form of this session only"
