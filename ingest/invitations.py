"""Calendar invitations (RFC 5545) as text. Pure, never raises."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from icalendar import Calendar

MAX_BYTES = 200_000
MAX_EVENTS = 5
_MAX_LINE = 300
_METHODS = {"CANCEL": "Cancelled meeting", "REPLY": "Answer to an invitation", "PUBLISH": "Event"}


def invitation_text(content: bytes) -> str:
    """Title, time, place and organiser of each event, empty when none can be read."""
    try:
        calendar: Any = Calendar.from_ical(content[:MAX_BYTES])
        method = str(calendar.get("method", "REQUEST")).upper()
        events = calendar.walk("VEVENT")[:MAX_EVENTS]
        return "\n\n".join(_event(event, _METHODS.get(method, "Invitation")) for event in events)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
        return ""


def _event(event: Any, title: str) -> str:
    lines = [f"[{title}] {_plain(event.get('summary', ''))}".rstrip()]
    begin, end = _moment(event.get("dtstart")), _moment(event.get("dtend"))
    answers = _answers(event) if title.startswith("Answer") else ""
    for label, value in (
        ("When", f"{begin} to {end}" if begin and end else begin),
        ("Where", _plain(event.get("location", ""))),
        ("Organiser", _plain(event.get("organizer", "")).removeprefix("mailto:").removeprefix("MAILTO:")),
        ("Answer", answers),
    ):
        if value:
            lines.append(f"{label}: {value}")
    return "\n".join(lines)


def _answers(event: Any) -> str:
    attendees = event.get("attendee", [])
    found = attendees if isinstance(attendees, list) else [attendees]
    return ", ".join(str(item.params.get("PARTSTAT", "")).lower() for item in found[:5])


def _moment(value: Any) -> str:
    moment = getattr(value, "dt", None)
    if isinstance(moment, datetime):
        zone = str(moment.tzinfo) if moment.tzinfo else "local time"
        return f"{moment:%Y-%m-%d %H:%M} ({zone})"
    return moment.isoformat() if isinstance(moment, date) else ""


def _plain(value: Any) -> str:
    return " ".join(str(value).split())[:_MAX_LINE]
