"""What passkeys are bound to, and the challenges that they sign. The rest is tested with a real browser."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import passkeys
from agent.errors import SignOnError
from agent.passkeys import Challenges, Site, site_of
from agent.store.tables import Engineer, Passkey

SITE = Site(id="desk.example.org", origin="https://desk.example.org")
GRACE = Engineer(id=7, name="Grace", email="grace@minerva.example")


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://desk.example.org", SITE),
        ("https://desk.example.org:8443/", Site(id="desk.example.org", origin="https://desk.example.org:8443")),
        ("http://localhost:8080/", Site(id="localhost", origin="http://localhost:8080")),
        ("http://desk.example.org", None),
        ("https://127.0.0.1:8080", None),
        ("https://[::1]/", None),
        ("", None),
    ],
)
def test_passkeys_need_a_name_and_tls(url: str, site: Site | None) -> None:
    assert site_of(url) == site


def test_a_challenge_holds_once_and_for_its_purpose_only() -> None:
    challenges = Challenges()
    first, second = challenges.new("sign in"), challenges.new("sign in")
    assert first != second
    assert not challenges.take(first, "make 7")
    assert not Challenges().take(first, "sign in"), "of another start"
    assert challenges.take(first, "sign in") and not challenges.take(first, "sign in")
    assert not challenges.take(second[:-1] + bytes([second[-1] ^ 1]), "sign in")
    assert challenges.take(second, "sign in")


def test_a_challenge_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    challenges = Challenges()
    old = challenges.new("sign in")
    later = passkeys.time.time() + passkeys.VALID_S + 2
    monkeypatch.setattr("time.time", lambda: later)
    assert not challenges.take(old, "sign in")


def test_the_browser_is_asked_for_a_passkey_that_sees_its_owner_and_is_not_there_yet() -> None:
    known = Passkey(id="AAEC", engineer_id=7, name="laptop", public_key=b"", sign_count=0)
    options = json.loads(passkeys.creation_options(SITE, Challenges(), GRACE, [known]))
    assert options["rp"]["id"] == "desk.example.org" and options["attestation"] == "none"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert [one["id"] for one in options["excludeCredentials"]] == ["AAEC"]
    asked = json.loads(passkeys.request_options(SITE, Challenges()))
    assert asked["rpId"] == "desk.example.org" and asked["userVerification"] == "required"
    assert not asked.get("allowCredentials"), "whose, the device says"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "rawId", "type", "response", "clientDataJSON", "challenge"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(answer=st.text(max_size=200) | JSON.map(json.dumps))
def test_what_no_browser_says_is_refused_and_breaks_nothing(answer: str) -> None:
    kept = Passkey(id="AAEC", engineer_id=7, name="laptop", public_key=b"x", sign_count=0)
    with pytest.raises(SignOnError):
        passkeys.created(SITE, Challenges(), GRACE, answer, "laptop")
    with pytest.raises(SignOnError):
        passkeys.use(SITE, Challenges(), kept, answer)
    assert isinstance(passkeys.id_in(answer), str)
