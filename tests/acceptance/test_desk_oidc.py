"""Signing in at a real OpenID Connect provider on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from desk_fixture import RunningDesk, running_desk

from agent.errors import SignOnError
from agent.single_sign_on import Provider
from agent.store import audit, people

# The provider, which runs in this process, is built on parts of Authlib that are to go.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
oidc_provider_mock = pytest.importorskip("oidc_provider_mock")


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with oidc_provider_mock.run_server_in_thread(require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture(scope="module")
def desk(issuer: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    folder = tmp_path_factory.mktemp("desk")
    with running_desk(folder, oidc_issuer=issuer, oidc_client_id="minerva", oidc_client_secret="s3cret") as running:
        with running.database.write() as session:
            people.add_engineer(session, name="Grace", email="grace@minerva.example")
        yield running


@contextmanager
def browser(desk: RunningDesk) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=desk.url, follow_redirects=True) as client:
        yield client


def signed_in_as(client: httpx.Client, sub: str, path: str = "/oidc/sign-in?next=/account") -> httpx.Response:
    form = client.get(path)
    return client.post(str(form.url), data={"sub": sub})


def test_who_is_an_engineer_here_gets_in(desk: RunningDesk) -> None:
    with browser(desk) as client:
        assert "Sign in with your organisation" in client.get("/sign-in").text
        page = signed_in_as(client, "grace@minerva.example")
        assert (page.status_code, page.url.path) == (200, "/account")
        assert "Your account" in page.text
    with desk.database.read() as session:
        assert audit.newest(session, 1)[0].action == "sign in"


def test_who_is_not_is_told_so(desk: RunningDesk) -> None:
    with browser(desk) as client:
        page = signed_in_as(client, "mallory@elsewhere.example")
        assert page.status_code == 403
        assert "mallory@elsewhere.example is no engineer here" in page.text
        assert client.get("/account").url.path == "/sign-in"


def test_who_was_disabled_stays_out(desk: RunningDesk) -> None:
    with desk.database.write() as session:
        people.disable(session, people.add_engineer(session, name="Old", email="old@minerva.example"))
    with browser(desk) as client:
        assert signed_in_as(client, "old@minerva.example").status_code == 403


def test_an_answer_for_another_browser_signs_nobody_in(desk: RunningDesk) -> None:
    with browser(desk) as attacker, browser(desk) as victim:
        form = attacker.get("/oidc/sign-in")
        answer = attacker.post(str(form.url), data={"sub": "grace@minerva.example"}, follow_redirects=False)
        callback = answer.headers["location"]
        page = victim.get(callback)
        assert (page.status_code, "not begun in this browser" in page.text) == (403, True)
        assert attacker.get(callback).url.path == "/"
        assert "too old" in attacker.get(callback).text or attacker.get(callback).status_code == 403, "works once"


@pytest.mark.parametrize("query", ["", "?state=x&code=y", "?error=access_denied&state=x"])
def test_what_the_provider_did_not_say_is_refused(desk: RunningDesk, query: str) -> None:
    with browser(desk) as client:
        assert client.get(f"/oidc/callback{query}").status_code == 403


def test_it_leads_to_no_other_site(desk: RunningDesk) -> None:
    with browser(desk) as client:
        page = signed_in_as(client, "grace@minerva.example", "/oidc/sign-in?next=https://evil.example/")
        assert str(page.url) == f"{desk.url}/"


def test_the_request_is_bound_by_pkce_state_and_nonce(issuer: str) -> None:
    provider = Provider(issuer=issuer, client_id="minerva", client_secret="s3cret")
    address, state = provider.begin("http://localhost/oidc/callback", "/")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert asked["state"] == state
    assert (asked["code_challenge_method"], len(asked["code_challenge"])) == ("S256", 43)
    assert len(asked["nonce"]) >= 32
    for given in (state, "unknown"):
        with pytest.raises(SignOnError):
            provider.finish(given, "no such code")
    with pytest.raises(SignOnError, match="too old"):
        provider.finish(state, "used already")


@pytest.mark.parametrize("where", ["http://127.0.0.1:9", "wrong path"])
def test_a_provider_that_does_not_answer_is_said(issuer: str, where: str) -> None:
    provider = Provider(
        issuer=f"{issuer}/nothing" if where == "wrong path" else where, client_id="m", client_secret="s"
    )
    with pytest.raises(SignOnError, match="does not answer"):
        provider.begin("http://localhost/oidc/callback", "/")
