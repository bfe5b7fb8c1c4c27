"""What an engineer decides about a draft, each decision one transaction."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import Session

from agent import second_approval
from agent.attachment import Attachment, after_edit
from agent.checks.body import problems_of_body, red_parts_in, without_red
from agent.draft import binding_of
from agent.errors import ApprovalError, UnsupportedError
from agent.mail.outbound import SENDER_NAME, OutboundMessage, quoted, thread_of
from agent.mail.reply_tags import new_tagged_id, reply_key
from agent.settings import Settings
from agent.store import drafts, fulltext, outbox, people, tickets
from agent.store.chat import is_chat
from agent.store.tables import (
    Approval,
    Decision,
    Draft,
    DraftState,
    Engineer,
    Message,
    Outbound,
    OutboundKind,
    Ticket,
    TicketStatus,
    now,
)
from agent.translations import marked


def approve(
    session: Session,
    settings: Settings,
    draft_id: int,
    *,
    engineer: Engineer,
    binding: str,
    body: str | None = None,
    vouched: bool = False,
) -> Outbound:
    """Approve a draft as it was shown, or with an edited `body`; the answer is in the outbox when this returns
    and may be taken back for `undo_s` (see `agent.withdrawal`).

    `binding` is the one of the draft as the engineer saw it. What is red does not leave as it stands; with `vouched`
    the engineer answers for what no evidence carries in an edited body, which the history then says.

    Raises:
        UnsupportedError: the edited body holds what no evidence carries, and nobody has vouched for it.
        ApprovalError: the draft is settled already, something that it was bound to has changed since, or a second
            person has to approve it too (see `decide`).
        NotFoundError: there is no such draft.
    """
    draft = tickets.by_id(session, Draft, draft_id)
    ticket = tickets.by_id(session, Ticket, draft.ticket_id)
    text, problems = _approvable(session, settings, draft, binding=binding, body=body, vouched=vouched)
    if second_approval.is_needed(session, settings, ticket) and not second_approval.is_given(
        session, ticket, draft, text, engineer=engineer
    ):
        raise ApprovalError("An answer of this kind leaves when two people have approved the same text.")
    if not drafts.settle(session, draft_id, DraftState.APPROVED):
        raise ApprovalError("Somebody else has just decided about this draft. Reload the ticket.")
    edited = text != draft.body
    files = after_edit(drafts.attachments_of(session, draft), draft.body, text)
    approval = Approval(
        draft_id=draft_id,
        engineer_id=people.key_of(engineer),
        decision=Decision.EDITED if edited else Decision.APPROVED,
        body=text,
        binding=binding_of(
            revision=ticket.revision,
            recipients=draft.recipients,
            subject=draft.subject,
            body=text,
            attachments=files,
        ),
    )
    session.add(approval)
    session.flush()
    outbound = _queue_answer(session, settings, ticket=ticket, draft=draft, approval=approval, text=text, files=files)
    second_approval.close(session, ticket)
    ticket.status = TicketStatus.ANSWERED
    ticket.first_answered_at = ticket.first_answered_at or now()
    if ticket.assignee_id is None:
        ticket.assignee_id = engineer.id
    what = marked("approved after editing") if edited else marked("approved")
    tickets.note_event(session, ticket, engineer.name, what, "; ".join(problems)[:500])
    return outbound


def decide(
    session: Session,
    settings: Settings,
    draft_id: int,
    *,
    engineer: Engineer,
    binding: str,
    body: str | None = None,
    vouched: bool = False,
) -> Outbound | None:
    """Like `approve`; where two people have to, the first one's approval is kept, and nothing leaves: None."""
    draft = tickets.by_id(session, Draft, draft_id)
    ticket = tickets.by_id(session, Ticket, draft.ticket_id)
    if second_approval.is_needed(session, settings, ticket):
        text, _ = _approvable(session, settings, draft, binding=binding, body=body, vouched=vouched)
        if not second_approval.is_given(session, ticket, draft, text, engineer=engineer):
            second_approval.endorse(session, ticket, draft, text, engineer=engineer)
            return None
    return approve(session, settings, draft_id, engineer=engineer, binding=binding, body=body, vouched=vouched)


def _approvable(
    session: Session, settings: Settings, draft: Draft, *, binding: str, body: str | None, vouched: bool
) -> tuple[str, tuple[str, ...]]:
    """The text that would be sent, and what the engineer vouches for. Raises as `approve` does."""
    _check_still_bound(draft, tickets.by_id(session, Ticket, draft.ticket_id), binding)
    text, problems = checked_text(session, settings, draft, body)
    if problems and not vouched:
        raise UnsupportedError("This is in no evidence of the draft. Change it, or confirm it below.", problems)
    return text, problems


def checked_text(session: Session, settings: Settings, draft: Draft, body: str | None) -> tuple[str, tuple[str, ...]]:
    """The answer as it would be sent, and what of it no evidence carries; None for the draft as it stands.

    Raises ApprovalError for an empty answer, and for one in which something red stands unchanged.
    """
    text = _clean(body) if body is not None else draft.body
    if not text.strip():
        raise ApprovalError("An empty answer is not sent. Write the answer, or reject the draft.")
    ticket = tickets.by_id(session, Ticket, draft.ticket_id)
    return text, problems_of_answer(session, settings, ticket, draft, text)


