"""A talk at a time that suits: slots are proposed, one is confirmed by an invitation, and it can be called off.

Each step drafts a mail that leaves after an approval, like every other. Times are kept in UTC and shown in the zone of
the centre and in UTC, so that nobody has to guess; the invitation (RFC 5545, RFC 5546) carries UTC.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vCalAddress, vText
from sqlmodel import Session

from agent.attachment import Attachment
from agent.errors import HandlingError
from agent.letters import draft_letter
from agent.settings import Settings
from agent.store import tickets
from agent.store.partner_tables import Meeting
from agent.store.tables import Draft, Engineer, Ticket, now

MAX_SLOTS = 5
MINUTES = (15, 30, 45, 60, 90, 120)


def propose(
    session: Session,
    settings: Settings,
    ticket: Ticket,
    *,
    slots: Sequence[datetime],
    minutes: int,
    place: str,
    by: Engineer,
) -> Draft:
    """Slots without a zone are in that of the centre.

    Raises HandlingError for no slot or too many, one that is over or does not exist (a clock put forward), and for
    a missing place.
    """
    zone = ZoneInfo(settings.time_zone)
    times = sorted({_in_utc(slot, zone) for slot in slots})
    if not 1 <= len(times) <= MAX_SLOTS or minutes not in MINUTES:
        raise HandlingError(
            "Propose one to {count} times, of {minutes} minutes.", count=MAX_SLOTS, minutes=", ".join(map(str, MINUTES))
        )
    if times[0] <= now():
        raise HandlingError("A time that is proposed is over already. Choose later ones.")
    if not place.strip():
        raise HandlingError("Say where: the address of the video call, or a place.")
    kept = session.get(Meeting, ticket.id) or Meeting(ticket_id=tickets.key_of(ticket), uid=str(uuid.uuid4()))
    kept.slots, kept.minutes, kept.place = [slot.isoformat() for slot in times], minutes, place.strip()
    session.add(kept)
    lines = [f"{number}. {told(slot, minutes, zone)}" for number, slot in enumerate(times, start=1)]
    text = (
        "we would like to talk with you about your request. Which of these times suits you?\n\n"
        + "\n".join(lines)
        + f"\n\nWhere: {kept.place}\n\n"
        + "Please answer with its number; an invitation follows. If none suits, name others."
    )
    return draft_letter(session, ticket, text, by=by, what="proposed times")


def confirm(session: Session, settings: Settings, ticket: Ticket, position: int, *, by: Engineer) -> Draft:
    """The invitation to one of the proposed times; again for another one, which then replaces it.

    Raises HandlingError for a time that was not proposed or is over.
    """
    kept = _of(session, ticket)
    if not 0 <= position < len(kept.slots):
        raise HandlingError("This time was not proposed.")
    begin = datetime.fromisoformat(kept.slots[position])
    if begin <= now():
        raise HandlingError("This time is over. Propose others.")
    kept.sequence += kept.chosen is not None
    kept.chosen = begin
    session.add(kept)
    when = told(begin, kept.minutes, ZoneInfo(settings.time_zone))
    text = f"the time for our talk is set:\n\n{when}\n\nWhere: {kept.place}\n\nThe invitation is attached."
    files = [invitation(settings, ticket, kept, method="REQUEST")]
    return draft_letter(session, ticket, text, by=by, what="set a time", files=files)


def call_off(session: Session, settings: Settings, ticket: Ticket, *, by: Engineer) -> Draft:
    """Raises HandlingError when no time is set."""
    kept = _of(session, ticket)
    if kept.chosen is None:
        raise HandlingError("No time is set.")
    kept.sequence += 1
    when = told(kept.chosen, kept.minutes, ZoneInfo(settings.time_zone))
    files = [invitation(settings, ticket, kept, method="CANCEL")]
    kept.chosen = None
    session.add(kept)
    text = f"we have to call off our talk of {when}. We will propose other times."
    return draft_letter(session, ticket, text, by=by, what="called off the time", files=files)


def told(begin: datetime, minutes: int, zone: ZoneInfo) -> str:
    """`Friday, 15 January 2027, 10:00-10:30 CET (09:00-09:30 UTC)`."""
    end = begin + timedelta(minutes=minutes)
    here, there = begin.astimezone(zone), end.astimezone(zone)
    clock = f"{here:%H:%M}-{there:%H:%M} {here:%Z}"
    in_utc = "" if here.utcoffset() == timedelta(0) else f" ({begin:%H:%M}-{end:%H:%M} UTC)"
    return f"{here:%A}, {here.day} {here:%B} {here.year}, {clock}{in_utc}"


def invitation(settings: Settings, ticket: Ticket, meeting: Meeting, *, method: str) -> Attachment:
    """`method` is REQUEST or CANCEL."""
    assert meeting.chosen is not None
    event = Event()
    event.add("uid", f"{meeting.uid}@{settings.support_address.rpartition('@')[2]}")
    event.add("sequence", meeting.sequence)
    event.add("dtstamp", now())
    event.add("dtstart", meeting.chosen)
    event.add("dtend", meeting.chosen + timedelta(minutes=meeting.minutes))
    event.add("summary", f"{ticket.subject} [{ticket.number}]")
    event.add("location", meeting.place)
    event.add("status", "CANCELLED" if method == "CANCEL" else "CONFIRMED")
    event.add("organizer", vCalAddress(f"mailto:{settings.support_address}"))
    attendee = vCalAddress(f"mailto:{ticket.requester_address}")
    attendee.params["CN"] = vText(ticket.requester_name or ticket.requester_address)
    attendee.params["RSVP"] = vText("TRUE")
    event.add("attendee", attendee)
    calendar = Calendar()
    calendar.add("prodid", "-//MINERVA helpdesk//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    calendar.add_component(event)
    return Attachment(
        filename="invitation.ics", content_type=f"text/calendar; method={method}", content=calendar.to_ical()
    )


def _of(session: Session, ticket: Ticket) -> Meeting:
    kept = session.get(Meeting, ticket.id)
    if kept is None:
        raise HandlingError("No time has been proposed yet.")
    return kept


def _in_utc(slot: datetime, zone: ZoneInfo) -> datetime:
    here = slot if slot.tzinfo is not None else slot.replace(tzinfo=zone)
    utc = here.astimezone(UTC)
    if slot.tzinfo is None and utc.astimezone(zone).replace(tzinfo=None) != slot:
        raise HandlingError(
            "{time} does not exist: clocks are put forward then. Choose another time.", time=f"{slot:%Y-%m-%d %H:%M}"
        )
    return utc
