"""The Web API methods that are stood in for: arguments, scopes and rate tiers as each method's page has them.

https://docs.slack.dev/reference/methods. Arguments: `!` behind a name means required.
"""

from __future__ import annotations

from dataclasses import dataclass

BOT, APP = "bot", "app"


@dataclass(frozen=True, kw_only=True)
class Method:
    required: frozenset[str]
    allowed: frozenset[str]
    scopes: tuple[str, ...]
    """Any of these is enough; none are needed when empty."""
    per_minute: int
    """Calls for the method; `chat.postMessage` has a limit of one a second and channel instead."""
    token: str = BOT


def _method(arguments: str, scopes: str = "", *, per_minute: int, token: str = BOT) -> Method:
    names = arguments.split()
    return Method(
        required=frozenset(name.rstrip("!") for name in names if name.endswith("!")),
        allowed=frozenset(name.rstrip("!") for name in names),
        scopes=tuple(scopes.split()),
        per_minute=per_minute,
        token=token,
    )


TIER_1, TIER_2, TIER_3, TIER_4 = 1, 20, 50, 100
SPECIAL = 10_000
HISTORY = "channels:history groups:history im:history mpim:history"
READ = "channels:read groups:read im:read mpim:read"

METHODS = {
    "auth.test": _method("", per_minute=SPECIAL),
    "apps.connections.open": _method("", "connections:write", per_minute=TIER_1 * 60, token=APP),
    "chat.postMessage": _method(
        "channel! text blocks attachments thread_ts reply_broadcast metadata mrkdwn parse link_names unfurl_links "
        "unfurl_media username icon_emoji icon_url markdown_text as_user",
        "chat:write",
        per_minute=SPECIAL,
    ),
    "chat.update": _method(
        "channel! ts! text blocks attachments metadata parse link_names reply_broadcast file_ids markdown_text as_user",
        "chat:write",
        per_minute=TIER_3,
    ),
    "chat.delete": _method("channel! ts! as_user", "chat:write", per_minute=TIER_3),
    "chat.postEphemeral": _method(
        "channel! user! text blocks attachments thread_ts parse link_names username icon_emoji icon_url as_user "
        "markdown_text",
        "chat:write",
        per_minute=TIER_4,
    ),
    "chat.getPermalink": _method("channel! message_ts!", per_minute=SPECIAL),
    "chat.startStream": _method(
        "channel! thread_ts markdown_text chunks recipient_user_id recipient_team_id task_display_mode icon_emoji "
        "icon_url username",
        "chat:write",
        per_minute=TIER_2,
    ),
    "chat.appendStream": _method("channel! ts! markdown_text chunks", "chat:write", per_minute=TIER_4),
    "chat.stopStream": _method(
        "channel! ts! markdown_text chunks blocks metadata session_status", "chat:write", per_minute=TIER_2
    ),
    "assistant.threads.setStatus": _method(
        "channel_id! thread_ts! status! loading_messages icon_emoji icon_url username",
        "chat:write assistant:write",
        per_minute=600,
    ),
    "conversations.info": _method("channel! include_locale include_num_members", READ, per_minute=TIER_3),
    "conversations.members": _method("channel! cursor limit", READ, per_minute=TIER_4),
    "conversations.open": _method(
        "channel users return_im prevent_creation", "im:write mpim:write", per_minute=TIER_3
    ),
    "conversations.replies": _method(
        "channel! ts! cursor include_all_metadata inclusive latest oldest limit", HISTORY, per_minute=TIER_3
    ),
    "users.info": _method("user! include_locale", "users:read", per_minute=TIER_4),
    "views.open": _method("view! trigger_id interactivity_pointer", per_minute=TIER_4),
    "views.publish": _method("user_id! view! hash", per_minute=TIER_4),
    "files.getUploadURLExternal": _method(
        "filename! length! alt_text snippet_type", "files:write", per_minute=TIER_4
    ),
    "files.completeUploadExternal": _method(
        "files! channel_id channels thread_ts initial_comment blocks", "files:write", per_minute=TIER_4
    ),
}  # fmt: skip

BOT_SCOPES = frozenset(
    [
        "app_mentions:read",
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "files:read",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "im:write",
        "reactions:read",
        "users:read",
    ]
)
APP_SCOPES = frozenset({"connections:write"})

EVENT_SCOPES = {
    "app_mention": "app_mentions:read",
    "message.channel": "channels:history",
    "message.group": "groups:history",
    "message.im": "im:history",
    "reaction_added": "reactions:read",
}
"""What an app must hold for Slack to send it an event; `app_home_opened` needs none."""
