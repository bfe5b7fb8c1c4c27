"""Drafts that wait, as cards in the engineers' channel: the same decisions as on the desk, by the same rules."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from sqlmodel import Session, col, select

from agent import approval, handling, second_approval
from agent.chat.answering import plain_reply
from agent.chat.service import Chat
from agent.chat.values import Reply, Spot
from agent.desk import access
from agent.errors import ApprovalError, HelpdeskError
from agent.slack import card_view
from agent.store import audit, drafts, tickets
from agent.store import chat as store
from agent.store.chat_tables import ChatPost
from agent.store.tables import Draft, DraftState, Engineer, Ticket, now

Decision = Callable[[Session, Draft, Engineer], None]

PREFIX = "card_"
APPROVE, EDIT, REJECT, ASSIGN = f"{PREFIX}approve", f"{PREFIX}edit", f"{PREFIX}reject", f"{PREFIX}assign"
NEW_FOR = timedelta(days=7)
"""Older drafts get no card any more: the first start must not flood the channel."""
AT_ONCE = 20
STRANGER = "Your account is not mapped to an engineer, so nothing was done. `minerva user chat` maps it."


def keep_cards(chat: Chat, place: str, desk_url: str) -> None:
    """A card for each draft that waits, and on each card what has become of its draft."""
    with chat.database.read() as session:
        wanted = {draft.id: draft for draft in _without_card(session) + _with_open_card(session)}
    for draft in wanted.values():
        with chat.database.write() as session:
            content = _card(session, tickets.by_id(session, Draft, draft.id or 0), desk_url).as_json()
            store.want_post(session, f"card:{draft.id}", channel="slack", place=place, thread="", content=content)


def _without_card(session: Session) -> list[Draft]:
    waiting = select(Draft).where(Draft.state == DraftState.WAITING, col(Draft.created_at) > now() - NEW_FOR)
    return [
        draft
        for draft in session.exec(waiting.order_by(col(Draft.id).desc()).limit(AT_ONCE))
        if store.post_by_key(session, f"card:{draft.id}") is None
    ]


def _with_open_card(session: Session) -> list[Draft]:
    is_open = col(ChatPost.content)["extra"]["open"].as_boolean().is_(True)
    posts = session.exec(select(ChatPost.key).where(col(ChatPost.key).startswith("card:"), is_open))
    return [tickets.by_id(session, Draft, int(key.partition(":")[2])) for key in posts]


def _card(session: Session, draft: Draft, desk_url: str) -> Reply:
    ticket = tickets.by_id(session, Ticket, draft.ticket_id)
    assignee = session.get(Engineer, ticket.assignee_id) if ticket.assignee_id else None
    decision = tickets.decision_on(session, draft.id)
    endorsed = second_approval.endorsement_of(session, draft)
    view = card_view.CardView(
        ticket=ticket,
        draft=draft,
        content=drafts.content_of(draft),
        files=tuple(file.filename for file in drafts.attachments_of(session, draft)),
        assignee=assignee.name if assignee else "",
        decided_by=decision[1] if decision else "",
        body=_shown(session, draft),
        endorsed_by=endorsed[1] if endorsed else "",
        desk_url=desk_url,
    )
    extra = {"blocks": card_view.card_blocks(view), "open": draft.state == DraftState.WAITING}
    return Reply(paragraphs=(f"{ticket.number}: {draft.state}",), extra=extra)


def _shown(session: Session, draft: Draft) -> str:
    """The text that is up for approval: what a first person has approved, where two have to."""
    endorsed = second_approval.endorsement_of(session, draft)
    return endorsed[0].body if endorsed else draft.body


def form_for(chat: Chat, name: str, value: str, sender: str) -> dict[str, Any] | None:
    """For editing and rejecting; None for other buttons, and for strangers, who are told so by `clicked`."""
    if name not in {EDIT, REJECT}:
        return None
    draft_id, binding, _ = value.split(":")
    with chat.database.read() as session:
        if store.engineer_of(session, "slack", sender) is None:
            return None
        body = _shown(session, tickets.by_id(session, Draft, int(draft_id)))
    where = {"draft": draft_id, "binding": binding}
    return card_view.edit_form(where, body) if name == EDIT else card_view.reject_form(where)


def clicked(chat: Chat, action: Mapping[str, Any], sender: str, body: Mapping[str, Any]) -> bool:
    """Editing and rejecting wait for their forms; a stranger is told at once."""
    draft_id, binding, digest = action["value"].split(":")

    def approve(session: Session, draft: Draft, engineer: Engineer) -> None:
        shown = _shown(session, draft)
        if card_view.digest_of(shown) != digest:
            raise ApprovalError("The text is not the one that was shown. Look at the card again.")
        _approve(chat, session, draft, engineer, binding, body=shown if shown != draft.body else None)

    decisions: dict[str, Decision] = {
        APPROVE: approve,
        ASSIGN: _assign,
    }
    decision = decisions.get(action["action_id"], lambda *_: None)
    problem = _decide(chat, int(draft_id), sender, action["action_id"], decision)
    _say(chat, body["channel"]["id"], sender, problem)
    return True


def submitted(chat: Chat, form: str, where: Mapping[str, str], values: Mapping[str, str], sender: str) -> bool:
    def edit(session: Session, draft: Draft, engineer: Engineer) -> None:
        vouched = bool(values.get("vouched"))
        _approve(chat, session, draft, engineer, where["binding"], body=values.get("body"), vouched=vouched)

    def reject(session: Session, draft: Draft, engineer: Engineer) -> None:
        approval.reject(session, draft.id or 0, engineer=engineer, reason=values.get("reason", ""))

    decisions: dict[str, Decision] = {EDIT: edit, REJECT: reject}
    if form not in decisions:
        return False
    problem = _decide(chat, int(where["draft"]), sender, form, decisions[form])
    with chat.database.read() as session:
        post = store.post_by_key(session, f"card:{where['draft']}")
    _say(chat, post.place if post else "", sender, problem)
    return True


def _approve(
    chat: Chat,
    session: Session,
    draft: Draft,
    engineer: Engineer,
    binding: str,
    *,
    body: str | None = None,
    vouched: bool = False,
) -> None:
    approval.decide(
        session, chat.settings, draft.id or 0, engineer=engineer, binding=binding, body=body, vouched=vouched
    )


def _assign(session: Session, draft: Draft, engineer: Engineer) -> None:
    ticket = tickets.by_id(session, Ticket, draft.ticket_id)
    handling.assign(session, ticket, engineer, by=engineer, batch=uuid.uuid4().hex)


def _decide(chat: Chat, draft_id: int, sender: str, name: str, decision: Decision) -> str:
    """Why it was not done; empty when it was. By the table of the desk, and into its audit log."""
    with chat.database.read() as session:
        engineer = store.engineer_of(session, "slack", sender)
        draft = tickets.by_id(session, Draft, draft_id)
        number = tickets.by_id(session, Ticket, draft.ticket_id).number
    if engineer is None:
        return STRANGER
    path, action = f"/tickets/{number}/drafts/{draft_id}", name.removeprefix(PREFIX)
    try:
        with chat.database.write() as session:
            access.check(session, engineer, "POST", path, {"number": number})
            decision(session, tickets.by_id(session, Draft, draft_id), engineer)
            audit.append(session, actor=engineer.email, action=action, subject=path, detail="in Slack")
    except HelpdeskError as error:
        with chat.database.write() as session:
            audit.append(session, actor=engineer.email, action=f"{action}, refused", subject=path, detail="in Slack")
        return f"{error} {'; '.join(getattr(error, 'problems', ()))}".strip()
    chat.wake()
    return ""


def _say(chat: Chat, place: str, sender: str, problem: str) -> None:
    if problem and place:
        chat.channel.whisper(Spot(place=place, thread=""), sender, plain_reply(problem, language="en"))
