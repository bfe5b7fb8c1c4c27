"""Signing in to a mailbox with tokens: a stand-in gives them, a real Dovecot checks them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from dovecot_fixture import Dovecot
from imapclient.exceptions import LoginError
from token_server import TokenServer, token_server

from agent.errors import MailboxError
from agent.mail import imap
from agent.mail.oauth import AccessTokens
from agent.settings import Settings

USER = "support@minerva.example"


@pytest.fixture(scope="module")
def provider() -> Iterator[tuple[TokenServer, Dovecot]]:
    with token_server(USER) as tokens:
        server = Dovecot(introspection_url=tokens.url.replace("/token", "/introspect"))
        try:
            server.start()
            yield tokens, server
        finally:
            server.remove()


@pytest.fixture
def tokens(provider: tuple[TokenServer, Dovecot]) -> TokenServer:
    server = provider[0]
    server.asked.clear()
    server.refuse, server.more = None, {"expires_in": 3600}
    return server


def settings_for(tokens: TokenServer, folder: Path, **more: object) -> Settings:
    values: dict[str, object] = {
        "data_dir": folder / "var", "imap_host": "127.0.0.1", "imap_security": "none", "imap_auth": "xoauth2",
        "imap_user": USER, "oauth_token_url": tokens.url, "oauth_client_id": "minerva", "oauth_client_secret": "hush",
    }  # fmt: skip
    return Settings(**{**values, **more})


@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
def test_a_token_opens_the_mailbox(provider, tokens, tmp_path, mechanism: str) -> None:
    settings = settings_for(tokens, tmp_path, imap_auth=mechanism, imap_port=provider[1].port)
    with imap.connect(settings, AccessTokens(settings)) as client:
        assert imap.open_folder(client, "INBOX").mails == 0


@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
def test_a_refused_token_is_not_used_again(provider, tokens, tmp_path, mechanism: str) -> None:
    settings = settings_for(tokens, tmp_path, imap_auth=mechanism, imap_port=provider[1].port)
    held = AccessTokens(settings)
    held.fetch()
    tokens.good.clear()  # revoked at the provider
    with pytest.raises(LoginError):
        imap.connect(settings, held)
    with imap.connect(settings, held):
        assert len(tokens.asked) == 2


def test_a_token_is_used_until_shortly_before_its_end(tokens, tmp_path) -> None:
    clock = [1000.0]
    held = AccessTokens(settings_for(tokens, tmp_path), clock_s=lambda: clock[0])
    assert held.fetch() == held.fetch() == "token-1"
    clock[0] += 3600 - 121
    assert held.fetch() == "token-1"
    clock[0] += 2
    assert held.fetch() == "token-2"


@pytest.mark.parametrize("life", [{}, {"expires_in": "300"}, {"expires_in": None}, {"expires_in": "soon"}])
def test_a_life_of_any_form_is_understood(tokens, tmp_path, life: dict[str, object]) -> None:
    clock = [0.0]
    tokens.more = life
    held = AccessTokens(settings_for(tokens, tmp_path), clock_s=lambda: clock[0])
    held.fetch()
    clock[0] = 301
    assert held.fetch() == "token-2"


def test_without_a_refresh_token_the_client_signs_in_as_itself(tokens, tmp_path) -> None:
    AccessTokens(settings_for(tokens, tmp_path, oauth_scope="https://outlook.office365.com/.default")).fetch()
    assert tokens.asked == [
        {
            "client_id": "minerva",
            "client_secret": "hush",
            "scope": "https://outlook.office365.com/.default",
            "grant_type": "client_credentials",
        }
    ]


def test_a_new_refresh_token_replaces_the_old_one_over_a_restart(tokens, tmp_path) -> None:
    settings = settings_for(tokens, tmp_path, oauth_refresh_token="first")
    tokens.more = {"expires_in": 3600, "refresh_token": "second"}
    AccessTokens(settings).fetch()
    AccessTokens(settings).fetch()
    AccessTokens(
        settings.model_copy(update={"oauth_refresh_token": Settings(oauth_refresh_token="mine").oauth_refresh_token})
    ).fetch()
    assert [form["refresh_token"] for form in tokens.asked] == ["first", "second", "mine"]
    kept = settings.data_dir / "oauth_refresh_token.json"
    assert kept.stat().st_mode & 0o077 == 0
    kept.write_text(json.dumps(["not", "ours"]))
    AccessTokens(settings).fetch()
    assert tokens.asked[-1]["refresh_token"] == "first"


@pytest.mark.parametrize(
    "refusal", [(400, {"error": "invalid_grant"}), (503, {}), (200, {"no": "token"}), (200, ["a", "list"])]
)
def test_a_provider_that_gives_no_token_is_named(tokens, tmp_path, refusal) -> None:
    tokens.refuse = refusal
    with pytest.raises(MailboxError, match=r"no access token from http://127\.0\.0\.1.*docs/mail\.md") as caught:
        AccessTokens(settings_for(tokens, tmp_path)).fetch()
    assert "hush" not in str(caught.value)


def test_a_provider_that_is_not_there_is_named(tmp_path, tokens) -> None:
    with pytest.raises(MailboxError, match="ConnectError"):
        AccessTokens(settings_for(tokens, tmp_path, oauth_token_url="http://127.0.0.1:1/token")).fetch()
