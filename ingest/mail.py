"""Raw mail to `InboundMessage`: pure, and total over all bytes."""

from __future__ import annotations

from ingest.addresses import read_addresses
from ingest.automatic import delivery_report, is_bounce, kind_of
from ingest.bodies import has_html, html_of, read_contents
from ingest.headers import Headers, message_ids, own_message_id, read_date
from ingest.message import Address, InboundMessage
from ingest.protection import protection_of
from ingest.structure import read_structure
from ingest.visible import visible_text

_MAX_DEFECTS = 50


def parse_mail(raw: bytes, *, envelope_from: str | None = None) -> InboundMessage:
    """Never raises; what is broken stands in `defects` (at most 50).

    `envelope_from` is the SMTP sender where it is known: empty or `<>` marks an automatic mail.
    """
    lines = _newline_ended(raw)
    root, defects = read_structure(lines)
    headers = root.headers
    contents = read_contents(lines, root)
    people = {name: _addresses(headers, name, defects) for name in ("from", "to", "cc", "reply-to")}
    text = "\n\n".join(contents.texts)
    sender = _sender(people["from"])
    subject = headers.decoded("subject")
    date = read_date(headers.first("date"))
    bounce = is_bounce(lines, root, sender, subject, envelope_from=envelope_from)
    kind = kind_of(root, sender, subject, bounce=bounce, envelope_from=envelope_from)
    return InboundMessage(
        channel="email",
        message_id=own_message_id(headers.first("message-id")),
        in_reply_to=next(iter(message_ids(headers.first("in-reply-to"))), None),
        references=message_ids(" ".join(headers.every("references"))),
        sender=sender,
        to=people["to"],
        cc=people["cc"],
        reply_to=people["reply-to"],
        subject=subject,
        date=date,
        auto_generated=kind != "person",
        bounce=bounce,
        text=text,
        visible_text=visible_text(text, _name(sender)),
        attachments=tuple(contents.attachments),
        defects=_defects(headers, date is None, [*defects, *contents.defects]),
        kind=kind,
        report=delivery_report(lines, root) if bounce else None,
        protection=protection_of(root, text),
        has_html=has_html(root),
    )


def mail_html(raw: bytes) -> str:
    """The HTML that a mail program would show, uncleaned; empty for a mail without. Never raises."""
    lines = _newline_ended(raw)
    return html_of(lines, read_structure(lines)[0])


def _newline_ended(raw: bytes) -> bytes:
    """Line ends of old Macintoshes (CR alone) made into the usual ones; other mails are left uncopied."""
    if b"\n" in raw or b"\r" not in raw:
        return raw
    return raw.replace(b"\r", b"\n")


def _addresses(headers: Headers, name: str, defects: list[str]) -> tuple[Address, ...]:
    addresses, complaints = read_addresses(", ".join(headers.every(name)))
    defects.extend(f"{name}: {complaint}" for complaint in complaints[:5])
    return addresses


def _sender(addresses: tuple[Address, ...]) -> Address | None:
    with_at = (address for address in addresses if "@" in address.address)
    return next(with_at, None) or next((address for address in addresses if address.address), None)


def _name(sender: Address | None) -> str:
    return (sender.name or sender.address) if sender else ""


def _defects(headers: Headers, lacks_date: bool, found: list[str]) -> tuple[str, ...]:
    missing = []
    if not headers.fields:
        missing.append("no mail header")
    elif headers.first("from") is None:
        missing.append("no From")
    if headers.first("message-id") is None:
        missing.append("no Message-ID")
    if lacks_date:
        missing.append("no Date" if headers.first("date") is None else "unreadable Date")
    repeated = [
        f"{name} stands {len(values)} times"
        for name in ("from", "to", "subject", "date", "message-id", "content-type")
        if len(values := headers.every(name)) > 1
    ]
    return tuple(dict.fromkeys([*missing, *repeated, *found]))[:_MAX_DEFECTS]
