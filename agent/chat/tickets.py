"""A conversation becomes a ticket: stored, filed and drafted like a mail, so the desk sees one kind of thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import formataddr

from sqlmodel import Session

from agent import pipeline
from agent.chat.answering import plain_reply
from agent.chat.phrases import phrases_for
from agent.chat.service import Chat
from agent.chat.values import Said, Spot
from agent.errors import ChatError
from agent.store import chat as store
from agent.store import inbound, tickets
from agent.store.chat_tables import ChatFile, ChatMessage, ChatThread
from agent.store.tables import StoredMail, Ticket, TicketStatus, now
from ingest.masking import mask_secrets

MAX_SUBJECT_CHARS = 120
MAX_SAID_CHARS = 4000


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What somebody who wants a person has filled in."""

    sender: str
    text: str
    mail: str | None
    institution: str = ""
    direct: bool = False


def open_ticket(chat: Chat, spot: Spot, wish: Wish) -> str:
    """The number of the conversation's ticket: opened now, or already there."""
    name = chat.channel.name_of(wish.sender)
    thread = _consenting_thread(chat, spot, wish, name)
    number = _filed_before(chat, thread)
    if number is None:
        said = _history(chat, spot)
        with chat.database.write() as session:
            files = [file for m in store.messages_of(session, thread) for file in store.files_of(session, m)]
            raw = _opening(chat, thread, wish, said, files)
            stored = _store(session, chat, thread, wish.sender, raw)
        number = _file(chat, thread, stored)
    text = phrases_for(thread.language).opened.format(number=number)
    reply = plain_reply(text, language=thread.language, to=wish.sender)
    with chat.database.write() as session:
        store.want_post(
            session, f"opened:{number}", channel=thread.channel, place=thread.place, thread=thread.thread,
            content=reply.as_json(),
        )  # fmt: skip
    chat.wake()
    return number


def file_follow_up(chat: Chat, thread: ChatThread, message: ChatMessage) -> None:
    """A message in a conversation that has a ticket joins it; once for each revision."""
    with chat.database.write() as session:
        files = store.files_of(session, message)
        edited = f"(edited) {message.text}" if message.revision > 1 else message.text
        raw = _mail(
            chat,
            thread,
            sender=message.sender,
            sender_name=message.sender_name,
            text=edited,
            files=files,
            name=f"{message.external_id}.{message.revision}",
        )
        stored = _store(session, chat, thread, message.sender, raw)
        session.get_one(ChatThread, thread.id).resolved_told = False
        session.get_one(ChatMessage, message.id).decided = message.revision
    _file(chat, thread, stored)


def file_deletion(session: Session, thread: ChatThread, message: ChatMessage) -> None:
    """The ticket keeps what was filed; its history says that the requester took it back."""
    if thread.ticket_id is not None and message.decided:
        ticket = tickets.by_id(session, Ticket, thread.ticket_id)
        tickets.note_event(session, ticket, "requester", "deleted a message", f"in {thread.channel}")


def tell_resolved(chat: Chat) -> None:
    """In the conversation of each ticket that has been resolved."""
    done = (TicketStatus.RESOLVED, TicketStatus.CLOSED)
    with chat.database.read() as session:
        waiting = store.open_threads_to_tell(session, done)
    for thread, ticket in waiting:
        if thread.channel != chat.channel.name:
            continue
        text = phrases_for(thread.language).resolved.format(number=ticket.number)
        content = plain_reply(text, language=thread.language).as_json()
        with chat.database.write() as session:
            session.get_one(ChatThread, thread.id).resolved_told = True
            key = f"resolved:{ticket.number}:{ticket.revision}"
            store.want_post(
                session, key, channel=thread.channel, place=thread.place, thread=thread.thread, content=content
            )


def _consenting_thread(chat: Chat, spot: Spot, wish: Wish, name: str) -> ChatThread:
    with chat.database.write() as session:
        row = store.thread_of(session, chat.channel.name, spot.place, spot.thread) or ChatThread(
            channel=chat.channel.name, place=spot.place, thread=spot.thread, asker=wish.sender, asker_name=name
        )
        row.direct = row.direct or wish.direct
        if row.ticket_id is None:
            row.mail, row.institution, row.consent_at = wish.mail, wish.institution, now()
            row.asker, row.asker_name = wish.sender, name
        session.add(row)
        session.flush()
    return row


