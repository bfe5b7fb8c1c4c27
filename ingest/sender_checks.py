"""Who sent a mail: SPF, DKIM, DMARC and ARC, or what a mail server that we trust says about them.

Names are looked up through a function that is passed in; nothing here opens a connection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import dkim
import spf

from ingest.headers import Headers, read_headers
from ingest.mail_path import Network, Origin, is_foreign, origin_of

Level = Literal["verified", "unknown", "unverified"]
"""`verified`: the domain of the From address vouches for the mail; `unverified`: it was asked and does not;
`unknown`: nothing could be checked."""
RecordType = Literal["TXT", "A", "AAAA", "MX", "PTR"]
Lookup = Callable[[str, RecordType], list[str]]
"""lookup(name, type): the values, none when there are none; MX as `10 mx.example.org`. Raises LookupTroubleError."""
MAX_SIGNATURES = 3
_METHOD = re.compile(r"(?:^|;|\s)(dmarc|dkim|spf|arc)\s*=\s*([a-z]+)", re.IGNORECASE)
_PROPERTY = re.compile(
    r"(?:header\.(?:d|from)|smtp\.mailfrom)\s*=\s*\"?(?:[^\s;@\"]*@)?([A-Za-z0-9.-]{1,253})", re.IGNORECASE
)


class LookupTroubleError(Exception):
    """No answer now: no network, a timeout, a server in trouble."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SenderTrust:
    level: Level
    reason: str
    """One sentence for the engineer."""
    outside: bool = False
    """It came from beyond our own machines, where anybody can write any name."""


NOT_CHECKED = SenderTrust(level="unknown", reason="The sender was not checked.")
VOUCHED = SenderTrust(level="verified", reason="The program that sent this by its token vouches for the address.")
TYPED = SenderTrust(
    level="unverified", reason="The address was typed into the web form; nobody checked whose it is.", outside=True
)
SIGNED_IN = SenderTrust(level="verified", reason="The sender is signed in at the chat service.")


def check_sender(
    raw: bytes,
    *,
    author: str,
    client: str,
    helo: str,
    envelope_from: str,
    trusted: Collection[str],
    lookup: Lookup | None,
    own: Sequence[Network] = (),
    from_mailbox: bool = False,
) -> SenderTrust:
    """Never raises.

    `author` is the From address, `client` the address that the mail came from and `helo` what it calls itself,
    `trusted` the names under which our own mail servers write `Authentication-Results` (RFC 8601), `own` the networks
    of those servers besides private ones, `lookup` None when names may not be looked up. A mail fetched `from_mailbox`
    came from outside by a way that only its provider knows.
    """
    headers, _, _ = read_headers(raw, 0, len(raw))
    origin = Origin(client="", helo="", outside=True)
    if not from_mailbox:
        origin = origin_of(headers.every("received"), client, helo, own)
    domain = _ascii(author.rpartition("@")[2].lower().rstrip("."))
    via_ours = not is_foreign(client, own)  # who connects from outside may write any result
    said = _by_trusted_server(headers, domain, trusted) if via_ours else None
    if not re.fullmatch(r"[a-z0-9._-]{1,253}", domain):
        trust = SenderTrust(level="unverified", reason="The mail names no sender that could be checked.")
    elif said is not None:
        trust = said
    elif trusted and via_ours:
        reason = "Our mail server says nothing about this mail (no Authentication-Results of a trusted name)."
        trust = SenderTrust(level="unverified", reason=reason)
    elif lookup is None:
        trust = NOT_CHECKED
    else:
        case = _Case(raw, headers, domain, origin.client, origin.helo, envelope_from, frozenset(trusted), lookup)
        trust = _by_lookup(case)
    return replace(trust, outside=origin.outside)


@dataclass(frozen=True, slots=True)
class _Case:
    raw: bytes
    headers: Headers
    domain: str
    """Of the From address."""
    client: str
    """First machine beyond ours; empty when it is not known."""
    helo: str
    envelope_from: str
    trusted: frozenset[str]
    lookup: Lookup


