"""Signed and encrypted mail (RFC 8551, RFC 3156, RFC 9580) recognised by its form. Nothing is decrypted or verified."""

from __future__ import annotations

import re

from ingest.bodies import SMIME_TYPES
from ingest.structure import Part

_PGP_BLOCK = re.compile(r"^[> ]{0,4}-----BEGIN PGP (SIGNED )?MESSAGE-----", re.MULTILINE)


def protection_of(root: Part, text: str) -> str:
    """`S/MIME signed`, `S/MIME encrypted`, `PGP signed`, `PGP encrypted`, or empty."""
    return _by_structure(root) or _by_text(text)


def _by_structure(part: Part) -> str:
    protocol = part.type_header.parameters.get("protocol", "").lower()
    if part.content_type == "multipart/encrypted":
        return "PGP encrypted" if "pgp" in protocol or not protocol else "encrypted"
    if part.content_type == "multipart/signed":
        inner = next((found for child in part.children[:1] if (found := _by_structure(child))), "")
        return inner or ("PGP signed" if "pgp" in protocol else "S/MIME signed")
    if part.content_type in SMIME_TYPES:
        kind = part.type_header.parameters.get("smime-type", "").lower()
        return "S/MIME signed" if "signed" in kind else "S/MIME encrypted"
    return next((found for child in part.children[:20] if (found := _by_structure(child))), "")


def _by_text(text: str) -> str:
    found = _PGP_BLOCK.search(text[:200_000])
    if found is None:
        return ""
    return "PGP signed" if found[1] else "PGP encrypted"