def _filed_before(chat: Chat, thread: ChatThread) -> str | None:
    """The number of the ticket that the conversation has, also when we stopped right after filing it.

    A draft is asked for in any case: one that is there already stays the only one.
    """
    with chat.database.write() as session:
        ticket = (
            tickets.by_id(session, Ticket, thread.ticket_id)
            if thread.ticket_id
            else tickets.of_known_ids(session, [_message_id(thread, "ticket")])
        )
        if ticket is None:
            return None
        session.get_one(ChatThread, thread.id).ticket_id = ticket.id
        newest = tickets.latest_request(session, ticket)
    if newest is not None and newest.id is not None:
        chat.draft(newest.id)
    return ticket.number


def _message_id(thread: ChatThread, name: str) -> str:
    local, _, domain = store.spot_address(thread).rpartition("@")
    return f"{local}.{name}@{domain}"


def _history(chat: Chat, spot: Spot) -> Sequence[Said]:
    try:
        return chat.channel.history(spot) if spot.thread else ()
    except ChatError:
        return ()


def _opening(chat: Chat, thread: ChatThread, wish: Wish, said: Sequence[Said], files: Sequence[ChatFile]) -> bytes:
    """The request, and under it what was said before in the thread."""
    lines = [f"{'MINERVA' if m.ours else m.name}: {m.text[:MAX_SAID_CHARS]}" for m in said if m.text.strip()]
    lines = [mask_secrets(line).text for line in lines]
    text = mask_secrets(wish.text.strip() or next((m.text for m in said if not m.ours), "")).text
    parts = [text, f"Institution: {wish.institution}" if wish.institution else ""]
    parts += ["The conversation so far:\n\n" + "\n\n".join(lines)] if lines else []
    body = "\n\n".join(part for part in parts if part)
    return _mail(
        chat,
        thread,
        sender=wish.sender,
        sender_name=thread.asker_name,
        text=body,
        files=files,
        name="ticket",
        about=text,
    )


def _mail(
    chat: Chat,
    thread: ChatThread,
    *,
    sender: str,
    sender_name: str,
    text: str,
    files: Sequence[ChatFile],
    name: str,
    about: str = "",
) -> bytes:
    """One message of the conversation, as the store of originals has them: RFC 5322."""
    mail = EmailMessage(policy=SMTPUTF8)
    mail["From"] = formataddr((" ".join(sender_name.split()), store.sender_address(thread.channel, sender)))
    mail["To"] = chat.settings.support_address
    mail["Subject"] = _subject(about or text)
    mail["Date"] = now()
    mail["Message-ID"] = f"<{_message_id(thread, name)}>"
    if name != "ticket":
        mail["In-Reply-To"] = f"<{_message_id(thread, 'ticket')}>"
    mail.set_content(text, cte="base64")
    for file in files:
        mail.add_attachment(file.content, maintype="application", subtype="octet-stream", filename=file.filename)
    return mail.as_bytes()


def _subject(text: str) -> str:
    words = " ".join(text.replace("`", "").split())
    return words if len(words) <= MAX_SUBJECT_CHARS else f"{words[:MAX_SUBJECT_CHARS].rsplit(' ', 1)[0]} …"


def _store(session: Session, chat: Chat, thread: ChatThread, sender: str, raw: bytes) -> StoredMail:
    return inbound.store_mail(
        session,
        raw,
        channel=f"{inbound.CHAT}{thread.channel}",
        peer="",
        envelope_from=store.sender_address(thread.channel, sender),
        envelope_to=[chat.settings.support_address],
    )


def _file(chat: Chat, thread: ChatThread, stored: StoredMail) -> str:
    """As the workflow for mails does, which finds its work done; the number of the ticket."""
    assert stored.id is not None
    wanted = pipeline.file_request(chat.database, chat.settings, chat.ports, stored.id)
    with chat.database.write() as session:
        ticket = tickets.of_stored_mail(session, stored.id)
        assert ticket is not None  # just filed
        session.get_one(ChatThread, thread.id).ticket_id = ticket.id
    if wanted is not None:
        chat.draft(wanted)
    return ticket.number
