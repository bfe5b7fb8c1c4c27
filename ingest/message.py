"""The value that every channel produces."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["person", "automatic", "auto-reply", "list", "read receipt", "delivery report"]
"""Who or what wrote a mail; `automatic` is a machine that fits none of the others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    name: str
    """Display name, RFC 2047 decoded; empty when there was none."""
    address: str
    """`local@domain` as written, without angle brackets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    filename: str
    """Decoded name without directories; made up (`part-3.pdf`) when the mail gave none."""
    content_type: str
    """As the mail declares it; `file_types.detect_type` tells it from the content."""
    content: bytes
    sha256: str
    """Lower-case hex digest of `content`."""
    inline: bool
    named: bool = True
    """False when `filename` was made up."""
    content_id: str | None = None
    """Content-ID without angle brackets, for parts that the HTML refers to."""

    @property
    def size(self) -> int:
        """Bytes after transfer decoding."""
        return len(self.content)


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryReport:
    """What a bounce says (RFC 3464, or whatever the mail system wrote)."""

    permanent: tuple[str, ...]
    """Addresses that the mail will not reach; hard."""
    temporary: tuple[str, ...]
    """Addresses that the mail system still tries; soft."""
    message_ids: tuple[str, ...]
    """Of the mail that came back, as far as the report quotes it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InboundMessage:
    channel: str
    """`email`, later `slack`, `form`, `api`."""
    message_id: str | None
    """Message-ID without angle brackets; None when the mail had none."""
    in_reply_to: str | None
    references: tuple[str, ...]
    """Message-IDs without angle brackets, oldest first."""
    sender: Address | None
    """First From address; None when no address could be read."""
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    subject: str
    date: datetime | None
    """Aware; None when the header was missing or unreadable."""
    auto_generated: bool
    """RFC 3834 Auto-Submitted, list mail, out-of-office and the like: never acknowledged."""
    bounce: bool
    """A delivery status report."""
    text: str
    """Whole readable body: text/plain, or HTML turned into text."""
    visible_text: str
    """`text` without quoted history and signature: what the sender wrote this time."""
    attachments: tuple[Attachment, ...]
    defects: tuple[str, ...]
    """What was broken in the mail, one short sentence each; empty for a sound mail."""
    kind: Kind = "person"
    report: DeliveryReport | None = None
    """Only for a delivery report."""
    protection: str = ""
    """`S/MIME signed`, `S/MIME encrypted`, `PGP signed`, `PGP encrypted`; empty for a plain mail."""
    has_html: bool = False
    """A mail program would show it as HTML, see `ingest.mail.mail_html`."""
