"""What happens to something that was said: answered, asked back, offered a person, filed with its ticket, or silence.

Each step finds what it has already done, so an event may be worked on twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlmodel import Session

from agent.chat import posting
from agent.chat.answering import MEASURE, PERSON, answer_reply, ask_reply, handing_on, plain_reply, said_before
from agent.chat.live import LiveAnswer
from agent.chat.phrases import phrases_for
from agent.chat.policy import Verdict, verdict
from agent.chat.rules import Rule
from agent.chat.service import Chat
from agent.chat.tickets import Wish, file_deletion, file_follow_up, open_ticket
from agent.chat.values import Heard, Reply, Spot, reply_of
from agent.chat.wishes import wish_in_thread
from agent.errors import ChatError
from agent.pipeline import Answered, answer
from agent.store import chat as store
from agent.store.chat_tables import ChatFile, ChatMessage, ChatThread
from agent.store.tables import now
from ingest.attached_text import attached_texts
from ingest.masking import mask_secrets
from ingest.message import Attachment
from triage.result import Request

MAX_FILES = 5
MAX_FILE_BYTES = 2_000_000
MAX_SUBJECT_CHARS = 300


def hear_event(chat: Chat, kind: str, body: Mapping[str, Any]) -> bool:
    """False when it was not meant for us."""
    heard = chat.channel.heard(kind, body)
    return heard is not None and hear(chat, heard)


def hear(chat: Chat, heard: Heard) -> bool:
    """False when it was not meant for us."""
    if heard.kind == "deleted":
        return _deleted(chat, heard)
    rule = chat.rules.of(heard.spot.place)
    if not _concerns_us(chat, heard, rule):
        return False
    if rule.answer == "never" and not heard.direct:
        chat.channel.whisper(heard.spot, heard.sender, _plain(rule, "never", "en"))
        return True
    if heard.text == PERSON and not heard.is_first:
        open_ticket(chat, heard.spot, Wish(sender=heard.sender, text="", mail=None, direct=heard.direct))
        return True
    if heard.text == MEASURE and not heard.is_first:
        wish_in_thread(chat, heard.spot, heard.sender)
        return True
    return _take_in(chat, heard, rule)


def _take_in(chat: Chat, heard: Heard, rule: Rule) -> bool:
    message = _keep(chat, heard)
    if message is None or message.decided >= message.revision:
        return True
    _warn(chat, heard, message)
    thread = _thread(chat, heard)
    if thread.ticket_id is not None:
        file_follow_up(chat, thread, message)
        return True
    return _reply_to(chat, heard, rule, message)


def apologise(chat: Chat, heard: Heard) -> None:
    """To somebody who waits for an answer that could not be made; in the place of one that was begun."""
    if heard.kind == "deleted":
        return
    language = chat.rules.of(heard.spot.place).language or "en"
    reply = plain_reply(phrases_for(language).trouble, language=language, buttons=("person",), to=heard.sender)
    spot = heard.spot
    with chat.database.write() as session:
        thread = store.thread_of(session, chat.channel.name, spot.place, spot.thread)
        message = store.message_of(session, thread, heard.id) if thread else None
        begun = message is not None and store.post_by_key(session, _key(message)) is not None
        if not (heard.addressed or begun):
            return
        key = _key(message) if begun and message else f"trouble:{chat.channel.name}:{spot.place}:{heard.id}"
        store.want_post(
            session, key, channel=chat.channel.name, place=spot.place, thread=spot.thread, content=reply.as_json()
        )
    chat.wake()


def _concerns_us(chat: Chat, heard: Heard, rule: Rule) -> bool:
    """Mentioned, direct, in a thread that we are part of, or asked where we answer all questions."""
    if heard.addressed:
        return True
    if rule.answer == "never" or not (heard.text.strip() or heard.files):
        return False
    with chat.database.read() as session:
        thread = store.thread_of(session, chat.channel.name, heard.spot.place, heard.spot.thread)
        known = thread is not None and store.message_of(session, thread, heard.id) is not None
    if known or (thread is not None and not heard.to_others):
        return True
    open_to_all = rule.answer == "all" and not rule.is_quiet(now(), chat.settings.time_zone)
    return open_to_all and heard.is_first and heard.kind == "said" and not heard.to_others


def _keep(chat: Chat, heard: Heard) -> ChatMessage | None:
    """The row of the message with its newest text, secrets masked; None when it is gone, or another event tells it."""
    texts = _fetched(chat, heard)
    masked = mask_secrets(heard.text)
    kinds = sorted({*masked.kinds, *(kind for _, content in texts for kind in _kinds_in(content))})
    name = chat.channel.name_of(heard.sender)
    with chat.database.write() as session:
        thread = _thread_row(session, chat, heard, name)
        row = store.message_of(session, thread, heard.id)
        if row is None:
            row = ChatMessage(thread_id=thread.id or 0, external_id=heard.id, sender=heard.sender, text="")
        elif row.deleted or heard.version < row.version:
            return None
        elif heard.version == row.version and not _brings_files(session, row, texts):
            return row if row.event == heard.event else None
        else:
            row.revision += 1
        row.text, row.masked, row.sender_name = masked.text, kinds, name
        row.version, row.event = heard.version, heard.event
        session.add(row)
        session.flush()
        if heard.files:
            _keep_files(session, row, texts)
    return row


def _brings_files(session: Session, row: ChatMessage, files: Sequence[tuple[str, bytes]]) -> bool:
    """Of two events about one message only one may tell of its files."""
    return bool(files) and not store.files_of(session, row)


def _thread_row(session: Session, chat: Chat, heard: Heard, name: str) -> ChatThread:
    spot = heard.spot
    row = store.thread_of(session, chat.channel.name, spot.place, spot.thread)
    if row is None:
        row = ChatThread(
            channel=chat.channel.name,
            place=spot.place,
            thread=spot.thread,
            direct=heard.direct,
            asker=heard.sender,
            asker_name=name,
        )
        session.add(row)
        session.flush()
    return row


def _fetched(chat: Chat, heard: Heard) -> list[tuple[str, bytes]]:
    files = [file for file in heard.files[:MAX_FILES] if file.size <= MAX_FILE_BYTES]
    return [(file.name, chat.channel.fetch(file)) for file in files]


def _kinds_in(content: bytes) -> tuple[str, ...]:
    return mask_secrets(content.decode("utf-8", "replace")).kinds


def _keep_files(session: Session, row: ChatMessage, files: Sequence[tuple[str, bytes]]) -> None:
    store.forget_files(session, row)
    for position, (name, content) in enumerate(files):
        masked = mask_secrets(content.decode("utf-8", "replace"))
        kept = masked.text.encode() if masked.kinds else content
        session.add(ChatFile(chat_message_id=row.id or 0, position=position, filename=name, content=kept))


def _warn(chat: Chat, heard: Heard, message: ChatMessage) -> None:
    """Somebody has shown a secret: said for that person's eyes only."""
    if not message.masked or message.warned:
        return
    rule = chat.rules.of(heard.spot.place)
    language = rule.language or chat.ports.language(message.text)
    text = phrases_for(language).leaked.format(kinds=", ".join(message.masked))
    chat.channel.whisper(heard.spot, heard.sender, plain_reply(text, language=language))
    with chat.database.write() as session:
        session.get_one(ChatMessage, message.id).warned = True


