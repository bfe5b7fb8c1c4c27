"""Slack as one of the connected services."""

from __future__ import annotations

from typing import Any

import structlog
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError

from agent.chat.runner import Chats, Service
from agent.errors import ChatError, SettingsError
from agent.pipeline import Ports
from agent.settings import Settings
from agent.slack.acts import handle
from agent.slack.app import bolt_app
from agent.slack.cards import keep_cards
from agent.slack.channel import TIMEOUT_S, SlackChannel, call
from agent.workflows import Workflows

log = structlog.get_logger()


def client_for(settings: Settings) -> WebClient:
    """Tries again by itself never: what must not be said twice is tried again by whoever knows what was said."""
    token = settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else None
    return WebClient(token=token, base_url=settings.slack_api_url, timeout=TIMEOUT_S, retry_handlers=[])


def connect_slack(chats: Chats, settings: Settings, *, ports: Ports, workflows: Workflows, desk_url: str) -> App | None:
    """Add Slack to the services; the app, for the desk to hand requests to, where Slack sends them over HTTP.

    Raises SettingsError when Slack does not take the token, or the channel rules cannot be used.
    """
    if settings.slack_bot_token is None:
        return None
    client = client_for(settings)
    try:
        me = str(call(client.auth_test)["user_id"])
    except ChatError as error:
        raise SettingsError(f"{error}. Check MINERVA_SLACK_BOT_TOKEN with `minerva slack check`.") from error

    chat = chats.chat_on(SlackChannel(client, me=me), settings, ports, workflows.wake)
    secret = settings.slack_signing_secret.get_secret_value() if settings.slack_signing_secret else ""
    app = bolt_app(chat, client, me=me, signing_secret=secret)
    socket = _socket(app, settings)
    cards = settings.slack_engineers_channel

    def tick() -> None:
        if cards:
            keep_cards(chat, cards, desk_url)

    chats.add(
        Service(
            chat=chat,
            handle=handle,
            tick=tick,
            close=socket.close if socket else lambda: None,
            state=lambda: _state(socket),
        )
    )
    return app if socket is None else None


def _socket(app: App, settings: Settings) -> Any | None:
    """Connected; None where Slack sends over HTTP."""
    if settings.slack_app_token is None:
        return None
    handler: Any = SocketModeHandler(app, settings.slack_app_token.get_secret_value(), web_client=app.client)
    try:
        handler.connect()
    except (SlackClientError, OSError) as error:
        raise SettingsError(f"no connection to Slack: {error}. `minerva slack check` says what is missing.") from error
    return handler


def _state(socket: Any | None) -> str:
    return "ok" if socket is None or socket.client.is_connected() else "no connection to Slack"