def _by_trusted_server(headers: Headers, domain: str, trusted: Collection[str]) -> SenderTrust | None:
    """By the topmost Authentication-Results of a trusted name: that server removes those that claim its name."""
    names = {name.lower() for name in trusted}
    for value in headers.every("authentication-results"):
        text = re.sub(r"\([^()]{0,500}\)", " ", value)
        server, _, results = text.partition(";")
        if server.split() and server.split()[0].lower() in names:
            return _by_results(results, domain, server.split()[0])
    return None


def _by_results(results: str, domain: str, server: str) -> SenderTrust:
    said = [(m[1].lower(), m[2].lower(), part) for part in results.split(";") if (m := _METHOD.search(part))]
    for method, result, part in said:
        about = [found.lower() for found in _PROPERTY.findall(part)]
        if result == "pass" and (
            (method == "dmarc" and (not about or domain in about))
            or (method in {"dkim", "spf"} and any(_aligned(domain, other, None) for other in about))
        ):
            return SenderTrust(level="verified", reason=f"{server} checked the sender: {method.upper()} passed.")
    summary = ", ".join(f"{method} {result}" for method, result, _ in said) or "nothing was checked"
    return SenderTrust(level="unverified", reason=f"{server} could not verify the sender: {summary}.")


def _by_lookup(case: _Case) -> SenderTrust:
    try:
        return _looked_up(case)
    except LookupTroubleError:
        return SenderTrust(level="unknown", reason="The sender could not be checked: names could not be looked up.")


def _looked_up(case: _Case) -> SenderTrust:
    signatures = len(case.headers.every("dkim-signature"))
    checks_path = bool(case.client)
    if not signatures and not checks_path and not case.headers.every("arc-seal"):
        reason = "It came from a machine of ours or through a mail server that says nothing about the sender."
        return SenderTrust(level="unknown", reason=reason)
    record = _DmarcRecord.of(case.domain, case.lookup)
    for signer in _signers(case.raw, min(signatures, MAX_SIGNATURES), case.lookup):
        if _aligned(case.domain, signer, record):
            return SenderTrust(level="verified", reason=f"DKIM signature of {signer} is valid.")
    said = ["no valid DKIM signature of the sender's domain" if signatures else "no DKIM signature"]
    if checks_path:
        outcome, checked = _spf(case.client, case.helo, case.envelope_from, case.lookup)
        said.append(f"SPF {outcome}")
        if outcome == "pass" and _aligned(case.domain, checked, record):
            return SenderTrust(level="verified", reason=f"SPF of {checked} allows {case.client}.")
        if outcome == "temperror":
            raise LookupTroubleError
    sealer = _trusted_sealer(case)
    if sealer:
        return SenderTrust(level="verified", reason=f"{sealer} forwarded it and vouches for the sender (ARC).")
    said += [f"DMARC policy {record.policy}"] if record is not None else []
    reason = ", ".join(said)
    return SenderTrust(level="unverified" if checks_path else "unknown", reason=reason[0].upper() + reason[1:] + ".")


@dataclass(frozen=True, slots=True)
class _DmarcRecord:
    at: str
    """Domain that the record stands at: the organisation."""
    policy: str

    @staticmethod
    def of(domain: str, lookup: Lookup) -> _DmarcRecord | None:
        """At the domain or the nearest one above it that has a record."""
        labels = domain.split(".")
        for start in range(max(len(labels) - 1, 1))[:6]:
            name = ".".join(labels[start:])
            found = next((text for text in lookup(f"_dmarc.{name}", "TXT") if text.startswith("v=DMARC1")), None)
            if found is not None:
                policy = re.search(r";\s*p\s*=\s*(\w{1,20})", found)
                return _DmarcRecord(name, policy[1].lower() if policy else "none")
        return None


def _aligned(author: str, other: str, record: _DmarcRecord | None) -> bool:
    """Relaxed alignment: equal, one above the other, or both within the organisation that has the DMARC record."""
    other = other.lower().rstrip(".")
    if author == other:
        return True
    organisation = record.at if record is not None else min(author, other, key=len)
    return "." in organisation and all(_is_within(name, organisation) for name in (author, other))