def reject(session: Session, draft_id: int, *, engineer: Engineer, reason: str) -> Ticket:
    """Raises ApprovalError without a reason or when the draft is settled already; NotFoundError."""
    if not reason.strip():
        raise ApprovalError("Please say why the draft is rejected; the reason is kept with the ticket.")
    draft = tickets.by_id(session, Draft, draft_id)
    ticket = tickets.by_id(session, Ticket, draft.ticket_id)
    if not drafts.settle(session, draft_id, DraftState.REJECTED):
        raise ApprovalError("Somebody else has just decided about this draft. Reload the ticket.")
    session.add(
        Approval(
            draft_id=draft_id,
            engineer_id=people.key_of(engineer),
            decision=Decision.REJECTED,
            reason=reason.strip(),
            binding=draft.binding,
        )
    )
    ticket.status = TicketStatus.NEW
    tickets.note_event(session, ticket, engineer.name, "rejected", reason.strip())
    return ticket


def problems_of_answer(
    session: Session, settings: Settings, ticket: Ticket, draft: Draft, text: str
) -> tuple[str, ...]:
    """What no evidence carries in an edited answer; nothing for a draft that is sent as it stands.

    Raises:
        ApprovalError: something red stands in it unchanged.
    """
    content = drafts.content_of(draft)
    standing = red_parts_in(text, content) if text != draft.body else content.red
    if standing:
        named = "; ".join(
            f"{check.part.replace('_', ' ')} {check.position + 1} {check.reasons[0]}" for check in standing
        )
        raise ApprovalError("What is red does not leave as it stands. Edit it or take it out: {named}.", named=named)
    if text == draft.body:
        return ()
    request = tickets.by_id(session, Message, draft.message_id)
    seen = without_red(draft.body, content) if content.red else draft.body
    ours = [settings.support_address, ticket.number, ticket.requester_name, seen]
    asked = f"{request.subject}\n{request.visible_text}"
    return problems_of_body(text, content, ours="\n".join(ours), request=asked)


def _check_still_bound(draft: Draft, ticket: Ticket, binding: str) -> None:
    if draft.state == DraftState.SUPERSEDED:
        raise ApprovalError("This draft is superseded: the ticket has moved on. Reload the ticket.")
    if draft.state != DraftState.WAITING:
        raise ApprovalError("This draft has been decided about. Reload the ticket.")
    if draft.revision != ticket.revision:
        raise ApprovalError("A new message has come in since this draft was written. Reload the ticket.")
    if binding != draft.binding:
        raise ApprovalError("The draft is not the one that was shown. Reload the ticket.")


def _queue_answer(
    session: Session,
    settings: Settings,
    *,
    ticket: Ticket,
    draft: Draft,
    approval: Approval,
    text: str,
    files: tuple[Attachment, ...],
) -> Outbound:
    """One row for each way that it leaves by: in the conversation that it belongs to, and by mail."""
    chats = tuple(address for address in draft.recipients if is_chat(address))
    mails = tuple(address for address in draft.recipients if not is_chat(address))
    queued: list[tuple[Outbound, OutboundMessage]] = []
    for way, recipients in (("chat", chats), ("mail", mails)):
        if not recipients:
            continue
        mail = _answer(session, settings, ticket=ticket, draft=draft, text=text, files=files, recipients=recipients)
        key = f"answer:{approval.id}" if not queued else f"answer:{approval.id}:{way}"
        outbound = outbox.queue(session, ticket, mail, kind=OutboundKind.ANSWER, key=key)
        outbound.approval_id = approval.id
        outbound.next_attempt_at = now() + timedelta(seconds=settings.undo_s)
        queued.append((outbound, mail))
    sent = _sent_message(ticket, queued[0][1], text)
    session.add(sent)
    fulltext.add_message(session, ticket, sent)
    return queued[0][0]


def _answer(
    session: Session,
    settings: Settings,
    *,
    ticket: Ticket,
    draft: Draft,
    text: str,
    files: tuple[Attachment, ...],
    recipients: tuple[str, ...],
) -> OutboundMessage:
    """What is answered is quoted in a mail; in a conversation it stands above."""
    request = tickets.by_id(session, Message, draft.message_id)
    domain = settings.support_address.rpartition("@")[2]
    quote = quoted(request.sender_name, request.sender_address, request.date or request.at, request.visible_text)
    return OutboundMessage(
        message_id=new_tagged_id(reply_key(settings.reply_key_path), ticket.number, domain),
        sender_name=SENDER_NAME,
        sender_address=settings.support_address,
        recipients=recipients,
        subject=draft.subject,
        body=f"{text.rstrip()}\n" if is_chat(recipients[0]) else f"{text.rstrip()}\n\n{quote}\n",
        date=now(),
        in_reply_to=request.message_id,
        references=thread_of(request.message_id, request.references),
        auto_submitted="no",
        attachments=files,
    )


def _sent_message(ticket: Ticket, mail: OutboundMessage, text: str) -> Message:
    return Message(
        ticket_id=tickets.key_of(ticket),
        direction="out",
        sender_name=mail.sender_name,
        sender_address=mail.sender_address,
        recipients=list(mail.recipients),
        subject=mail.subject,
        message_id=mail.message_id,
        in_reply_to=mail.in_reply_to,
        references=list(mail.references),
        text=text,
        visible_text=text,
        date=mail.date,
        attachments=[
            {
                "filename": file.filename,
                "content_type": file.content_type,
                "size": len(file.content),
                "sha256": file.sha256,
                "inline": False,
            }
            for file in mail.attachments
        ],
    )


def _clean(body: str) -> str:
    """Browsers send CRLF."""
    return body.replace("\r\n", "\n").replace("\r", "\n").rstrip() + "\n"
