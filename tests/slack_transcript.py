"""A whole conversation, played against the stand-in: what each person says, and what a reader then sees.

Steps are pairs. `(person, text)` says something in the thread, and the next step tells what we say to that:
`(MINERVA, [words that stand in it])`, or `(MINERVA, SILENT)`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from slack_fixture import text_of
from slack_stand_in import SlackStandIn
from slack_stand_in.workspace import BOT_USER, Args

MINERVA = "minerva"
SILENT: list[str] = []
QUIET_S = 4.0
"""After this long nothing more is expected."""
WAIT_S = 60.0

Step = tuple[str, str | list[str]]


def play(slack: SlackStandIn, channel: str, steps: Sequence[Step]) -> str:
    """The thread that it became. Raises AssertionError with all that was said at the first step that went otherwise."""
    thread, seen = "", 0
    for who, what in steps:
        if who != MINERVA:
            assert isinstance(what, str)
            ts = slack.say(who, channel, what, thread=thread or None)
            thread = thread or ts
            continue
        said = _new(slack, channel, thread, seen, wanted=bool(what))
        assert bool(said) == bool(what), f"{what} expected, got {said}\n{_all(slack, channel, thread)}"
        for words in what:
            assert words in "\n".join(said), f"{words!r} is missing in\n{_all(slack, channel, thread)}"
        seen += len(said)
    return thread


def _new(slack: SlackStandIn, channel: str, thread: str, seen: int, *, wanted: bool) -> list[str]:
    until = time.monotonic() + (WAIT_S if wanted else QUIET_S)
    while time.monotonic() < until:
        ours = [m for m in _thread(slack, channel, thread) if _is_complete(m)][seen:]
        if ours:
            return [text_of(message) for message in ours]
        time.sleep(0.05)
    return []


def _thread(slack: SlackStandIn, channel: str, thread: str) -> list[Args]:
    with slack.lock:
        return [dict(message) for message in slack.thread(channel, thread)]


def _is_complete(message: Args) -> bool:
    return message["user"] == BOT_USER and message.get("streaming_state") != "in_progress" and not message.get("files")


def _all(slack: SlackStandIn, channel: str, thread: str) -> str:
    return "\n---\n".join(f"{message['user']}: {text_of(message)}" for message in _thread(slack, channel, thread))
