"""Mail that no person wrote: auto-replies, lists, receipts and bounces (RFC 3834, RFC 3464)."""

from __future__ import annotations

import logging
import re
from email import message_from_bytes
from email.errors import MessageError

from flufl.bounce import all_failures

from ingest.headers import Headers
from ingest.message import Address
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
_MARKS = ("list-id", "list-unsubscribe", "x-autoreply", "x-autorespond", "x-auto-reply", "x-auto-response-suppress",
          "x-autoresponder", "x-mail-autoreply")  # fmt: skip
_MAX_SCANNED_BYTES = 300_000
_ASCII = bytes(range(128)) + b"?" * 128  # its detectors stumble over 8-bit headers
# It logs a traceback for each detector that stumbles over a broken mail; that is no news to an operator.
logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)


def is_auto_generated(root: Part, sender: Address | None, subject: str, *, envelope_from: str | None = None) -> bool:
    """Never to be acknowledged. Out-of-office subjects count only as the last resort, at the start of the subject."""
    return (
        _says_so(root.headers)
        or root.type_header.value == "multipart/report"
        or _has_type(root, _RECEIPT_TYPES)
        or _has_null_sender(root.headers, envelope_from)
        or _is_robot(sender)
        or _OUT_OF_OFFICE.match(subject) is not None
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
    return (by_daemon and unsent) or _names_failure(raw[:_MAX_SCANNED_BYTES])


def _says_so(headers: Headers) -> bool:
    submitted = (headers.first("auto-submitted") or "no").partition(";")[0].split("(")[0].strip().lower()
    if submitted not in {"no", ""}:
        return True
    precedence = (headers.first("precedence") or "").strip().lower()
    if precedence in {"bulk", "junk", "list", "auto_reply", "auto-reply"}:
        return True
    return any(headers.first(name) is not None for name in _MARKS)


def _has_null_sender(headers: Headers, envelope_from: str | None) -> bool:
    if envelope_from is not None:
        return envelope_from.strip() in {"", "<>"}
    return (headers.first("return-path") or "").replace(" ", "") == "<>"


def _is_robot(sender: Address | None) -> bool:
    return sender is not None and _ROBOTS.match(sender.address) is not None


def _has_type(part: Part, types: set[str]) -> bool:
    return part.content_type in types or any(_has_type(child, types) for child in part.children)


def _names_failure(raw: bytes) -> bool:
    """flufl.bounce reads hundreds of forms; on broken mail it stumbles in the ways listed here."""
    try:
        temporary, permanent = all_failures(message_from_bytes(raw.translate(_ASCII)))
    except (MessageError, ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError):
        return False
    return bool(temporary or permanent)
