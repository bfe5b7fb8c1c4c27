"""Bolt: what Slack sends is stored, then acknowledged; forms open at once, all other work is done from the store."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from slack_bolt import App, BoltResponse
from slack_sdk import WebClient

from agent.chat.service import Chat
from agent.errors import ChatError
from agent.slack import cards, views
from agent.slack.acts import user_of
from agent.slack.channel import call
from agent.slack.markup import markdown_of
from agent.store import chat as store

Body = dict[str, Any]
Ack = Callable[..., Any]
_AT_ONCE = {
    "ask": "I answer in our direct messages.",
    "bench": "Looking through the measurements …",
    "status": "Looking for your tickets …",
}


def bolt_app(chat: Chat, client: WebClient, *, me: str, signing_secret: str = "") -> App:
    app = App(client=client, signing_secret=signing_secret, request_verification_enabled=bool(signing_secret))

    @app.middleware
    def keep(body: Body, next: Callable[[], BoltResponse]) -> BoltResponse:  # noqa: A002  # Bolt passes by name
        """Raises when it cannot be stored: then Slack is not answered and sends it again."""
        kept = key_of(body)
        if kept is not None:
            key, kind = kept
            chat.keep(key, kind, {name: value for name, value in body.items() if name != "token"})
            chat.wake()
        return next()

    @app.event(re.compile(".*"))
    def on_event() -> None:
        pass

    @app.command("/minerva")
    def on_command(ack: Ack, body: Body) -> None:
        _command(client, ack, body)

    @app.shortcut("open_ticket")
    def on_shortcut(ack: Ack, body: Body) -> None:
        ack()
        message = body["message"]
        where = {"place": body["channel"]["id"], "thread": message.get("thread_ts") or message["ts"]}
        _open(client, body, views.ticket_form(where, text=markdown_of(message.get("text", ""), me=me)))

    @app.action(re.compile(".*"))
    def on_click(ack: Ack, body: Body) -> None:
        ack()
        form = _form_for(chat, body)
        if form is not None:
            _open(client, body, form)

    @app.view(re.compile(".*"))
    def on_submit(ack: Ack, body: Body) -> None:
        problems = _problems(body)
        ack(response_action="errors", errors=problems) if problems else ack()

    return app


def _command(client: WebClient, ack: Ack, body: Body) -> None:
    word, _, rest = body.get("text", "").strip().partition(" ")
    if word == "ticket":
        ack()
        _open(client, body, views.ticket_form({"token": uuid.uuid4().hex}, text=rest))
    elif word == "ask" and not rest.strip():
        ack("Write your question behind it: `/minerva ask …`")
    else:
        ack(_AT_ONCE.get(word, views.HELP))


def _problems(body: Body) -> dict[str, str]:
    """What has to be filled in otherwise, by block id."""
    view = body["view"]
    return views.problems_of_ticket(views.filled(view)) if view["callback_id"] == views.TICKET else {}


def key_of(body: Body) -> tuple[str, str] | None:
    """(key, kind) of what is worth storing. A redelivery has the same key."""
    if body.get("type") == "event_callback":
        return body["event_id"], "event"
    if body.get("command"):
        return body["trigger_id"], "command"
    if body.get("type") == "view_submission":
        if _problems(body):
            return None  # it goes back to the one who filled it in
        return f"{body['view']['id']}:{body['view'].get('hash', '')}", "view_submission"
    if body.get("type") == "block_actions":
        action = body["actions"][0]
        return f"{body['user']['id']}:{action['action_id']}:{action['action_ts']}", "block_actions"
    return None


def _form_for(chat: Chat, body: Body) -> Body | None:
    """The form that a click opens, if it opens one."""
    action = body["actions"][0]
    name, value = action["action_id"], action.get("value", "")
    if name == "unhelpful":
        return views.reason_form({"post": value})
    if name == "person":
        where = _where(body, value)
        return views.ticket_form(where, text=_asked(chat, where))
    return cards.form_for(chat, name, value, user_of(body))


def _asked(chat: Chat, where: Mapping[str, str]) -> str:
    """What the conversation began with, as far as we know it."""
    with chat.database.read() as session:
        thread = store.thread_of(session, chat.channel.name, where.get("place", ""), where.get("thread", ""))
        said = store.messages_of(session, thread) if thread else []
    return said[0].text if said else ""


def _where(body: Mapping[str, Any], value: str) -> dict[str, str]:
    """The thread that the button stands in; from the app home, none."""
    if value == "home" or "channel" not in body:
        return {"token": uuid.uuid4().hex}
    place, _, thread = value.partition("/")
    if thread and ":" not in place:
        return {"place": place, "thread": thread, "direct": "yes" if place.startswith("D") else ""}
    message = body.get("message", {})
    direct = body["channel"]["id"].startswith("D")
    thread = message.get("thread_ts") or body["container"].get("thread_ts") or message.get("ts", "")
    return {"place": body["channel"]["id"], "thread": thread, "direct": "yes" if direct else ""}


def _open(client: WebClient, body: Body, form: Body) -> None:
    """A form has to open within three seconds; when Slack was slower than that, the person clicks again."""
    try:
        call(client.views_open, trigger_id=body["trigger_id"], view=form)
    except ChatError as error:
        if error.permanent:
            raise