def _reply_to(chat: Chat, heard: Heard, rule: Rule, message: ChatMessage) -> bool:
    """False when it turned out to be nothing for us."""
    if not heard.is_first and _is_chatter(chat, message.text):
        with chat.database.write() as session:
            session.get_one(ChatMessage, message.id).decided = message.revision
        return True
    by_asker = _is_by_asker(chat, heard)
    if heard.addressed:
        chat.channel.busy(heard.spot, phrases_for(rule.language or "en").looking)
    with _live(chat, heard, rule, message) as live:
        answered = _answered(chat, heard, message, live.watch if heard.addressed or by_asker else None)
        live.stop()
        decided = verdict(answered, chat.policy, mode=rule.answer, addressed=heard.addressed, by_asker=by_asker)
        with chat.database.write() as session:
            live.release(session)
            meant = _settle(session, message, answered, decided=decided, rule=rule)
    posting.post_due(chat)
    return meant


@contextmanager
def _live(chat: Chat, heard: Heard, rule: Rule, message: ChatMessage) -> Iterator[LiveAnswer]:
    """When something goes wrong, the message is not held any longer."""
    with chat.database.read() as session:
        told = _told(session, session.get_one(ChatThread, message.thread_id), message)
    live = LiveAnswer(chat, heard.spot, _key(message), told=told, language=rule.language, to=heard.sender)
    try:
        yield live
    except BaseException:
        live.stop()
        if live.is_held:
            with chat.database.write() as session:
                live.release(session)
        raise


def _settle(session: Session, message: ChatMessage, answered: Answered, *, decided: Verdict, rule: Rule) -> bool:
    """What is to stand there at last; False when we say nothing and it was nothing for us."""
    row = session.get_one(ChatMessage, message.id)
    if row.deleted or row.revision != message.revision:
        return True  # it has changed meanwhile: the later event answers it
    thread = session.get_one(ChatThread, row.thread_id)
    reply = _reply(session, thread, row, answered=answered, decided=decided, rule=rule)
    key = _key(row)
    if reply is None and store.post_by_key(session, key) is None:
        return _leave(session, row)
    thread.language = answered.triage.language
    row.decided = row.revision
    content = reply.as_json() if reply else None
    store.want_post(session, key, channel=thread.channel, place=thread.place, thread=thread.thread, content=content)
    return True


