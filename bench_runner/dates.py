"""When something was measured, in the several ways in which tools print it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:[-_T]?\d{4,6})?")
_DASHED = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?(?:\D.*)?", re.DOTALL)
_EPOCH = re.compile(r"\d{9,10}(?:\.\d*)?")


def measured_on(printed: str | None) -> str | None:
    """`20260115-101112`, ISO, or seconds since 1970 -> `2026-01-15`; a month alone stays `2026-01`; else None."""
    if not printed:
        return None
    words = printed.strip()
    if _EPOCH.fullmatch(words):
        return datetime.fromtimestamp(float(words), UTC).date().isoformat()
    match = _COMPACT.fullmatch(words) or _DASHED.fullmatch(words)
    if match is None:
        return None
    year, month, day = match.groups()
    try:
        datetime(int(year), int(month), int(day or 1), tzinfo=UTC)
    except ValueError:
        return None
    return f"{year}-{month}" + (f"-{day}" if day else "")
