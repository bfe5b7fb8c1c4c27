"""What a partner reads: the opening of a ticket there, and each later message. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.attachment import Attachment
from agent.store.bridge_tables import HandOver
from agent.store.tables import Message, Partner, Ticket
from ingest.charset import decode_text
from ingest.file_types import is_text
from ingest.masking import mask_secrets

MAX_TEXT_CHARS = 500_000
MAX_FILES_BYTES = 25 * 1024 * 1024
"""Of one message; what is larger stays with us and is named."""
_RULE = "-" * 60


def tag_of(ticket: Ticket) -> str:
    return f"[{ticket.number}]"


def post_tag_of(ticket: Ticket, message: Message) -> str:
    return f"[{ticket.number}/{message.id}]"


def change_tag_of(ticket: Ticket, hand_over: HandOver) -> str:
    return f"[{ticket.number}/{change_key(hand_over)}]"


def change_key(hand_over: HandOver) -> str:
    """Of taking back or handing over again; two of them may fall into one second."""
    return f"{hand_over.ended_at or hand_over.at:%Y%m%dT%H%M%S%f}"


def opening_text(
    ticket: Ticket,
    hand_over: HandOver,
    partner: Partner,
    messages: Sequence[Message],
    *,
    left_out: Sequence[str] = (),
    answer_here: str = "Please answer here",
) -> str:
    who = f"{ticket.requester_name} <{ticket.requester_address}>" if ticket.requester_name else ticket.requester_address
    placed = ", ".join(part for part in (ticket.level, ticket.type, ticket.urgency) if part)
    parts = [
        f"{hand_over.by} of the MINERVA helpdesk hands this request to {partner.name}.",
        hand_over.request.strip(),
        f"Ticket: {ticket.number}\nRequester: {who}" + (f"\nPlaced as: {placed}" if placed else ""),
        f"{answer_here}: MINERVA reads along and passes on to the requester what is meant for them.",
        *(f"{_RULE}\n{_told(message)}" for message in messages),
        _not_sent(left_out),
    ]
    return _cut("\n\n".join(part for part in parts if part))


def post_text(message: Message, left_out: Sequence[str] = ()) -> str:
    return _cut("\n\n".join(part for part in (_told(message), _not_sent(left_out)) if part))


def change_text(hand_over: HandOver) -> str:
    """That it was taken back, or handed over again."""
    if hand_over.ended_at is not None:
        return "MINERVA has taken this request back. Thank you."
    return f"{hand_over.by} of the MINERVA helpdesk hands this request over again.\n\n{hand_over.request}".strip()


def _told(message: Message) -> str:
    who = message.sender_name or message.sender_address
    if message.direction == "in":
        who = f"{message.sender_name} <{message.sender_address}>" if message.sender_name else who
    what = {"out": "answered", "note": "noted, for colleagues"}.get(message.direction, "wrote")
    return f"{message.date or message.at:%Y-%m-%d %H:%M} UTC, {who} {what}:\n\n{message.visible_text.strip()}"


def _not_sent(left_out: Sequence[str]) -> str:
    return f"Too large to go along, ask us for them: {', '.join(left_out)}" if left_out else ""


def _cut(text: str) -> str:
    half = MAX_TEXT_CHARS // 2
    return text if len(text) <= MAX_TEXT_CHARS else f"{text[:half]}\n[… left out …]\n{text[-half:]}"


def files_to_send(files: Sequence[Attachment]) -> tuple[tuple[Attachment, ...], tuple[str, ...]]:
    """With secrets masked in texts; and the names of those that are too large to go along. Empty ones stay."""
    kept, left_out, size = [], [], 0
    for file in files:
        if not file.content:
            continue
        if size + len(file.content) > MAX_FILES_BYTES:
            left_out.append(f"{file.filename} ({len(file.content) / 1e6:.1f} MB)")
            continue
        size += len(file.content)
        kept.append(_masked(file))
    return tuple(kept), tuple(left_out)


def _masked(file: Attachment) -> Attachment:
    if not is_text(file.content):
        return file
    masked = mask_secrets(decode_text(file.content, None)[0])
    return replace(file, content=masked.text.encode()) if masked.kinds else file