def _key(message: ChatMessage) -> str:
    """Of our answer to it."""
    return f"answer:{message.id}"


def _is_chatter(chat: Chat, text: str) -> bool:
    """Thanks and the like: no request on its own, however much one the thread began with."""
    alone = Request(id="", channel=chat.channel.name, subject="", body=text)
    return bool(text.strip()) and chat.ports.place(alone).route == "ignore"


def _leave(session: Session, row: ChatMessage) -> bool:
    """We say nothing: then we keep nothing either, unless it belongs to a conversation of ours."""
    row.decided = row.revision
    store.forget_message(session, row)
    return False


def _answered(chat: Chat, heard: Heard, message: ChatMessage, watch: Callable[[Answered], None] | None) -> Answered:
    """The first message of the thread stands as the subject of later ones: they lean on it."""
    with chat.database.read() as session:
        files = store.files_of(session, message)
        thread = session.get_one(ChatThread, message.thread_id)
        first = store.message_of(session, thread, thread.thread)
    subject = "" if heard.is_first else first.text if first else _first_words(chat, heard.spot)
    texts = [(item.filename, item.text) for item in attached_texts([_as_part(file) for file in files]) if item.text]
    request = Request(
        id=f"{thread.channel}-{thread.id}",
        channel=chat.channel.name,
        subject=subject[:MAX_SUBJECT_CHARS],
        body=message.text,
        attachments=tuple(file.filename for file in files),
    )
    return answer(chat.ports, request, attachments=texts, register="slack", watch=watch).unattended


def _as_part(file: ChatFile) -> Attachment:
    digest = hashlib.sha256(file.content).hexdigest()
    return Attachment(filename=file.filename, content_type="", content=file.content, sha256=digest, inline=False)


def _first_words(chat: Chat, spot: Spot) -> str:
    """Of a thread that we were called into."""
    try:
        said = chat.channel.history(spot)
    except ChatError:
        return ""
    return said[0].text if said else ""


def _is_by_asker(chat: Chat, heard: Heard) -> bool:
    thread = _thread(chat, heard)
    return not heard.is_first and not heard.to_others and thread.asker == heard.sender


def _thread(chat: Chat, heard: Heard) -> ChatThread:
    with chat.database.read() as session:
        thread = store.thread_of(session, chat.channel.name, heard.spot.place, heard.spot.thread)
    assert thread is not None
    return thread


def _reply(
    session: Session, thread: ChatThread, row: ChatMessage, *, answered: Answered, decided: Verdict, rule: Rule
) -> Reply | None:
    language = rule.language or answered.triage.language
    if decided == "silent":
        return None
    if decided == "ask":
        return ask_reply(answered.draft, language=language, to=row.sender)
    if decided in {"offer", "help"}:
        buttons = handing_on(answered) if decided == "offer" else ()
        return replace(_plain(rule, decided, language), buttons=buttons, to=row.sender)
    reply = answer_reply(answered, told=_told(session, thread, row), language=language, to=row.sender)
    return reply or replace(_plain(rule, "told", language), buttons=("person",), to=row.sender)


def _told(session: Session, thread: ChatThread, row: ChatMessage) -> set[str]:
    """What we have said in the thread besides the answer to this message."""
    earlier = [post.content for post in store.posts_in(session, thread) if post.key != _key(row) and post.content]
    return said_before(reply_of(content) for content in earlier)


def _plain(rule: Rule, phrase: str, language: str) -> Reply:
    language = rule.language or language
    return plain_reply(getattr(phrases_for(language), phrase), language=language)


def _deleted(chat: Chat, heard: Heard) -> bool:
    """Its text is forgotten and our answer to it taken back; a deletion that comes first leaves a mark."""
    with chat.database.write() as session:
        thread = store.thread_of(session, chat.channel.name, heard.spot.place, heard.spot.thread)
        if thread is None:
            return False
        row = store.message_of(session, thread, heard.id) or ChatMessage(
            thread_id=thread.id or 0, external_id=heard.id, sender=heard.sender, text=""
        )
        row.text, row.deleted, row.masked = "", True, []
        session.add(row)
        session.flush()
        store.forget_files(session, row)
        standing = store.post_by_key(session, _key(row))
        if standing is not None:
            store.want_post(
                session, standing.key, channel=thread.channel, place=thread.place, thread=thread.thread, content=None
            )
        file_deletion(session, thread, row)
    posting.post_due(chat)
    return True
