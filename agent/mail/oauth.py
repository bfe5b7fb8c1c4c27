"""Access tokens for a mailbox: fetched when needed, kept until they run out (RFC 6749)."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from agent.errors import MailboxError
from agent.settings import Settings

TIMEOUT_S = 30
EARLY_S = 120
"""A token is not used in its last two minutes."""
DEFAULT_LIFE_S = 300


class AccessTokens:
    """Shared by the threads of a mailbox. A new refresh token from the provider replaces the one of the settings."""

    def __init__(self, settings: Settings, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock_s = clock_s
        self._token: str | None = None
        self._good_until_s = 0.0
        self._lock = threading.Lock()

    def fetch(self) -> str:
        """A token that is good now. Raises MailboxError when the provider gives none."""
        with self._lock:
            if self._token is None or self._clock_s() >= self._good_until_s:
                self._token, life_s = self._ask()
                self._good_until_s = self._clock_s() + max(life_s - EARLY_S, life_s / 2)
            return self._token

    def forget(self) -> None:
        """After the server has refused the token."""
        self._token = None

    def _ask(self) -> tuple[str, float]:
        """The token and its life in seconds."""
        url = self._settings.oauth_token_url or ""
        try:
            response = httpx.post(url, data=self._form(), timeout=TIMEOUT_S)
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise MailboxError(f"no access token from {url}: {type(error).__name__}") from error
        if response.status_code != httpx.codes.OK or not isinstance(answer, dict) or "access_token" not in answer:
            said = answer.get("error") if isinstance(answer, dict) else None
            raise MailboxError(
                f"no access token from {url}: {response.status_code} {said or ''}; see docs/mail.md, signing in"
            )
        if answer.get("refresh_token"):
            _keep(self._kept, self._configured(), str(answer["refresh_token"]))
        return str(answer["access_token"]), _life_s(answer.get("expires_in"))

    def _form(self) -> dict[str, str]:
        secret = self._settings.oauth_client_secret
        refresh = _kept(self._kept, self._configured()) or self._configured()
        form = {
            "client_id": self._settings.oauth_client_id,
            "client_secret": secret.get_secret_value() if secret else None,
            "scope": self._settings.oauth_scope,
            "grant_type": "refresh_token" if refresh else "client_credentials",
            "refresh_token": refresh,
        }
        return {name: value for name, value in form.items() if value}

    def _configured(self) -> str:
        token = self._settings.oauth_refresh_token
        return token.get_secret_value() if token else ""

    @property
    def _kept(self) -> Path:
        return self._settings.data_dir / "oauth_refresh_token.json"


def _life_s(said: object) -> float:
    """Servers write it as a number or a text, or leave it out."""
    text = str(said)
    return float(text) if text.isdecimal() and text != "0" else DEFAULT_LIFE_S


def _kept(path: Path, configured: str) -> str | None:
    """What replaced the configured token; None when nothing did, or somebody has configured a new one since."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return str(kept["token"]) if kept["instead_of"] == _mark(configured) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _keep(path: Path, configured: str, token: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"instead_of": _mark(configured), "token": token}, file)
    partial.replace(path)


def _mark(configured: str) -> str:
    return hashlib.sha256(configured.encode()).hexdigest()
