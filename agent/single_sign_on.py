"""Signing in at an OpenID Connect provider: authorization code with PKCE (RFC 7636), the ID token checked by its keys.

https://openid.net/specs/openid-connect-core-1_0.html. Built from Authlib, joserfc and httpx.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import httpx
from authlib.common.security import generate_token
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from agent.errors import SignOnError
from agent.settings import Settings

SCOPE = "openid email profile"
TIMEOUT_S = 10.0
PENDING_S = 600.0
MAX_PENDING = 1000
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
"""Of ID tokens; never `none`, never a shared secret."""
LEEWAY_S = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    nonce: str
    verifier: str
    next: str
    redirect_uri: str
    until_s: float
    """By the monotonic clock."""


@dataclass(slots=True)
class Provider:
    """One provider; its description is fetched at the first sign-in. May be used from several threads."""

    issuer: str
    client_id: str
    client_secret: str
    _metadata: dict[str, Any] | None = None
    _pending: dict[str, Pending] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def begin(self, redirect_uri: str, next_path: str) -> tuple[str, str]:
        """Address to send the browser to, and the state that it must bring back. Raises SignOnError."""
        state, nonce, verifier = generate_token(32), generate_token(32), generate_token(64)
        at = time.monotonic()
        with self._lock:
            self._pending = {key: kept for key, kept in self._pending.items() if kept.until_s > at}
            if len(self._pending) >= MAX_PENDING:
                raise SignOnError("Too many people are signing in at this moment. Try again in a minute.")
            self._pending[state] = Pending(
                nonce=nonce, verifier=verifier, next=next_path, redirect_uri=redirect_uri, until_s=at + PENDING_S
            )
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),  # type: ignore[no-untyped-call]
            "code_challenge_method": "S256",
        }
        return add_params_to_uri(self._described()["authorization_endpoint"], list(asked.items())), state

    def finish(self, state: str, code: str) -> tuple[str, str]:
        """E-mail address of who signed in, and the path to go on with. A state works once. Raises SignOnError."""
        with self._lock:
            pending = self._pending.pop(state, None)
        if pending is None or pending.until_s <= time.monotonic():
            raise SignOnError("This sign-in is too old. Begin again.")
        answer = self._fetch(
            "POST",
            self._described()["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": pending.redirect_uri,
                "code_verifier": pending.verifier,
            },
            auth=(self.client_id, self.client_secret),
        )
        claims = self._claims(str(answer.get("id_token", "")), pending.nonce)
        if "email" not in claims and "userinfo_endpoint" in self._described():
            bearer = {"Authorization": f"Bearer {answer.get('access_token', '')}"}
            told = self._fetch("GET", self._described()["userinfo_endpoint"], headers=bearer)
            claims = {**told, **claims} if told.get("sub") == claims["sub"] else claims
        email = claims.get("email")
        if not isinstance(email, str) or claims.get("email_verified") is False:
            raise SignOnError("The provider gives no verified e-mail address for you.")
        return email, pending.next

    def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        keys = KeySet.import_key_set(self._fetch("GET", self._described()["jwks_uri"]))  # type: ignore[arg-type]
        wanted = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._described()["issuer"]},
            aud={"essential": True, "value": self.client_id},
            sub={"essential": True},
            exp={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            found = jwt.decode(token, keys, algorithms=ALGORITHMS)
            wanted.validate(found.claims)
        except (JoseError, ValueError) as error:
            raise SignOnError("What the provider says about you cannot be trusted. Tell an admin.") from error
        return dict(found.claims)

    def _described(self) -> dict[str, Any]:
        if self._metadata is None:
            found = self._fetch("GET", f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            if str(found.get("issuer", "")).rstrip("/") != self.issuer.rstrip("/"):
                raise SignOnError(f"The provider calls itself {found.get('issuer')}, not {self.issuer}. Tell an admin.")
            self._metadata = found
        return self._metadata

    def _fetch(self, method: str, url: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer = httpx.request(method, url, timeout=TIMEOUT_S, **arguments)
            answer.raise_for_status()
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise SignOnError("The provider does not answer as it should. Try again, or use a sign-in link.") from error
        if not isinstance(found, dict):
            raise SignOnError("The provider does not answer as it should. Try again, or use a sign-in link.")
        return found


def provider_of(settings: Settings) -> Provider | None:
    """None when none is set."""
    if settings.oidc_issuer is None:
        return None
    secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else ""
    return Provider(issuer=settings.oidc_issuer, client_id=settings.oidc_client_id, client_secret=secret)
