"""Approved answers on their way into a conversation; the outbox keeps their states as those of mails."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.chat.service import Chat
from agent.chat.values import Reply, ReplyFile, Spot
from agent.errors import ChatError, SendError
from agent.mail.sender import Outgoing, Send, UncertainError
from agent.store.chat import is_chat, spot_of
from ingest.mail import parse_mail


def by_way(mail: Send, chats: Callable[[], Mapping[str, Chat]]) -> Send:
    """Sends by mail, or where the recipient is a conversation. `chats` by name of the service."""

    def send(outgoing: Outgoing, transmitting: Callable[[], None]) -> str | None:
        if not is_chat(outgoing.recipients[0]):
            return mail(outgoing, transmitting)
        channel, place, thread = spot_of(outgoing.recipients[0])
        chat = chats().get(channel)
        if chat is None:
            raise SendError(f"{channel} is not connected; see docs/slack.md", permanent=False)
        send_to_chat(chat, Spot(place=place, thread=thread), outgoing, transmitting)
        return None

    return send


def send_to_chat(chat: Chat, spot: Spot, outgoing: Outgoing, transmitting: Callable[[], None]) -> None:
    message = parse_mail(outgoing.content)
    files = tuple(
        ReplyFile(filename=file.filename, content=file.content.decode("utf-8", "replace"))
        for file in message.attachments
    )
    paragraphs = tuple(part for part in message.text.strip().split("\n\n") if part.strip())
    transmitting()
    try:
        chat.channel.put(spot, outgoing.name, Reply(paragraphs=("\n\n".join(paragraphs),), files=files), None)
    except ChatError as error:
        if error.uncertain:
            raise UncertainError(str(error)) from error
        raise SendError(str(error), permanent=error.permanent) from error
    try:
        chat.channel.attach(spot, files)
    except ChatError as error:
        raise UncertainError(f"the answer is there, its files may not be: {error}") from error