def _is_within(name: str, organisation: str) -> bool:
    return name == organisation or name.endswith(f".{organisation}")


def _signers(raw: bytes, count: int, lookup: Lookup) -> list[str]:
    """Domains whose signature is valid."""
    valid = []
    for index in range(count):
        trouble: list[LookupTroubleError] = []
        try:
            message = dkim.DKIM(raw, minkey=1024)
            if message.verify(idx=index, dnsfunc=_for_dkim(lookup, trouble)):
                valid.append(message.domain.decode("ascii", "replace").lower())
        except (dkim.DKIMException, ValueError, TypeError, LookupError, AttributeError, OverflowError):
            pass
        if trouble:
            raise trouble[0]
    return valid


def _for_dkim(lookup: Lookup, trouble: list[LookupTroubleError]) -> Callable[..., bytes | None]:
    def text_record(name: bytes, timeout: float = 0) -> bytes | None:  # noqa: ARG001  # dkimpy passes it
        try:
            found = lookup(name.decode("ascii", "replace").rstrip("."), "TXT")
        except LookupTroubleError as error:
            trouble.append(error)
            return None
        return found[0].encode("utf-8") if found else None

    return text_record


def _trusted_sealer(case: _Case) -> str:
    """The domain of the last seal when it is one that we trust, the chain is whole and it says that DMARC passed."""
    if not case.headers.every("arc-seal") or not case.trusted:
        return ""
    trouble: list[LookupTroubleError] = []
    try:
        outcome, sets, _ = dkim.ARC(case.raw, minkey=1024).verify(dnsfunc=_for_dkim(case.lookup, trouble))
    except (dkim.DKIMException, ValueError, TypeError, LookupError, AttributeError, OverflowError):
        return ""
    if trouble:
        raise trouble[0]
    if outcome != dkim.CV_Pass or not sets:
        return ""
    sealer = bytes(sets[0].get("as-domain") or b"").decode("ascii", "replace").lower()
    says = bytes(sets[0].get("aar-value") or b"").decode("utf-8", "replace")
    is_trusted = sealer in {name.lower() for name in case.trusted}
    return sealer if is_trusted and re.search(r"\bdmarc\s*=\s*pass", says, re.IGNORECASE) else ""


class _Spf(spf.query):  # type: ignore[misc]  # the library has no types
    """Asks through the function that was passed in."""

    def __init__(self, lookup: Lookup, client: str, sender: str, helo: str) -> None:
        super().__init__(i=client, s=sender, h=helo, timeout=20, querytime=0)
        self._lookup = lookup

    def dns(self, name: str, qtype: str, cnames: Any = None, ignore_void: bool = False) -> list[Any]:  # noqa: ARG002  # as in the library
        if qtype not in {"TXT", "A", "AAAA", "MX", "PTR"}:
            return []
        found = self._lookup(str(name).rstrip("."), qtype)  # type: ignore[arg-type]
        if not found and not ignore_void:
            self.void_lookups = getattr(self, "void_lookups", 0) + 1
        if qtype == "TXT":
            return [(value.encode("utf-8"),) for value in found]
        if qtype == "MX":
            return [(int(value.split()[0]), value.split()[1].rstrip(".")) for value in found if len(value.split()) == 2]
        return list(found)


def _spf(client: str, helo: str, envelope_from: str, lookup: Lookup) -> tuple[str, str]:
    """Result (RFC 7208, 2.6) and the domain that was checked."""
    sender = envelope_from.strip("<> ") or f"postmaster@{helo}"
    domain = _ascii(sender.rpartition("@")[2].lower())
    if not re.fullmatch(r"[a-z0-9._-]{1,253}", domain):
        return "none", domain
    try:
        outcome = _Spf(lookup, client, f"{sender.rpartition('@')[0] or 'postmaster'}@{domain}", helo or domain).check()[
            0
        ]
    except LookupTroubleError:
        return "temperror", domain
    except (spf.PermError, spf.AmbiguityWarning, ValueError, TypeError, LookupError, AttributeError):
        return "permerror", domain
    return str(outcome), domain


def _ascii(domain: str) -> str:
    try:
        return domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain
