"""What a model does not see of a request. The one place through which every text of a requester goes to a model."""

from __future__ import annotations

import re

from ingest.masking import mask_secrets

_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.:/])(?:\+|00)\d[\d ()/.-]{7,}\d")
_SIGN_OFF = re.compile(
    r"(?im)^((?:kind |best |warm |many )?(?:regards|wishes|thanks|cheers|greetings)|"
    r"(?:mit freundlichen|viele|beste) grüßen?|(?:bien )?cordialement|cordiali saluti|un (?:cordial )?saludo|saludos)"
    r"[,.!]?[ \t]*\n+[^\n]{2,60}$"
)


def masked(text: str) -> str:
    """Secrets, addresses, phone numbers and the name under a letter replaced by what they were."""
    text = mask_secrets(text).text
    text = _MAIL.sub("[mail address]", text)
    text = _PHONE.sub("[phone number]", text)
    return _SIGN_OFF.sub(r"\1\n[name]", text)
