"""What people do in Slack besides writing: buttons, forms, commands, emoji, home. Each may be worked on twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx
import structlog

from agent.benchmarks import MAX_WORDS
from agent.chat import posting
from agent.chat.answering import plain_reply
from agent.chat.conversation import hear, hear_event
from agent.chat.phrases import phrases_for
from agent.chat.service import Chat
from agent.chat.tickets import open_ticket
from agent.chat.values import Heard, Spot, reply_of
from agent.chat.web import answer_of
from agent.chat.wishes import wish, wish_for_answer
from agent.errors import ChatError
from agent.slack import cards, views
from agent.slack.blocks import SECTION_CHARS, Block, button, section
from agent.slack.channel import TIMEOUT_S, SlackChannel, call
from agent.slack.markup import markdown_of, mrkdwn
from agent.slack.reading import sender_of
from agent.store import chat as store
from agent.store.chat_tables import ChatFeedback, ChatPost, ChatThread
from agent.store.tables import Ticket
from ingest.masking import mask_secrets
from knowledge_base.rows.row import Row

log = structlog.get_logger()

TICKET_EMOJI = "ticket"
_BENCH = "bench:"
"""Begins the value of the button below what `/minerva bench` said; the words follow."""
Body = Mapping[str, Any]


def handle(chat: Chat, kind: str, body: Body) -> bool:
    """False when it was not meant for us."""
    act = _ACTS.get(kind)
    return act(chat, body) if act else False


def slack_of(chat: Chat) -> SlackChannel:
    assert isinstance(chat.channel, SlackChannel)
    return chat.channel


def _event(chat: Chat, body: Body) -> bool:
    event = body.get("event", {})
    if event.get("type") == "reaction_added":
        return _reaction(chat, body, event)
    if event.get("type") == "app_home_opened":
        publish_home(chat, sender_of(body, event))
        return True
    return hear_event(chat, "event", body)


def _reaction(chat: Chat, body: Body, event: Body) -> bool:
    """The emoji asks for a form; only a click may open one, and without consent there is no ticket."""
    item = event.get("item", {})
    if event.get("reaction") != TICKET_EMOJI or item.get("type") != "message":
        return False
    spot = Spot(place=item["channel"], thread=_root(chat, item["channel"], item["ts"]))
    value = f"{spot.place}/{spot.thread}"
    blocks = [section("Shall a person look at this?"), _actions([button("Open a ticket", "person", value, "primary")])]
    chat.channel.whisper(
        spot, sender_of(body, event), replace(plain_reply("?", language="en"), extra={"blocks": blocks})
    )
    return True


def _root(chat: Chat, place: str, ts: str) -> str:
    """The first message of the thread that a message is in."""
    try:
        found = call(slack_of(chat).client.conversations_replies, channel=place, ts=ts, limit=1)
    except ChatError:
        return ts
    return str(found["messages"][0].get("thread_ts") or ts) if found["messages"] else ts


def _clicked(chat: Chat, body: Body) -> bool:
    action = body["actions"][0]
    sender = user_of(body)
    if action["action_id"].startswith(cards.PREFIX):
        return cards.clicked(chat, action, sender, body)
    if action["action_id"] == "measure":
        return _measured(chat, body, action["value"], sender)
    if action["action_id"] not in {"helpful", "more"}:
        return False  # `person`, `unhelpful`: the form follows
    with chat.database.write() as session:
        post = store.post_by_key(session, action["value"])
        if post is None or post.content is None:
            return True
        if action["action_id"] == "helpful":
            session.merge(ChatFeedback(post_id=post.id or 0, sender=sender, helpful=True))
        else:
            expanded = replace(reply_of(post.content), expanded=True)
            _want(session, post, expanded.as_json())
    if action["action_id"] == "helpful":
        thanks = plain_reply(phrases_for(_language(post)).thanks, language="en")
        chat.channel.whisper(Spot(place=post.place, thread=post.thread), sender, thanks)
    posting.post_due(chat)
    return True


def _measured(chat: Chat, body: Body, value: str, sender: str) -> bool:
    """Below an answer, or below what `/minerva bench` said."""
    if value.startswith(_BENCH):
        _respond(body, wish(chat, value.removeprefix(_BENCH), sender, "en"))
    else:
        wish_for_answer(chat, value, sender)
    return True


def _want(session: Any, post: ChatPost, content: dict[str, Any]) -> None:
    store.want_post(session, post.key, channel=post.channel, place=post.place, thread=post.thread, content=content)


def _language(post: ChatPost) -> str:
    return str((post.content or {}).get("language", "en"))


def _submitted(chat: Chat, body: Body) -> bool:
    view, sender = body["view"], user_of(body)
    values, where = views.filled(view), views.where_of(view)
    if view["callback_id"] == views.REASON:
        _not_helpful(chat, where["post"], sender, values.get("reason", ""))
    elif view["callback_id"] == views.TICKET:
        _open(chat, where, values, sender)
    else:
        return cards.submitted(chat, view["callback_id"], where, values, sender)
    return True


def _not_helpful(chat: Chat, key: str, sender: str, reason: str) -> None:
    with chat.database.write() as session:
        post = store.post_by_key(session, key)
        if post is not None:
            text = mask_secrets(reason).text
            session.merge(ChatFeedback(post_id=post.id or 0, sender=sender, helpful=False, reason=text))


def _open(chat: Chat, where: Mapping[str, str], values: Mapping[str, str], sender: str) -> None:
    """Where there is no thread to answer in, one is begun in private."""
    wish = views.wish_of(values, sender, direct=bool(where.get("direct")) or not where.get("thread"))
    spot = Spot(place=where.get("place", ""), thread=where.get("thread", ""))
    if not spot.thread:
        spot = private_thread(chat, sender, f"ticket:{where.get('token', '')}", mask_secrets(wish.text).text)
    open_ticket(chat, spot, wish)
    posting.post_due(chat)
    try:
        publish_home(chat, sender)
    except ChatError as error:
        log.info("slack_no_home", problem=str(error))


def private_thread(chat: Chat, sender: str, key: str, text: str) -> Spot:
    """A thread in the direct messages that begins with what somebody asked elsewhere."""
    user = sender.rpartition("/")[2]
    place = str(call(slack_of(chat).client.conversations_open, users=user)["channel"]["id"])
    quoted = "\n".join(f"> {line}" for line in (text or "…").splitlines())
    content = replace(
        plain_reply("", language="en"), extra={"blocks": [section(mrkdwn(quoted)[:2900].replace("&gt; ", ">"))]}
    )
    with chat.database.write() as session:
        post = store.want_post(session, key, channel="slack", place=place, thread="", content=content.as_json())
    posting.post(chat, post.id or 0)
    with chat.database.read() as session:
        posted = store.post_by_key(session, key)
    if posted is None or posted.external_id is None:
        raise ChatError("the private thread could not be begun")
    return Spot(place=place, thread=posted.external_id)


def _commanded(chat: Chat, body: Body) -> bool:
    word, _, rest = markdown_of(body.get("text", ""), me=slack_of(chat).me).partition(" ")
    sender = f"{body['team_id']}/{body['user_id']}"
    if word == "ask" and rest.strip():
        _ask(chat, sender, rest.strip(), key=f"ask:{body['trigger_id']}")
    elif word == "bench":
        _respond_bench(chat, body, mask_secrets(rest.strip()).text)
    elif word == "status":
        _respond(body, status_text(chat, sender))
    return True


def _ask(chat: Chat, sender: str, text: str, *, key: str) -> None:
    """Asked in private: a thread in the direct messages, with everything that belongs to one."""
    spot = private_thread(chat, sender, key, mask_secrets(text).text)
    heard = Heard(kind="said", spot=spot, id=spot.thread, sender=sender, text=text, direct=True, addressed=True)
    hear(chat, heard)


def _respond_bench(chat: Chat, body: Body, words: str) -> None:
    rows = chat.ports.rows(words) if words else ()
    text = bench_text(rows)
    if not words or any(row.known for row in rows):
        _respond(body, text)
        return
    value = f"{_BENCH}{words[:MAX_WORDS]}"
    _respond(body, text, [section(text[:SECTION_CHARS]), _actions([button("Ask for a measurement", "measure", value)])])


def bench_text(rows: Sequence[Row]) -> str:
    """What was measured, as rows; nothing is guessed."""
    if not rows:
        return "No measurement of ours answers that. Name a model, a system and what you want to know, or ask a person."
    return "\n\n".join(f"*{row.title}*: {mrkdwn(row.text)}" for row in rows[:5])


def status_text(chat: Chat, sender: str) -> str:
    lines = [views.ticket_line(ticket, url) for ticket, url in tickets_of(chat, sender)[: views.MAX_HOME_TICKETS]]
    return "\n".join(lines) or "You have no tickets."


def tickets_of(chat: Chat, sender: str) -> list[tuple[Ticket, str]]:
    """The newest first, each with the address of its thread."""
    with chat.database.read() as session:
        found = store.threads_of_asker(session, chat.channel.name, sender)
    return [(ticket, _permalink(chat, thread)) for thread, ticket in found[: views.MAX_HOME_TICKETS]]


def _permalink(chat: Chat, thread: ChatThread) -> str:
    try:
        link = call(slack_of(chat).client.chat_getPermalink, channel=thread.place, message_ts=thread.thread)
    except ChatError:
        return ""
    return str(link["permalink"])


def publish_home(chat: Chat, sender: str) -> None:
    view = views.home(tickets_of(chat, sender))
    call(slack_of(chat).client.views_publish, user_id=sender.rpartition("/")[2], view=view)


def _respond(body: Body, text: str, blocks: Sequence[Block] = ()) -> None:
    """To the one who gave the command. The address is good for half an hour."""
    said: dict[str, Any] = {"response_type": "ephemeral", "text": text}
    said |= {"blocks": blocks} if blocks else {}
    answer_of(httpx.post, body["response_url"], json=said, timeout=TIMEOUT_S)


def user_of(body: Body) -> str:
    user = body["user"]
    return f"{user.get('team_id') or body.get('team', {}).get('id', '')}/{user['id']}"


def _actions(elements: list[Block]) -> Block:
    return {"type": "actions", "elements": elements}


_ACTS: Mapping[str, Callable[[Chat, Body], bool]] = {
    "event": _event,
    "block_actions": _clicked,
    "view_submission": _submitted,
    "command": _commanded,
}
