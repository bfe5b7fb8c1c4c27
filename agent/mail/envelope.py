"""Sender and recipients of a mail that comes without an SMTP conversation: from a mailbox or a pipe."""

from __future__ import annotations

from email.errors import HeaderParseError, MessageError
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import parseaddr

UNKNOWN = "unknown@invalid"
_NULL_SENDERS = {"", "<>", "mailer-daemon"}
_RECIPIENT_HEADERS = ("Delivered-To", "X-Original-To", "Envelope-To")
_HEAD_BYTES = 256 * 1024


def envelope_from(raw: bytes) -> str:
    """The `Return-Path` that the delivering server wrote (RFC 5321, 4.4), else the author.

    Empty for the null sender of bounces; never empty because nothing is known.
    """
    head = _head(raw)
    path = head.get("Return-Path")
    if path is not None:
        return null_or_address(str(path))
    return _address(str(head.get("From", ""))) or UNKNOWN


def envelope_to(raw: bytes) -> list[str]:
    """The mailbox that it was delivered to, as far as the delivering server wrote it down."""
    head = _head(raw)
    found = (_address(str(head.get(name, ""))) for name in _RECIPIENT_HEADERS)
    return list(dict.fromkeys(address for address in found if address))


def null_or_address(sender: str) -> str:
    """Empty for the null sender in the forms that servers pass it on."""
    return "" if sender.strip().casefold() in _NULL_SENDERS else _address(sender) or UNKNOWN


def _address(text: str) -> str:
    """Empty when there is none."""
    address = parseaddr(text)[1]
    return address if "@" in address else ""


def _head(raw: bytes) -> Message:
    try:
        return BytesHeaderParser(policy=compat32).parsebytes(raw[:_HEAD_BYTES])
    except (MessageError, HeaderParseError, ValueError):
        return Message()
