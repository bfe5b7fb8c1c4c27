"""Mail that no person wrote: auto-replies, lists, receipts and bounces (RFC 3834, RFC 3464)."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from email import message_from_bytes
from email.errors import MessageError

from flufl.bounce import all_failures

from ingest.headers import Headers
from ingest.message import Address, DeliveryReport, Kind
from ingest.structure import Part

_ROBOTS = re.compile(
    r"(?:mailer-?daemon|mail-?daemon|postmaster|no[._-]?reply|do[._-]?not[._-]?reply|noresponse|bounces?|autoreply|"
    r"auto-reply|listserv|majordomo|mailman|nobody)(?:[+._-][^@]*)?@?",
    re.IGNORECASE,
)
_DAEMONS = re.compile(
    r"mailer-?daemon|mail-?daemon|postmaster|mdaemon|mail.delivery|mail.system|bounce|\bndr@", re.IGNORECASE
)
_OUT_OF_OFFICE = re.compile(
    r"\W*(?:auto(?:matic|mated|matische|matisch|matica|mática)?[ -]?(?:reply|response|antwort|antwoord)|"
    r"autoreply|auto:|"
    r"out of (?:the )?office|(?:i am |i'm )?(?:on vacation|away from (?:my )?(?:the )?(?:office|mail))|vacation|"
    r"r[ée]ponse automatique|absence du bureau|absen(?:t|ce)\b.{0,20}bureau|message d['’]absence|"
    r"automatische (?:antwort|abwesenheit)|abwesenheit(?:snotiz|sbenachrichtigung|sassistent)?\b|"
    r"risposta automatica|fuori (?:sede|ufficio)|assenza dall['’]ufficio|"
    r"respuesta autom[áa]tica|fuera de (?:la )?oficina|ausente|"
    r"resposta autom[áa]tica|fora do escrit[óo]rio|ausência tempor[áa]ria|"
    r"automatisch antwoord|afwezig(?:heid)?\b|niet aanwezig|"
    r"automatyczna odpowied[źz]|odpowied[źz] automatyczna|nieobecno[śs][ćc]|poza biurem)",
    re.IGNORECASE,
)
_UNDELIVERED = re.compile(
    r"undeliver|non-?delivery|delivery (?:status|fail|report|problem|error|warning|has failed|unsuccessful)|"
    r"returned mail|"
    r"(?:mail|message) (?:delivery|could not|system error|not delivered|undeliverable|returned)|failure notice|"
    r"non ?remis|unzustellbar|nicht zugestellt|mancato recapito|no se (?:ha )?(?:pudo )?entreg|"
    r"não entregue|onbestelbaar|"
    r"niet (?:af)?geleverd|nie ?dostarcz|undelivered|nondeliverable|delivery notification|user unknown|bounce|rejected",
    re.IGNORECASE,
)
_REPORT_TYPES = {"message/delivery-status", "message/global-delivery-status"}
_RECEIPT_TYPES = {"message/disposition-notification", "message/global-disposition-notification"}
_LIST_MARKS = ("list-id", "list-unsubscribe")
_REPLY_MARKS = ("x-autoreply", "x-autorespond", "x-auto-reply", "x-autoresponder", "x-mail-autoreply")
_MARKS = ("x-auto-response-suppress",)
_QUOTED_ID = re.compile(
    rb"^[> \t|]{0,8}(?:X-Original-|Original-)?Message-ID:[ \t]{0,8}(?:\r?\n[ \t]{1,8})?<([^<>\s]{1,300})>",
    re.IGNORECASE | re.MULTILINE,
)
_MAX_SCANNED_BYTES = 300_000
_ASCII = bytes(range(128)) + b"?" * 128  # its detectors stumble over 8-bit headers
# It logs a traceback for each detector that stumbles over a broken mail; that is no news to an operator.
logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)


def kind_of(root: Part, sender: Address | None, subject: str, *, bounce: bool, envelope_from: str | None) -> Kind:
    """All but `person` are never acknowledged. Out-of-office subjects count only at the start of the subject."""
    if bounce:
        return "delivery report"
    if _has_type(root, _RECEIPT_TYPES):
        return "read receipt"
    if _OUT_OF_OFFICE.match(subject) is not None or _says_reply(root.headers):
        return "auto-reply"
    if any(root.headers.first(name) is not None for name in _LIST_MARKS) or _precedence(root.headers) == "list":
        return "list"
    is_machine = (
        _says_so(root.headers)
        or root.type_header.value == "multipart/report"
        or _has_null_sender(root.headers, envelope_from)
        or _is_robot(sender)
    )
    return "automatic" if is_machine else "person"


def delivery_report(raw: bytes, root: Part) -> DeliveryReport:
    """Whom the mail did not reach, for good or for now, and which mail it was."""
    temporary, permanent = _failures(raw[:_MAX_SCANNED_BYTES])
    quoted = _QUOTED_ID.findall(raw, root.start, root.start + _MAX_SCANNED_BYTES)
    return DeliveryReport(
        permanent=permanent,
        temporary=tuple(address for address in temporary if address not in permanent),
        message_ids=tuple(dict.fromkeys(found.decode("utf-8", "replace") for found in quoted[:20])),
    )


def is_bounce(
    raw: bytes, root: Part, sender: Address | None, subject: str, *, envelope_from: str | None = None
) -> bool:
    """A delivery report by its form (RFC 3464), or a mail of a mail system in which flufl.bounce finds a failure."""
    if _has_type(root, _REPORT_TYPES) or root.headers.first("x-failed-recipients") is not None:
        return True
    if root.type_header.parameters.get("report-type", "").lower() == "delivery-status":
        return True
    by_daemon = sender is not None and _DAEMONS.search(f"{sender.name} {sender.address}") is not None
    unsent = _UNDELIVERED.search(subject) is not None
    if not (by_daemon or unsent or _has_null_sender(root.headers, envelope_from)):
        return False
    return (by_daemon and unsent) or any(_failures(raw[:_MAX_SCANNED_BYTES]))


def _says_so(headers: Headers) -> bool:
    if _submitted(headers) not in {"no", ""} or _precedence(headers) in {"bulk", "junk"}:
        return True
    return any(headers.first(name) is not None for name in _MARKS)


def _says_reply(headers: Headers) -> bool:
    if _submitted(headers) == "auto-replied" or _precedence(headers) in {"auto_reply", "auto-reply"}:
        return True
    return any(headers.first(name) is not None for name in _REPLY_MARKS)


def _submitted(headers: Headers) -> str:
    return (headers.first("auto-submitted") or "no").partition(";")[0].split("(")[0].strip().lower()


def _precedence(headers: Headers) -> str:
    return (headers.first("precedence") or "").strip().lower()


def _has_null_sender(headers: Headers, envelope_from: str | None) -> bool:
    if envelope_from is not None:
        return envelope_from.strip() in {"", "<>"}
    return (headers.first("return-path") or "").replace(" ", "") == "<>"


def _is_robot(sender: Address | None) -> bool:
    return sender is not None and _ROBOTS.match(sender.address) is not None


def _has_type(part: Part, types: set[str]) -> bool:
    return part.content_type in types or any(_has_type(child, types) for child in part.children)


def _failures(raw: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Addresses (temporary, permanent). flufl.bounce reads hundreds of forms, and stumbles over broken mail."""
    try:
        temporary, permanent = all_failures(message_from_bytes(raw.translate(_ASCII)))
    except (MessageError, ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError):
        return (), ()
    return _addresses(temporary), _addresses(permanent)


def _addresses(found: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(sorted(address.decode("ascii", "replace") for address in found if b"@" in address))
