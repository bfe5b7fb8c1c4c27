"""Hand-overs to partners without desk software: the history goes by mail, and so does what comes later.

Each mail carries a keyed tag as its Message-ID, so that the answer finds its ticket (`agent.joining`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from agent.attachment import Attachment
from agent.bridges.sync import Bridge, attachments_of
from agent.bridges.texts import change_key, change_text, files_to_send, opening_text, post_text
from agent.mail.outbound import SENDER_NAME, OutboundMessage, subject_for
from agent.mail.reply_tags import new_tagged_id, reply_key
from agent.settings import Settings
from agent.store import bridges, outbox
from agent.store.bridge_tables import ExternalDesk, HandOver
from agent.store.tables import OutboundKind, Partner, Ticket, now
from agent.store.views import ENDED

ANSWER = "Please answer this mail and leave its subject as it is"


def mail_due(bridge: Bridge, desk: ExternalDesk) -> bool:
    """Puts what is due into the outbox, each once: the row and the note that it went are one transaction."""
    with bridge.database.read() as session:
        due = bridges.due(session, desk.partner_id)
    for key in due:
        with bridge.database.write() as session:
            _queue(session, bridge.settings, bridges.by_id(session, key), desk)
    return bool(due)


def _queue(session: Session, settings: Settings, hand_over: HandOver, desk: ExternalDesk) -> None:
    ticket, partner = session.get_one(Ticket, hand_over.ticket_id), session.get_one(Partner, hand_over.partner_id)
    mailing = _Mailing(session=session, settings=settings, hand_over=hand_over, ticket=ticket, address=desk.address)
    if hand_over.remote_id is None and hand_over.ended_at is None:
        messages = bridges.opening_messages(session, hand_over)
        attached = [file for message in messages for file in attachments_of(session, message)]
        files, left_out = files_to_send(attached)
        text = opening_text(ticket, hand_over, partner, messages, left_out=left_out, answer_here=ANSWER)
        hand_over.remote_id = mailing.send("opening", text, files)
        hand_over.remote_number = desk.address
    for message in bridges.due_messages(session, hand_over):
        files, left_out = files_to_send(attachments_of(session, message))
        sent = mailing.send(str(message.id), post_text(message, left_out), files)
        bridges.note_message(session, hand_over, message, sent)
    if not hand_over.change_told and hand_over.remote_id is not None:
        mailing.send(change_key(hand_over), change_text(hand_over))
    hand_over.change_told, hand_over.closed_here = True, ticket.status in ENDED
    hand_over.last_synced_at = now()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Mailing:
    session: Session
    settings: Settings
    hand_over: HandOver
    ticket: Ticket
    address: str

    def send(self, about: str, text: str, files: Sequence[Attachment] = ()) -> str:
        """The Message-ID. A fixed template around what people have written and read already."""
        key, domain = reply_key(self.settings.reply_key_path), self.settings.support_address.rpartition("@")[2]
        first = self.hand_over.remote_id
        mail = OutboundMessage(
            message_id=new_tagged_id(key, self.ticket.number, domain),
            sender_name=SENDER_NAME,
            sender_address=self.settings.support_address,
            recipients=(self.address,),
            subject=subject_for(self.ticket.number, self.ticket.subject).removeprefix("" if first else "Re: "),
            body=f"{text}\n",
            date=now(),
            in_reply_to=first,
            references=(first,) if first else (),
            auto_submitted="no",
            attachments=tuple(files),
        )
        name = f"hand-over:{self.hand_over.id}:{about}"
        outbox.queue(self.session, self.ticket, mail, kind=OutboundKind.HAND_OVER, key=name)
        return mail.message_id
