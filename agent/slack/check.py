"""Is everything there that Slack needs? Each finding says what is missing and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from slack_sdk import WebClient

from agent.chat.rules import load_rules
from agent.errors import ChatError, HelpdeskError
from agent.settings import Settings
from agent.slack.channel import call
from agent.slack.service import client_for

SCOPES = (
    "app_mentions:read", "channels:history", "channels:read", "chat:write", "commands", "files:read", "files:write",
    "groups:history", "groups:read", "im:history", "im:write", "reactions:read", "users:read",
)  # fmt: skip
"""As in deploy/slack/manifest.yaml."""
CLOCK_S = 60
"""Slack's signatures are good for five minutes; a clock that is off by one is on its way there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    what: str
    ok: bool
    detail: str


def check_slack(settings: Settings) -> list[Finding]:
    """In the order in which they are mended; after a token that is not taken nothing else can be asked."""
    if settings.slack_bot_token is None:
        return [Finding(what="bot token", ok=False, detail="MINERVA_SLACK_BOT_TOKEN is not set, see docs/slack.md")]
    client = client_for(settings)
    try:
        answer = call(client.auth_test)
    except ChatError as error:
        return [Finding(what="bot token", ok=False, detail=f"{error}: install the app and copy its bot token")]
    who = f"{answer['user']} in {answer['team']}"
    return [
        Finding(what="bot token", ok=True, detail=who),
        _scopes(answer.headers),
        _clock(answer.headers, datetime.now(UTC)),
        _events(client, settings),
        *_channels(client, settings),
    ]


def _scopes(headers: Any) -> Finding:
    held = {scope.strip() for scope in _header(headers, "x-oauth-scopes").split(",")}
    missing = [scope for scope in SCOPES if scope not in held]
    detail = f"missing: {', '.join(missing)}; add them in the app and install it again" if missing else "all of them"
    return Finding(what="scopes", ok=not missing, detail=detail)


def _clock(headers: Any, at: datetime) -> Finding:
    off_s = abs((at - parsedate_to_datetime(_header(headers, "date"))).total_seconds())
    advice = "" if off_s <= CLOCK_S else ": set it by NTP, signatures hold five minutes"
    detail = f"{off_s:.0f} s from Slack's{advice}"
    return Finding(what="clock", ok=off_s <= CLOCK_S, detail=detail)


def _header(headers: Any, name: str) -> str:
    return next((str(value) for key, value in headers.items() if key.lower() == name), "")


def _events(client: WebClient, settings: Settings) -> Finding:
    if settings.slack_app_token is None:
        return Finding(what="events", ok=True, detail="over HTTP, signed: Slack must reach /slack/events of the desk")
    token = settings.slack_app_token.get_secret_value()
    return _try("events", lambda: _connection(client, token), "make an app-level token with connections:write")


def _connection(client: WebClient, token: str) -> str:
    call(client.apps_connections_open, app_token=token)
    return "Socket Mode opens"


def _channels(client: WebClient, settings: Settings) -> Iterator[Finding]:
    try:
        rules = load_rules(settings.chat_rules_file)
    except HelpdeskError as error:
        yield Finding(what="channel rules", ok=False, detail=str(error))
        return
    for place in rules.channels:
        yield _channel(client, place, private=False)
    if settings.slack_engineers_channel:
        yield _channel(client, settings.slack_engineers_channel, private=True)


def _channel(client: WebClient, place: str, *, private: bool) -> Finding:
    def look() -> str:
        found = call(client.conversations_info, channel=place)["channel"]
        if found.get("is_archived"):
            raise ChatError("it is archived")
        if not found.get("is_member"):
            raise ChatError("the app is no member of it: /invite it there")
        if private and not found.get("is_private"):
            raise ChatError("it is public: cards show what people wrote, so engineers need a private one")
        return f"#{found.get('name', place)}"

    return _try(f"channel {place}", look, "check its id, and invite the app")


def _try(what: str, look: Callable[[], str], hint: str) -> Finding:
    try:
        return Finding(what=what, ok=True, detail=look())
    except ChatError as error:
        asked = str(error)
        return Finding(what=what, ok=False, detail=f"{asked}: {hint}" if asked.startswith("Slack") else asked)
