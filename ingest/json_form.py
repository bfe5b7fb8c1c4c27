"""The JSON form of a parsed mail, as `minerva parse-mail --jsonl` prints it."""

from __future__ import annotations

from ingest.file_types import detect_type
from ingest.message import Address, Attachment, DeliveryReport, InboundMessage

JsonValue = str | int | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


def message_as_dict(file: str, message: InboundMessage) -> dict[str, JsonValue]:
    """Keys in the documented order; `from` and `date` are None when the mail has none that can be read.

    Of an attachment, `filename` is what the mail says, empty when it says none; `shown_as` is then made up.
    """
    return {
        "file": file,
        "message_id": message.message_id,
        "in_reply_to": message.in_reply_to,
        "references": list(message.references),
        "from": _address(message.sender) if message.sender else None,
        "to": [_address(address) for address in message.to],
        "cc": [_address(address) for address in message.cc],
        "reply_to": [_address(address) for address in message.reply_to],
        "subject": message.subject,
        "date": message.date.isoformat() if message.date else None,
        "auto_generated": message.auto_generated,
        "bounce": message.bounce,
        "text": message.text,
        "visible_text": message.visible_text,
        "attachments": [_attachment(attachment) for attachment in message.attachments],
        "defects": list(message.defects),
        "kind": message.kind,
        "protection": message.protection,
        "failed_recipients": _failed(message.report) if message.report else None,
    }


def _address(address: Address) -> JsonValue:
    return {"name": address.name, "address": address.address}


def _attachment(attachment: Attachment) -> JsonValue:
    return {
        "filename": attachment.filename if attachment.named else "",
        "content_type": attachment.content_type,
        "size": attachment.size,
        "sha256": attachment.sha256,
        "inline": attachment.inline,
        "detected_type": detect_type(attachment.content, attachment.filename),
        "content_id": attachment.content_id,
        "shown_as": attachment.filename,
    }


def _failed(report: DeliveryReport) -> JsonValue:
    return {"permanent": list(report.permanent), "temporary": list(report.temporary)}
