"""Passkeys (WebAuthn, https://www.w3.org/TR/webauthn-3/) by py_webauthn: a device signs a challenge after it has seen
its owner's finger, face or PIN, so a passkey is two factors in one, and one that no other site can ask for."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from ipaddress import ip_address
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from agent.errors import SignOnError
from agent.store.tables import Engineer, Passkey, now
from agent.translations import marked

NAME = "MINERVA helpdesk"
VALID_S = 300
MAX_NAME_CHARS = 100
_WRONG = marked("This passkey was not accepted. Try again.")


@dataclass(frozen=True, slots=True)
class Site:
    """What passkeys are bound to: they work nowhere else."""

    id: str
    """The name of the host, without a port."""
    origin: str


def site_of(url: str) -> Site | None:
    """None where browsers make no passkeys: without TLS (but for this machine itself), or for an address of numbers."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        ip_address(host)
    except ValueError:
        is_safe = parts.scheme == "https" or host == "localhost"
        return Site(id=host, origin=f"{parts.scheme}://{parts.netloc}") if host and is_safe else None
    return None


class Challenges:
    """Each holds for five minutes, once, and for one purpose. May be used from several threads.

    Nothing is kept of those that nobody uses. A new key with every start: what was open then is asked again.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._taken: dict[bytes, float] = {}
        self._lock = Lock()

    def new(self, purpose: str) -> bytes:
        begun = secrets.token_bytes(16) + int(time.time()).to_bytes(8, "big")
        return begun + self._seal(begun, purpose)

    def take(self, challenge: bytes, purpose: str) -> bool:
        begun = challenge[:24]
        age_s = time.time() - int.from_bytes(begun[16:], "big")
        if not hmac.compare_digest(challenge[24:], self._seal(begun, purpose)) or age_s > VALID_S:
            return False
        at = time.monotonic()
        with self._lock:
            self._taken = {one: until for one, until in self._taken.items() if until > at}
            is_first = challenge not in self._taken
            self._taken[challenge] = at + VALID_S + 1
        return is_first

    def _seal(self, begun: bytes, purpose: str) -> bytes:
        return hmac.new(self._key, begun + purpose.encode(), hashlib.sha256).digest()


def creation_options(site: Site, challenges: Challenges, engineer: Engineer, known: list[Passkey]) -> str:
    """What the browser needs to make a passkey, as JSON."""
    options = webauthn.generate_registration_options(
        rp_id=site.id,
        rp_name=NAME,
        user_id=f"engineer {engineer.id}".encode(),
        user_name=engineer.email,
        user_display_name=engineer.name,
        challenge=challenges.new(_making(engineer)),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(one.id)) for one in known],
    )
    return webauthn.options_to_json(options)


def created(site: Site, challenges: Challenges, engineer: Engineer, credential: str, name: str) -> Passkey:
    """The passkey that the browser made. Raises SignOnError."""
    try:
        found = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=_challenge(challenges, credential, _making(engineer)),
            expected_rp_id=site.id,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SignOnError(_WRONG) from error
    return Passkey(
        id=bytes_to_base64url(found.credential_id),
        engineer_id=engineer.id or 0,
        name=name.strip()[:MAX_NAME_CHARS] or "Passkey",
        public_key=found.credential_public_key,
        sign_count=found.sign_count,
    )


def request_options(site: Site, challenges: Challenges) -> str:
    """What the browser needs to ask for a passkey, of whomever, as JSON."""
    options = webauthn.generate_authentication_options(
        rp_id=site.id,
        challenge=challenges.new(_SIGNING_IN),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


def id_in(credential: str) -> str:
    """Of the passkey that a browser's answer names; empty when it names none."""
    try:
        found: Any = json.loads(credential)["id"]
    except (ValueError, TypeError, KeyError):
        return ""
    return found if isinstance(found, str) else ""


def use(site: Site, challenges: Challenges, passkey: Passkey, credential: str) -> None:
    """Raises SignOnError when this passkey did not sign a challenge of ours, here and now."""
    try:
        found = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=_challenge(challenges, credential, _SIGNING_IN),
            expected_rp_id=site.id,
            expected_origin=site.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SignOnError(_WRONG) from error
    passkey.sign_count, passkey.used_at = found.new_sign_count, now()


_SIGNING_IN = "sign in"


def _making(engineer: Engineer) -> str:
    return f"make {engineer.id}"


def _challenge(challenges: Challenges, credential: str, purpose: str) -> bytes:
    """The challenge that was signed, used up. Raises ValueError for one that is not ours, KeyError and TypeError for
    what is no answer of a browser."""
    try:
        client = json.loads(base64url_to_bytes(json.loads(credential)["response"]["clientDataJSON"]))
        challenge = base64.urlsafe_b64decode(client["challenge"] + "==")
    except (binascii.Error, RecursionError) as error:
        raise ValueError("no answer of a browser") from error
    if not challenges.take(challenge, purpose):
        raise ValueError("no challenge of ours, or one that was used")
    return challenge
