"""Asking for a measurement from a conversation: a wish that waits for a specification and a named engineer's yes."""

from __future__ import annotations

from sqlmodel import Session

from agent.benchmarks import MAX_WORDS
from agent.chat import posting
from agent.chat.answering import plain_reply
from agent.chat.phrases import phrases_for
from agent.chat.service import Chat
from agent.chat.values import Spot
from agent.store import chat as store
from agent.store.chat_tables import ChatMessage, ChatPost, ChatThread

_ANSWER = "answer:"
"""What keys of our answers begin with."""


def wish(chat: Chat, words: str, sender: str, language: str) -> str:
    """What is said to who asked."""
    words = " ".join(words.split())[:MAX_WORDS]
    by = store.sender_address(chat.channel.name, sender)
    phrases = phrases_for(language)
    return (
        phrases.wished.format(words=words) if chat.ports.wish(chat.channel.name, words, by) else phrases.wished_before
    )


def wish_in_thread(chat: Chat, spot: Spot, sender: str) -> None:
    """For the newest question there whose answer offers it; without one nothing happens."""
    with chat.database.read() as session:
        thread = store.thread_of(session, chat.channel.name, spot.place, spot.thread)
        offers = [post for post in store.posts_in(session, thread) if _offers(post)] if thread else []
    if offers:
        wish_for_answer(chat, offers[-1].key, sender)


def wish_for_answer(chat: Chat, key: str, sender: str) -> None:
    """`key` is that of our answer, which has to offer it. Said in the thread, once."""
    with chat.database.read() as session:
        post = store.post_by_key(session, key)
        if post is None or not _offers(post):
            return
        words = _asked(session, int(key.removeprefix(_ANSWER)))
    language = str((post.content or {}).get("language", "en"))
    said = plain_reply(wish(chat, words, sender, language), language=language, to=sender).as_json()
    with chat.database.write() as session:
        if store.post_by_key(session, f"measure:{key}") is None:
            store.want_post(
                session, f"measure:{key}", channel=post.channel, place=post.place, thread=post.thread, content=said
            )
    posting.post_due(chat)


def _offers(post: ChatPost) -> bool:
    return post.key.startswith(_ANSWER) and "measure" in (post.content or {}).get("buttons", ())


def _asked(session: Session, message_id: int) -> str:
    """The question; a later one leans on what the thread began with."""
    message = session.get_one(ChatMessage, message_id)
    thread = session.get_one(ChatThread, message.thread_id)
    first = store.message_of(session, thread, thread.thread)
    begun = first.text if first is not None and first.id != message.id else ""
    return " / ".join(text for text in (begun[: MAX_WORDS // 2], message.text) if text.strip())
