"""How a draft that waits looks in the engineers' channel. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.draft import Check, Draft
from agent.slack import views
from agent.slack.blocks import Block, button, context, pieces, plain, section
from agent.slack.markup import escaped
from agent.store.chat import is_chat
from agent.store.tables import Draft as DraftRow
from agent.store.tables import DraftState, Ticket

SHOWN_CHARS = 9000
"""Longer drafts cannot be approved here: an approval covers what was shown."""
_COLOURS = {"green": ":large_green_circle:", "amber": ":large_yellow_circle:", "red": ":red_circle:"}
MAX_CLAIM_CHARS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class CardView:
    ticket: Ticket
    draft: DraftRow
    content: Draft
    files: tuple[str, ...]
    assignee: str
    decided_by: str
    body: str
    """The text that is up for approval."""
    endorsed_by: str
    """Who has approved it first, where two have to; else empty."""
    desk_url: str


def card_blocks(view: CardView) -> list[Block]:
    blocks = [section(_title(view)), context(_facts(view))]
    if view.draft.state != DraftState.WAITING:
        by = f" by {escaped(view.decided_by)}" if view.decided_by else ""
        return [*blocks, section(f"*{view.draft.state.capitalize()}*{by}"), _buttons(view, decided=True)]
    blocks += [section(text) for text in pieces("\n".join(_claims(view.content)))]
    shown = view.body[:SHOWN_CHARS]
    blocks += [{"type": "section", "text": plain(part) | {"emoji": False}} for part in pieces(shown)]
    if len(view.body) > SHOWN_CHARS:
        blocks.append(context(["It goes on: too long to be approved here. Open it on the desk."]))
    return [*blocks, _buttons(view, decided=False)]


def _title(view: CardView) -> str:
    return f"*{view.ticket.number}* {escaped(view.ticket.subject)[:300]}"


def _facts(view: CardView) -> list[str]:
    ticket, draft = view.ticket, view.draft
    to = ", ".join("the conversation" if is_chat(address) else address for address in draft.recipients)
    placed = (
        f"{ticket.level or '?'} {ticket.type or '?'} · urgency {ticket.urgency or '?'} · route {ticket.route or '?'}"
    )
    facts = [placed, f"from {escaped(ticket.requester_name or 'unknown')}", f"to {escaped(to)}"]
    facts.append(f"outcome {draft.outcome}: {escaped('; '.join(draft.outcome_reasons))[:500]}")
    facts += [f"files: {escaped(', '.join(view.files))}"] if view.files else []
    facts += [f"approved by {escaped(view.endorsed_by)}; a second person has to"] if view.endorsed_by else []
    return [*facts, f"assigned to {escaped(view.assignee) or 'nobody'}"]


def _claims(content: Draft) -> list[str]:
    """Each part with its colour; without checks there is none to show."""
    lines = []
    for check in content.checks:
        reasons = f" ({escaped('; '.join(check.reasons))[:200]})" if check.reasons else ""
        lines.append(f"{_COLOURS[check.colour]} {escaped(_words(content, check))}{reasons}")
    return lines or ["No part of it was checked."]


def _words(content: Draft, check: Check) -> str:
    text = content.claims[check.position].text if check.part == "claim" else check.part.replace("_", " ")
    words = " ".join(text.split())
    return words if len(words) <= MAX_CLAIM_CHARS else f"{words[:MAX_CLAIM_CHARS]} …"


def _buttons(view: CardView, *, decided: bool) -> Block:
    value = f"{view.draft.id}:{view.draft.binding}:{digest_of(view.body)}"
    desk: dict[str, Any] = {
        "type": "button",
        "action_id": "open_desk",
        "text": plain("Open on the desk"),
        "url": f"{view.desk_url}/tickets/{view.ticket.number}",
    }
    if decided:
        return {"type": "actions", "elements": [desk]}
    approve = [button("Approve and send", "card_approve", value, "primary")] if _is_approvable(view) else []
    edit = [button("Edit", "card_edit", value)] if len(view.body) <= views.MAX_INPUT_CHARS else []
    rest = [button("Reject", "card_reject", value, "danger"), button("Assign to me", "card_assign", value), desk]
    return {"type": "actions", "elements": [*approve, *edit, *rest]}


def _is_approvable(view: CardView) -> bool:
    return len(view.body) <= SHOWN_CHARS and not view.content.red


def digest_of(text: str) -> str:
    """So that a click approves the very text that stood on the card."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def edit_form(where: Mapping[str, str], body: str) -> Block:
    vouch = {"text": plain("I have checked what no evidence carries, and answer for it"), "value": "yes"}
    return views.form(
        "card_edit",
        "Edit the answer",
        "Approve and send",
        where,
        [
            views.field("body", "The answer, as it is sent", views.text_input(body)),
            views.field(
                "vouched", "Checked", {"type": "checkboxes", "action_id": "v", "options": [vouch]}, optional=True
            ),
        ],
    )


def reject_form(where: Mapping[str, str]) -> Block:
    return views.form(
        "card_reject",
        "Reject the draft",
        "Reject",
        where,
        [views.field("reason", "Why? Kept with the ticket.", views.text_input(""))],
    )
