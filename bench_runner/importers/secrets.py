"""Configurations travel with results; keys and addresses in them must not."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ingest.masking import mask_secrets

_SECRET = re.compile(
    r"api[_-]?key|password|passwd|secret|authori[sz]ation|headers?$|sshkey|^(?:hf_|auth_|access_|bearer_)?token$|base_url|^urls?$|^cli_command$",
    re.IGNORECASE,
)


def without_secrets(record: Mapping[str, object]) -> dict[str, object]:
    """The record without members that are named like a secret or an address, at any depth."""
    return {name: _inner(value) for name, value in record.items() if not _SECRET.search(name)}


def _inner(value: object) -> object:
    if isinstance(value, dict):
        return without_secrets({str(name): item for name, item in value.items()})
    if isinstance(value, list):
        return [_inner(item) for item in value]
    if isinstance(value, str):
        return mask_secrets(value).text
    return value
