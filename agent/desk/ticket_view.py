"""What the page of a ticket shows, gathered from the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup
from sqlmodel import Session

from agent import macros, partners, requesters, second_approval
from agent.desk.checks_view import checks_view
from agent.desk.conversation_view import conversation_view, cut
from agent.desk.hand_overs import handed_over
from agent.desk.markup import body_html, passage_html
from agent.desk.progress import MOVES, TURNS, latest_turn, progress_of
from agent.errors import NotFoundError
from agent.mail.outbound import SENDER_NAME, quoted
from agent.meetings import told
from agent.settings import Settings
from agent.store import drafts, outbox, people, placings, tickets, views
from agent.store.partner_tables import Meeting
from agent.store.tables import (
    Draft,
    DraftState,
    Engineer,
    Message,
    Outbound,
    OutboundKind,
    OutboundState,
    Ticket,
    now,
)
from agent.translations import Words

MAX_BYTES_QUOTED = 10_000
"""Shown of the message that an answer quotes; the answer quotes all of it."""


def ticket_view(session: Session, settings: Settings, number: str, *, before: int | None = None) -> dict[str, Any]:
    """`before` is the key of a message whose predecessors are read. Raises NotFoundError."""
    ticket = tickets.by_number(session, number)
    conversation = conversation_view(session, ticket, before)
    sent: list[Outbound] = conversation["sent"]
    progress = progress_of(tickets.newest_events(session, ticket, 1, MOVES), now())
    return {
        "ticket": ticket,
        **conversation,
        "merged_into": session.get(Ticket, ticket.merged_into_id) if ticket.merged_into_id else None,
        "is_sending": before is None and any(mail.state in outbox.ON_THE_WAY for mail in sent),
        "leaving": next((mail for mail in sent if _can_be_withdrawn(mail)), None),
        "engineers": [engineer for engineer in people.all_engineers(session) if engineer.disabled_at is None],
        "tags": tickets.tags_of(session, ticket),
        "card": requesters.card(session, ticket),
        "AFFILIATIONS": Words(requesters.AFFILIATIONS),
        "handed_over": handed_over(session, ticket),
        "asked": _asked(session, ticket),
        **_meeting_view(session, settings, ticket),
        "macros": macros.all_macros(session),
        "partners": partners.all_partners(session),
        "known_tags": views.tags(session),
        "version": str(latest_turn(tickets.newest_events(session, ticket, 1, TURNS))),
        "delivery": _delivery(sent),
        "progress": progress,
        "may_ask": drafts.is_awaited(session, ticket) and not progress.is_writing,
        "is_placeable": tickets.latest_request(session, ticket) is not None,
        "group": placings.group_of(session, ticket),
        "support_address": settings.support_address,
        "sender_name": SENDER_NAME,
        **_draft_view(session, settings, ticket, is_writing=progress.is_writing),
    }


def _meeting_view(session: Session, settings: Settings, ticket: Ticket) -> dict[str, Any]:
    meeting, zone = session.get(Meeting, ticket.id), ZoneInfo(settings.time_zone)
    slots = [datetime.fromisoformat(slot) for slot in meeting.slots] if meeting else []
    chosen = meeting.chosen if meeting else None
    return {
        "meeting": meeting,
        "meeting_slots": [told(slot, meeting.minutes, zone) for slot in slots] if meeting else [],
        "meeting_told": told(chosen, meeting.minutes, zone) if meeting and chosen else "",
        "time_zone": settings.time_zone,
    }


def _asked(session: Session, ticket: Ticket) -> dict[str, Any] | None:
    """The colleague whose approval the next answer waits for, and who asked."""
    asked = second_approval.asked_of(session, ticket)
    if asked is None:
        return None
    names = [tickets.by_id(session, Engineer, key).name for key in (asked.colleague_id, asked.asker_id)]
    return {"row": asked, "colleague": names[0], "asker": names[1]}


def _draft_view(session: Session, settings: Settings, ticket: Ticket, *, is_writing: bool) -> dict[str, Any]:
    draft = drafts.latest(session, ticket)
    if draft is None or (draft.revision != ticket.revision and draft.state == DraftState.SUPERSEDED):
        return {"draft": None, "is_current": False}
    decision = tickets.decision_on(session, draft.id)
    is_current = draft.state == DraftState.WAITING and draft.revision == ticket.revision and not is_writing
    text = (decision[0].body if decision else None) or draft.body
    request = session.get(Message, draft.message_id)
    return {
        "draft": draft,
        "is_current": is_current,
        "needs_second": second_approval.is_needed(session, settings, ticket),
        "endorsed": second_approval.endorsement_of(session, draft) if is_current else None,
        "decision": decision,
        "body": shown_body(ticket.number, draft, text),
        "cited": _titles(draft),
        **checks_view(drafts.content_of(draft), draft.body),
        "files": drafts.attachments_of(session, draft),
        "history": request and cut(_quoted(request), MAX_BYTES_QUOTED),
    }


def evidence_view(draft: Draft, position: int, claim: int | None) -> dict[str, Any]:
    """The evidence with its quotes marked; `claim` counts from 0 over the claims that cite it.

    Raises NotFoundError.
    """
    item = next((item for item in draft.evidence if item["number"] == position), None)
    if item is None:
        raise NotFoundError("this draft has no evidence {position}", position=position)
    quotes = [
        [c["quote"] for c in made["citations"] if c["evidence"] == position]
        for made in draft.claims
        if any(c["evidence"] == position for c in made["citations"])
    ]
    chosen = quotes[claim] if claim is not None and claim < len(quotes) else []
    html = passage_html(item["text"], [quote for several in quotes for quote in several], chosen)
    return {"item": item, "html": html, "is_cited": bool(quotes)}


def _titles(draft: Draft) -> dict[int, str]:
    """Of the evidence that is cited, by number."""
    cited = {citation["evidence"] for claim in draft.claims for citation in claim["citations"]}
    return {
        item["number"]: " › ".join(dict.fromkeys([item["title"], *item["heading"]]))
        for item in draft.evidence
        if item["number"] in cited
    }


def shown_body(number: str, draft: Draft, text: str) -> Markup:
    return body_html(text, _titles(draft), f"/tickets/{number}/drafts/{draft.id}/evidence")


def _can_be_withdrawn(mail: Outbound) -> bool:
    untouched = mail.state == OutboundState.QUEUED and mail.attempts == 0
    return untouched and mail.kind == OutboundKind.ANSWER and mail.next_attempt_at > now()


def _delivery(sent: Sequence[Outbound]) -> str:
    """Changes when a mail of the ticket gets on."""
    return ".".join(f"{mail.id}{mail.state}{mail.attempts}" for mail in sent)


def _quoted(request: Message) -> str:
    return quoted(request.sender_name, request.sender_address, request.date or request.at, request.visible_text)
